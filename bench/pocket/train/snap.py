"""Scenes on the generator's token grid, so that a small model needs to learn fewer pictures.

A thing whose box starts anywhere and has any size looks different in every token it touches. On the
grid of 16-pixel tokens, with long sides of few lengths in whole tokens, the same thing at the same
size always has the same latents. Things are drawn as large as the scene allows: a small one shows
little of its shape. The judges are trained on free placement; only the generators' data is snapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.pocket.world import Scene, sample_scene
from bench.pocket.world.scene import BoxT
from bench.pocket.world.splits import Split

CELLS = 8
"""Tokens a side: 128 pixels, VAE factor 8, patches of 2."""
LENGTHS, CROWDED_LENGTHS = (3, 4), (2, 3)
"""Long sides in tokens, and those of scenes of more than ``CROWD`` things: each length is learned
anew, and a thing of two tokens shows hardly any shape."""
CROWD = 4
GROWTH = (1.6, 1.3, 1.0)
"""How much larger than sampled a scene's things are tried to be drawn, the largest first."""
TOUCH = 0.02
"""Overlap, as a share of the smaller box, up to which two things stand side by side."""
HIDDEN = (0.1, 0.8)
"""Share of the smaller box that overlaps where one thing is to stand before another."""
ORDER = 0.5 / CELLS
"""Least distance of two centres along the axis of a relation."""
_TRIES = 200


def grid_scene(
    rng: np.random.Generator,
    *,
    split: Split = "train",
    category: str | None = None,
    instances: int | None = None,
) -> Scene:
    """A scene (see ``sample_scene``) whose boxes lie on the token grid, nothing mirrored.

    Scenes whose relations or gaps survive the snapping at no size are drawn anew, in the same
    category and with as many things, so that crowded scenes stay as frequent as they are sampled.
    """
    for _ in range(_TRIES):
        scene = sample_scene(rng, split=split, category=category, instances=instances)
        category, instances = scene.category, len(scene.instances)
        lengths = CROWDED_LENGTHS if instances > CROWD else LENGTHS
        for growth in GROWTH:
            things = [
                replace(t, box=snapped(t.box, lengths, growth), flip=False) for t in scene.instances
            ]
            on_grid = replace(scene, instances=tuple(things))
            if holds(on_grid):
                return on_grid
    raise RuntimeError(f"no scene fitted the grid in {_TRIES} draws")


def snapped(box: BoxT, lengths: Sequence[int] = LENGTHS, growth: float = 1.0) -> BoxT:
    """The box with its long side one of ``lengths`` and its corner on the grid, aspect kept."""
    x0, y0, x1, y1 = (v * CELLS for v in box)
    width, height = x1 - x0, y1 - y0
    long = max(width, height)
    fitting = (n for n in lengths if n <= long * growth + 0.25)
    factor = max(fitting, default=lengths[0]) / long
    w, h = width * factor, height * factor
    x = min(max(round((x0 + x1 - w) / 2), 0), int(CELLS - w))
    y = min(max(round((y0 + y1 - h) / 2), 0), int(CELLS - h))
    return x / CELLS, y / CELLS, (x + w) / CELLS, (y + h) / CELLS


def holds(scene: Scene) -> bool:
    """Whether the caption's relations are still true and nothing else touches."""
    boxes = [t.box for t in scene.instances]
    depth = {
        frozenset((s, o))
        for s, relation, o in scene.relations
        if relation in ("in_front_of", "behind", "hidden_by")
    }
    for a in range(len(boxes)):
        for b in range(a):
            share = _overlap(boxes[a], boxes[b])
            if frozenset((a, b)) in depth:
                if not HIDDEN[0] <= share <= HIDDEN[1]:
                    return False
            elif share > TOUCH:
                return False
    return all(_in_order(boxes[s], relation, boxes[o]) for s, relation, o in scene.relations)


def _overlap(a: BoxT, b: BoxT) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(w, 0.0) * max(h, 0.0) / smaller


def _in_order(subject: BoxT, relation: str, other: BoxT) -> bool:
    dx, dy = (_center(other, k) - _center(subject, k) for k in (0, 1))
    along = {"left_of": dx, "right_of": -dx, "above": dy, "below": -dy}.get(relation)
    if along is None:
        return True
    across = dy if relation in ("left_of", "right_of") else dx
    return along >= ORDER and along > abs(across)


def _center(box: Sequence[float], axis: int) -> float:
    return (box[axis] + box[axis + 2]) / 2
