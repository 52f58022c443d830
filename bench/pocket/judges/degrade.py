"""What generated images suffer and renders do not; labels stay true under every one of these.

All of them take and give ``uint8`` RGB of shape (height, width, 3). None moves anything by more
than two pixels of 128, so boxes stay valid.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def soften(image: Image, rng: np.random.Generator) -> Image:
    """Shrink and enlarge: the loss of detail of an autoencoder with factor 8."""
    h, w = image.shape[:2]
    factor = rng.uniform(1.3, 2.8)
    small = cv2.resize(image, (round(w / factor), round(h / factor)), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (w, h), interpolation=how), np.uint8)


def blur(image: Image, rng: np.random.Generator) -> Image:
    """Gaussian blur, sigma 0.4 to 1.6 pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6))), np.uint8)


def noise(image: Image, rng: np.random.Generator) -> Image:
    """Additive noise in grains of 1, 2, 4 or 8 pixels: sensor noise up to stray latents."""
    h, w = image.shape[:2]
    grain = int(rng.choice([1, 2, 4, 8]))
    field = rng.standard_normal((-(-h // grain), -(-w // grain), 3)).astype(np.float32)
    field *= rng.uniform(2.0, 14.0)
    field = cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC)
    return _clip(image + field)


def jpeg(image: Image, rng: np.random.Generator) -> Image:
    """JPEG at quality 20 to 90."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 91))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], 1), np.uint8)


def tone(image: Image, rng: np.random.Generator) -> Image:
    """Contrast, brightness and white balance; too little to turn one colour word into another."""
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    shift = rng.uniform(-14.0, 14.0)
    return _clip((image.astype(np.float32) - 128.0) * gain.astype(np.float32) + 128.0 + shift)


def warp(image: Image, rng: np.random.Generator) -> Image:
    """A smooth displacement field with a standard deviation of up to a pixel: wavering outlines."""
    field = np.clip(smooth_field(image, rng, 8, (0.3, 1.0)), -2.0, 2.0)
    return moved(image, field, cv2.INTER_LINEAR)


def smooth_field(
    image: Image, rng: np.random.Generator, cells: int, spread: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """A displacement for each pixel, (height, width, 2) of x and y, that changes slowly.

    Args:
        cells: nodes a side between which it is interpolated.
        spread: range of the standard deviation at the nodes, in pixels.
    """
    h, w = image.shape[:2]
    coarse = rng.standard_normal((cells, cells, 2)).astype(np.float32) * rng.uniform(*spread)
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def moved(image: Image, field: npt.NDArray[np.float32], interpolation: int) -> Image:
    """Each pixel taken from where ``field`` points; at the edges pictures go on, masks end."""
    h, w = image.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1).astype(np.float32)
    edges = cv2.BORDER_REPLICATE if image.ndim == 3 else cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.remap(image, grid + field, None, interpolation, borderMode=edges), np.uint8
    )


DEGRADATIONS: tuple[tuple[float, Callable[[Image, np.random.Generator], Image]], ...] = (
    (0.35, warp),
    (0.35, soften),
    (0.25, blur),
    (0.5, tone),
    (0.35, noise),
    (0.2, jpeg),
)
"""Each with its chance, in the order in which a generator and then a file would add them."""


def degrade(image: Image, rng: np.random.Generator, *, untouched: float) -> Image:
    """Apply a random selection of ``DEGRADATIONS``; with chance ``untouched`` none at all."""
    if rng.random() < untouched:
        return image
    for chance, change in DEGRADATIONS:
        if rng.random() < chance:
            image = change(image, rng)
    return image


def _clip(image: npt.NDArray[np.floating]) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
