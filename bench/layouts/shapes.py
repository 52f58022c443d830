"""Outlines of regions: closed polygons in the unit square that touch all four of its sides.

They are blobs such as one paints by hand, not drawings: enough to tell what stands where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from bench.types import Box

Point = tuple[float, float]


def _superellipse(power: float, points: int = 24) -> tuple[Point, ...]:
    """|2x-1|^p + |2y-1|^p = 1: an ellipse at 2, nearly a rectangle at 6."""
    out = []
    for k in range(points):
        angle = 2 * math.pi * k / points
        c, s = math.cos(angle), math.sin(angle)
        out.append(
            (
                0.5 + 0.5 * math.copysign(abs(c) ** (2 / power), c),
                0.5 + 0.5 * math.copysign(abs(s) ** (2 / power), s),
            )
        )
    return tuple(out)


def _points(text: str) -> tuple[Point, ...]:
    """Pairs of hundredths."""
    values = [int(v) / 100 for v in text.split()]
    return tuple(zip(values[::2], values[1::2], strict=True))


_ROUND, _SOFT, _SQUARE = _superellipse(2.2), _superellipse(3.0), _superellipse(7.0)

OUTLINES: dict[str, tuple[Point, ...]] = {
    "disc": _ROUND,
    "slab": _SQUARE,
    "group": _SOFT,
    "person": _points(
        """50 0 64 4 69 13 65 23 85 28 98 40 100 60 90 68 86 100 14 100 10 68 0 60 2 40 15 28 35 23
        31 13 36 4"""
    ),
    "animal": _points(
        """0 22 8 8 20 0 30 6 34 20 60 20 84 22 96 30 100 50 96 80 94 100 70 100 66 84 40 84 38 100
        14 100 14 60 4 48"""
    ),
    "giraffe": _points("0 12 14 0 34 2 46 20 52 42 88 48 100 62 96 100 22 100 20 60 18 30 4 24"),
    "bird": _points("0 30 12 8 30 0 46 8 56 26 100 30 92 62 74 84 62 100 36 100 18 82 8 60 10 40"),
    "fish": _points("0 50 14 22 38 2 60 10 76 32 100 0 98 50 100 100 76 68 60 92 38 100 14 80"),
    "wings": _points(
        """50 18 64 4 86 0 100 16 98 42 84 54 94 76 86 96 66 100 50 82 34 100 14 96 6 76 16 54 2 42
        0 16 14 0 36 4"""
    ),
    "vehicle": _points(
        "0 50 8 38 20 32 30 6 46 0 66 0 78 10 86 34 96 40 100 56 100 86 92 100 8 100 0 88"
    ),
    "table": _points("0 0 100 0 100 42 94 48 94 100 72 100 70 62 30 62 28 100 6 100 6 48 0 42"),
    "chair": _points("4 0 96 0 100 46 100 62 98 100 74 100 72 80 28 80 26 100 2 100 0 62 0 46"),
    "tree": _points(
        """50 0 74 4 94 18 100 38 92 56 72 66 64 70 66 100 34 100 36 70 28 66 8 56 0 38 6 18
        26 4"""
    ),
    "bottle": _points("30 0 70 0 72 22 90 34 100 52 100 84 88 100 12 100 0 84 0 52 10 34 28 22"),
    "cup": _points("0 0 100 0 98 36 90 70 76 92 66 100 34 100 24 92 10 70 2 36"),
    "cone": _points("50 0 62 14 78 44 94 76 100 92 94 100 6 100 0 92 6 76 22 44 38 14"),
    "square": _superellipse(12.0),
    "oval": _ROUND,
    "triangle": _points("50 0 58 10 100 90 98 100 2 100 0 90 42 10"),
    "diamond": _points("50 0 60 8 92 40 100 50 92 60 60 92 50 100 40 92 8 60 0 50 8 40 40 8"),
    "pentagon": _points("50 0 100 40 84 100 16 100 0 40"),
    "hexagon": _points("25 0 75 0 100 50 75 100 25 100 0 50"),
    "teardrop": _points(
        "50 0 60 14 78 36 94 58 100 76 90 92 70 100 30 100 10 92 0 76 6 58 22 36 40 14"
    ),
    "crescent": _points(
        "62 0 46 14 40 34 42 58 54 78 76 92 100 90 84 98 56 100 28 92 8 72 0 48 6 26 22 10 42 2"
    ),
}
"""Name to outline; all lie in 0..1 and touch 0 and 1 on both axes."""


def area(outline: Sequence[Point]) -> float:
    """Enclosed area by the shoelace formula, >= 0."""
    following = (*outline[1:], outline[0])
    twice = sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(outline, following, strict=True))
    return abs(twice) / 2


FILL = {name: area(outline) for name, outline in OUTLINES.items()}
"""Share of its box that an outline covers."""


def paint(outline: str, box: Box, rng: Random) -> tuple[Point, ...]:
    """The outline laid into a box: mirrored by chance and wobbling a little, bounds exact.

    Coordinates are rounded to four decimals.
    """
    mirror = rng.random() < 0.5
    wobble = [(rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02)) for _ in OUTLINES[outline]]
    points = [
        ((1 - x if mirror else x) + a, y + b)
        for (x, y), (a, b) in zip(OUTLINES[outline], wobble, strict=True)
    ]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    left, top = min(xs), min(ys)
    wide, high = max(xs) - left, max(ys) - top
    return tuple(
        (
            round(box.x0 + (x - left) / wide * (box.x1 - box.x0), 4),
            round(box.y0 + (y - top) / high * (box.y1 - box.y0), 4),
        )
        for x, y in points
    )
