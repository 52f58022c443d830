"""One-to-one matching: invariants, and equality with trying every assignment."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.types import Box, Detection
from metrics.matching import Target, coverage, match

edges = st.integers(0, 12)


@st.composite
def boxes(draw):
    x0, y0 = draw(st.integers(0, 11)), draw(st.integers(0, 11))
    x1, y1 = draw(st.integers(x0 + 1, 12)), draw(st.integers(y0 + 1, 12))
    return Box(x0 / 12, y0 / 12, x1 / 12, y1 / 12)


labels = st.sampled_from(["dog", "cat"])
targets = st.lists(st.builds(Target, labels, boxes()), min_size=1, max_size=5)
detections = st.lists(st.builds(Detection, labels, st.floats(0.3, 1), boxes()), max_size=6)


@given(targets, detections)
@settings(max_examples=150, deadline=None)
def test_one_to_one_and_bounded(wanted, found):
    result = match(wanted, found)
    used = [m.detection for m in result.matches]
    assert len(set(used)) == len(used)
    assert len({m.target for m in result.matches}) == len(result.matches)
    assert sorted([*(m.target for m in result.matches), *result.missing]) == list(
        range(len(wanted))
    )
    asked = {t.label for t in wanted}
    assert sorted([*used, *result.surplus]) == [k for k, d in enumerate(found) if d.label in asked]
    assert set(result.duplicated) <= set(result.surplus)
    assert set(result.merged) <= set(result.missing)
    for m in result.matches:
        assert wanted[m.target].label == found[m.detection].label
        assert 0 <= m.iou <= 1 and 0 <= m.position_error <= 1 and m.size_error >= 0


@given(targets, detections, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_order_of_the_lists_does_not_matter(wanted, found, random):
    first = match(wanted, found)
    mixed_targets, mixed = random.sample(wanted, len(wanted)), random.sample(found, len(found))
    second = match(mixed_targets, mixed)

    def pairs(result, ts, ds):
        return sorted(
            (ts[m.target].label, ts[m.target].box.to_list(), ds[m.detection].box.to_list())
            for m in result.matches
        )

    assert pairs(first, wanted, found) == pairs(second, mixed_targets, mixed)
    for name in ("surplus", "duplicated", "missing", "merged"):
        assert len(getattr(first, name)) == len(getattr(second, name))


@given(targets, detections)
@settings(max_examples=100, deadline=None)
def test_no_assignment_has_a_greater_sum_of_ious(wanted, found):
    """Independent: per class, all permutations."""
    best = 0.0
    for label in {t.label for t in wanted}:
        ts = [t.box for t in wanted if t.label == label]
        ds = [d.box for d in found if d.label == label]
        short, long = sorted((ts, ds), key=len)
        best += max(
            sum(a.iou(b) for a, b in zip(short, order, strict=False))
            for order in itertools.permutations(long, len(short))
        )
    assert sum(m.iou for m in match(wanted, found).matches) == pytest.approx(best, abs=1e-4)


def test_the_right_class_far_away_is_present_with_its_error():
    result = match(
        [Target("dog", Box(0, 0, 0.2, 0.2))], [Detection("dog", 0.9, Box(0.8, 0.8, 1, 1))]
    )
    (only,) = result.matches
    assert only.iou == 0
    assert only.position_error == pytest.approx(0.8)
    assert only.size_error == pytest.approx(0)


def test_size_error_is_the_logarithm_of_the_areas():
    result = match(
        [Target("dog", Box(0, 0, 0.4, 0.4))], [Detection("dog", 0.9, Box(0, 0, 0.4, 0.2))]
    )
    assert result.matches[0].size_error == pytest.approx(math.log(2))


def test_of_two_far_detections_the_nearer_one_is_taken():
    near, far = Box(0.3, 0, 0.5, 0.2), Box(0.8, 0, 1, 0.2)
    for order in ([near, far], [far, near]):
        result = match(
            [Target("dog", Box(0, 0, 0.2, 0.2))], [Detection("dog", 0.9, b) for b in order]
        )
        assert order[result.matches[0].detection] == near


def test_duplicates_surplus_and_merged():
    wanted = [Target("dog", Box(0, 0, 0.4, 0.4)), Target("cat", Box(0.5, 0, 0.9, 0.4))]
    found = [
        Detection("dog", 0.9, Box(0, 0, 0.9, 0.4)),  # covers the cat's place as well
        Detection("dog", 0.8, Box(0.05, 0.05, 0.35, 0.35)),
        Detection("dog", 0.7, Box(0, 0.6, 0.3, 0.9)),
        Detection("bus", 0.9, Box(0.5, 0.5, 0.9, 0.9)),
    ]
    result = match(wanted, found)
    assert [m.detection for m in result.matches] == [1]
    assert result.surplus == (0, 2)
    assert result.missing == (1,)
    assert result.merged == ()
    merged = match(wanted, found[:1])
    assert merged.merged == (1,)
    again = match(wanted[:1], [found[1], Detection("dog", 0.7, Box(0.1, 0.1, 0.3, 0.3))])
    assert again.duplicated == (1,)


@given(boxes(), boxes())
def test_coverage_is_a_share(a, b):
    assert 0 <= coverage(a, b) <= 1 + 1e-12
    assert coverage(a, a) == pytest.approx(1)
