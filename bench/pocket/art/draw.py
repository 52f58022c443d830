"""Sprites drawn by code in the soft, rounded manner of the icon set, for what it lacks.

Every sprite is a stack of parts. A part is a mask (rounded box, ellipse or polygon) and a base
colour; it is shaded as if it bulged out of the picture: the blurred mask is taken for a height
field, lit from the upper left. Coordinates are fractions of the sprite's square, y downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE = 384
"""Pixels of the working canvas: four times the atlas's tiles, so that edges come out smooth."""

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


class Sheet:
    """A canvas (SIDE x SIDE RGBA) that parts are laid on, back to front."""

    def __init__(self) -> None:
        self.image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))

    def box(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        color: RGB,
        *,
        r: float = 0.04,
        soft: float = 0.03,
        gain: float = 1.0,
    ) -> None:
        """A rounded box; ``r`` is its corner radius, ``soft`` the width of its bevel."""
        mask, pen = self._blank()
        pen.rounded_rectangle([v * SIDE for v in (x0, y0, x1, y1)], r * SIDE, fill=255)
        self._lay(mask, color, soft, gain)

    def oval(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        color: RGB,
        *,
        soft: float = 0.05,
        gain: float = 1.0,
    ) -> None:
        """An ellipse inside the given box."""
        mask, pen = self._blank()
        pen.ellipse([v * SIDE for v in (x0, y0, x1, y1)], fill=255)
        self._lay(mask, color, soft, gain)

    def poly(self, points: Points, color: RGB, *, soft: float = 0.03, gain: float = 1.0) -> None:
        """A polygon with its corners rounded by a blur and a threshold."""
        mask, pen = self._blank()
        pen.polygon([(x * SIDE, y * SIDE) for x, y in points], fill=255)
        rounded = mask.filter(ImageFilter.GaussianBlur(0.012 * SIDE))
        self._lay(rounded.point(lambda v: 255 if v > 127 else 0), color, soft, gain)

    def line(self, points: Points, width: float, color: RGB, *, soft: float = 0.012) -> None:
        """A round-ended stroke through the points."""
        mask, pen = self._blank()
        dots = [(x * SIDE, y * SIDE) for x, y in points]
        pen.line(dots, fill=255, width=round(width * SIDE), joint="curve")
        half = width * SIDE / 2
        for x, y in (dots[0], dots[-1]):
            pen.ellipse([x - half, y - half, x + half, y + half], fill=255)
        self._lay(mask, color, soft, 1.0)

    def shine(self, x0: float, y0: float, x1: float, y1: float, strength: float = 0.7) -> None:
        """A blurred white spot that stays inside what has been drawn."""
        mask, pen = self._blank()
        pen.ellipse([v * SIDE for v in (x0, y0, x1, y1)], fill=round(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(0.012 * SIDE))
        white = Image.new("RGBA", (SIDE, SIDE), (255, 255, 255, 0))
        white.putalpha(mask)
        alpha = self.image.getchannel("A")
        self.image = Image.alpha_composite(self.image, white)
        self.image.putalpha(alpha)

    def _blank(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        mask = Image.new("L", (SIDE, SIDE), 0)
        return mask, ImageDraw.Draw(mask)

    def _lay(self, mask: Image.Image, color: RGB, soft: float, gain: float) -> None:
        height = np.asarray(mask.filter(ImageFilter.GaussianBlur(soft * SIDE)), np.float32) / 255
        dy, dx = np.gradient(height)
        tilt = np.clip((dx + 1.6 * dy) * soft * SIDE, -0.6, 0.6)
        inside = np.asarray(mask) > 127
        rows = np.flatnonzero(inside.any(axis=1))
        fall: NDArray[np.float32] = np.zeros((SIDE, 1), np.float32)
        if rows.size > 1:
            fall[rows[0] : rows[-1] + 1, 0] = np.linspace(0.14, -0.14, rows[-1] - rows[0] + 1)
        light = gain * (1 + fall + 0.75 * tilt)[..., None]
        base = np.array(color, np.float32)
        bright = 255 - (255 - base) * np.clip(2 - light, 0, 1)
        rgb = np.where(
            light <= 1, base * light, 0.45 * np.minimum(base * light, 255) + 0.55 * bright
        )
        # Shadows drift towards violet, as in the icon set.
        rgb += np.clip(1 - light, 0, 1) * np.array([8, -6, 30], np.float32)
        part = np.dstack([np.clip(rgb, 0, 255), np.asarray(mask, np.float32)]).astype(np.uint8)
        self.image = Image.alpha_composite(self.image, Image.fromarray(part))


OAK: RGB = (196, 132, 78)
WALNUT: RGB = (136, 82, 56)
STEEL: RGB = (186, 190, 206)
DARK: RGB = (70, 66, 88)


def desk(s: Sheet) -> None:
    """A writing desk: a wide top, drawers on one side, an open knee space."""
    s.box(0.07, 0.34, 0.15, 0.86, WALNUT, r=0.02, gain=0.85)
    s.box(0.15, 0.34, 0.58, 0.44, WALNUT, r=0.01, gain=0.7)
    s.box(0.56, 0.32, 0.94, 0.86, WALNUT, r=0.03)
    for top in (0.37, 0.53, 0.69):
        s.box(0.60, top, 0.90, top + 0.13, OAK, r=0.02, gain=1.02)
        s.oval(0.715, top + 0.04, 0.785, top + 0.09, (246, 196, 84), soft=0.015)
    s.box(0.01, 0.22, 0.99, 0.35, OAK, r=0.035, gain=1.08)


def table(s: Sheet) -> None:
    """A round pedestal table: unlike the desk it has one leg and an oval top."""
    s.oval(0.24, 0.80, 0.76, 0.95, OAK, soft=0.03, gain=0.85)
    s.box(0.44, 0.36, 0.56, 0.88, OAK, r=0.04, gain=0.9)
    s.oval(0.01, 0.19, 0.99, 0.53, WALNUT, soft=0.02, gain=0.95)
    s.oval(0.01, 0.14, 0.99, 0.47, OAK, soft=0.03, gain=1.1)


def bench(s: Sheet) -> None:
    """A park bench: slats on dark legs with arm rests."""
    for x in (0.10, 0.82):
        s.box(x, 0.30, x + 0.08, 0.90, DARK, r=0.02)
    for top in (0.20, 0.33, 0.46):
        s.box(0.02, top, 0.98, top + 0.105, OAK, r=0.03, soft=0.02)
    for x in (0.03, 0.87):
        s.box(x, 0.47, x + 0.10, 0.55, DARK, r=0.03)
        s.box(x, 0.50, x + 0.05, 0.72, DARK, r=0.02)
    s.box(0.0, 0.62, 1.0, 0.74, OAK, r=0.03, soft=0.02, gain=1.08)


def sofa(s: Sheet) -> None:
    """A two-seater with high round arms."""
    blue = (66, 122, 214)
    for x in (0.14, 0.80):
        s.box(x, 0.80, x + 0.06, 0.93, (120, 76, 52), r=0.015)
    s.box(0.10, 0.16, 0.90, 0.72, blue, r=0.13, soft=0.05, gain=0.88)
    s.box(0.16, 0.22, 0.505, 0.64, blue, r=0.08, soft=0.05)
    s.box(0.495, 0.22, 0.84, 0.64, blue, r=0.08, soft=0.05)
    s.box(0.14, 0.54, 0.86, 0.84, blue, r=0.05, soft=0.04, gain=1.1)
    s.box(0.0, 0.38, 0.20, 0.85, blue, r=0.095, soft=0.05, gain=1.02)
    s.box(0.80, 0.38, 1.0, 0.85, blue, r=0.095, soft=0.05, gain=0.95)


def couch(s: Sheet) -> None:
    """A long, low chaise: one high end, a seat that runs out, a roll of cushion."""
    teal = (44, 160, 150)
    for x in (0.06, 0.48, 0.90):
        s.box(x, 0.70, x + 0.045, 0.80, (120, 76, 52), r=0.015)
    s.poly(
        [(0.02, 0.16), (0.16, 0.16), (0.24, 0.34), (0.62, 0.40), (0.66, 0.56), (0.02, 0.60)],
        teal,
        soft=0.04,
        gain=0.85,
    )
    s.box(0.01, 0.50, 0.99, 0.73, teal, r=0.06, soft=0.04, gain=1.08)
    s.oval(0.0, 0.14, 0.17, 0.31, teal, soft=0.04, gain=1.05)
    s.oval(0.16, 0.32, 0.38, 0.54, (250, 206, 96), soft=0.04)


def lamp(s: Sheet) -> None:
    """A table lamp: a cone of a shade on a thin stem."""
    s.oval(0.28, 0.84, 0.72, 0.98, (176, 112, 72), soft=0.03)
    s.box(0.46, 0.45, 0.54, 0.92, (206, 150, 92), r=0.03, soft=0.02)
    s.oval(0.38, 0.56, 0.62, 0.84, (206, 150, 92), soft=0.06)
    s.poly([(0.32, 0.03), (0.68, 0.03), (0.92, 0.50), (0.08, 0.50)], (255, 206, 84), soft=0.05)
    s.oval(0.10, 0.44, 0.90, 0.56, (255, 240, 176), soft=0.03)


def refrigerator(s: Sheet) -> None:
    """Two doors, the small one above, each with a long handle."""
    body = (204, 216, 232)
    for x in (0.26, 0.66):
        s.box(x, 0.93, x + 0.09, 1.0, DARK, r=0.015)
    s.box(0.20, 0.0, 0.80, 0.97, body, r=0.07, soft=0.04, gain=0.8)
    s.box(0.22, 0.02, 0.78, 0.34, body, r=0.05, soft=0.04, gain=1.05)
    s.box(0.22, 0.36, 0.78, 0.95, body, r=0.05, soft=0.04, gain=1.05)
    s.box(0.28, 0.12, 0.335, 0.29, DARK, r=0.025, soft=0.015)
    s.box(0.28, 0.42, 0.335, 0.68, DARK, r=0.025, soft=0.015)


def microwave(s: Sheet) -> None:
    """A wide box: a dark window on the left, buttons on the right."""
    for x in (0.10, 0.80):
        s.box(x, 0.78, x + 0.10, 0.84, DARK, r=0.015)
    s.box(0.0, 0.18, 1.0, 0.81, (196, 200, 214), r=0.06, soft=0.04)
    s.box(0.05, 0.25, 0.68, 0.74, DARK, r=0.05, soft=0.02, gain=0.8)
    s.box(0.10, 0.31, 0.60, 0.68, (126, 156, 186), r=0.03, soft=0.02)
    s.poly([(0.16, 0.66), (0.34, 0.33), (0.44, 0.33), (0.26, 0.66)], (206, 226, 242), soft=0.01)
    s.box(0.63, 0.29, 0.675, 0.70, (232, 234, 242), r=0.02, soft=0.012)
    s.box(0.73, 0.26, 0.95, 0.37, (60, 200, 140), r=0.02, soft=0.012)
    for row in range(3):
        for col in range(2):
            x, y = 0.75 + 0.105 * col, 0.43 + 0.105 * row
            s.oval(x, y, x + 0.075, y + 0.075, DARK, soft=0.012)


def sink(s: Sheet) -> None:
    """A wash basin on a pedestal with a tap above it and a drop of water."""
    china = (232, 236, 246)
    s.poly([(0.40, 0.62), (0.60, 0.62), (0.64, 0.98), (0.36, 0.98)], china, gain=0.88)
    s.line(
        [(0.36, 0.44), (0.36, 0.16), (0.42, 0.08), (0.54, 0.08), (0.60, 0.16), (0.60, 0.22)],
        0.075,
        STEEL,
    )
    s.box(0.24, 0.19, 0.40, 0.26, STEEL, r=0.03, soft=0.02)
    s.oval(0.565, 0.26, 0.635, 0.36, (60, 160, 240), soft=0.02)
    s.poly(
        [(0.04, 0.48), (0.96, 0.48), (0.84, 0.70), (0.62, 0.80), (0.38, 0.80), (0.16, 0.70)],
        china,
        soft=0.05,
    )
    s.oval(0.01, 0.36, 0.99, 0.60, china, soft=0.03, gain=1.04)
    s.oval(0.10, 0.41, 0.90, 0.56, (120, 176, 226), soft=0.03, gain=0.9)


def wallet(s: Sheet) -> None:
    """A folded wallet with a clasp, and a bank note that looks out."""
    skin = (150, 92, 60)
    s.box(0.14, 0.14, 0.84, 0.50, (122, 196, 120), r=0.03, soft=0.02)
    s.oval(0.42, 0.17, 0.58, 0.33, (214, 240, 206), soft=0.02)
    s.box(0.02, 0.24, 0.94, 0.88, skin, r=0.08, soft=0.04, gain=0.8)
    s.box(0.02, 0.30, 0.94, 0.88, skin, r=0.08, soft=0.04)
    s.box(0.62, 0.46, 1.0, 0.70, skin, r=0.08, soft=0.03, gain=1.12)
    s.oval(0.69, 0.52, 0.81, 0.64, (252, 204, 92), soft=0.02)


def bottle(s: Sheet) -> None:
    """An upright bottle with a label and a cork."""
    green = (58, 150, 84)
    s.box(0.44, 0.0, 0.56, 0.10, (214, 168, 110), r=0.02, soft=0.02)
    s.box(0.42, 0.06, 0.58, 0.36, green, r=0.03)
    s.poly(
        [(0.42, 0.28), (0.58, 0.28), (0.72, 0.44), (0.72, 0.60), (0.28, 0.60), (0.28, 0.44)],
        green,
        soft=0.04,
    )
    s.box(0.28, 0.42, 0.72, 1.0, green, r=0.06, soft=0.05)
    s.box(0.28, 0.58, 0.72, 0.84, (250, 236, 206), r=0.01, soft=0.02)
    s.shine(0.33, 0.42, 0.39, 0.57)


def plate(s: Sheet) -> None:
    """A dinner plate seen from above with a knife and a fork."""
    s.oval(0.17, 0.17, 0.83, 0.83, (226, 226, 242), soft=0.05)
    s.oval(0.28, 0.28, 0.72, 0.72, (204, 204, 226), soft=0.02, gain=0.95)
    s.oval(0.30, 0.30, 0.70, 0.70, (240, 240, 250), soft=0.03)
    s.line([(0.06, 0.50), (0.06, 0.88)], 0.055, STEEL)
    for x in (0.015, 0.06, 0.105):
        s.line([(x, 0.15), (x, 0.36)], 0.026, STEEL)
    s.line([(0.015, 0.37), (0.06, 0.46), (0.105, 0.37)], 0.035, STEEL)
    s.poly([(0.91, 0.13), (0.97, 0.16), (0.985, 0.52), (0.91, 0.52)], STEEL)
    s.line([(0.945, 0.50), (0.945, 0.88)], 0.055, STEEL)


def pillow(s: Sheet) -> None:
    """A square cushion with pulled-out corners and a piped seam."""
    lilac = (176, 160, 236)
    s.poly(
        [(0.02, 0.14), (0.5, 0.23), (0.98, 0.14), (0.90, 0.5), (0.98, 0.88), (0.5, 0.79)]
        + [(0.02, 0.88), (0.10, 0.5)],
        lilac,
        soft=0.07,
    )
    for x, y in ((0.5, 0.5), (0.30, 0.36), (0.70, 0.36), (0.30, 0.65), (0.70, 0.65)):
        s.oval(x - 0.035, y - 0.03, x + 0.035, y + 0.03, (120, 100, 190), soft=0.012, gain=0.9)


DRAWN: dict[str, Callable[[Sheet], None]] = {
    "desk": desk,
    "table": table,
    "bench": bench,
    "sofa": sofa,
    "couch": couch,
    "lamp": lamp,
    "refrigerator": refrigerator,
    "microwave": microwave,
    "sink": sink,
    "wallet": wallet,
    "bottle": bottle,
    "plate": plate,
    "pillow": pillow,
}
"""Noun to the function that draws it."""


def draw(noun: str) -> Image.Image:
    """The drawn sprite of a noun: SIDE x SIDE RGBA, not trimmed."""
    sheet = Sheet()
    DRAWN[noun](sheet)
    return sheet.image
