"""Build the atlas: ``python -m bench.pocket.art.build FOLDER``.

FOLDER holds the WebP files of the npm package ``@lobehub/fluent-emoji-3d`` 1.1.0 (its
``assets`` folder), named after Unicode code points. Writes ``atlas.png`` and ``atlas.json``
beside this file; the repository ships both, so nobody needs to run this to use the world.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from bench.errors import BenchError
from bench.pocket.art.draw import DRAWN, draw
from bench.pocket.world.vocabulary import NOUNS

TILE = 96
"""Longest side of a sprite in pixels."""
COLUMNS = 10
PACKAGE = "@lobehub/fluent-emoji-3d 1.1.0"
HERE = Path(__file__).resolve().parent

EMOJI = {
    "person": "1f9cd",
    "man": "1f9d4-200d-2642-fe0f",
    "woman": "1f469-200d-1f9b0",
    "boy": "1f466",
    "girl": "1f467",
    "dog": "1f436",
    "cat": "1f431",
    "horse": "1f40e",
    "cow": "1f404",
    "sheep": "1f40f",
    "pig": "1f416",
    "rabbit": "1f430",
    "mouse": "1f401",
    "giraffe": "1f992",
    "elephant": "1f418",
    "bear": "1f43b",
    "bird": "1f426",
    "chicken": "1f413",
    "duck": "1f986",
    "frog": "1f438",
    "turtle": "1f422",
    "fish": "1f41f",
    "bee": "1f41d",
    "butterfly": "1f98b",
    "car": "1f697",
    "bus": "1f68c",
    "train": "1f682",
    "airplane": "2708-fe0f",
    "bicycle": "1f6b2",
    "boat": "26f5",
    "chair": "1fa91",
    "candle": "1f56f-fe0f",
    "clock": "23f0",
    "television": "1f4fa",
    "computer": "1f4bb",
    "phone": "260e-fe0f",
    "toilet": "1f6bd",
    "vase": "1f3fa",
    "bowl": "1f963",
    "cup": "2615",
    "book": "1f4d5",
    "painting": "1f5bc-fe0f",
    "key": "1f511",
    "bag": "1f45c",
    "backpack": "1f392",
    "suitcase": "1f9f3",
    "apple": "1f34e",
    "orange": "1f34a",
    "banana": "1f34c",
    "cake": "1f382",
    "balloon": "1f388",
    "umbrella": "2602-fe0f",
    "ball": "26bd",
    "hat": "1f3a9",
    "shoe": "1f45f",
    "flower": "1f337",
    "tree": "1f333",
}
"""Noun to the code points of its icon."""


def without_sea(image: Image.Image) -> Image.Image:
    """The sailing boat without the strip of blue water that it stands in."""
    px = np.array(image)
    blue = px[..., 2].astype(int) > px[..., 0].astype(int) + 25
    blue[: int(0.62 * px.shape[0])] = False
    px[blue, 3] = 0
    return Image.fromarray(px)


def sprite(noun: str, folder: Path) -> Image.Image:
    """One noun's RGBA sprite, trimmed, its longest side TILE pixels."""
    if noun in DRAWN:
        image = draw(noun)
    else:
        path = folder / f"{EMOJI[noun]}.webp"
        if not path.is_file():
            raise BenchError(
                f"{path} is missing; give the assets folder of the npm package {PACKAGE}"
            )
        image = Image.open(path).convert("RGBA")
        if noun == "boat":
            image = without_sea(image)
    # Soft shadows of a few grey levels would make the box larger than the thing.
    image = image.crop(image.getchannel("A").point(lambda v: 255 if v > 40 else 0).getbbox())
    scale = TILE / max(image.size)
    size = tuple(max(1, round(v * scale)) for v in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def build(folder: Path, out: Path) -> None:
    """Write ``atlas.png`` (RGBA) and ``atlas.json`` (noun to rectangle and source) into ``out``."""
    rows = -(-len(NOUNS) // COLUMNS)
    atlas = Image.new("RGBA", (COLUMNS * TILE, rows * TILE), (0, 0, 0, 0))
    table = {}
    for k, noun in enumerate(NOUNS):
        image = sprite(noun, folder)
        x, y = (k % COLUMNS) * TILE, (k // COLUMNS) * TILE
        atlas.paste(image, (x, y))
        source = "drawn by draw.py" if noun in DRAWN else f"{EMOJI[noun]}.webp"
        table[noun] = {"rect": [x, y, *image.size], "source": source}
    atlas.save(out / "atlas.png", optimize=True)
    head = {"package": PACKAGE, "license": "MIT", "tile": TILE, "sprites": table}
    (out / "atlas.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="unpacked assets folder of the npm package")
    build(parser.parse_args().folder, HERE)


if __name__ == "__main__":
    main()
