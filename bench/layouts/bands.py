"""Two plurals on either side of each other: "three dogs on the left of two cats".

Every member must stand left of every member of the other group, and by more than it stands above
or below it. So each group gets a block of cells, and the blocks' spread across the relation's axis
is kept below their distance along it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from bench.layouts.place import GAP, RIM, Body, Vector
from bench.layouts.rules import MIN_LEAD, MIN_SHIFT

_STEPS = 14
_LONGEST = 1.8
"""Cells more elongated than this count only as far as a box of this aspect uses them."""


@dataclass(frozen=True, slots=True)
class Block:
    """A group's cells: ``deep`` columns along the axis, ``rows`` across it."""

    deep: int
    rows: int
    along: float
    """Cell size along the axis."""
    pitch: float
    """Cell size across the axis."""


def bands(
    sizes: Sequence[Vector], before: Sequence[int], after: Sequence[int], axis: int, rng: Random
) -> list[Body] | None:
    """Boxes with group ``before`` on the left of (axis 0) or above (axis 1) group ``after``.

    Boxes keep their area where their cell allows it. Instances of neither group are not placed:
    None when there are any.
    """
    if len(before) + len(after) != len(sizes):
        return None
    best = max(_divisions(len(before), len(after)), key=_usable, default=None)
    if best is None:
        return None
    first, second = best
    side = 1 - 2 * RIM
    bodies = [Body(0.0, 0.0, *size) for size in sizes]
    _fill(bodies, before, first, RIM, axis, rng)
    _fill(bodies, after, second, RIM + side - second.deep * second.along, axis, rng)
    return bodies


def _divisions(n: int, m: int) -> Iterator[tuple[Block, Block]]:
    """All ways to give two groups blocks that keep the relation for every two members."""
    side = 1 - 2 * RIM
    for deep_a in range(1, min(n, 3) + 1):
        for deep_b in range(1, min(m, 3) + 1):
            rows_a, rows_b = -(-n // deep_a), -(-m // deep_b)
            for step_a in range(1, _STEPS):
                for step_b in range(1, _STEPS):
                    a, b = step_a / _STEPS * side / deep_a, step_b / _STEPS * side / deep_b
                    between = side - deep_a * a - deep_b * b
                    if between < 0:
                        continue
                    distance = (a + b) / 2 + between
                    # Boxes may shift in their cells by up to GAP / 2 along either axis.
                    spread = 2 * (distance - MIN_LEAD - 2 * GAP)
                    if distance < MIN_SHIFT + 2 * GAP or spread <= 0:
                        continue
                    pitch_a, pitch_b = side / rows_a, side / rows_b
                    used = (rows_a - 1) * pitch_a + (rows_b - 1) * pitch_b
                    shrink = min(1.0, spread / used) if used else 1.0
                    yield (
                        Block(deep_a, rows_a, a, pitch_a * (shrink if rows_a > 1 else 1.0)),
                        Block(deep_b, rows_b, b, pitch_b * (shrink if rows_b > 1 else 1.0)),
                    )


def _usable(blocks: tuple[Block, Block]) -> float:
    """Area of the smaller group's cell that a box of moderate aspect can use."""
    areas = []
    for block in blocks:
        w, h = block.along - GAP, block.pitch - GAP
        if w <= 0 or h <= 0:
            return 0.0
        areas.append(min(w, _LONGEST * h) * min(h, _LONGEST * w))
    return min(areas)


def _fill(
    bodies: list[Body], members: Sequence[int], block: Block, start: float, axis: int, rng: Random
) -> None:
    """Put the members into their cells, centred across the axis."""
    top = 0.5 - block.rows * block.pitch / 2
    order = sorted(members, key=lambda _: rng.random())
    for at, k in enumerate(order):
        column, row = divmod(at, block.rows)
        missing = block.deep * block.rows - len(members)
        short = missing if column == block.deep - 1 else 0
        body = bodies[k]
        room_along, room_across = block.along - GAP, block.pitch - GAP
        w, h = (body.w, body.h) if axis == 0 else (body.h, body.w)
        wanted = w * h
        w = min(max(w, wanted / room_across), room_along)
        h = min(wanted / w, room_across)
        w = min(wanted / h, room_along)
        along = start + (column + 0.5) * block.along + rng.uniform(-0.5, 0.5) * GAP
        across = top + (row + 0.5 + short / 2) * block.pitch
        if axis == 0:
            body.x, body.y, body.w, body.h = along, across, w, h
        else:
            body.x, body.y, body.w, body.h = across, along, h, w
