"""Eight materials, each with a look of its own, laid over a sprite with its shading kept.

A material gets the sprite's tone and shape and returns a surface: a new tone that a colour ramp
looks up (the material's own ramp, or a colour's), the opacity, and white gloss on top. Patterns
have wavelengths of 8 to 16 pixels of the 96-pixel tile, so they survive at 40 pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array: TypeAlias = NDArray[np.floating[Any]]
Anchors = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Surface:
    """What a material makes of a sprite; arrays are (h, w), 0..1."""

    tone: Array
    shape: Array
    opacity: Array
    gloss: Array
    ramp: Anchors


def apply_texture(texture: str, noun: str, tone: Array, shape: Array) -> Surface:
    """Lay a material over a noun's sprite. Irregularities are the noun's own and never change."""
    noise = np.random.default_rng(zlib.crc32(f"{texture} {noun}".encode()))
    return MATERIALS[texture](tone, shape, noise)


def _grid(shape: Array) -> tuple[Array, Array]:
    y, x = np.mgrid[: shape.shape[0], : shape.shape[1]]
    return y.astype(np.float32), x.astype(np.float32)


def _blur(values: Array, radius: float) -> Array:
    image = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def _depth(shape: Array, radius: float) -> Array:
    """0 at the outline, 1 a few pixels inside it."""
    padded = np.pad(shape, 8)
    soft = _blur(padded, radius)[8:-8, 8:-8]
    return np.clip(2 * soft - 1, 0, 1)


def _clouds(noise: np.random.Generator, shape: Array, radius: float) -> Array:
    """Smooth noise, 0..1, with blobs of about this radius."""
    raw = _blur(noise.random(shape.shape, np.float32), radius)
    low, high = np.percentile(raw, [2, 98])
    return np.clip((raw - low) / max(high - low, 1e-3), 0, 1).astype(np.float32)


def _strands(noise: np.random.Generator, shape: Array) -> Array:
    """Short slanting hairs, 0..1: noise smeared along one direction."""
    raw = _blur(noise.random(shape.shape, np.float32), 0.8)
    smear = sum(np.roll(raw, (k, k // 2), (0, 1)) for k in range(8)) / 8
    low, high = np.percentile(smear, [2, 98])
    return np.clip((smear - low) / max(high - low, 1e-3), 0, 1).astype(np.float32)


def _relief(tone: Array) -> Array:
    """What separates a sprite's parts: the tone against its surroundings, about -0.5..0.5."""
    return np.clip(1.6 * (tone - _blur(tone, 6)), -0.5, 0.5)


def _wooden(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """Wavy grain: dark lines along the board."""
    y, x = _grid(shape)
    bend = 5 * np.sin(x / 21 + 6 * noise.random()) + 9 * _clouds(noise, shape, 9)
    phase = (y + bend) / 10
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    grain = 0.62 * rings**0.6 + 0.1 * np.sin(2 * np.pi * phase * 3.1 + x / 30)
    out = 0.08 + 0.42 * tone + grain * 0.62 - 0.12
    return Surface(out, shape, shape, 0 * shape, ((62, 28, 8), (172, 104, 50), (240, 190, 128)))


def _metallic(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """A mirror-like contour map of the shading with sharp white bands."""
    y, x = _grid(shape)
    sweep = (y + 0.5 * x) / 34 + 1.5 * tone + noise.random()
    wave = np.abs((sweep % 1) - 0.5) * 2
    out = 0.12 + 0.3 * tone + 0.62 * wave
    gloss = np.clip((wave - 0.78) * 6, 0, 1) * 0.9
    return Surface(out, shape, shape, gloss, ((34, 40, 54), (140, 150, 168), (226, 232, 242)))


def _fluffy(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """Fur: the outline breaks into tufts, the inside is streaked."""
    h, w = shape.shape
    inner = (max(1, round(0.88 * w)), max(1, round(0.88 * h)))
    left, top = (w - inner[0]) // 2, (h - inner[1]) // 2

    def shrink(values: Array) -> Array:
        image = Image.fromarray((values * 255).astype(np.uint8))
        out = np.zeros_like(values)
        small = np.asarray(image.resize(inner, Image.Resampling.BOX), np.float32) / 255
        out[top : top + inner[1], left : left + inner[0]] = small
        return out

    body = shrink(shape)
    shade = shrink(tone * shape) / np.maximum(body, 0.02)
    strands = _strands(noise, shape)
    reach = _blur(body, 3.2)
    fur = np.maximum(body, np.clip((reach - 0.04 - 0.62 * strands) * 5, 0, 1))
    # Outside the body the shade is unknown: fur there takes the strands' alone.
    shade = np.where(body > 0.3, shade, 0.5)
    out = 0.2 + 0.56 * shade + 0.5 * (strands - 0.5) + 0.1 * _depth(body, 3)
    return Surface(out, fur, fur, 0 * shape, ((138, 104, 80), (232, 212, 186), (255, 252, 246)))


def _glass(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """See-through, with a bright rim and a slanting reflection."""
    y, x = _grid(shape)
    h, w = shape.shape
    inside = _depth(shape, 4)
    rim = np.clip(1 - inside * 1.6, 0, 1) * shape
    slant = (x / w + y / h) % 1
    streak = ((slant > 0.28) & (slant < 0.40)) | ((slant > 0.46) & (slant < 0.50))
    gloss = 0.8 * streak * inside
    detail = np.clip(np.abs(tone - _blur(tone, 3)) * 3, 0, 0.5)
    opacity = shape * np.clip(0.36 + 0.6 * rim + 0.4 * streak * inside + detail, 0, 1)
    out = 0.3 + 0.6 * tone - 0.45 * rim
    return Surface(out, shape, opacity, gloss, ((44, 120, 160), (150, 212, 236), (236, 252, 255)))


def _fabric(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """A plaid: crossing bands over a fine weave."""
    y, x = _grid(shape)
    across = (y % 16) < 8
    along = (x % 16) < 8
    plaid = 0.36 * across + 0.36 * along
    thread = 0.10 * (((y // 2 + x // 2) % 2) - 0.5)
    pin = 0.30 * (((y % 16) // 2 == 1) | ((x % 16) // 2 == 1))
    out = 0.10 + 0.85 * (plaid + thread + pin) + 0.16 * (tone - 0.5) + 0.75 * _relief(tone)
    return Surface(out, shape, shape, 0 * shape, ((30, 40, 104), (190, 52, 66), (252, 236, 206)))


def _plastic(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """A toy: three flat tones, a dark rim, hard white reflections."""
    y, x = _grid(shape)
    h, w = shape.shape
    smooth = _blur(tone, 1.5)
    steps = np.digitize(smooth, (0.3, 0.68)).astype(np.float32)
    rim = 1 - _depth(shape, 2)
    out = 0.26 + 0.2 * steps - 0.3 * rim
    spot = ((x / w - 0.30) / 0.13) ** 2 + ((y / h - 0.26) / 0.09) ** 2 < 1
    bar = (np.abs(x / w - 0.72) < 0.035) & (np.abs(y / h - 0.55) < 0.2)
    gloss = (spot | bar).astype(np.float32) * (_depth(shape, 2) > 0.3)
    return Surface(out, shape, shape, gloss, ((0, 92, 96), (0, 206, 196), (170, 255, 240)))


def _leather(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """Creased hide with a light row of stitches along the outline."""
    y, x = _grid(shape)
    field = _clouds(noise, shape, 3.2)
    creases = np.clip(1 - np.abs(field - 0.5) * 9, 0, 1)
    second = _clouds(noise, shape, 3.2)
    creases = np.maximum(creases, np.clip(1 - np.abs(second - 0.5) * 9, 0, 1))
    inside = _depth(shape, 7)
    seam = (inside > 0.30) & (inside < 0.62)
    dashes = ((x + y) % 11 < 6.5) & ((x - y) % 11 < 8.5)
    out = 0.27 + 0.40 * tone - 0.20 * creases + 0.35 * _relief(tone)
    out = np.where(seam & dashes, 1.0, out).astype(np.float32)
    return Surface(out, shape, shape, 0 * shape, ((34, 14, 6), (104, 52, 26), (226, 176, 112)))


def _rubber(tone: Array, shape: Array, noise: np.random.Generator) -> Surface:
    """Matt and near black, with a grid of raised dots."""
    y, x = _grid(shape)
    row = np.floor(y / 9)
    dx = (x + 4.5 * (row % 2)) % 9 - 4.5
    dy = y % 9 - 4.5
    dots = np.clip(2.9 - np.sqrt(dx**2 + dy**2), 0, 1)
    shadow = np.clip(2.9 - np.sqrt((dx - 1.4) ** 2 + (dy - 1.4) ** 2), 0, 1)
    out = 0.14 + 0.36 * tone - 0.12 * shadow + 0.7 * _relief(tone)
    out = np.where(dots > 0, out + dots * 0.36, out).astype(np.float32)
    return Surface(out, shape, shape, 0 * shape, ((10, 10, 14), (50, 50, 58), (140, 140, 150)))


MATERIALS: dict[str, Callable[[Array, Array, np.random.Generator], Surface]] = {
    "wooden": _wooden,
    "metallic": _metallic,
    "fluffy": _fluffy,
    "glass": _glass,
    "fabric": _fabric,
    "plastic": _plastic,
    "leather": _leather,
    "rubber": _rubber,
}
"""Texture word to its material."""
