"""Generated images of training scenes with what a labeller recognised in them."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2")

from bench.errors import BenchError  # noqa: E402
from bench.pocket.judges.data import SIZE  # noqa: E402
from bench.pocket.judges.drawn import FOLDER, drawn_samples  # noqa: E402
from bench.pocket.world.splits import nouns_split  # noqa: E402


def write(folder, *things, image="a.webp"):
    Image.new("RGB", (SIZE, SIZE), "gray").save(folder / "a.webp")
    (folder / "verdicts.jsonl").write_text(json.dumps({"image": image, "things": list(things)}))
    return folder


def test_every_image_has_a_verdict_and_every_verdict_its_image():
    rows = [json.loads(line) for line in (FOLDER / "verdicts.jsonl").open()]
    assert len(drawn_samples()) == len(rows) == len({r["image"] for r in rows})
    assert {r["image"] for r in rows} == {p.name for p in FOLDER.glob("*.webp")}
    for sample in drawn_samples():
        assert sample.image.shape == (SIZE, SIZE, 3)
        assert len(sample.visible) == len(sample.scene.instances) == len(sample.truth.masks) > 0
        assert (sample.truth.masks.sum(axis=0) <= 1).all()


def test_no_held_out_pair_of_nouns_was_looked_at():
    for sample in drawn_samples():
        nouns = sorted({t.noun for t in sample.scene.instances})
        for pair in itertools.combinations(nouns, 2):
            assert nouns_split(*pair) == "train"


def test_a_smaller_thing_lies_before_a_larger_one(tmp_path):
    folder = write(tmp_path, ["dog", 0.25, 0.25, 0.5, 0.5], ["sofa", 0.0, 0.0, 1.0, 0.75])
    (sample,) = drawn_samples(folder)
    dog, sofa = sample.truth.masks.astype(int)
    assert dog[32:64, 32:64].all() and dog.sum() == 32 * 32
    assert sofa.sum() == 128 * 96 - 32 * 32 and not (dog & sofa).any()
    assert [t.noun for t in sample.scene.instances] == ["dog", "sofa"]
    assert np.all(sample.image == 128)


@pytest.mark.parametrize(
    "thing",
    [
        ["dragon", 0, 0, 1, 1],
        ["dog", 0, 0, 1],
        ["dog", 0.5, 0, 0.5, 1],
        ["dog", 0, 0, 1, 1.2],
        ["dog", -0.1, 0, 1, 1],
    ],
)
def test_a_verdict_that_cannot_be_is_named(tmp_path, thing):
    with pytest.raises(BenchError, match=r"line 1: .*noun of the world and a box inside"):
        drawn_samples(write(tmp_path, thing))


def test_an_image_that_is_missing_is_named(tmp_path):
    with pytest.raises(BenchError, match="line 1: image gone.webp is missing"):
        drawn_samples(write(tmp_path, ["dog", 0, 0, 1, 1], image="../gone.webp"))
