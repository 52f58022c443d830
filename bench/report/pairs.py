"""A picture of pairs: the same layout and seed, one method beside the other."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

from bench.errors import BenchError
from bench.files import write_atomic
from bench.leaderboard import Leaderboard, build
from bench.report.samples import Sample, Shot, detections, samples

if TYPE_CHECKING:
    import pandas as pd

SIDE = 256
"""Pixels of an image in the picture."""
_ACROSS = 2
"""Samples beside one another."""
_GAP, _MARGIN, _TEXT = 8, 24, 15
_GROUND, _INK, _FAINT = "#ffffff", "#1c1e21", "#62676e"
_COLORS = ("#ffd23f", "#57d3ff", "#ff7ab6", "#8cf06a", "#c9a2ff", "#ff9b54")
_FREE = "#e6e6e6"


def pairs_image(
    frame: pd.DataFrame,
    run_dir: Path,
    out_png: Path,
    *,
    rows: int | Sequence[str] = 4,
    baseline: str = "baseline",
    methods: Sequence[str] | None = None,
) -> Path:
    """Draw samples with the baseline left and the other methods right of it; returns ``out_png``.

    Target boxes are solid, detected boxes dashed and in the colour of the target they are matched
    to. ``rows`` gives the layout ids to show (their first seed), or how many: then they are spread
    evenly from the largest gain of the headline score over the middle down to the largest loss,
    so that the choice flatters no method. ``methods`` limits the methods by label.
    """
    board = build(frame, baseline=baseline)
    wanted = [i for i, r in enumerate(board.rows) if methods is None or r.label in methods]
    order = sorted(wanted, key=lambda i: (not board.rows[i].is_baseline, i))
    usable = [
        sample
        for sample in samples(frame, board, run_dir)
        if {s.entry for s in sample.shots if s.image and s.image.exists()} >= set(order)
    ]
    if not usable:
        raise BenchError(f"{run_dir} has no layout with an image of every method to show")
    chosen = _spread(usable, board, order, rows) if isinstance(rows, int) else _named(usable, rows)
    picture = _sheet(chosen, board, order)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    write_atomic(out_png, buffer.getvalue())
    return out_png


def _spread(
    usable: list[Sample], board: Leaderboard, order: Sequence[int], rows: int
) -> list[Sample]:
    def gain(sample: Sample) -> float:
        scores = {s.entry: s.scores.get(board.headline) for s in sample.shots}
        first, last = scores.get(order[0]), scores.get(order[-1])
        return 0.0 if first is None or last is None else last - first

    sign = 1 if board.column(board.headline).higher_is_better else -1
    ranked = sorted(usable, key=lambda sample: -sign * gain(sample))
    count = min(rows, len(ranked))
    return [ranked[round(k * (len(ranked) - 1) / max(1, count - 1))] for k in range(count)]


def _named(usable: list[Sample], names: Sequence[str]) -> list[Sample]:
    first: dict[str, Sample] = {}
    for sample in usable:
        first.setdefault(sample.layout, sample)
    lacking = [name for name in names if name not in first]
    if lacking:
        raise BenchError(f"no layout {lacking[0]!r} with an image of every method in this run")
    return [first[name] for name in names]


def _sheet(chosen: Sequence[Sample], board: Leaderboard, order: Sequence[int]) -> Image.Image:
    font = ImageFont.load_default(_TEXT)
    block = len(order) * SIDE + (len(order) - 1) * _GAP
    captions = [_wrap(sample.prompt, font, block) for sample in chosen]
    lines = max(map(len, captions))
    height = _TEXT + 6 + SIDE + 6 + lines * (_TEXT + 4)
    across = min(_ACROSS, len(chosen))
    down = math.ceil(len(chosen) / across)
    legend = _TEXT + 10
    sheet = Image.new(
        "RGB",
        (
            2 * _MARGIN + across * block + (across - 1) * 2 * _MARGIN,
            2 * _MARGIN + down * height + (down - 1) * _MARGIN + legend,
        ),
        _GROUND,
    )
    pen = ImageDraw.Draw(sheet)
    for k, (sample, caption) in enumerate(zip(chosen, captions, strict=True)):
        x = _MARGIN + (k % across) * (block + 2 * _MARGIN)
        y = _MARGIN + (k // across) * (height + _MARGIN)
        shots = {shot.entry: shot for shot in sample.shots}
        for j, entry in enumerate(order):
            left = x + j * (SIDE + _GAP)
            pen.text((left, y), board.rows[entry].label, fill=_INK, font=font)
            verdict = _verdict(shots[entry])
            width = pen.textlength(verdict, font=font)
            pen.text((left + SIDE - width, y), verdict, fill=_FAINT, font=font)
            sheet.paste(_drawn(sample, shots[entry]), (left, y + _TEXT + 6))
        for n, line in enumerate(caption):
            at = y + _TEXT + 6 + SIDE + 6 + n * (_TEXT + 4)
            pen.text((x, at), line, fill=_INK, font=font)
    text = "solid: where the layout asks for it    dashed: what the detector found"
    pen.text((_MARGIN, sheet.height - _MARGIN - _TEXT), text, fill=_FAINT, font=font)
    return sheet


def _drawn(sample: Sample, shot: Shot) -> Image.Image:
    assert shot.image is not None
    with Image.open(shot.image) as source:
        image = source.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(image)
    for i, target in enumerate(sample.targets):
        _box(pen, target["box"], _COLORS[i % len(_COLORS)], dashed=False)
    for found in detections(shot):
        match = found["target"]
        _box(pen, found["box"], _FREE if match is None else _COLORS[match % 6], dashed=True)
    return image


def _box(pen: ImageDraw.ImageDraw, box: Sequence[float], color: str, *, dashed: bool) -> None:
    """A box in fractions of the image; a dark rim keeps it visible on any ground."""
    x0, y0, x1, y1 = (min(max(v, 0.0), 1.0) * (SIDE - 1) for v in box)
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    for start, end in zip(corners, corners[1:], strict=False):
        for a, b in _dashes(start, end) if dashed else [(start, end)]:
            pen.line([a, b], fill="#000000", width=5)
            pen.line([a, b], fill=color, width=3)


_Point = tuple[float, float]


def _dashes(
    start: _Point, end: _Point, on: float = 7, off: float = 5
) -> Iterator[tuple[_Point, _Point]]:
    length = math.dist(start, end)
    place = 0.0
    while place < length:
        stop = min(place + on, length)
        yield _between(start, end, place / length), _between(start, end, stop / length)
        place += on + off


def _between(start: _Point, end: _Point, share: float) -> _Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _verdict(shot: Shot) -> str:
    placed: Sequence[Mapping[str, Any]] = shot.places.get("instances") or ()
    if not placed:
        return ""
    return f"{sum(bool(i.get('success')) for i in placed)} of {len(placed)} right"


def _wrap(text: str, font: Any, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
