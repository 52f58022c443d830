"""Labelled pictures for the judges: renders, degraded as generated images are.

A sample is a function of (seed, index) alone, so a resumed training sees what an undisturbed one
sees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from bench.pocket.judges.degrade import Image, degrade
from bench.pocket.judges.fragments import Look, add_fragments
from bench.pocket.train.snap import grid_scene
from bench.pocket.world import Scene, Truth, render_with_truth, sample_scene, truth_of
from bench.pocket.world.splits import Split
from bench.pocket.world.sprites import sprite

SIZE = 128
"""Pixels of a training picture's side."""
SEEN = 0.25
"""An instance counts as present when at least this share of it is visible."""
HIDDEN = 0.1
"""Below this share it counts as absent; between the two it is asked about by nobody."""


FRAGMENTS, UNTOUCHED = 0.35, 0.2
"""Shares of pictures with half-formed things, and of those that are not degraded."""


@dataclass(frozen=True)
class Sample:
    """One picture and what is true of it."""

    scene: Scene
    image: Image
    """(SIZE, SIZE, 3) RGB, degraded."""
    truth: Truth
    visible: tuple[float, ...]
    """Share of each instance that can be seen, 0..1."""
    fragments: tuple[Look, ...]
    """What the half-formed things were made from; they do not count as instances."""
    cut: bool = False
    """Whether only the surroundings of one instance are shown."""


def make_sample(
    split: Split,
    seed: int,
    index: int,
    *,
    instances: int | None = None,
    category: str | None = None,
    degraded: bool = True,
    fragments: float = FRAGMENTS,
    grid: bool = False,
) -> Sample:
    """Draw, render and (with ``degraded``) spoil one scene of a split.

    With ``grid`` things stand as the generators learn to draw them (``grid_scene``).
    ``fragments`` is the chance of half-formed things beside the instances; they are no instances.
    """
    rng = np.random.default_rng([seed, index])
    draw = grid_scene if grid else sample_scene
    scene = draw(rng, split=split, category=category, instances=instances)
    image, truth = render_with_truth(scene, SIZE, rng)
    visible = tuple(
        float(mask.sum() / max(1.0, _full_area(thing.noun, thing.texture, thing.box)))
        for mask, thing in zip(truth.masks, scene.instances, strict=True)
    )
    sample = Sample(scene, image, truth, visible, ())
    return spoiled(sample, rng, fragments=fragments) if degraded else sample


def spoiled(
    sample: Sample,
    rng: np.random.Generator,
    *,
    fragments: float = FRAGMENTS,
    untouched: float = UNTOUCHED,
) -> Sample:
    """The sample with half-formed things beside its instances and its picture degraded.

    With chance ``fragments`` and ``1 - untouched``; what was true of it stays true.
    """
    image, looks = sample.image, sample.fragments
    if rng.random() < fragments:
        image, looks = add_fragments(image, sample.truth.masks.max(axis=0) > 0, rng)
    return replace(sample, image=degrade(image, rng, untouched=untouched), fragments=looks)


def zoomed(sample: Sample, rng: np.random.Generator) -> Sample:
    """The surroundings of one instance, stretched to the whole picture.

    As the localization metric looks at a found box: widened by about a tenth on each side, side
    ratio not kept. What the cut leaves of each instance decides whether it still counts.
    """
    thing = sample.scene.instances[int(rng.integers(len(sample.scene.instances)))]
    x0, y0, x1, y1 = thing.box
    margin = rng.uniform(-0.04, 0.25, 4) * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    edges = np.array([x0, y0, x1, y1]) + margin * np.array([-1, -1, 1, 1])
    left, top, right, bottom = (int(v) for v in np.rint(np.clip(edges, 0, 1) * SIZE))
    if right - left < 8 or bottom - top < 8:
        return sample
    return replace(cropped(sample, (left, top, right, bottom)), cut=True)


def cropped(sample: Sample, edges: tuple[int, int, int, int]) -> Sample:
    """A part of the picture stretched to the whole; boxes, masks and visible shares follow.

    Args:
        edges: left, top, right and bottom in pixels.
    """
    left, top, right, bottom = edges
    picture = sample.image[top:bottom, left:right]
    image = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    kept = sample.truth.masks[:, top:bottom, left:right]
    whole = np.maximum(1, sample.truth.masks.sum(axis=(1, 2), dtype=np.int64))
    shares = kept.sum(axis=(1, 2), dtype=np.int64) / whole
    visible = tuple(float(v * s) for v, s in zip(sample.visible, shares, strict=True))
    masks = np.stack([cv2.resize(m, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) for m in kept])
    start = np.array([left, top, left, top]) / SIZE
    scale = SIZE / np.array([right - left, bottom - top, right - left, bottom - top])
    things = []
    for thing in sample.scene.instances:
        x0, y0, x1, y1 = np.clip((np.array(thing.box) - start) * scale, 0, 1).tolist()
        things.append(replace(thing, box=(x0, y0, x1, y1)))
    scene = replace(sample.scene, instances=tuple(things))
    return replace(
        sample,
        scene=scene,
        image=np.asarray(image, np.uint8),
        truth=truth_of(scene, masks),
        visible=visible,
    )


def images(samples: list[Sample]) -> npt.NDArray[np.uint8]:
    """(N, SIZE, SIZE, 3) RGB."""
    return np.stack([s.image for s in samples])


@cache
def _coverage(noun: str, texture: str | None) -> float:
    """Share of the sprite's box that its shape fills."""
    return float((np.asarray(sprite(noun, None, texture).shape) > 127).mean())


def _full_area(noun: str, texture: str | None, box: tuple[float, float, float, float]) -> float:
    """Pixels that the instance would show with nothing before it."""
    return _coverage(noun, texture) * (box[2] - box[0]) * (box[3] - box[1]) * SIZE * SIZE
