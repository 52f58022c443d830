"""Layouts made elsewhere: painted sketches, COCO, boxes; tracing; differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.errors import BenchError
from bench.layouts import faults, region_masks
from bench.layouts.compare import differences
from bench.layouts.depth import depth_ranks
from bench.layouts.importing import import_any, import_boxes, import_coco, import_sketch
from bench.layouts.trace import trace
from bench.types import Box, Instance, Layout

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "mis-scenes" / "0.json"


def painted(tmp_path: Path, **changes: object) -> Path:
    """A sketch of a red ball (blue paint, larger) and a wooden table (green paint) on white."""
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[8:36, 4:40] = (0, 0, 255)
    pixels[40:60, 20:60] = (0, 200, 0)
    pixels[0:1] = 0  # a black line is no region
    Image.fromarray(pixels).save(tmp_path / "s.png")
    row = {
        "prompt": "a red ball above a wooden table in a park",
        "segments": ["a park", "a red ball", "a wooden table"],
        "sketch": "s.png",
    }
    (tmp_path / "s.json").write_text(json.dumps({**row, **changes}))
    return tmp_path / "s.json"


def test_sketch_becomes_regions_words_relations_and_background(tmp_path: Path) -> None:
    layout = import_sketch(painted(tmp_path))
    ball, table = layout.instances
    assert (ball.noun, ball.attributes, table.attributes) == ("ball", ("red",), ("wooden",))
    assert ball.box.to_list() == [4 / 64, 8 / 64, 40 / 64, 36 / 64]
    assert [(r.subject, r.relation, r.object) for r in layout.relations] == [(0, "above", 1)]
    assert layout.background == "a park" and layout.id == "s"
    masks = region_masks(layout, 64, 64)
    assert masks[0, 8:36, 4:40].all() and masks[0].sum() == 28 * 36


def test_segments_without_a_background(tmp_path: Path) -> None:
    path = painted(tmp_path, background=None, segments=["a red ball", "a wooden table"])
    layout = import_sketch(path)
    assert layout.background is None and len(layout.instances) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"segments": ["a park", "a red cow", "a wooden table"]},
            "'a red cow' is not in the prompt",
        ),
        (
            {"segments": ["a park", "a red ball", "a wooden table", "a park"]},
            "3 phrases but 2 colours",
        ),
        ({"sketch": "../s.png"}, "must be the name of a file beside it"),
        ({"sketch": "t.png"}, "does not exist; the sketch lies beside its JSON"),
        ({"sketch": "s.json"}, "no readable picture"),
        ({"prompt": ""}, "the prompt is missing"),
        ({"segments": ["a park"]}, "no region"),
    ],
)
def test_faulty_sketches(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        import_sketch(painted(tmp_path, **changes))


def test_a_sketch_that_is_no_picture_is_named_beside_a_loaded_detector(tmp_path: Path) -> None:
    """ultralytics puts its own function in place of ``Image.open``."""
    from bench.judges.detector import quiet_ultralytics

    quiet_ultralytics()
    pytest.importorskip("ultralytics").YOLO  # noqa: B018 (its attributes load it)
    with pytest.raises(BenchError, match="no readable picture"):
        import_sketch(painted(tmp_path, sketch="s.json"))


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published scene is not here")
def test_published_scene() -> None:
    layout = import_sketch(PUBLISHED)
    assert len(layout.instances) == 6 and layout.background == "a sunny beach"
    assert [i.noun for i in layout.instances][:2] == ["seagull", "beach chair"]


def boxes(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_boxes_in_fractions_pixels_and_polygons(tmp_path: Path) -> None:
    prompt = "two red cups and a vase"
    path = boxes(
        tmp_path,
        {
            "prompt": prompt,
            "id": "mine",
            "category": "table",
            "boxes": [
                {"phrase": "two red cups", "box": [0, 0, 0.25, 0.5]},
                {"phrase": "two red cups", "box": [0.3, 0, 0.55, 0.5]},
                {"phrase": "a vase", "polygon": [[0.6, 0.1], [0.9, 0.1], [0.8, 0.9]]},
            ],
        },
        {
            "prompt": "a vase",
            "width": 200,
            "height": 100,
            "boxes": [{"phrase": "a vase", "box": [50, 25, 150, 75]}],
        },
    )
    first, second = import_boxes(path)
    assert (first.id, first.category, second.id, second.category) == (
        "mine", "table", "b-0002", "custom",
    )  # fmt: skip
    assert [i.noun for i in first.instances] == ["cup", "cup", "vase"]
    assert first.instances[0].phrase_span == first.instances[1].phrase_span
    assert first.instances[2].box == Box(0.6, 0.1, 0.9, 0.9)
    assert second.instances[0].box == Box(0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a vase"}, "field 'boxes' is missing"),
        ({"prompt": "a vase", "boxes": [{"phrase": "a vase"}]}, "field 'box' is missing"),
        (
            {"prompt": "a vase", "boxes": [{"phrase": "a vase", "box": [0, 0, 2, 1]}]},
            "leaves the image",
        ),
        (
            {"prompt": "a vase", "boxes": [{"phrase": "a vase", "box": [0, 0, 1]}]},
            "not a row of boxes",
        ),
        (
            {"prompt": "a vase", "boxes": [{"phrase": "a cup", "box": [0, 0, 1, 1]}]},
            "not in the prompt",
        ),
        (
            {"prompt": "a vase", "width": 0, "boxes": [{"phrase": "a vase", "box": [0, 0, 1, 1]}]},
            "not a row",
        ),
        ([1], "not a row of boxes"),
    ],
)
def test_faulty_boxes_name_file_and_line(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(BenchError, match=message) as caught:
        import_boxes(boxes(tmp_path, row))
    assert "b.jsonl, line 1" in str(caught.value)


def coco(tmp_path: Path, **image: object) -> Path:
    data = {
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
        "images": [{"id": 7, "width": 100, "height": 50, **image},
                   {"id": 8, "width": 9, "height": 9}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [0, 0, 20, 40]},
            {"image_id": 7, "category_id": 1, "bbox": [30, 0, 20, 40],
             "segmentation": [[30, 0, 50, 0, 40, 40], [1, 1, 2, 2]]},
            {"image_id": 7, "category_id": 2, "bbox": [60, 10, 40, 40]},
            {"image_id": 7, "category_id": 2, "bbox": [0, 0, 99, 9], "iscrowd": 1},
        ],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(data))
    return tmp_path / "c.json"


def test_coco_without_captions_lists_its_things(tmp_path: Path) -> None:
    (layout,) = import_coco(coco(tmp_path))
    assert layout.prompt == "2 people and a dog" and layout.id == "coco-7"
    assert [(i.noun, i.phrase) for i in layout.instances] == [
        ("person", "2 people"), ("person", "2 people"), ("dog", "a dog"),
    ]  # fmt: skip
    assert layout.instances[2].box == Box(0.6, 0.2, 1.0, 1.0)
    assert layout.instances[1].polygon == ((0.3, 0.0), (0.5, 0.0), (0.4, 0.8))


def test_coco_with_a_caption(tmp_path: Path) -> None:
    (layout,) = import_coco(coco(tmp_path, caption="two people with a brown dog"))
    assert layout.instances[2].attributes == ("brown",)
    with pytest.raises(BenchError, match="image 7: the caption .* does not name it.*unknown thing"):
        import_coco(coco(tmp_path, caption="two people"))


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    assert len(import_any(coco(tmp_path))[0].instances) == 3
    assert len(import_any(painted(tmp_path))) == 1
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BenchError, match="neither a sketch's description"):
        import_any(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(BenchError, match="must hold one JSON object"):
        import_any(tmp_path / "x.json")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_tracing_keeps_the_region(seed: int) -> None:
    """A painted blob without holes comes back within the tolerance of its outline."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((96, 96), bool)
    top, left = rng.integers(5, 30, 2)
    mask[top : top + rng.integers(20, 50), left : left + rng.integers(20, 50)] = True
    mask[40:60, 40 : 40 + rng.integers(10, 50)] = True
    polygon = trace(mask)
    xs, ys = [p[0] for p in polygon], [p[1] for p in polygon]
    box = Box(min(xs), min(ys), max(xs), max(ys))
    inst = Instance("a", (0, 1), "a", (0, 1), (), (), box, polygon)
    again = region_masks(Layout("x", "a", "x", (inst,)), 96, 96)[0]
    assert (again != mask).mean() < 0.01


def test_tracing_two_parts_and_nothing() -> None:
    mask = np.zeros((40, 40), bool)
    mask[2:12, 2:12] = mask[20:38, 20:38] = True
    polygon = trace(mask)
    inst = Instance("a", (0, 1), "a", (0, 1), (), (), Box(0, 0, 1, 1), polygon)
    assert (region_masks(Layout("x", "a", "x", (inst,)), 40, 40)[0] == mask).all()
    assert trace(np.zeros((4, 4), bool)) == ()


def test_depth_follows_relations_then_the_key() -> None:
    assert depth_ranks([], [0.3, 0.1, 0.2]) == [2, 0, 1]
    assert depth_ranks([(0, "in_front_of", 1)], [0.3, 0.1, 0.2]) == [1, 2, 0]
    assert depth_ranks([(0, "behind", 1), (2, "hidden_by", 0)], [0.1, 0.2, 0.0]) == [1, 0, 2]
    assert depth_ranks([(0, "behind", 1), (1, "behind", 0)], [0.1, 0.2]) is None


def test_differences(tmp_path: Path) -> None:
    row = {"prompt": "a cup and a vase", "id": "a",
           "boxes": [{"phrase": "a cup", "box": [0, 0, 0.4, 0.5]},
                     {"phrase": "a vase", "box": [0.5, 0, 1, 0.5]}]}  # fmt: skip
    (old,) = import_boxes(boxes(tmp_path, row))
    row["boxes"][0]["box"][2] = 0.45  # type: ignore[index]
    (new,) = import_boxes(boxes(tmp_path, row))
    assert differences([old], [old]) == []
    (changed,) = differences([old], [new])
    assert (changed.id, changed.kind, changed.parts, changed.moved) == (
        "a", "changed", ("regions",), 0.05,
    )  # fmt: skip
    assert [d.kind for d in differences([old], [])] == ["removed"]
    assert [d.kind for d in differences([], [old])] == ["added"]
    assert faults(old) == []
