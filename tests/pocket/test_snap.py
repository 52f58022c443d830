"""Training scenes of the generators: on the token grid, of few sizes, still true."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bench.pocket.train import snap
from bench.pocket.world import sample_scene


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(3)
    return [snap.grid_scene(rng) for _ in range(150)]


def test_corners_lie_on_the_grid_and_long_sides_are_few(scenes):
    for scene in scenes:
        for thing in scene.instances:
            x0, y0, x1, y1 = (v * snap.CELLS for v in thing.box)
            assert (x0, y0) == pytest.approx((round(x0), round(y0)))
            crowded = len(scene.instances) > snap.CROWD
            lengths = snap.CROWDED_LENGTHS if crowded else snap.LENGTHS
            assert min(abs(max(x1 - x0, y1 - y0) - n) for n in lengths) < 1e-6
            assert min(x0, y0) >= 0 and max(x1, y1) <= snap.CELLS + 1e-9


def test_relations_hold_and_only_what_is_related_in_depth_overlaps(scenes):
    for scene in scenes:
        deep = {
            frozenset((s, o))
            for s, relation, o in scene.relations
            if relation in ("in_front_of", "behind", "hidden_by")
        }
        boxes = [t.box for t in scene.instances]
        centers = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes]
        for s, relation, o in scene.relations:
            dx, dy = centers[o][0] - centers[s][0], centers[o][1] - centers[s][1]
            along = {"left_of": dx, "right_of": -dx, "above": dy, "below": -dy}.get(relation, 1.0)
            assert along > 0
        for a, b in combinations(range(len(boxes)), 2):
            w = min(boxes[a][2], boxes[b][2]) - max(boxes[a][0], boxes[b][0])
            h = min(boxes[a][3], boxes[b][3]) - max(boxes[a][1], boxes[b][1])
            overlaps = w > 1e-9 and h > 1e-9
            areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (boxes[a], boxes[b])]
            if overlaps and frozenset((a, b)) not in deep:
                assert w * h <= (snap.TOUCH + 1e-6) * min(areas)


def test_things_are_as_large_as_the_scene_allows(scenes):
    long = [
        max(t.box[2] - t.box[0], t.box[3] - t.box[1]) * snap.CELLS
        for scene in scenes
        if len(scene.instances) <= 2
        for t in scene.instances
    ]
    assert sum(n > snap.LENGTHS[-1] - 1e-6 for n in long) > 0.8 * len(long)


def test_crowded_scenes_stay_as_frequent_as_they_are_sampled():
    counts = {"sampled": 0, "snapped": 0}
    for seed in range(300):
        sampled = sample_scene(np.random.default_rng(seed))
        counts["sampled"] += len(sampled.instances) >= 4
        counts["snapped"] += len(snap.grid_scene(np.random.default_rng(seed)).instances) >= 4
    assert counts["snapped"] == counts["sampled"] > 10


def test_a_thing_that_no_length_fits_gets_the_smallest():
    x0, y0, x1, y1 = snap.snapped((0.4, 0.4, 0.45, 0.5))
    assert (y1 - y0) * snap.CELLS == pytest.approx(snap.LENGTHS[0])
    assert (x1 - x0) / (y1 - y0) == pytest.approx(0.5)
