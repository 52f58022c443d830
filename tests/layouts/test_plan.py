"""The planner: every rule kept, counts exact, the same layout always, and varied ones."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.layouts import LayoutWarning, ParsedInstance, ParsedPrompt, ParsedRelation, faults, plan
from bench.layouts.check import visible_areas
from bench.layouts.sizes import builds, is_living
from bench.types import RELATIONS

NOUNS = ("dog", "car", "apple", "giraffe", "key", "table", "tree", "book")
PLANAR = ("left_of", "right_of", "above", "below")
DEPTH = ("in_front_of", "behind", "hidden_by")


def parsed(counts: list[int], relations: list[tuple[int, str, int]] = (), salt: str = ""):
    """A prompt of counted things, as a parser would read it."""
    text, instances = salt, []
    for noun, count in zip(NOUNS, counts, strict=False):
        if not count:
            continue
        start = len(text) + 1
        text += f" {noun}"
        span = (start, len(text))
        instances.append(ParsedInstance(span, noun, span, count=count))
    links = tuple(ParsedRelation(s, r, o) for s, r, o in relations)
    return ParsedPrompt(text, tuple(instances), links)


def official(layout, relation) -> bool:
    """T2I-CompBench's position function in a 480-pixel frame, written anew; 3D: overlap alone."""
    s, o = (layout.instances[k] for k in (relation.subject, relation.object))
    (x1, y1), (x2, y2) = ((480 * x, 480 * y) for x, y in (s.box.center, o.box.center))
    dx, dy, iou = x2 - x1, y2 - y1, s.box.iou(o.box)
    name = relation.relation
    if name in DEPTH:
        nearer = s.depth < o.depth
        return 0.1 <= iou <= 0.6 and nearer == (name == "in_front_of")
    if name == "near":
        return abs(dx) < 150 or abs(dy) < 150
    wide = abs(dx) > abs(dy)
    met = {
        "left_of": dx > 0 and wide,
        "right_of": dx < 0 and wide,
        "above": dy > 0 and not wide,
        "below": dy < 0 and not wide,
    }
    return iou < 0.1 and met[name]


@pytest.mark.parametrize("count", range(1, 13))
def test_counts_are_exact_and_regions_large_enough(count: int) -> None:
    layout = plan(parsed([count]), id="x", category="numeracy")
    assert len(layout.instances) == count
    assert faults(layout) == []
    for k, a in enumerate(layout.instances):
        assert all(a.box.iou(b.box) == 0 for b in layout.instances[:k])


@settings(max_examples=25, deadline=None)
@given(
    relation=st.sampled_from([r for r in RELATIONS if r not in ("inside", "action")]),
    counts=st.lists(st.integers(1, 3), min_size=2, max_size=3),
    salt=st.text("abc", max_size=6),
)
def test_relations_hold_officially(relation: str, counts: list[int], salt: str) -> None:
    layout = plan(parsed(counts, [(0, relation, 1)], salt), id="x", category="spatial")
    assert len(layout.instances) == sum(counts)
    assert layout.relations and all(official(layout, r) for r in layout.relations)
    assert faults(layout) == []


def test_one_of_each_keeps_four_percent() -> None:
    for relation in (*PLANAR, "near", *DEPTH):
        layout = plan(parsed([1, 1], [(0, relation, 1)]), id="x", category="spatial")
        assert min(visible_areas(layout)) >= 0.04, relation


def test_same_prompt_same_layout_whatever_its_id() -> None:
    asked = parsed([2, 1, 3], [(0, "left_of", 1)])
    first = plan(asked, id="a", category="x")
    random.seed(5)
    again = plan(asked, id="b", category="x")
    assert first.instances == again.instances and first.relations == again.relations


def test_layouts_vary() -> None:
    """Without relations the first thing stands left of the second in about half of the prompts."""
    layouts = [plan(parsed([1, 1], salt=f"s{n}"), id="x", category="x") for n in range(40)]
    left = sum(e.instances[0].box.center[0] < e.instances[1].box.center[0] for e in layouts)
    assert 10 <= left <= 30
    assert len({e.instances[0].box for e in layouts}) > 35


def test_shape_and_size_follow_the_noun() -> None:
    """A giraffe is taller than wide, a car wider than tall and larger than a key."""
    for n in range(10):
        layout = plan(parsed([0, 1, 0, 1, 1], salt=f"v{n}"), id="x", category="x")
        car, giraffe, key = (i.box for i in layout.instances)
        assert car.x1 - car.x0 > car.y1 - car.y0
        assert giraffe.x1 - giraffe.x0 < giraffe.y1 - giraffe.y0
        assert car.area > key.area
        assert all(len(i.polygon) >= 3 for i in layout.instances)


def test_contradictions_are_left_out_with_a_warning() -> None:
    asked = parsed([1, 1, 1], [(0, "left_of", 1), (1, "left_of", 2), (2, "left_of", 0)])
    with pytest.warns(LayoutWarning, match="layout x: 'apple' left_of 'dog' cannot hold"):
        layout = plan(asked, id="x", category="x")
    assert [(r.subject, r.object) for r in layout.relations] == [(0, 1), (1, 2)]
    assert faults(layout) == []


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(BenchError, match="no instance found"):
        plan(ParsedPrompt("softly", ()), id="x", category="x")
    with pytest.raises(BenchError, match="25 instances .* at most 24"):
        plan(parsed([25]), id="x", category="x")


def test_size_table_is_sound() -> None:
    assert len(builds()) > 400
    for noun, build in builds().items():
        assert build.metres > 0 and 0.45 <= build.aspect <= 2.05, noun
        assert 1.0 <= build.relative <= 2.0
    assert builds()["elephant"].metres > builds()["dog"].metres > builds()["mouse"].metres
    assert is_living("chef") and is_living("dog") and not is_living("car")
