"""Places for boxes: nothing overlaps that should not, and relations hold.

Crowds without relations get a grid. Otherwise every constraint moves the two boxes that break it
a little; a hundred rounds over all constraints settle small scenes (position-based dynamics, as in
physics engines). What comes out is checked by ``bench.layouts.rules``, not trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bench.layouts.rules import (
    CLOSE,
    DEPTH_IOU,
    IN_DEPTH,
    MIN_LEAD,
    MIN_SHIFT,
    OVERLAPPING,
    PLANAR,
)

RIM = 0.015
"""Free rim of the image."""
GAP = 0.02
"""Free space between two boxes that have nothing to do with each other."""
_ROUNDS = 140
_OVERLAP_TARGETS = {"in_front_of": (0.18, 0.36), "behind": (0.18, 0.36), "hidden_by": (0.28, 0.45)}
"""IoU of the boxes by relation, inside DEPTH_IOU with a margin; hiding needs more of it."""

_UPRIGHT = {"near": 0.1, "action": 0.25}
"""Share of close pairs that may stand one above the other."""

Link = tuple[int, str, int]
Vector = tuple[float, float]


@dataclass(slots=True)
class Body:
    """A box that can move: centre and size, as fractions of the image."""

    x: float
    y: float
    w: float
    h: float


def settle(
    sizes: Sequence[Vector], links: Sequence[Link], rng: Random, spread: float
) -> list[Body] | None:
    """Centres for boxes of these sizes; None when a depth relation cannot overlap enough.

    ``spread`` 0..1 says how far related boxes may drift from each other's row or column.
    """
    bodies = _start(sizes, links, rng)
    offsets: dict[int, Vector] = {}
    taken: list[tuple[int, Vector]] = []
    for n, (s, relation, o) in enumerate(links):
        if relation in IN_DEPTH:
            front, back = (s, o) if relation == "in_front_of" else (o, s)
            corner = _free_corner(rng, [c for k, c in taken if k in (s, o)])
            taken.append((back if front == s else front, corner))
            offset = _depth_offset(bodies[front], bodies[back], relation, corner, rng)
            if offset is None:
                return None
            offsets[n] = offset if front == s else (-offset[0], -offset[1])
    drift = [rng.uniform(0.0, spread) for _ in links]
    slack = [rng.uniform(0.02, 0.16) for _ in links]
    beside = _sides(links, rng)
    linked = {frozenset((s, o)): relation for s, relation, o in links}
    for n, way in beside.items():
        linked[frozenset((links[n][0], links[n][2]))] = "left_of" if way[0] == 0 else "above"
    for step in range(_ROUNDS):
        firm = min(1.0, 0.35 + step / 60)
        for n, (s, relation, o) in enumerate(links):
            a, b = bodies[s], bodies[o]
            if n in offsets:
                _toward(a, b, (b.x - a.x + offsets[n][0], b.y - a.y + offsets[n][1]), firm)
            elif relation in PLANAR:
                _order(a, b, PLANAR[relation], drift[n], slack[n], firm)
            elif n in beside:
                _order(a, b, beside[n], drift[n], min(slack[n], 0.08), firm)
            elif relation in CLOSE:
                _attract(a, b, slack[n], firm)
            else:
                _contain(a, b, firm)
        _separate(bodies, linked, firm)
        for body in bodies:
            body.x = min(max(body.x, RIM + body.w / 2), 1 - RIM - body.w / 2)
            body.y = min(max(body.y, RIM + body.h / 2), 1 - RIM - body.h / 2)
    return bodies


def pack(sizes: Sequence[Vector], rng: Random) -> list[Body]:
    """One cell of a grid for each box; its shape gives way to the cell's, its area if it must."""
    n = len(sizes)
    turned = rng.random() < 0.5
    rows = max(2, int(n**0.5 + 1e-9))
    per_row = [n // rows + (r < n % rows) for r in range(rows)]
    per_row = [per_row[k] for k in sorted(range(rows), key=lambda _: rng.random())]
    order = sorted(range(n), key=lambda _: rng.random())
    bodies = [Body(0.0, 0.0, w, h) for w, h in sizes]
    side = 1 - 2 * RIM + GAP
    at = iter(order)
    for r, columns in enumerate(per_row):
        for c in range(columns):
            body = bodies[next(at)]
            cell = (side / columns, side / rows)
            if turned:
                cell = (cell[1], cell[0])
            area = body.w * body.h
            body.w = min(max(body.w, area / (cell[1] - GAP)), cell[0] - GAP)
            body.h = min(area / body.w, cell[1] - GAP)
            row, column = (c, r) if turned else (r, c)
            free_x, free_y = cell[0] - GAP - body.w, cell[1] - GAP - body.h
            body.x = RIM + column * cell[0] + body.w / 2 + free_x * rng.random()
            body.y = RIM + row * cell[1] + body.h / 2 + free_y * rng.random()
    return bodies


def _start(sizes: Sequence[Vector], links: Sequence[Link], rng: Random) -> list[Body]:
    """A jittered grid in random order, then sorted along the axes that relations name."""
    n = len(sizes)
    if n == 1:
        return [Body(rng.uniform(0.38, 0.62), rng.uniform(0.4, 0.62), *sizes[0])]
    rows = min(range(1, n + 1), key=lambda r: abs(r - n**0.5) + 0.5 * rng.random())
    per_row = [n // rows + (r < n % rows) for r in range(rows)]
    if rng.random() < 0.5:
        per_row.reverse()
    turned = rng.random() < 0.5
    cells = []
    for r, columns in enumerate(per_row):
        for c in range(columns):
            x = (c + 0.5) / columns + rng.uniform(-0.25, 0.25) / columns
            y = (r + 0.5) / rows + rng.uniform(-0.25, 0.25) / rows
            cells.append((y, x) if turned else (x, y))
    order = sorted(range(n), key=lambda _: rng.random())
    bodies = [Body(0.0, 0.0, w, h) for w, h in sizes]
    for k, (x, y) in zip(order, cells, strict=True):
        bodies[k].x, bodies[k].y = x, y
    for s, relation, o in links:
        if relation in PLANAR:
            axis, sign = PLANAR[relation]
            a, b = bodies[s], bodies[o]
            if axis == 0 and (b.x - a.x) * sign < 0:
                a.x, b.x = b.x, a.x
            if axis == 1 and (b.y - a.y) * sign < 0:
                a.y, b.y = b.y, a.y
    for o in sorted({o for _, relation, o in links if relation == "inside"}):
        _shelve(bodies, [s for s, r, outer in links if r == "inside" and outer == o], bodies[o])
    return bodies


def _sides(links: Sequence[Link], rng: Random) -> dict[int, tuple[int, int]]:
    """Way in which near things stand from each other, by link: mostly side by side.

    The first two that are near one thing stand on both sides of it, further ones wherever they
    find room.
    """
    out: dict[int, tuple[int, int]] = {}
    taken: dict[int, list[int]] = {}
    for n, (s, relation, o) in enumerate(links):
        if relation not in CLOSE:
            continue
        used = taken.setdefault(s, [])
        sign = -used[0] if used else (1 if rng.random() < 0.5 else -1)
        upright = rng.random() < _UPRIGHT[relation]
        if len(used) < 2 and o not in taken and not (upright and not used):
            out[n] = (0, sign)
        used.append(sign)
    return out


def _shelve(bodies: Sequence[Body], held: Sequence[int], outer: Body) -> None:
    """Start what a container holds in rows inside of it."""
    widest = max(bodies[k].w for k in held)
    columns = min(len(held), max(1, int(outer.w / (widest + GAP))))
    rows = -(-len(held) // columns)
    for at, k in enumerate(held):
        row, column = divmod(at, columns)
        bodies[k].x = outer.x + ((column + 0.5) / columns - 0.5) * outer.w
        bodies[k].y = outer.y + ((row + 0.5) / rows - 0.5) * outer.h


def _free_corner(rng: Random, used: Sequence[Vector]) -> Vector:
    """Direction from the far box to the near one: down, to a side that is not taken yet."""
    sides = [1.0, -1.0] if rng.random() < 0.5 else [-1.0, 1.0]
    taken = {1.0 if u[0] > 0 else -1.0 for u in used}
    side = next((s for s in sides if s not in taken), sides[0])
    return side * rng.uniform(0.5, 1.0), rng.uniform(0.1, 0.5)


def _depth_offset(
    front: Body, back: Body, relation: str, corner: Vector, rng: Random
) -> Vector | None:
    """Offset of the front's centre from the back's at which their IoU is the wanted one."""
    low, high = _OVERLAP_TARGETS[relation]
    wanted = rng.uniform(low, high)
    reach = (corner[0] * (front.w + back.w) / 2, corner[1] * (front.h + back.h) / 2)
    # The front stands on the same ground or lower, so that it looks nearer.
    ground = max(0.0, (back.h - front.h) / 2)

    def at(t: float) -> Vector:
        return t * reach[0], ground + t * reach[1]

    if _iou(front, back, at(0.0)) < wanted:
        ground = 0.0
        if _iou(front, back, at(0.0)) < max(wanted * 0.8, DEPTH_IOU[0] + 0.03):
            return None
        wanted = min(wanted, 0.95 * _iou(front, back, at(0.0)))
    near, far = 0.0, 1.0 / max(abs(corner[0]), 1e-6)
    for _ in range(30):
        middle = (near + far) / 2
        if _iou(front, back, at(middle)) > wanted:
            near = middle
        else:
            far = middle
    return at(near)


def _iou(a: Body, b: Body, offset: Vector) -> float:
    w = min(a.w, b.w, (a.w + b.w) / 2 - abs(offset[0]))
    h = min(a.h, b.h, (a.h + b.h) / 2 - abs(offset[1]))
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a.w * a.h + b.w * b.h - w * h)


def _toward(a: Body, b: Body, delta: Vector, firm: float) -> None:
    """Move the two by half of ``delta`` each, in opposite directions."""
    a.x += firm * delta[0] / 2
    a.y += firm * delta[1] / 2
    b.x -= firm * delta[0] / 2
    b.y -= firm * delta[1] / 2


def _order(a: Body, b: Body, way: tuple[int, int], drift: float, slack: float, firm: float) -> None:
    """Bring ``a`` before ``b`` along an axis, clear of each other and in about one line."""
    axis, sign = way
    dx, dy = b.x - a.x, b.y - a.y
    along, across = (dx, dy) if axis == 0 else (dy, dx)
    along *= sign
    room = (a.w + b.w) / 2 if axis == 0 else (a.h + b.h) / 2
    low = max(room + GAP, MIN_SHIFT + 0.01)
    limit = min(drift, 0.9) * max(along, low) - MIN_LEAD
    shift = 0.0
    if abs(across) > max(limit, 0.0):
        excess = abs(across) - max(limit, 0.0)
        shift = excess if across > 0 else -excess
    push = 0.0
    if along < low:
        push = low - along
    elif along > low + slack:
        push = 0.5 * (low + slack - along)
    move = -push * sign
    _toward(a, b, (move, shift) if axis == 0 else (shift, move), firm)


def _attract(a: Body, b: Body, slack: float, firm: float) -> None:
    """Pull two boxes together until at most ``slack`` lies between them."""
    dx, dy = b.x - a.x, b.y - a.y
    free_x = abs(dx) - (a.w + b.w) / 2
    free_y = abs(dy) - (a.h + b.h) / 2
    limit = min(slack, 0.08)
    pull_x = max(0.0, free_x - limit)
    pull_y = max(0.0, free_y - limit)
    if free_x > 0 and free_y > 0:
        # Diagonal neighbours slide into one row or column: that is what "next to" looks like.
        if free_x > free_y:
            pull_y = free_y + 0.3 * min(a.h, b.h)
        else:
            pull_x = free_x + 0.3 * min(a.w, b.w)
    _toward(a, b, (pull_x if dx > 0 else -pull_x, pull_y if dy > 0 else -pull_y), firm)


def _contain(inner: Body, outer: Body, firm: float) -> None:
    """Bring the inner box into the outer one; the inner moves more."""
    for axis in ("x", "y"):
        size = "w" if axis == "x" else "h"
        free = max(0.0, (getattr(outer, size) - getattr(inner, size)) / 2 - 0.01)
        off = getattr(inner, axis) - getattr(outer, axis)
        excess = off - min(max(off, -free), free)
        setattr(inner, axis, getattr(inner, axis) - firm * 0.8 * excess)
        setattr(outer, axis, getattr(outer, axis) + firm * 0.2 * excess)


def _separate(bodies: Sequence[Body], linked: dict[frozenset[int], str], firm: float) -> None:
    """Push apart, along the shorter way, every two boxes that overlap without being asked to."""
    for i, a in enumerate(bodies):
        for j in range(i + 1, len(bodies)):
            b = bodies[j]
            over_x = (a.w + b.w) / 2 + GAP - abs(b.x - a.x)
            if over_x <= 0:
                continue
            over_y = (a.h + b.h) / 2 + GAP - abs(b.y - a.y)
            if over_y <= 0:
                continue
            relation = linked.get(frozenset((i, j)))
            if relation in OVERLAPPING:
                continue
            sideways = over_x < over_y
            if relation in PLANAR:
                sideways = PLANAR[relation][0] == 0
            if sideways:
                push = over_x if b.x >= a.x else -over_x
                _toward(a, b, (-push, 0.0), firm)
            else:
                push = over_y if b.y >= a.y else -over_y
                _toward(a, b, (0.0, -push), firm)
