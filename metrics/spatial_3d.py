"""3D spatial relations: is one thing in front of or behind the other, by estimated depth?

Source of the official form: Karine-Huang/T2I-CompBench at 1b70949, ``3D_spatial_eval.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.types import Detection, Layout, Score
from metrics.base import (
    Column,
    DepthJudge,
    DetectorJudge,
    Metric,
    Mode,
    Parser,
    Sample,
    by_score,
    choose_mode,
    identity_of,
    missing,
    need,
)
from metrics.frames import (
    CONFIDENCE,
    PixelBox,
    first_and_last_noun,
    frame_of,
    rename_persons,
    to_pixels,
)
from metrics.localization import class_names
from metrics.spatial_2d import detector_names

NAME = "spatial_3d"
IOU = 0.5
"""From this overlap of the boxes on the official score is full."""
OWN = 0.9
"""Quantile of a box's depths that is the thing's own; the very nearest pixels may be another's."""
PHRASES = ("in front of", "behind", "hidden")
"""In the official order: the first one that the prompt contains is its relation."""
NEARER = {"in_front_of": True, "behind": False, "hidden_by": False}
"""Whether the subject of a layout's relation must be nearer than its object."""

DepthMap = npt.NDArray[np.float32]
"""(height, width), 0..1, larger is nearer."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """Defects of the official form, each with its switch; `True` removes it."""

    layout_objects: bool = False
    """Objects and relations from the layout, all of them, instead of first and last noun and first
    phrase of the prompt."""
    exact_labels: bool = False
    """A label must be the noun, and the most confident one counts; officially it need only contain
    the noun ("hot dog" is a dog), and the last one before both are found counts."""
    rows_first: bool = False
    """The depth map is indexed [y, x]; officially it is transposed."""
    full_depth: bool = False
    """The depth map as estimated; officially it is stretched to 8 bits and resized."""
    no_overlap_needed: bool = False
    """Two things that do not overlap can stand in front of each other; officially they score 0."""
    own_pixels: bool = False
    """A thing's depth is that of the nearest tenth of its box without the other's; officially it is
    the mean of the whole box, in which the nearer thing's pixels and the far background count."""
    no_confidence: bool = False
    """A thing is there or not; how sure the detector is does not count."""


OFFICIAL = Fixes()
FIXED = Fixes(True, True, True, True, True, True, True)


def official_relation(prompt: str) -> str | None:
    """The first relation phrase of the official list that stands in the prompt."""
    return next((p for p in PHRASES if p in prompt), None)


def official_depth_map(depth: DepthMap, frame: tuple[int, int]) -> DepthMap:
    """A depth map in the official form: stretched to 0..1, 8 bits, resized to (width, height)."""
    low, high = float(depth.min()), float(depth.max())
    stretched = (depth - low) / (high - low) if high > low else np.zeros_like(depth)
    image = Image.fromarray((255 * stretched).astype(np.uint8))
    sized = image.resize(frame, Image.Resampling.BILINEAR)
    return np.asarray(sized, dtype=np.float32) / np.float32(255)


def mean_depth(depth: DepthMap, box: PixelBox, *, rows_first: bool) -> float:
    """Mean depth in a box (pixels of the map), NaN if it covers no pixel."""
    pixels = depth[_inside(depth, box, rows_first)]
    return float(pixels.mean()) if pixels.size else float("nan")


def own_depth(depth: DepthMap, box: PixelBox, other: PixelBox, *, rows_first: bool) -> float:
    """`OWN` quantile of the depth in a box outside another one, NaN if it covers no pixel.

    Of the whole box where the other one covers it. A thing is nearer than what is behind it, so the
    upper tenth of its box is its own as soon as it fills a tenth of it.
    """
    chosen = _inside(depth, box, rows_first)
    own = chosen & ~_inside(depth, other, rows_first)
    pixels = depth[own if own.any() else chosen]
    return float(np.quantile(pixels, OWN)) if pixels.size else float("nan")


def _inside(depth: DepthMap, box: PixelBox, rows_first: bool) -> npt.NDArray[np.bool_]:
    """(height, width): which pixels a box covers."""
    chosen = np.zeros(depth.shape if rows_first else depth.shape[::-1], dtype=bool)
    chosen[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
    # The official indexing takes x for the row: the same as a transposed choice.
    return chosen if rows_first else chosen.T


def depth_score(difference: float, nearer: bool, iou: float, *, no_overlap_needed: bool) -> float:
    """How well two boxes stand one before the other, 0..1.

    ``difference``: mean depth of the subject minus the object's; ``nearer``: whether it must be
    above 0. The official score is iou / 0.5 below an IoU of 0.5 (0 without overlap, and 0 exactly
    at 0.5, which the script leaves out), else 1.
    """
    right = difference > 0 if nearer else difference < 0
    if not right:
        return 0.0
    if no_overlap_needed or iou > IOU:
        return 1.0
    return iou / IOU if 0 < iou < IOU else 0.0


def official_pair(labels: Sequence[str], objects: tuple[str, str]) -> tuple[int | None, int | None]:
    """Indices of the two objects' detections by the official search.

    A label matches if it contains the noun. With both there, of each the last one before both are
    found; with one, its first.
    """
    hits = [[k for k, label in enumerate(labels) if noun in label] for noun in objects]
    if hits[0] and hits[1]:
        end = max(hits[0][0], hits[1][0])
        first, second = ([k for k in h if k <= end][-1] for h in hits)
        return first, second
    return (hits[0] or [None])[0], (hits[1] or [None])[0]  # type: ignore[list-item]


def official_score(
    detections: Sequence[Detection],
    objects: tuple[str, str],
    phrase: str | None,
    depth: DepthMap,
    frame: tuple[int, int],
) -> float:
    """The official score of an image, 0..1; ``depth`` in the official form, detections as in 2D."""
    nearer = None if phrase is None else phrase == "in front of"
    return relation_score(detections, objects, nearer, depth, frame, OFFICIAL)


def relation_score(
    detections: Sequence[Detection],
    names: tuple[str, str],
    nearer: bool | None,
    depth: DepthMap,
    frame: tuple[int, int],
    fixes: Fixes,
) -> float:
    """The score of one relation, 0..1: a quarter for each thing, half for the place.

    ``detections`` best first; ``nearer``: whether the subject must be nearer than the object, None
    for no place to score; ``depth`` of any size and scale; ``frame``: (width, height) of the map.
    """
    labels = [d.label for d in detections]
    pair = exact_pair(labels, names) if fixes.exact_labels else official_pair(labels, names)
    there = [detections[k] for k in pair if k is not None]
    score = sum(0.25 * (1.0 if fixes.no_confidence else d.score) for d in there)
    if len(there) < 2 or nearer is None:
        return score
    a, b = (to_pixels(d.box, frame) for d in there)
    rows_first = fixes.rows_first
    if fixes.own_pixels:
        depths = [own_depth(depth, *two, rows_first=rows_first) for two in ((a, b), (b, a))]
    else:
        depths = [mean_depth(depth, box, rows_first=rows_first) for box in (a, b)]
    place = depth_score(
        depths[0] - depths[1], nearer, a.iou(b), no_overlap_needed=fixes.no_overlap_needed
    )
    return score + place / 2


def exact_pair(labels: Sequence[str], objects: tuple[str, str]) -> tuple[int | None, int | None]:
    """Indices of the first detection of each object; of two alike the first two."""
    first = next((k for k, label in enumerate(labels) if label == objects[0]), None)
    second = next((k for k, label in enumerate(labels) if label == objects[1] and k != first), None)
    return first, second


class Spatial3D:
    """3D spatial score with an injected detector and depth estimator."""

    name = NAME
    columns: Mapping[str, Column] = {
        NAME: Column(True, "both things there (half) and the right one nearer (half)")
    }

    def __init__(
        self,
        detector: DetectorJudge,
        depth: DepthJudge,
        parser: Parser | None,
        fixes: Fixes = OFFICIAL,
    ) -> None:
        """``parser`` may be None when ``fixes`` takes the objects from the layout."""
        self.mode: Mode = "official" if fixes == OFFICIAL else "fixed"
        self.fixes = fixes
        self._detector = detector
        self._depth = depth
        self._parser = parser

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        official = choose_mode(NAME, mode, ("official", "fixed")) == "official"
        return cls.with_fixes(judges, OFFICIAL if official else FIXED)

    @classmethod
    def with_fixes(cls, judges: Mapping[str, Any], fixes: Fixes) -> Metric:
        """The metric with some defects removed."""
        parser = None if fixes.layout_objects else need(judges, "parser", NAME)
        return cls(need(judges, "detector", NAME), need(judges, "depth", NAME), parser, fixes)

    @property
    def identity(self) -> Mapping[str, Any]:
        judges: dict[str, Any] = {"detector": self._detector, "depth": self._depth}
        if self._parser is not None:
            judges["parser"] = self._parser
        return identity_of(judges, fixes=asdict(self.fixes), confidence=CONFIDENCE)

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        plans = [self._plan(s.layout) for s in samples]
        out = [missing([NAME], p) if isinstance(p, str) else [] for p in plans]
        asked = {k: plan for k, plan in enumerate(plans) if not isinstance(plan, str)}
        images = [samples[k].image for k in asked]
        names = [sorted({n for s, _, o in plan for n in (s, o)}) for plan in asked.values()]
        detections = self._detector.detect(images, names)
        depths = self._depth.depth(images)
        for (k, plan), found, depth in zip(asked.items(), detections, depths, strict=True):
            out[k] = [self._one(samples[k], plan, by_score(found, CONFIDENCE), depth)]
        return out

    def _plan(self, layout: Layout) -> list[tuple[str, str, str]] | str:
        """(subject, relation, object) in the detector's names, or why there is nothing to score."""
        if self.fixes.layout_objects:
            relations = [r for r in layout.relations if r.relation in NEARER]
            if not relations:
                return "the layout has no relation of depth"
            names = class_names(self._detector, layout)
            if isinstance(names, str):
                return names
            return [(names[r.subject], r.relation, names[r.object]) for r in relations]
        phrase = official_relation(layout.prompt)
        if phrase is None:
            return "the prompt has no 3D relation of the official list"
        assert self._parser is not None
        objects = first_and_last_noun(self._parser.parse(layout.prompt))
        if objects is None:
            return "spaCy finds no noun in the prompt"
        found = detector_names(self._detector, objects)
        if isinstance(found, str):
            return found
        return [(found[0], "in_front_of" if phrase == "in front of" else "behind", found[1])]

    def _one(
        self,
        sample: Sample,
        plan: Sequence[tuple[str, str, str]],
        detections: Sequence[Detection],
        depth: DepthMap,
    ) -> Score:
        if not self.fixes.layout_objects:
            detections = rename_persons(detections)
        if self.fixes.full_depth:
            frame = depth.shape[1], depth.shape[0]
        else:
            frame = frame_of(*sample.image.size)
            depth = official_depth_map(depth, frame)
        parts = [
            relation_score(detections, (s, o), NEARER[relation], depth, frame, self.fixes)
            for s, relation, o in plan
        ]
        details = {"relations": [[*p, v] for p, v in zip(plan, parts, strict=True)]}
        return Score(NAME, fmean(parts), details=details)
