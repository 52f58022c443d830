"""Layouts as masks on any grid of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from bench.types import Box, Layout

BoolArray = npt.NDArray[np.bool_]
Point = tuple[float, float]


def region_masks(layout: Layout, height: int, width: int, overlap: bool = False) -> BoolArray:
    """The instances' regions on a grid, shape (K, height, width).

    A cell belongs to a region when the cell's centre lies in it (nearest sampling). A region too
    small or slim to hold any centre takes the one cell under the middle of its box, so that no
    instance is lost on a coarse grid. Where regions overlap, the nearer instance (smaller
    ``depth``; the later one when equal) takes the cell, unless ``overlap`` keeps both.
    """
    if height < 1 or width < 1:
        raise BenchError(f"a grid of {height} x {width} cells has none; give at least 1 x 1")
    masks = np.stack([_region(i.box, i.polygon, height, width) for i in layout.instances])
    if overlap:
        return masks
    far_to_near = sorted(range(len(masks)), key=lambda k: (-layout.instances[k].depth, k))
    for rank, k in enumerate(far_to_near):
        covered = masks[far_to_near[rank + 1 :]].any(axis=0)
        masks[k] &= ~covered
    return masks


def _region(box: Box, polygon: Sequence[Point], height: int, width: int) -> BoolArray:
    xs = (np.arange(width) + 0.5) / width
    ys = (np.arange(height) + 0.5) / height
    if polygon:
        mask = _inside(polygon, xs, ys)
    else:
        in_x, in_y = (xs >= box.x0) & (xs < box.x1), (ys >= box.y0) & (ys < box.y1)
        mask = in_y[:, None] & in_x[None, :]
    if not mask.any():
        x, y = box.center
        mask[min(int(y * height), height - 1), min(int(x * width), width - 1)] = True
    return mask


def _inside(polygon: Sequence[Point], xs: npt.NDArray[Any], ys: npt.NDArray[Any]) -> BoolArray:
    """Even-odd rule for all points (y, x), shape (len(ys), len(xs)).

    A point is inside when a ray from it to the right crosses the outline an odd number of times.
    """
    inside = np.zeros((len(ys), len(xs)), dtype=bool)
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if ay == by:
            continue
        if ay > by:  # the same line there and back must round alike: it encloses nothing
            ax, ay, bx, by = bx, by, ax, ay
        spans = (ys >= ay) & (ys < by)
        crossing = ax + (ys - ay) * (bx - ax) / (by - ay)
        inside ^= spans[:, None] & (xs[None, :] < crossing[:, None])
    return inside
