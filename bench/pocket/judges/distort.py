"""Things as a weak generator draws them: bent, flat, patterned, faded, covered, recoloured.

Unlike ``degrade``, which spoils whole pictures by little, this changes single things by much.
Boxes, masks and visible shares follow; attributes do not, so only a judge of nouns may learn from
it.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from bench.pocket.judges.data import SIZE, Sample, cropped
from bench.pocket.judges.degrade import moved, smooth_field
from bench.pocket.world import truth_of

RECOLORED, FLAT, PATTERNED, FADED, COVERED = 0.3, 0.3, 0.2, 0.15, 0.3
"""Chance of each thing to suffer it."""
BENT = 0.6
"""Chance of the whole picture."""
Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
"""(SIZE, SIZE), 0..1, with soft edges."""


def distorted(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample with its things changed; what is known of them stays true but for attributes."""
    pixels = sample.image.astype(np.float32)
    visible = list(sample.visible)
    masks = sample.truth.masks
    for k in range(len(visible)):
        soft = cv2.GaussianBlur(masks[k].astype(np.float32), (0, 0), 0.8)
        if soft.sum() < 40:
            continue
        for chance, change in (
            (RECOLORED, _recolor),
            (FLAT, _flatten),
            (PATTERNED, _pattern),
            (FADED, _fade),
        ):
            if rng.random() < chance:
                pixels = _mixed(pixels, change(pixels, soft, rng), soft)
    masks = masks.copy()
    for k in range(len(visible)):
        if masks[k].any() and rng.random() < COVERED:
            before = masks.sum(axis=(1, 2), dtype=np.int64)
            pixels, hidden = _cover(pixels, masks[k], rng)
            masks[:, hidden] = 0
            left = masks.sum(axis=(1, 2), dtype=np.int64) / np.maximum(1, before)
            visible = [v * float(share) for v, share in zip(visible, left, strict=True)]
    image = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    truth = truth_of(sample.scene, masks)
    changed = replace(sample, image=image, visible=tuple(visible), truth=truth)
    return bent(changed, rng) if rng.random() < BENT else changed


def closer(sample: Sample, rng: np.random.Generator) -> Sample:
    """A part of the picture, 0.78 to 1 of each side, perhaps mirrored.

    A generator puts things where its tokens end. A judge that meets them only there learns their
    pixels instead of their shapes.
    """
    width, height = (round(SIZE * v) for v in rng.uniform(0.78, 1.0, 2))
    left, top = int(rng.integers(SIZE - width + 1)), int(rng.integers(SIZE - height + 1))
    near = cropped(sample, (left, top, left + width, top + height))
    return mirrored(near) if rng.random() < 0.5 else near


def mirrored(sample: Sample) -> Sample:
    """Left and right exchanged."""
    things = tuple(
        replace(t, box=(1 - t.box[2], t.box[1], 1 - t.box[0], t.box[3]), flip=not t.flip)
        for t in sample.scene.instances
    )
    scene = replace(sample.scene, instances=things)
    return replace(
        sample,
        scene=scene,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        truth=truth_of(scene, np.ascontiguousarray(sample.truth.masks[:, :, ::-1])),
    )


def bent(sample: Sample, rng: np.random.Generator) -> Sample:
    """Bent by a smooth displacement of 1 to 4 pixels (standard deviation), boxes with it.

    A thing's box moves as the outline of what is seen of it does.
    """
    field = smooth_field(sample.image, rng, int(rng.integers(3, 8)), (1.0, 4.0))
    masks = np.stack([moved(m, field, cv2.INTER_NEAREST) for m in sample.truth.masks])
    truth = truth_of(sample.scene, masks)
    things = []
    for thing, old, new in zip(
        sample.scene.instances, sample.truth.boxes, truth.boxes, strict=True
    ):
        if old and new:
            shift = np.array(new) - np.array(old)
            x0, y0, x1, y1 = np.clip(np.array(thing.box) + shift, 0, 1).tolist()
            if x1 - x0 > 0.05 and y1 - y0 > 0.05:
                thing = replace(thing, box=(x0, y0, x1, y1))
        things.append(thing)
    before = np.maximum(1, sample.truth.masks.sum(axis=(1, 2), dtype=np.int64))
    # only what has left the picture is lost; bending itself changes areas a little
    left = np.minimum(1.0, masks.sum(axis=(1, 2), dtype=np.int64) / before)
    return replace(
        sample,
        image=moved(sample.image, field, cv2.INTER_LINEAR),
        scene=replace(sample.scene, instances=tuple(things)),
        truth=truth,
        visible=tuple(v * float(s) for v, s in zip(sample.visible, left, strict=True)),
    )


def _mixed(pixels: Pixels, changed: Pixels, soft: Mask) -> Pixels:
    return pixels + (changed - pixels) * soft[..., None]


def _recolor(pixels: Pixels, soft: Mask, rng: np.random.Generator) -> Pixels:
    """One colour, lightness as before, with more or less contrast."""
    gray = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    mean = float((gray * soft).sum() / soft.sum())
    hsv = np.array([[[rng.uniform(0, 360), rng.random() ** 0.5, rng.random() ** 0.7]]], np.float32)
    color = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] * 255
    relief = (gray - mean) * rng.uniform(0.3, 1.2)
    return np.asarray(np.clip(color + relief[..., None], 0, 255), np.float32)


def _flatten(pixels: Pixels, soft: Mask, rng: np.random.Generator) -> Pixels:
    """Features inside smeared, outline kept: a blur that looks at the thing's own pixels only."""
    sigma = float(rng.uniform(1.5, 6.0))
    weight = cv2.GaussianBlur(soft, (0, 0), sigma)[..., None] + 1e-3
    own = cv2.GaussianBlur(pixels * soft[..., None], (0, 0), sigma)
    return np.asarray(own / weight, np.float32)


def _pattern(pixels: Pixels, soft: Mask, rng: np.random.Generator) -> Pixels:
    """Lighter and darker in stripes or checks of 4 to 16 pixels, at any angle."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 16)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) * np.float32(2 * np.pi / period)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    waves = np.sin(along + rng.uniform(0, 6))
    if rng.random() < 0.5:
        waves = waves * np.sin(across + rng.uniform(0, 6))
    sharp = np.clip(waves * rng.uniform(1, 4), -1, 1)  # from waves to bars
    return np.asarray(np.clip(pixels + sharp[..., None] * rng.uniform(20, 80), 0, 255), np.float32)


def _fade(pixels: Pixels, soft: Mask, rng: np.random.Generator) -> Pixels:
    """Towards the colours around it."""
    free = 1 - cv2.dilate(soft, np.ones((5, 5), np.uint8))
    weight = cv2.GaussianBlur(free, (0, 0), 12)[..., None] + 1e-3
    around = cv2.GaussianBlur(pixels * free[..., None], (0, 0), 12) / weight
    return np.asarray(pixels + (around - pixels) * rng.uniform(0.3, 0.7), np.float32)


def _cover(
    pixels: Pixels, mask: npt.NDArray[np.uint8], rng: np.random.Generator
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """A soft blob over a part of the thing: of one colour, or showing another part of the picture.

    Returns:
        The pixels, and where they are hidden.
    """
    ys, xs = mask.nonzero()
    at = int(rng.integers(len(xs)))
    size = rng.uniform(0.15, 0.5, 2) * (np.ptp(xs) + 1, np.ptp(ys) + 1)
    blob = np.zeros((SIZE, SIZE), np.float32)
    axes = (max(2, round(size[0] * 0.6)), max(2, round(size[1] * 0.6)))
    cv2.ellipse(blob, (int(xs[at]), int(ys[at])), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    blob = cv2.GaussianBlur(blob, (0, 0), float(rng.uniform(0.7, 3.0)))
    if rng.random() < 0.5:
        by = (int(rng.integers(20, SIZE - 20)), int(rng.integers(20, SIZE - 20)))
        over = np.roll(pixels, by, axis=(0, 1))
    else:
        color = pixels[int(rng.integers(SIZE)), int(rng.integers(SIZE))]
        over = np.broadcast_to(color, pixels.shape)
    opacity = rng.uniform(0.5, 1.0)
    return _mixed(pixels, over, blob * np.float32(opacity)), blob * opacity > 0.6
