"""The pixel frame that UniDet's scorers measure in, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.types import Box, Detection

SHORT_SIDE = 479
LONG_SIDE = 480
"""UniDet's input: the short side resized to 479 pixels, but at most 480 on the long one."""
CONFIDENCE = 0.5
"""UniDet's confidence threshold."""
PERSONS = ("girl", "boy", "man", "woman")
"""Nouns that the official scripts look for as ``person``."""


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A box in pixels of the resized image."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def center(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def iou(self, other: PixelBox) -> float:
        """Intersection over union, 0..1."""
        w = max(0.0, min(self.x1, other.x1) - max(self.x0, other.x0))
        h = max(0.0, min(self.y1, other.y1) - max(self.y0, other.y0))
        return w * h / (self.area + other.area - w * h)


def frame_of(width: int, height: int) -> tuple[int, int]:
    """Width and height of an image resized as UniDet's input (torchvision's rule, rounding down).

    >>> frame_of(512, 512), frame_of(1024, 512)
    ((479, 479), (480, 240))
    """
    short, long = min(width, height), max(width, height)
    new_short, new_long = SHORT_SIDE, int(SHORT_SIDE * long / short)
    if new_long > LONG_SIDE:
        new_short, new_long = int(LONG_SIDE * new_short / new_long), LONG_SIDE
    return (new_short, new_long) if width <= height else (new_long, new_short)


def to_pixels(box: Box, frame: tuple[int, int]) -> PixelBox:
    """A box of fractions in pixels of a (width, height) frame."""
    w, h = frame
    return PixelBox(box.x0 * w, box.y0 * h, box.x1 * w, box.y1 * h)


def first_and_last_noun(doc: Any) -> tuple[str, str] | None:
    """First and last spaCy NOUN of a parsed prompt, persons as ``person``; None without a noun."""
    nouns = [token.text for token in doc if token.pos_ == "NOUN"]
    return (as_person(nouns[0]), as_person(nouns[-1])) if nouns else None


def as_person(noun: str) -> str:
    """``person`` for the official list of persons.

    >>> as_person("girl"), as_person("dog")
    ('person', 'dog')
    """
    return "person" if noun in PERSONS else noun


def rename_persons(detections: Sequence[Detection]) -> list[Detection]:
    """Detections as a detector with the class ``person`` alone, and no man or girl, gives them."""
    return [Detection(as_person(d.label), d.score, d.box) for d in detections]
