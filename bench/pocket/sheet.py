"""A sheet of rendered scenes with their captions, to look at."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.errors import BenchError
from bench.pocket.world import render, sample_scene
from bench.pocket.world.splits import Split

SIDE, CAPTION, COLUMNS = 192, 44, 6


def scene_sheet(path: Path, count: int, *, seed: int = 0, split: Split = "train") -> None:
    """Write ``count`` scenes, drawn at 128 px and shown at 192 px, as one PNG."""
    if count < 1:
        raise BenchError(f"--count {count}: a sheet shows at least one scene")
    rng = np.random.default_rng(seed)
    rows = -(-count // COLUMNS)
    columns = min(count, COLUMNS)
    sheet = Image.new("RGB", (columns * SIDE, rows * (SIDE + CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for k in range(count):
        scene = sample_scene(rng, split=split)
        x, y = k % COLUMNS * SIDE, k // COLUMNS * (SIDE + CAPTION)
        picture = Image.fromarray(render(scene, seed=rng))
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (x, y))
        text = "\n".join(textwrap.wrap(scene.caption, 30)[:3])
        draw.multiline_text((x + 4, y + SIDE + 3), text, fill="black", spacing=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "PNG")
