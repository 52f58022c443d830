"""Backgrounds: muted gradients with one or two motifs, so that all colours stand out on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bench.pocket.world.vocabulary import BACKGROUNDS

VARIANTS = 16
"""Pictures of each background; each may also be mirrored."""
_SIDE = 256
"""Pixels of the working canvas, scaled down for use."""

RGB = tuple[int, int, int]
Pen: TypeAlias = ImageDraw.ImageDraw


@lru_cache(maxsize=512)
def background(key: str | None, variant: int, size: int) -> NDArray[np.float32]:
    """Picture ``variant`` (0..VARIANTS-1) of a background: (size, size, 3), 0..255.

    The array is shared: copy before writing. None is the plain light gradient.
    """
    number = list(BACKGROUNDS).index(key) + 1 if key else 0
    noise = np.random.default_rng((number, variant))
    image = Image.new("RGB", (_SIDE, _SIDE))
    _PAINTERS[key](image, noise)
    small = image.resize((size, size), Image.Resampling.BOX)
    out = np.asarray(small, np.float32)
    out.flags.writeable = False
    return out


def _fade(image: Image.Image, y0: float, y1: float, top: RGB, bottom: RGB) -> None:
    """A vertical gradient over the rows y0..y1 (fractions)."""
    a, b = round(y0 * _SIDE), round(y1 * _SIDE)
    t = np.linspace(0, 1, max(1, b - a))[:, None]
    rows = (np.array(top) * (1 - t) + np.array(bottom) * t).astype(np.uint8)
    band = np.repeat(rows[:, None], _SIDE, axis=1)
    image.paste(Image.fromarray(band), (0, a))


def _ellipse(pen: Pen, x: float, y: float, rx: float, ry: float, color: RGB) -> None:
    pen.ellipse([(x - rx) * _SIDE, (y - ry) * _SIDE, (x + rx) * _SIDE, (y + ry) * _SIDE], color)


def _rect(pen: Pen, x0: float, y0: float, x1: float, y1: float, color: RGB) -> None:
    if x1 > x0 and y1 > y0:
        pen.rectangle([x0 * _SIDE, y0 * _SIDE, x1 * _SIDE - 1, y1 * _SIDE - 1], color)


def _plain(image: Image.Image, noise: np.random.Generator) -> None:
    tint = noise.integers(-7, 8, 3)
    top = tuple(int(v) for v in 228 + tint)
    bottom = tuple(int(v) for v in 206 + tint)
    _fade(image, 0, 1, (top[0], top[1], top[2]), (bottom[0], bottom[1], bottom[2]))


def _park(image: Image.Image, noise: np.random.Generator) -> None:
    line = 0.42 + 0.12 * noise.random()
    _fade(image, 0, line, (176, 212, 238), (216, 234, 244))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        x, r = noise.random(), 0.09 + 0.07 * noise.random()
        _ellipse(pen, x, line - 0.3 * r, r, 0.9 * r, (142, 186, 140))
    _fade(image, line, 1, (172, 208, 146), (138, 182, 116))


def _beach(image: Image.Image, noise: np.random.Generator) -> None:
    line = 0.28 + 0.1 * noise.random()
    shore = line + 0.2 + 0.06 * noise.random()
    _fade(image, 0, line, (190, 224, 244), (226, 240, 246))
    _fade(image, line, shore, (96, 176, 206), (150, 212, 222))
    _fade(image, shore, 1, (244, 230, 194), (232, 208, 162))
    pen = ImageDraw.Draw(image)
    phase = noise.random()
    for k in range(9):
        _ellipse(pen, (k + phase - 0.5) / 8, shore, 0.075, 0.018, (250, 252, 252))


def _snow(image: Image.Image, noise: np.random.Generator) -> None:
    _fade(image, 0, 1, (186, 202, 226), (214, 224, 240))
    pen = ImageDraw.Draw(image)
    line = 0.6 + 0.1 * noise.random()
    _ellipse(pen, 0.2, line + 0.42, 0.7, 0.5, (222, 231, 245))
    _ellipse(pen, 0.85, line + 0.45, 0.6, 0.5, (230, 238, 249))
    for x, y in noise.random((22, 2)):
        _ellipse(pen, x, y * 0.8, 0.011, 0.011, (252, 253, 255))


def _kitchen(image: Image.Image, noise: np.random.Generator) -> None:
    line = 0.6 + 0.1 * noise.random()
    _fade(image, 0, line, (244, 232, 210), (238, 222, 196))
    pen = ImageDraw.Draw(image)
    shelf = 0.12 + 0.06 * noise.random()
    _rect(pen, 0, shelf, 1, shelf + 0.035, (196, 160, 122))
    for k in range(9):
        _rect(pen, k / 8, shelf + 0.035, k / 8 + 0.008, line, (224, 206, 178))
    for k in range(1, 5):
        y = shelf + k * 0.11
        if y < line:
            _rect(pen, 0, y, 1, y + 0.008, (224, 206, 178))
    _fade(image, line, line + 0.05, (214, 204, 196), (198, 188, 180))
    _fade(image, line + 0.05, 1, (186, 152, 118), (170, 136, 104))
    for k in range(3):
        x = k / 2 - 0.006
        _rect(pen, x, line + 0.05, x + 0.012, 1, (150, 118, 88))


def _bathroom(image: Image.Image, noise: np.random.Generator) -> None:
    _fade(image, 0, 1, (206, 234, 236), (184, 220, 224))
    pen = ImageDraw.Draw(image)
    step = 1 / 6
    shift = noise.random() * step
    for k in range(8):
        at = k * step - shift
        _rect(pen, at, 0, at + 0.012, 1, (240, 250, 250))
        _rect(pen, 0, at, 1, at + 0.012, (240, 250, 250))
    line = 0.76 + 0.06 * noise.random()
    _rect(pen, 0, line, 1, 1, (226, 232, 238))
    for row in range(3):
        for col in range(9):
            if (row + col) % 2:
                x, y = col / 8, line + row * 0.09
                _rect(pen, x, y, x + 1 / 8, y + 0.09, (146, 168, 182))


def _desert(image: Image.Image, noise: np.random.Generator) -> None:
    line = 0.5 + 0.1 * noise.random()
    _fade(image, 0, line + 0.2, (252, 222, 178), (252, 238, 212))
    pen = ImageDraw.Draw(image)
    _ellipse(pen, 0.15 + 0.7 * noise.random(), 0.2, 0.08, 0.08, (255, 248, 216))
    _ellipse(pen, noise.random(), line + 0.32, 0.75, 0.32, (222, 180, 126))
    _ellipse(pen, noise.random(), line + 0.5, 0.95, 0.42, (210, 164, 108))
    _rect(pen, 0, line + 0.3, 1, 1, (210, 164, 108))


def _night(image: Image.Image, noise: np.random.Generator) -> None:
    _fade(image, 0, 1, (58, 62, 112), (104, 106, 152))
    pen = ImageDraw.Draw(image)
    x = 0.15 + 0.7 * noise.random()
    _ellipse(pen, x, 0.16, 0.075, 0.075, (246, 240, 206))
    _ellipse(pen, x + 0.035, 0.145, 0.065, 0.065, (66, 70, 119))
    for x, y in noise.random((26, 2)):
        _ellipse(pen, x, y, 0.008, 0.008, (236, 236, 250))


def _forest(image: Image.Image, noise: np.random.Generator) -> None:
    _fade(image, 0, 0.78, (128, 156, 128), (160, 182, 150))
    pen = ImageDraw.Draw(image)
    for k in range(7):
        x = (k + 0.8 * noise.random()) / 7
        wide = 0.025 + 0.03 * noise.random()
        _rect(pen, x - wide, 0, x + wide, 0.8, (116, 112, 100))
    for x in noise.random(7):
        _ellipse(pen, x, 0.0, 0.16, 0.12, (98, 132, 104))
    _fade(image, 0.78, 1, (134, 140, 100), (112, 116, 84))


def _room(image: Image.Image, noise: np.random.Generator) -> None:
    line = 0.66 + 0.08 * noise.random()
    _fade(image, 0, line, (232, 222, 232), (222, 210, 224))
    pen = ImageDraw.Draw(image)
    _fade(image, line, 1, (210, 180, 148), (192, 160, 128))
    for k in range(1, 4):
        y = line + (1 - line) * (k / 4) ** 1.2
        _rect(pen, 0, y, 1, y + 0.008, (172, 142, 112))
    _rect(pen, 0, line - 0.03, 1, line, (250, 248, 250))


def _street(image: Image.Image, noise: np.random.Generator) -> None:
    line = 0.5 + 0.08 * noise.random()
    _fade(image, 0, line, (204, 216, 228), (224, 230, 236))
    pen = ImageDraw.Draw(image)
    x = -0.1 * noise.random()
    while x < 1:
        wide, tall = 0.12 + 0.1 * noise.random(), 0.16 + 0.24 * noise.random()
        shade = int(168 + 20 * noise.random())
        _rect(pen, x, line - tall, x + wide, line, (shade, shade - 4, shade + 6))
        for row in range(int(tall / 0.08)):
            for col in range(int(wide / 0.06)):
                wx, wy = x + 0.02 + 0.06 * col, line - tall + 0.025 + 0.08 * row
                _rect(pen, wx, wy, wx + 0.03, wy + 0.035, (228, 230, 220))
        x += wide + 0.015
    _rect(pen, 0, line, 1, line + 0.05, (196, 192, 188))
    _fade(image, line + 0.05, 1, (150, 150, 156), (128, 128, 136))
    phase = 0.25 * noise.random()
    for k in range(5):
        _rect(pen, k / 4 - phase, 0.79, k / 4 - phase + 0.13, 0.815, (240, 238, 226))


def _water(image: Image.Image, noise: np.random.Generator) -> None:
    _fade(image, 0, 1, (146, 208, 220), (62, 130, 158))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, r = noise.random(), noise.random(), 0.01 + 0.022 * noise.random()
        _ellipse(pen, x, y, r, r, (196, 232, 238))
        _ellipse(pen, x, y, 0.7 * r, 0.7 * r, (124, 188, 204))
    for _ in range(6):
        x, tall = noise.random(), 0.12 + 0.12 * noise.random()
        for k in range(5):
            sway = 0.012 * (-1) ** k
            _ellipse(pen, x + sway, 1 - k * tall / 4, 0.018, tall / 6, (74, 140, 122))


def _mountains(image: Image.Image, noise: np.random.Generator) -> None:
    _fade(image, 0, 1, (196, 214, 236), (232, 238, 244))
    pen = ImageDraw.Draw(image)
    for k in range(3):
        x, top = (k + 0.2 + 0.6 * noise.random()) / 3, 0.14 + 0.16 * noise.random()
        rock = (146 + 8 * k, 154 + 6 * k, 178 + 4 * k)
        for part, color in ((1.0, rock), (0.26, (244, 247, 252))):
            wide, foot = 0.36 * part, top + (0.72 - top) * part
            corners = [(x, top), (x + wide, foot), (x - wide, foot)]
            pen.polygon([(px * _SIDE, py * _SIDE) for px, py in corners], color)
    _fade(image, 0.7, 1, (158, 172, 150), (134, 150, 128))


_PAINTERS: dict[str | None, Callable[[Image.Image, np.random.Generator], None]] = {
    None: _plain,
    "park": _park,
    "beach": _beach,
    "snow": _snow,
    "kitchen": _kitchen,
    "bathroom": _bathroom,
    "desert": _desert,
    "night": _night,
    "forest": _forest,
    "room": _room,
    "street": _street,
    "water": _water,
    "mountains": _mountains,
}
