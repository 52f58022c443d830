"""Scenes to pixels, with the truth about each pixel.

``seed`` decides what a scene leaves open: the background's variant and a small jitter of each
thing's brightness and hue. Scene and seed together fix every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.errors import BenchError
from bench.pocket.world.backgrounds import VARIANTS, background
from bench.pocket.world.scene import BoxT, Scene, SceneInstance
from bench.pocket.world.sprites import sprite
from bench.pocket.world.vocabulary import COLORS, NOUNS, TEXTURES

CELL = 16
"""Pixels of a token's side: the VAE's factor 8 times the transformer's patch of 2."""
NONE = -1
"""Label of a cell without a thing, and of a thing without that attribute."""

_NOUN = {word: k for k, word in enumerate(NOUNS)}
_COLOR = {word: k for k, word in enumerate(COLORS)}
_TEXTURE = {word: k for k, word in enumerate(TEXTURES)}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is where in a rendered image of K instances and ``size`` pixels."""

    masks: NDArray[np.uint8]
    """(K, size, size): 1 where the instance is seen."""
    boxes: tuple[BoxT | None, ...]
    """Box around each instance's visible pixels (fractions); None where nothing is seen."""
    nouns: NDArray[np.int64]
    """(size/16, size/16): class index of what covers most of each 16-pixel cell, or -1."""
    colors: NDArray[np.int64]
    """The same for its colour; -1 also where it has its natural colours."""
    textures: NDArray[np.int64]
    """The same for its texture."""
    owners: NDArray[np.int64]
    """The same for the index of the instance itself."""


def render(scene: Scene, size: int = 128, seed: int | np.random.Generator = 0) -> NDArray[np.uint8]:
    """Draw a scene: (size, size, 3), sRGB, 0..255."""
    return _draw(scene, size, seed, None)


def render_with_truth(
    scene: Scene, size: int = 128, seed: int | np.random.Generator = 0
) -> tuple[NDArray[np.uint8], Truth]:
    """Draw a scene and say what each pixel shows. ``size`` must be a multiple of 16."""
    if size % CELL:
        raise BenchError(f"image size {size} is not a multiple of {CELL}; token labels need that")
    owner: NDArray[np.uint8] = np.zeros((size, size), np.uint8)
    image = _draw(scene, size, seed, owner)
    count = len(scene.instances)
    masks = (owner == np.arange(1, count + 1, dtype=np.uint8)[:, None, None]).view(np.uint8)
    return image, truth_of(scene, masks)


def truth_of(scene: Scene, masks: NDArray[np.uint8]) -> Truth:
    """The truth about a picture in which the scene's instances are seen where ``masks`` says.

    Args:
        masks: (K, size, size) of 0 and 1, no pixel of two instances; ``size`` a multiple of 16.
    """
    count, cells = len(masks), masks.shape[-1] // CELL
    shares = masks.reshape(count, cells, CELL, cells, CELL).sum(axis=(2, 4), dtype=np.int64)
    free = CELL * CELL - shares.sum(axis=0, keepdims=True)
    # Ties go to the background.
    winner = np.concatenate([free, shares]).argmax(axis=0)

    def labels(rows: list[int]) -> NDArray[np.int64]:
        return np.array([NONE, *rows], np.int64)[winner]

    things = scene.instances
    return Truth(
        masks=masks,
        boxes=tuple(_box(mask) for mask in masks),
        nouns=labels([_NOUN[t.noun] for t in things]),
        colors=labels([_COLOR[t.color] if t.color else NONE for t in things]),
        textures=labels([_TEXTURE[t.texture] if t.texture else NONE for t in things]),
        owners=winner.astype(np.int64) - 1,
    )


def _draw(
    scene: Scene,
    size: int,
    seed: int | np.random.Generator,
    owner: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    """Paint far to near; ``owner`` gets 1 + the index of the instance seen at each pixel."""
    rng = np.random.default_rng(seed)
    jitter = rng.random((len(scene.instances) + 1, 5)).astype(np.float32)
    variant = int(jitter[0, 0] * VARIANTS)
    base = background(scene.background, variant, size)
    if jitter[0, 1] < 0.5:
        base = base[:, ::-1]
    canvas = base * (0.95 + 0.08 * jitter[0, 2])
    order = sorted(range(len(scene.instances)), key=lambda k: -scene.instances[k].depth)
    for k in order:
        shake = jitter[k + 1]
        # Brightness within 6 %, each channel within 3 %: alive, yet never another colour.
        gain = (0.94 + 0.12 * shake[0]) * (0.97 + 0.06 * shake[1:4])
        _paste(canvas, scene.instances[k], size, gain, owner, k + 1)
    return np.minimum(canvas + np.float32(0.5), np.float32(255)).astype(np.uint8)


def _paste(
    canvas: NDArray[np.float32],
    thing: SceneInstance,
    size: int,
    gain: NDArray[np.float32],
    owner: NDArray[np.uint8] | None,
    number: int,
) -> None:
    x0, y0 = round(thing.box[0] * size), round(thing.box[1] * size)
    x1, y1 = max(x0 + 1, round(thing.box[2] * size)), max(y0 + 1, round(thing.box[3] * size))
    if x0 < 0 or y0 < 0 or x1 > size or y1 > size:
        raise BenchError(f"{thing.noun}: box {thing.box} leaves the image; keep it within 0..1")
    drawn = sprite(thing.noun, thing.color, thing.texture)
    extent = (x1 - x0, y1 - y0)
    paint = np.asarray(drawn.paint.resize(extent, Image.Resampling.BILINEAR))
    if thing.flip:
        paint = paint[:, ::-1]
    region = canvas[y0:y1, x0:x1]
    region *= 1 - paint[..., 3:] * np.float32(1 / 255)
    region += paint[..., :3] * gain
    if owner is not None:
        shape = np.asarray(drawn.shape.resize(extent, Image.Resampling.BILINEAR))
        if thing.flip:
            shape = shape[:, ::-1]
        owner[y0:y1, x0:x1][shape > 127] = number


def _box(mask: NDArray[np.uint8]) -> BoxT | None:
    """The box around a mask's ones, as fractions."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    cols = np.flatnonzero(mask.any(axis=0))
    side = mask.shape[0]
    return (
        float(cols[0] / side),
        float(rows[0] / side),
        float((cols[-1] + 1) / side),
        float((rows[-1] + 1) / side),
    )
