"""Pictures in the generator's hand: what they keep, and that they are made once, the same again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.models import POCKET_MODELS  # noqa: E402
from bench.pocket.judges import redrawn  # noqa: E402
from bench.pocket.judges.data import make_sample  # noqa: E402
from bench.pocket.judges.redrawn import RedrawnPool, redraw, unshifted_pipeline  # noqa: E402
from bench.pocket.world.splits import pair_split  # noqa: E402


@pytest.fixture(scope="module")
def pipe():
    return unshifted_pipeline(POCKET_MODELS / "pocket-flux")


def distance(a, b) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def test_more_noise_changes_a_picture_more_and_keeps_what_it_shows(pipe):
    samples = [make_sample("train", 3, k, degraded=False, grid=True) for k in range(4)]
    truth = np.stack([s.image for s in samples])
    changes = []
    for noise in (0.0, 0.3, 0.7):
        found = redraw(pipe, samples, noise, torch.Generator().manual_seed(0))
        assert found.shape == truth.shape and found.dtype == np.uint8
        changes.append(distance(found, truth))
    assert changes[0] < changes[1] < changes[2]
    # Still nearer to its own scene than to any other.
    for k in range(4):
        assert min(range(4), key=lambda j: distance(found[k], truth[j])) == k


def test_a_pool_is_made_once_and_the_same_again(tmp_path, small_pool, monkeypatch, threads):
    threads(1)
    first = RedrawnPool.beside(tmp_path / "detector")
    again = RedrawnPool(tmp_path / "elsewhere", POCKET_MODELS / "pocket-flux")
    assert len(first) == 4 and (first.images == again.images).all()

    def refuse(*_: object) -> None:
        raise AssertionError("a shard that is on disk was drawn again")

    monkeypatch.setattr(redrawn, "redraw", refuse)
    assert (RedrawnPool.beside(tmp_path / "blip").images == first.images).all()
    (next((tmp_path / "redrawn").iterdir())).unlink()
    with pytest.raises(AssertionError, match="drawn again"):
        RedrawnPool.beside(tmp_path / "blip")


def test_samples_are_training_scenes_in_the_generators_hand(tmp_path, small_pool):
    pool = RedrawnPool(tmp_path, POCKET_MODELS / "pocket-flux")
    for index in range(len(pool)):
        one = pool.sample(index)
        scene = one.scene
        clean = make_sample("train", redrawn.SEED, index, degraded=False, grid=index % 2 == 0)
        assert scene == clean.scene and (one.truth.masks == clean.truth.masks).all()
        assert (one.image != clean.image).any()
        things = scene.instances
        assert all(pair_split(t.noun, a) == "train" for t in things for a in t.attributes)
