"""The shipped judges, through the real libraries' loaders, on held-out renders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bench
from bench.models import POCKET_MODELS
from bench.pocket.judges.data import make_sample
from bench.pocket.judges.questions import swapped_pair
from bench.pocket.world.vocabulary import NOUNS

torch = pytest.importorskip("torch")

WEIGHTS = {
    "detector": "model.onnx",
    "blip": "model.safetensors",
    "clip": "open_clip_model.safetensors",
}


def shipped(name):
    folder = POCKET_MODELS / name
    if not (folder / WEIGHTS[name]).exists():
        pytest.skip(f"the weights of {name} are not shipped yet")
    return folder


def held_out(count, category, **options):
    return [make_sample("test", 777, k, category=category, **options) for k in range(count)]


def test_detector_finds_most_things():
    from bench.pocket.judges import detector

    yolo = detector.load(shipped("detector"))
    assert tuple(yolo.names[k] for k in range(len(NOUNS))) == NOUNS
    samples = held_out(24, "color")
    found = wanted = right = 0
    for sample, boxes in zip(samples, detector.predict(yolo, samples, conf=0.3), strict=True):
        hits, _, _, truth = detector._matched(sample, boxes)
        found, right, wanted = found + hits.size, right + int(hits.sum()), wanted + truth.size
    assert right >= 0.85 * wanted
    assert right >= 0.85 * found


def test_detector_leaves_torchs_threads_alone(threads):
    """ultralytics sets them at its first prediction, to one less than the machine has."""
    from PIL import Image

    from bench.judges import load_detector

    threads(3)
    judge = load_detector("pocket-yolo")
    judge.detect([Image.fromarray(held_out(1, "single")[0].image)], [["apple"]])
    assert torch.get_num_threads() == 3


def test_detector_looks_at_any_size():
    from PIL import Image

    from bench.pocket.judges import detector

    yolo = detector.load(shipped("detector"))
    sample = held_out(1, "single", degraded=False)[0]
    large = Image.fromarray(sample.image).resize((512, 512))
    box = yolo.predict(np.asarray(large)[..., ::-1], conf=0.3, verbose=False)[0].boxes
    assert yolo.names[int(box.cls[0])] == sample.scene.instances[0].noun
    truth = np.array(sample.scene.instances[0].box)
    assert np.abs(box.xyxyn[0].numpy() - truth).max() < 0.1


def test_blip_prefers_the_true_attribute():
    from PIL import Image

    from bench.pocket.judges import blip

    judge = blip.load(shipped("blip"))
    rng = np.random.default_rng(0)
    pairs = [(s, swapped_pair(s, rng, split="test")) for s in held_out(40, "color")]
    pairs = [(s, pair) for s, pair in pairs if pair is not None]
    assert len(pairs) > 20
    pictures = [Image.fromarray(s.image) for s, _ in pairs]
    chances = np.array(judge.ask(pictures, [[q.text for q in pair] for _, pair in pairs]))
    assert (chances[:, 0] > chances[:, 1]).mean() >= 0.8
    # A question's company in its batch must not change its answer.
    alone = blip.load(shipped("blip")).ask(pictures[:1], [[pairs[0][1][0].text]])[0][0]
    assert alone == pytest.approx(chances[0, 0], abs=0.02)


def test_blip_prefers_the_true_attribute_where_one_thing_is_shown():
    from PIL import Image

    from bench.pocket.judges import blip
    from bench.types import Box
    from metrics.base import crop

    judge = blip.load(shipped("blip"))
    regions, questions = [], []
    for sample in held_out(40, "color"):
        things = sample.scene.instances
        for thing, other in ((things[0], things[1]), (things[1], things[0])):
            if thing.color and other.color and thing.color != other.color:
                regions.append(crop(Image.fromarray(sample.image), Box(*thing.box), 0.1))
                questions.append([f"a {c} {thing.noun}?" for c in (thing.color, other.color)])
    assert len(regions) > 30
    chances = np.array(judge.ask(regions, questions))
    assert (chances[:, 0] > chances[:, 1]).mean() >= 0.9


def test_clip_ranks_the_true_caption_first():
    from bench.pocket.judges import clip

    found, back, fine = clip._retrieval(clip.load(shipped("clip")), held_out(40, None))
    assert np.mean(found) >= 0.6
    assert np.mean(back) >= 0.6
    assert np.mean(fine) >= 0.6


def test_no_pickle_and_small():
    files = [p for name in WEIGHTS for p in (POCKET_MODELS / name).glob("**/*") if p.is_file()]
    assert {p.suffix for p in files} <= {".onnx", ".safetensors", ".json", ".md", ".txt"}
    assert sum(p.stat().st_size for p in files) < 30e6


def test_everything_shipped_stays_under_80_megabytes():
    package = Path(bench.__file__).parent
    files = [p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    pictures = package.parent / "docs" / "pictures"
    files += pictures.glob("*") if pictures.is_dir() else []
    assert 20e6 < sum(p.stat().st_size for p in files) < 80e6
