"""Boxes for the things of a scene: no overlap unless a relation in depth asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.pocket.world.dice import Dice
from bench.pocket.world.scene import BoxT

SIZES: dict[int, tuple[float, float]] = {
    1: (0.45, 0.85),
    2: (0.34, 0.52),
    3: (0.29, 0.44),
    4: (0.26, 0.40),
    5: (0.23, 0.34),
    6: (0.21, 0.32),
}
"""Longest side of a sprite, as a fraction of the image's side, by the number of instances."""

ROWS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1,),),
    2: ((2,), (1, 1)),
    3: ((1, 2), (2, 1), (3,)),
    4: ((2, 2), (1, 2, 1), (1, 3), (3, 1)),
    5: ((2, 3), (3, 2), (2, 1, 2)),
    6: ((3, 3), (2, 2, 2)),
}
"""How many cells each row of the image may hold, by the number of instances."""

MARGIN = 0.015
"""Free rim of the image and of each cell, so that sprites never touch by accident."""


@dataclass(slots=True)
class Placed:
    """A box under construction; ``order`` sorts from near (small) to far."""

    box: BoxT
    order: float


def place(
    dice: Dice, aspects: Sequence[float], relations: Sequence[tuple[int, str, int]]
) -> list[Placed]:
    """Boxes for instances with these aspect ratios (width / height).

    ``relations`` hold (subject, relation, object) over disjoint pairs of instances; a pair gets
    a part of the image of its own and stands there as its relation says.
    """
    n = len(aspects)
    low, high = SIZES[n]
    sizes = [dice.between(low, high) for _ in range(n)]
    paired = {k for s, _, o in relations for k in (s, o)}
    units: list[tuple[int, str, int] | int] = [
        *relations,
        *(k for k in range(n) if k not in paired),
    ]
    out = [Placed((0.0, 0.0, 1.0, 1.0), dice.unit()) for _ in range(n)]
    if not relations:
        order = dice.shuffled(range(n))
        cells = _cells(dice, n)
        for k, cell in zip(order, cells, strict=True):
            out[k].box = _inside(dice, cell, sizes[k], aspects[k])
        return out
    for unit, cell in zip(units, _strips(dice, units), strict=True):
        if isinstance(unit, int):
            out[unit].box = _inside(dice, cell, sizes[unit], aspects[unit])
        else:
            _pair(dice, cell, unit, sizes, aspects, out)
    return out


def _cells(dice: Dice, n: int) -> list[BoxT]:
    """n rectangles that tile the image: rows of cells, half of the time turned into columns."""
    rows = dice.pick(ROWS[n])
    turned = dice.chance(0.5)
    cells: list[BoxT] = []
    # A row of few cells may take more height than a row of many.
    for (y0, y1), count in zip(_cuts(dice, [1 / c**0.5 for c in rows]), rows, strict=True):
        for x0, x1 in _cuts(dice, [1.0] * count):
            cells.append((y0, x0, y1, x1) if turned else (x0, y0, x1, y1))
    return cells


def _cuts(dice: Dice, weights: Sequence[float]) -> list[tuple[float, float]]:
    """Intervals that tile 0..1, about proportional to the weights."""
    jittered = [w * dice.between(0.88, 1.12) for w in weights]
    total, at, out = sum(jittered), 0.0, []
    for w in jittered:
        out.append((at, at + w / total))
        at += w / total
    return out


def _strips(dice: Dice, units: Sequence[tuple[int, str, int] | int]) -> list[BoxT]:
    """One part of the image for each unit: a strip for a pair, a half or third for a single."""
    singles = [k for k, unit in enumerate(units) if isinstance(unit, int)]
    per_row = 3 if len(singles) == 3 else 2
    rows = [[k] for k, unit in enumerate(units) if not isinstance(unit, int)]
    rows += [singles[k : k + per_row] for k in range(0, len(singles), per_row)]
    rows = dice.shuffled(rows)
    kinds = {u[1] for u in units if not isinstance(u, int)}
    if kinds <= {"left_of", "right_of"}:
        turned = False
    elif kinds <= {"above", "below"}:
        turned = True
    else:
        turned = dice.chance(0.5)
    weights = [1.0 if isinstance(units[row[0]], int) else 1.3 for row in rows]
    cells: list[BoxT] = [(0.0, 0.0, 1.0, 1.0)] * len(units)
    for row, (a, b) in zip(rows, _cuts(dice, weights), strict=True):
        for k, (c, d) in zip(row, _cuts(dice, [1.0] * len(row)), strict=True):
            cells[k] = (a, c, b, d) if turned else (c, a, d, b)
    return cells


def _extent(cell: BoxT, size: float, aspect: float) -> tuple[float, float]:
    """Width and height of a sprite with this longest side, shrunk to fit the cell."""
    w, h = (size, size / aspect) if aspect >= 1 else (size * aspect, size)
    room = min((cell[2] - cell[0] - 2 * MARGIN) / w, (cell[3] - cell[1] - 2 * MARGIN) / h, 1.0)
    return w * room, h * room


def _inside(dice: Dice, cell: BoxT, size: float, aspect: float) -> BoxT:
    w, h = _extent(cell, size, aspect)
    x = dice.between(cell[0] + MARGIN, cell[2] - MARGIN - w)
    y = dice.between(cell[1] + MARGIN, cell[3] - MARGIN - h)
    return (x, y, x + w, y + h)


def _pair(
    dice: Dice,
    cell: BoxT,
    unit: tuple[int, str, int],
    sizes: Sequence[float],
    aspects: Sequence[float],
    out: list[Placed],
) -> None:
    subject, relation, other = unit
    if relation in ("left_of", "above"):
        _along(dice, cell, (subject, other), relation == "above", sizes, aspects, out)
    elif relation in ("right_of", "below"):
        _along(dice, cell, (other, subject), relation == "below", sizes, aspects, out)
    elif relation == "near":
        first = dice.shuffled((subject, other))
        wide = cell[2] - cell[0] >= cell[3] - cell[1]
        upright = dice.chance(0.3 if wide else 0.7)
        _touching(dice, cell, (first[0], first[1]), upright, sizes, aspects, out)
    elif relation == "in_front_of":
        _overlap(dice, cell, subject, other, dice.between(0.32, 0.56), sizes, aspects, out)
    else:
        covered = dice.between(0.32, 0.56) if relation == "behind" else dice.between(0.5, 0.72)
        _overlap(dice, cell, other, subject, covered, sizes, aspects, out)


def _along(
    dice: Dice,
    cell: BoxT,
    pair: tuple[int, int],
    upright: bool,
    sizes: Sequence[float],
    aspects: Sequence[float],
    out: list[Placed],
) -> None:
    """The first left of (or above) the second; the other axis differs by at most half as much."""
    x0, y0, x1, y1 = cell
    cut = dice.between(0.44, 0.56)
    if upright:
        middle = y0 + cut * (y1 - y0)
        halves = ((x0, y0, x1, middle), (x0, middle, x1, y1))
    else:
        middle = x0 + cut * (x1 - x0)
        halves = ((x0, y0, middle, y1), (middle, y0, x1, y1))
    boxes = [
        _inside(dice, half, sizes[k], aspects[k]) for half, k in zip(halves, pair, strict=True)
    ]
    main, side = (1, 0) if upright else (0, 1)
    centers = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes]
    gap = 0.5 * abs(centers[1][main] - centers[0][main])
    drift = centers[1][side] - centers[0][side]
    # Too far apart on the other axis: pull both towards their common middle.
    pull = (abs(drift) - gap) / 2 * (1 if drift > 0 else -1) if abs(drift) > gap else 0.0
    for k, box, step in zip(pair, boxes, (pull, -pull), strict=True):
        out[k].box = _shift(box, step if side == 0 else 0.0, step if side == 1 else 0.0)


def _touching(
    dice: Dice,
    cell: BoxT,
    pair: tuple[int, int],
    upright: bool,
    sizes: Sequence[float],
    aspects: Sequence[float],
    out: list[Placed],
) -> None:
    """Side by side (or one above the other) with at most a narrow gap."""
    x0, y0, x1, y1 = cell
    half = (x0, y0, x1, (y0 + y1) / 2) if upright else (x0, y0, (x0 + x1) / 2, y1)
    (w0, h0), (w1, h1) = (_extent(half, sizes[k], aspects[k]) for k in pair)
    gap = dice.between(0.0, 0.03)
    if upright:
        x = dice.between(x0 + MARGIN, x1 - MARGIN - max(w0, w1))
        y = dice.between(y0 + MARGIN, y1 - MARGIN - h0 - gap - h1)
        a = x + dice.between(0.0, w1 - w0)
        b = x + dice.between(0.0, w0 - w1)
        out[pair[0]].box = (a, y, a + w0, y + h0)
        out[pair[1]].box = (b, y + h0 + gap, b + w1, y + h0 + gap + h1)
    else:
        x = dice.between(x0 + MARGIN, x1 - MARGIN - w0 - gap - w1)
        floor = dice.between(y0 + MARGIN + max(h0, h1), y1 - MARGIN)
        out[pair[0]].box = (x, floor - h0, x + w0, floor)
        out[pair[1]].box = (x + w0 + gap, floor - h1, x + w0 + gap + w1, floor)


def _overlap(
    dice: Dice,
    cell: BoxT,
    front: int,
    back: int,
    covered: float,
    sizes: Sequence[float],
    aspects: Sequence[float],
    out: list[Placed],
) -> None:
    """``front`` covers the share ``covered`` of the box of ``back`` and stands lower."""
    fw, fh = _extent(cell, 1.05 * sizes[front], aspects[front])
    bw, bh = _extent(cell, 1.05 * sizes[back], aspects[back])
    # A slim thing cannot cover enough of a large one: draw the far one smaller (it is far).
    for _ in range(5):
        if min(fw, bw) * min(fh, bh) >= covered * bw * bh:
            break
        bw, bh = 0.88 * bw, 0.88 * bh
    # Share of the back's width and height under the front: their product is ``covered``.
    tall = min(1.0, dice.between(covered**0.5, 0.95))
    wide = min(1.0, covered / tall)
    sign = 1 if dice.chance(0.5) else -1
    lap_x, lap_y = min(wide * bw, fw), min(tall * bh, fh)
    # Offsets of the front's corner from the back's, for the chosen laps.
    dx = bw - lap_x if sign > 0 else lap_x - fw
    dy = max(bh - lap_y, 0.02 + bh - fh)
    left, right = min(0.0, dx), max(bw, dx + fw)
    top, bottom = min(0.0, dy), max(bh, dy + fh)
    room_x, room_y = cell[2] - cell[0] - 2 * MARGIN, cell[3] - cell[1] - 2 * MARGIN
    shrink = min(1.0, room_x / (right - left), room_y / (bottom - top))
    x = dice.between(cell[0] + MARGIN, cell[2] - MARGIN - shrink * (right - left)) - shrink * left
    y = dice.between(cell[1] + MARGIN, cell[3] - MARGIN - shrink * (bottom - top)) - shrink * top
    out[back].box = (x, y, x + shrink * bw, y + shrink * bh)
    fx, fy = x + shrink * dx, y + shrink * dy
    out[front].box = (fx, fy, fx + shrink * fw, fy + shrink * fh)
    near, far = sorted((out[front].order, out[back].order))
    out[front].order, out[back].order = near, far


def _shift(box: BoxT, dx: float, dy: float) -> BoxT:
    return (box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy)
