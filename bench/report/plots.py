"""Geometry of the page's plots; the template draws it as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.leaderboard import ALL, Cell, Column, Leaderboard, Row, Slice
from bench.leaderboard.wording import bracket, number

WIDTH = 420
"""Width of a plot in its own units; the page scales it."""
_LINE = 20
_GAP = 12
_TOP = 8
_AXIS = 30


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its interval."""

    series: int
    """Index of the row in the leaderboard; gives colour and shape."""
    x: float
    y: float
    low: float | None
    """Ends of the whisker along the value's axis."""
    high: float | None
    tip: str
    """What the mark says, in words."""


@dataclass(frozen=True, slots=True)
class Label:
    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure."""

    title: str
    height: float
    ticks: tuple[Label, ...]
    """On the value's axis."""
    labels: tuple[Label, ...]
    """Names of rows, or of places on the other axis."""
    marks: tuple[Mark, ...]
    lines: tuple[tuple[int, str], ...] = ()
    """(series, points of a polyline) of a curve."""
    left: float = 0
    """Where the plotting area begins."""


def plots(board: Leaderboard, column: Column) -> list[Plot]:
    """Figures of one column: all images, by category, by number of instances."""
    categories = [part for part in board.slices if part.kind == "category"]
    counts = [part for part in board.slices if part.kind == "instances"]
    made = [_intervals(f"{column.key}: all images", board, column, [(None, ALL)])]
    if len(categories) > 1:
        groups = [(part.name, part) for part in categories]
        made.append(_intervals(f"{column.key} by category", board, column, groups))
    if len(counts) > 1:
        made.append(_curve(f"{column.key} by number of instances", board, column, counts))
    return made


def _intervals(
    title: str, board: Leaderboard, column: Column, groups: Sequence[tuple[str | None, Slice]]
) -> Plot:
    """Rows of dots with whiskers; a named group has a heading line."""
    names = {i: " ".join(board.names(row)) for i, row in enumerate(board.rows)}
    cells = [
        (name, i, row.cells[part, column.key])
        for name, part in groups
        for i, row in enumerate(board.rows)
        if (part, column.key) in row.cells and row.cells[part, column.key].value is not None
    ]
    left = 12 + 7.0 * min(26, max(map(len, [*names.values(), *(g or "" for g, _ in groups)])))
    scale = _Scale(_extent(cell for _, _, cell in cells), left, WIDTH - 14)
    labels, marks = [], []
    y, heading = _TOP, None
    for name, i, cell in cells:
        if name is not None and name != heading:
            y += _GAP if heading is not None else 0
            labels.append(Label(name, 0, y + _LINE / 2))
            heading = name
        y += _LINE
        at = y - _LINE / 2
        if name is None:
            labels.append(Label(_cut(names[i]), 0, at))
        marks.append(_mark(i, cell, scale, at, f"{name or ''} {names[i]}".strip(), column))
    height = y + _AXIS
    ticks = tuple(Label(text, x, height - 10) for text, x in scale.ticks())
    return Plot(title, height, ticks, tuple(labels), tuple(marks), left=left)


def _curve(title: str, board: Leaderboard, column: Column, parts: Sequence[Slice]) -> Plot:
    """Values (up) over the number of instances (right), one line a row of the leaderboard."""
    height, left, bottom = 240.0, 48.0, 210.0
    found = [
        [
            (k, row.cells[part, column.key])
            for k, part in enumerate(parts)
            if _known(row, part, column)
        ]
        for row in board.rows
    ]
    scale = _Scale(_extent(cell for row in found for _, cell in row), bottom, 12)
    spread = min(7.0, 48 / len(found))  # between rows, so that whiskers do not hide one another
    start = left + 10 + spread * (len(found) - 1) / 2
    step = (WIDTH - 8 - spread * (len(found) - 1) / 2 - start) / max(1, len(parts) - 1)
    marks, lines = [], []
    for i, row in enumerate(found):
        shift = (i - (len(found) - 1) / 2) * spread
        points = []
        for k, cell in row:
            x = start + k * step + shift
            name = " ".join(board.names(board.rows[i]))
            plural = "" if parts[k].name == "1" else "s"
            mark = _mark(i, cell, scale, x, f"{name}, {parts[k].name} instance{plural}", column)
            marks.append(Mark(i, x, mark.x, mark.low, mark.high, mark.tip))
            points.append(f"{x:.1f},{mark.x:.1f}")
        lines.append((i, " ".join(points)))
    labels = tuple(Label(part.name, start + k * step, height - 10) for k, part in enumerate(parts))
    ticks = tuple(Label(text, left, y) for text, y in scale.ticks())
    return Plot(title, height, ticks, labels, tuple(marks), tuple(lines), left)


def _known(row: Row, part: Slice, column: Column) -> bool:
    cell = row.cells.get((part, column.key))
    return cell is not None and cell.value is not None


def _mark(series: int, cell: Cell, scale: _Scale, across: float, name: str, column: Column) -> Mark:
    low, high = cell.interval or (None, None)
    tip = f"{name}: {column.key} {number(cell.value)} {bracket(cell.interval)}".rstrip()
    return Mark(
        series=series,
        x=scale(cell.value or 0.0),
        y=across,
        low=None if low is None else scale(low),
        high=None if high is None else scale(high),
        tip=f"{tip}, {cell.images} images",
    )


class _Scale:
    """Values to places along an axis that begins and ends at round numbers."""

    def __init__(self, extent: tuple[float, float], start: float, end: float) -> None:
        low, high = extent
        rough = (high - low) / 4 or max(abs(high), 1.0) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        self._step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
        self._low = math.floor(low / self._step + 1e-9) * self._step
        self._high = max(math.ceil(high / self._step - 1e-9) * self._step, self._low + self._step)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[tuple[str, float]]:
        digits = max(0, -math.floor(math.log10(self._step) + 1e-9))
        count = round((self._high - self._low) / self._step)
        values = [self._low + k * self._step for k in range(count + 1)]
        return [(f"{v:.{digits}f}".replace("-", "−"), self(v)) for v in values]


def _extent(cells: Iterable[Cell]) -> tuple[float, float]:
    values = [v for c in cells if c.value is not None for v in (c.value, *(c.interval or ()))]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _cut(text: str) -> str:
    return text if len(text) <= 26 else f"{text[:25]}…"
