"""Masks on grids, and layouts in files."""

import json

import numpy as np
import pytest

from bench.errors import BenchError
from bench.layouts import read_layouts, region_masks, write_layouts
from bench.types import Box, Instance, Layout


def instance(phrase, prompt, box, polygon=(), depth=0):
    start = prompt.index(phrase)
    span = (start, start + len(phrase))
    return Instance(phrase, span, phrase.split()[-1], span, (), (), Box(*box), polygon, depth)


def two(first, second, depths=(0, 1), polygons=((), ())):
    prompt = "a dog and a cat"
    return Layout(
        id="x",
        prompt=prompt,
        category="custom",
        instances=(
            instance("a dog", prompt, first, polygons[0], depths[0]),
            instance("a cat", prompt, second, polygons[1], depths[1]),
        ),
    )


def reference_inside(polygon, x, y):
    """Winding number by summed angles: independent of the even-odd rule in use."""
    angles = [np.arctan2(py - y, px - x) for px, py in polygon]
    turns = np.diff([*angles, angles[0]])
    return abs(((turns + np.pi) % (2 * np.pi) - np.pi).sum()) > np.pi


def test_boxes_at_cell_centres():
    masks = region_masks(two((0, 0, 0.5, 1), (0.5, 0.5, 1, 1)), 4, 8)
    assert masks.shape == (2, 4, 8) and masks.dtype == bool
    assert masks[0, :, :4].all() and not masks[0, :, 4:].any()
    assert masks[1, 2:, 4:].all() and masks[1].sum() == 8


def test_polygon_equals_winding_reference():
    rng = np.random.default_rng(3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radii = rng.uniform(0.15, 0.45, 9)
    polygon = tuple(
        (float(0.5 + r * np.cos(a)), float(0.5 + r * np.sin(a)))
        for a, r in zip(angles, radii, strict=True)
    )
    mask = region_masks(two((0.0, 0.0, 1, 1), (0, 0, 1, 1), (0, 1), (polygon, ())), 23, 31)[0]
    for row in range(23):
        for column in range(31):
            x, y = (column + 0.5) / 31, (row + 0.5) / 23
            assert mask[row, column] == reference_inside(polygon, x, y)


def test_nearer_region_wins_and_overlap_keeps_both():
    layout = two((0, 0, 0.75, 1), (0.25, 0, 1, 1), depths=(1, 0))
    apart = region_masks(layout, 4, 4)
    assert not (apart[0] & apart[1]).any()
    assert apart[1].sum() == 12 and apart[0].sum() == 4
    both = region_masks(layout, 4, 4, overlap=True)
    assert both.sum() == 24


def test_tiny_region_keeps_one_cell():
    masks = region_masks(two((0.01, 0.01, 0.03, 0.03), (0.5, 0.5, 1, 1)), 8, 8)
    assert masks[0].sum() == 1 and masks[0, 0, 0]


def test_empty_grid_is_refused():
    with pytest.raises(BenchError, match="0 x 8"):
        region_masks(two((0, 0, 0.5, 1), (0.5, 0.5, 1, 1)), 0, 8)


def test_round_trip(tmp_path):
    polygon = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))
    layouts = [two((0, 0, 0.5, 1), (0.5, 0.5, 1, 1), polygons=(polygon, ()))]
    write_layouts(tmp_path / "a.jsonl", layouts)
    assert read_layouts(tmp_path / "a.jsonl") == layouts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.pop("prompt"), "'prompt' is missing"),
        (lambda row: row["instances"][0].update(box=[0, 0, 1.2, 1]), "leaves the image"),
        (lambda row: row["instances"][0].update(box=[0, 0, 1]), "not a layout"),
        (lambda row: row["instances"][1].update(phrase="a cow"), "not in the prompt"),
        (lambda row: row.update(instances=[]), "no instance"),
        (lambda row: row.update(id="../x"), "letters, digits"),
        (
            lambda row: row.update(relations=[{"subject": 0, "relation": "atop", "object": 1}]),
            "atop",
        ),
    ],
)
def test_faulty_row_names_file_and_line(tmp_path, change, message):
    row = two((0, 0, 0.5, 1), (0.5, 0.5, 1, 1)).to_dict()
    change(row)
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + json.dumps(row) + "\n")
    with pytest.raises(BenchError, match=message) as caught:
        read_layouts(path)
    assert "a.jsonl, line 2" in str(caught.value)


def test_repeated_id_bad_json_and_missing_file(tmp_path):
    row = json.dumps(two((0, 0, 0.5, 1), (0.5, 0.5, 1, 1)).to_dict())
    path = tmp_path / "a.jsonl"
    path.write_text(f"{row}\n{row}\n")
    with pytest.raises(BenchError, match="line 2: id 'x' stands in line 1"):
        read_layouts(path)
    path.write_text("{")
    with pytest.raises(BenchError, match="line 1: not JSON"):
        read_layouts(path)
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(BenchError, match="UTF-8"):
        read_layouts(path)
    with pytest.raises(BenchError, match="does not exist"):
        read_layouts(tmp_path / "b.jsonl")
