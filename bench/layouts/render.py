"""Layouts as pictures to look at: one sketch with a legend, or a sheet of many."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.files import write_atomic
from bench.types import Instance, Layout

PALETTE = (
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45",
    "#469990", "#9a6324", "#800000", "#808000", "#000075", "#a9a9a9", "#ffd700", "#fabed4",
)  # fmt: skip
"""Colours that people tell apart; instances take them in order."""
SIDE = 512
"""Pixels of a single sketch."""
_THUMB, _COLUMNS, _ROWS = 224, 5, 4
PER_SHEET = _COLUMNS * _ROWS
_PAD = 8


def color_of(index: int) -> str:
    """Hex colour of an instance; they repeat after 16."""
    return PALETTE[index % len(PALETTE)]


def sketch(layout: Layout, side: int = SIDE) -> Image.Image:
    """The regions on white, far ones first, boxes as thin lines, numbers in the middle; RGB."""
    scale = 2  # drawn larger and reduced: smooth edges
    image = Image.new("RGB", (side * scale, side * scale), "white")
    draw = ImageDraw.Draw(image)
    size = side * scale
    order = sorted(range(len(layout.instances)), key=lambda k: (-layout.instances[k].depth, k))
    for k in order:
        inst = layout.instances[k]
        draw.polygon([(x * size, y * size) for x, y in outline(inst)], fill=color_of(k))
    for k in order:
        box = layout.instances[k].box
        edges = (box.x0 * size, box.y0 * size, box.x1 * size - 1, box.y1 * size - 1)
        draw.rectangle(edges, outline="#404040", width=scale)
    font = ImageFont.load_default(max(10, side // 22) * scale)
    for k, inst in enumerate(layout.instances):
        x, y = inst.box.center
        draw.text(
            (x * size, y * size), str(k + 1), "black", font, anchor="mm",
            stroke_width=scale, stroke_fill="white",
        )  # fmt: skip
    return image.resize((side, side), Image.Resampling.LANCZOS)


def outline(inst: Instance) -> tuple[tuple[float, float], ...]:
    """The instance's polygon, or the corners of its box where it has none."""
    if inst.polygon:
        return inst.polygon
    b = inst.box
    return ((b.x0, b.y0), (b.x1, b.y0), (b.x1, b.y1), (b.x0, b.y1))


def with_legend(layout: Layout, side: int = SIDE) -> Image.Image:
    """A sketch over its id, prompt, instances, relations and background."""
    picture = sketch(layout, side)
    size = max(10, side // 26)
    font = ImageFont.load_default(size)
    lines = legend(layout, max(20, side * 2 // size))
    line_height = size + 4
    height = side + 2 * _PAD + line_height * len(lines)
    image = Image.new("RGB", (side, height), "white")
    image.paste(picture, (0, 0))
    draw = ImageDraw.Draw(image)
    draw.line((0, side, side, side), fill="#808080")
    for row, (color, text) in enumerate(lines):
        y = side + _PAD + row * line_height
        left = 4
        if color:
            draw.rectangle((4, y + 2, 4 + size - 3, y + size - 1), fill=color)
            left = size + 8
        draw.text((left, y), text, "black", font)
    return image


def legend(layout: Layout, width: int) -> list[tuple[str | None, str]]:
    """(colour or None, text) lines: the prompt, then what each number is."""
    lines: list[tuple[str | None, str]] = [(None, f"{layout.id} ({layout.category})")]
    lines += [(None, part) for part in textwrap.wrap(layout.prompt, width)]
    for k, inst in enumerate(layout.instances):
        about = " ".join((*inst.attributes, inst.noun.upper()))
        for n, part in enumerate(textwrap.wrap(f"{k + 1} {about}", width - 4)):
            lines.append((color_of(k) if n == 0 else None, part))
    named = [f"{r.subject + 1} {r.relation} {r.object + 1}" for r in layout.relations]
    lines += [(None, part) for part in textwrap.wrap(", ".join(named), width)]
    if layout.background:
        lines.append((None, f"background: {layout.background}"[:width]))
    return lines


def sheet(layouts: Sequence[Layout]) -> Image.Image:
    """Up to PER_SHEET sketches with legends, five a row."""
    cells = [with_legend(layout, _THUMB) for layout in layouts]
    rows = [cells[n : n + _COLUMNS] for n in range(0, len(cells), _COLUMNS)]
    heights = [max(cell.height for cell in row) for row in rows]
    image = Image.new(
        "RGB", (_COLUMNS * (_THUMB + _PAD) + _PAD, sum(heights) + _PAD * (len(rows) + 1)), "#d0d0d0"
    )
    y = _PAD
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            framed = Image.new("RGB", (_THUMB, height), "white")
            framed.paste(cell, (0, 0))
            image.paste(framed, (_PAD + column * (_THUMB + _PAD), y))
        y += height + _PAD
    return image


def write_pictures(layouts: Sequence[Layout], out: Path, singles: bool) -> list[Path]:
    """Write contact sheets, and single sketches too where wanted; returns the files.

    Sheets are ``sheet-CATEGORY-NN.png``, sketches ``ID.png`` (ids hold no path characters).
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    by_category: dict[str, list[Layout]] = {}
    for layout in layouts:
        by_category.setdefault(layout.category, []).append(layout)
    for group, (category, members) in enumerate(by_category.items(), start=1):
        safe = category if category.replace("_", "").isalnum() else f"category{group}"
        for n in range(0, len(members), PER_SHEET):
            path = out / f"sheet-{safe}-{n // PER_SHEET + 1:02d}.png"
            write_atomic(path, _png(sheet(members[n : n + PER_SHEET])))
            written.append(path)
    for layout in layouts if singles else ():
        path = out / f"{layout.id}.png"
        write_atomic(path, _png(with_legend(layout)))
        written.append(path)
    return written


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
