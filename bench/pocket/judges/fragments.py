"""Half-formed things that do not count: a generator's failures, made from sprites.

A fragment is a piece of a sprite (a third of it or less), a chimera of bands from three sprites,
or a blob with a sprite's colours and no features. A judge must not take it for an instance.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bench.pocket.judges.degrade import Image
from bench.pocket.world.splits import pair_split
from bench.pocket.world.sprites import sprite
from bench.pocket.world.vocabulary import COLORS, NOUNS, TEXTURES

Paint = npt.NDArray[np.float32]
"""(h, w, 4): RGB premultiplied by the fourth band, the opacity; 0..1."""

Look = tuple[str, str | None, str | None]
"""Noun, colour, texture."""

TRIES = 6
"""Places that are tried before a fragment is left out."""


def add_fragments(
    image: Image, taken: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Image, tuple[Look, ...]]:
    """Paste one to three fragments onto free background; instances stay untouched.

    Args:
        image: (h, w, 3) RGB.
        taken: (h, w), true where an instance is seen.

    Returns:
        The picture, and what the pasted fragments were made from.
    """
    out = image.copy()
    looks: list[Look] = []
    taken = taken.astype(bool)
    for _ in range(int(rng.integers(1, 4))):
        side = int(rng.integers(22, 64))
        makers = (_piece, _chimera, _blob)
        paint, parts = makers[int(rng.integers(len(makers)))](side, rng)
        h, w = paint.shape[:2]
        for _ in range(TRIES):
            y = int(rng.integers(0, image.shape[0] - h + 1))
            x = int(rng.integers(0, image.shape[1] - w + 1))
            where = np.s_[y : y + h, x : x + w]
            solid = paint[..., 3] > 0.2
            if (taken[where] & solid).sum() > 0.1 * solid.sum():
                continue
            alpha = paint[..., 3:] * ~taken[where][..., None]
            color = paint[..., :3] * ~taken[where][..., None]
            out[where] = np.clip(out[where] * (1 - alpha) + 255 * color + 0.5, 0, 255)
            taken = taken.copy()
            taken[where] |= solid
            looks.extend(parts)
            break
    return out, tuple(looks)


def _any_sprite(
    rng: np.random.Generator, shape: tuple[int, int] | None, side: int
) -> tuple[Paint, Look]:
    """A random sprite of the training split, scaled to a longest side or to (h, w)."""
    noun = str(rng.choice(NOUNS))
    colors = [c for c in COLORS if c != noun and pair_split(noun, c) == "train"]
    textures = [t for t in TEXTURES if pair_split(noun, t) == "train"]
    color = str(rng.choice(colors)) if rng.random() < 0.6 else None
    texture = str(rng.choice(textures)) if textures and rng.random() < 0.3 else None
    paint = np.asarray(sprite(noun, color, texture).paint, np.float32) / 255
    if rng.random() < 0.5:
        paint = paint[:, ::-1]
    h, w = paint.shape[:2]
    scale = side / max(h, w)
    size = (shape[1], shape[0]) if shape else (max(4, round(w * scale)), max(4, round(h * scale)))
    scaled = np.asarray(cv2.resize(paint, size, interpolation=cv2.INTER_AREA), np.float32)
    return scaled, (noun, color, texture)


def _piece(side: int, rng: np.random.Generator) -> tuple[Paint, list[Look]]:
    """At most a third of a sprite, cut by a straight soft edge."""
    paint, look = _any_sprite(rng, None, side)
    h, w = paint.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    along = x * np.cos(angle) + y * np.sin(angle)
    solid = along[paint[..., 3] > 0.2]
    if not solid.size:
        return paint * 0, []
    limit = np.quantile(solid, rng.uniform(0.12, 0.33))
    keep = np.clip((limit - along) / 1.5 + 0.5, 0, 1)
    return np.asarray(paint * keep[..., None], np.float32), [look]


def _chimera(side: int, rng: np.random.Generator) -> tuple[Paint, list[Look]]:
    """Three bands, each from another sprite."""
    shape = (side, side)
    parts = [_any_sprite(rng, shape, side) for _ in range(3)]
    at = np.linspace(0, 3, side, endpoint=False) + rng.uniform(-0.15, 0.15)
    band = np.clip(at.astype(int), 0, 2)
    out = np.stack([paint for paint, _ in parts])[band, np.arange(side)]
    if rng.random() < 0.3:
        out = np.ascontiguousarray(out.transpose(1, 0, 2))
    return out, [look for _, look in parts]


def _blob(side: int, rng: np.random.Generator) -> tuple[Paint, list[Look]]:
    """A sprite smeared until no feature is left."""
    paint, look = _any_sprite(rng, None, side)
    h, w = paint.shape[:2]
    cells = int(rng.integers(2, 4))
    small = cv2.resize(paint, (cells, cells), interpolation=cv2.INTER_AREA)
    padded = np.pad(small, ((1, 1), (1, 1), (0, 0)))
    return np.clip(cv2.resize(padded, (w, h), interpolation=cv2.INTER_CUBIC), 0, 1), [look]
