"""Pictures in the generator's hand: what they keep, and that they are made once, the same again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.models import POCKET_MODELS  # noqa: E402
from bench.pocket.judges import detector, redrawn  # noqa: E402
from bench.pocket.judges.data import make_sample  # noqa: E402
from bench.pocket.judges.redrawn import (  # noqa: E402
    PLAIN,
    STEERED,
    RedrawnPool,
    redraw,
    unshifted_pipeline,
)
from bench.pocket.world import render_with_truth  # noqa: E402
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
        found = redraw(pipe, samples, noise, torch.Generator().manual_seed(0), PLAIN.method)
        assert found.shape == truth.shape and found.dtype == np.uint8
        changes.append(distance(found, truth))
    assert changes[0] < changes[1] < changes[2]
    # Still nearer to its own scene than to any other.
    for k in range(4):
        assert min(range(4), key=lambda j: distance(found[k], truth[j])) == k


def test_ast_keeps_things_in_place_at_noise_where_the_generator_alone_moves_them(pipe):
    samples = [redrawn.scene_to_redraw("train", k, STEERED) for k in range(16)]
    yolo = detector.load(POCKET_MODELS / "detector")
    found = {}
    for hand in (PLAIN, STEERED):
        drawn = redraw(pipe, samples, 0.95, torch.Generator().manual_seed(0), hand.method)
        shown = [replace(s, image=image) for s, image in zip(samples, drawn, strict=True)]
        boxes = detector.predict(yolo, shown, conf=0.3)
        rows = [detector._matched(s, b) for s, b in zip(shown, boxes, strict=True)]
        found[hand.name] = sum(row[0].sum() for row in rows)
    assert found["steered"] >= found["plain"] + 5


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


@pytest.mark.parametrize("hand", [PLAIN, STEERED], ids=lambda hand: hand.name)
def test_samples_are_training_scenes_in_the_generators_hand(tmp_path, small_pool, hand):
    pool = RedrawnPool(tmp_path, POCKET_MODELS / "pocket-flux", hand)
    for index in range(len(pool)):
        one = pool.sample(index)
        things = one.scene.instances
        clean, _ = render_with_truth(one.scene)
        assert len(things) >= hand.least
        # Drawn anew, and still nearer to its own scene than a picture of one gray is.
        assert (one.image != clean).any()
        assert distance(one.image, clean) < distance(np.full_like(clean, 128), clean)
        assert all(pair_split(t.noun, a) == "train" for t in things for a in t.attributes)


def test_hands_do_not_share_scenes_or_shards(tmp_path, small_pool):
    plain, steered = (
        RedrawnPool(tmp_path, POCKET_MODELS / "pocket-flux", hand) for hand in (PLAIN, STEERED)
    )
    scenes = [[pool.sample(k).scene for k in range(len(pool))] for pool in (plain, steered)]
    assert not any(scene in scenes[0] for scene in scenes[1])
    assert len(list(tmp_path.iterdir())) == 2 * redrawn.SHARDS
