"""Sprites in any colour and texture, made from the atlas on demand and kept.

A sprite's tone is its luminance, stretched so that every sprite uses the whole range from
shadow (0) to highlight (1). A colour is a ramp from shadow through body to highlight that the
tone looks up, so that shading survives: black reads black and white reads white, yet both have
form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.pocket.world.textures import Anchors, Array, apply_texture

ART = Path(__file__).resolve().parent.parent / "art"
CACHED = 2048
"""Coloured sprites kept in memory: 75 MB at most."""

RAMPS: dict[str, Anchors] = {
    "red": ((105, 0, 12), (222, 24, 30), (255, 118, 104)),
    "orange": ((176, 66, 0), (255, 132, 8), (255, 196, 112)),
    "yellow": ((186, 140, 0), (255, 222, 20), (255, 250, 178)),
    "green": ((0, 66, 16), (28, 164, 52), (140, 232, 132)),
    "blue": ((4, 16, 112), (26, 84, 230), (130, 188, 255)),
    "purple": ((52, 10, 92), (126, 44, 186), (200, 148, 246)),
    "pink": ((206, 70, 132), (255, 142, 190), (255, 218, 234)),
    "brown": ((48, 22, 8), (116, 64, 30), (186, 128, 86)),
    "black": ((4, 4, 8), (34, 34, 40), (116, 116, 128)),
    "white": ((158, 160, 174), (238, 238, 244), (255, 255, 255)),
    "gray": ((66, 68, 74), (132, 134, 140), (204, 206, 212)),
}
"""Colour to its shadow, body and highlight (sRGB, 0..255) at tones 0, 0.5 and 1."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawn thing, ready to be scaled."""

    paint: Image.Image
    """Mode RGBX: red, green and blue premultiplied by the fourth band, the opacity."""
    shape: Image.Image
    """Mode L: how much of each pixel belongs to the thing, also where it is translucent."""


@cache
def atlas() -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
    """The atlas's pixels (H, W, 4) and its table of sprites."""
    table = json.loads((ART / "atlas.json").read_text(encoding="utf-8"))["sprites"]
    with Image.open(ART / "atlas.png") as image:
        return np.asarray(image.convert("RGBA")), table


@cache
def aspects() -> dict[str, float]:
    """Width divided by height of every noun's sprite."""
    return {noun: row["rect"][2] / row["rect"][3] for noun, row in atlas()[1].items()}


@cache
def natural(noun: str) -> Array:
    """A noun's own pixels (h, w, 4): RGB and opacity, each 0..1, not premultiplied."""
    pixels, table = atlas()
    x, y, w, h = table[noun]["rect"]
    out: Array = pixels[y : y + h, x : x + w].astype(np.float32) / 255
    return out


@cache
def tone(noun: str) -> Array:
    """A noun's shading (h, w), 0..1: luminance between its 3rd and 97th percentile, median 0.5."""
    rgba = natural(noun)
    # Rec. 601 luma weights.
    luma = rgba[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    solid = luma[rgba[..., 3] > 0.5]
    low, high = np.percentile(solid, [3, 97])
    stretched = np.clip((luma - low) / max(high - low, 1e-3), 0, 1)
    middle = float(np.clip((np.median(solid) - low) / max(high - low, 1e-3), 0.08, 0.92))
    # A power that moves the median to one half keeps dark things from looking black in red.
    power = np.float32(np.log(0.5) / np.log(middle))
    return np.asarray(stretched**power)


@cache
def ramp_table(anchors: Anchors) -> NDArray[np.float32]:
    """The 256 colours (256, 3), 0..1, of a ramp through three anchors."""
    at = np.linspace(0, 1, 256)
    bands = [np.interp(at, (0, 0.5, 1), band) for band in zip(*anchors, strict=True)]
    out: NDArray[np.float32] = (np.stack(bands, axis=1) / 255).astype(np.float32)
    return out


def colored(tones: Array, anchors: Anchors) -> Array:
    """Look tones (h, w) in 0..1 up in a ramp: (h, w, 3)."""
    return ramp_table(anchors)[np.clip(tones * 255, 0, 255).astype(np.uint8)]


@lru_cache(maxsize=CACHED)
def sprite(noun: str, color: str | None, texture: str | None) -> Sprite:
    """The sprite of a noun in a colour and a texture; None keeps its own."""
    rgba = natural(noun)
    shape = opacity = rgba[..., 3]
    if texture is not None:
        surface = apply_texture(texture, noun, tone(noun), shape)
        shape, opacity = surface.shape, surface.opacity
        rgb = colored(surface.tone, RAMPS[color] if color else surface.ramp)
        rgb = rgb + (1 - rgb) * surface.gloss[..., None]
    elif color is not None:
        rgb = colored(tone(noun), RAMPS[color])
    else:
        rgb = rgba[..., :3]
    packed = np.dstack([rgb * opacity[..., None], opacity])
    return Sprite(_image(packed, "RGBX"), _image(shape, "L"))


def _image(values: Array, mode: str) -> Image.Image:
    pixels = np.ascontiguousarray(np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8))
    size = (pixels.shape[1], pixels.shape[0])
    return Image.frombytes(mode, size, pixels.tobytes())
