"""What a metric is, and what it may ask of the models (judges) that are injected into it.

A metric class offers ``create(judges, mode) -> Metric``. ``judges`` maps a role (``vqa``, ``clip``,
``detector``, ``detector_b``, ``depth``, ``parser``, ``objects``) to its judge, as far as there is
one. A judge loads its weights when it is first asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from bench.errors import BenchError, unknown_name
from bench.types import Box, Detection, Layout, Score

Mode = Literal["official", "fixed"]
"""``official``: a published script's formula, defects included; ``fixed``: its defects removed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and what it was asked to show."""

    image: Any
    """PIL image, RGB, any size."""
    layout: Layout


@dataclass(frozen=True, slots=True)
class Column:
    """What a score's number means."""

    higher_is_better: bool
    description: str
    range: tuple[float | None, float | None] = (0.0, 1.0)
    """Lowest and highest possible value; None where there is no bound."""


@runtime_checkable
class Metric(Protocol):
    """Scores images against layouts."""

    @property
    def name(self) -> str: ...

    @property
    def mode(self) -> Mode: ...

    @property
    def columns(self) -> Mapping[str, Column]:
        """Score name to its meaning; `score` gives one score for each."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON: judges with their weights' digests, switches, thresholds. Two metrics with equal
        identities give equal scores."""
        ...

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        """One list of scores for each sample, in order."""
        ...


class Judge(Protocol):
    """What every judge has."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON: name, digest or revision of the weights, temperature."""
        ...


class VQAJudge(Judge, Protocol):
    """Answers yes-or-no questions about images."""

    def ask(self, images: Sequence[Any], questions: Sequence[Sequence[str]]) -> list[list[float]]:
        """Probability of "yes" against "no" (0..1) for each question about each image."""
        ...


class CLIPJudge(Judge, Protocol):
    """Compares images with texts."""

    def cosine(self, images: Sequence[Any], texts: Sequence[str]) -> list[float]:
        """Cosine (-1..1) of each image's features with the features of the text at its place."""
        ...


class DetectorJudge(Judge, Protocol):
    """Finds things in images."""

    def class_of(self, noun: str) -> str | None:
        """The detector's own name for a noun (singular, lower case); None if it knows none."""
        ...

    def detect(
        self, images: Sequence[Any], labels: Sequence[Sequence[str]]
    ) -> list[list[Detection]]:
        """What is in each image, by falling score, under the detector's own class names.

        A detector with an open vocabulary looks for the image's ``labels`` (its own names); one
        with fixed classes finds everything that it knows, whatever ``labels`` holds.
        """
        ...


class DepthJudge(Judge, Protocol):
    """Estimates depth."""

    def depth(self, images: Sequence[Any]) -> list[Any]:
        """A float array (height, width) for each image, its size; larger is nearer, any scale."""
        ...


class Parser(Judge, Protocol):
    """Reads English."""

    def parse(self, text: str) -> Any:
        """A spaCy ``Doc``."""
        ...


def choose_mode(metric: str, mode: str | None, allowed: Sequence[Mode]) -> Mode:
    """The mode asked for, or a metric's first one; BenchError if the metric does not have it."""
    if mode is None:
        return allowed[0]
    for candidate in allowed:
        if candidate == mode:
            return candidate
    raise unknown_name(f"mode of metric {metric}", mode, allowed)


def need(judges: Mapping[str, Any], role: str, metric: str) -> Any:
    """The judge of a role; BenchError naming metric and role when there is none."""
    try:
        return judges[role]
    except KeyError:
        raise BenchError(
            f"metric {metric} needs a judge for {role!r} and none is given; "
            f"name one with --judge {role}=NAME"
        ) from None


def identity_of(judges: Mapping[str, Judge], **settings: Any) -> dict[str, Any]:
    """A metric's identity: its judges' identities by role, and its settings."""
    return {"judges": {role: dict(j.identity) for role, j in judges.items()}, **settings}


def missing(names: Sequence[str], reason: str, **details: Any) -> list[Score]:
    """A score without a value for each name, all for the same reason."""
    return [Score(name, None, reason, details) for name in names]


def article(word: str) -> str:
    """``a`` or ``an``, by the first letter.

    >>> article("apple"), article("red")
    ('an', 'a')
    """
    return "an" if word[:1].lower() in "aeiou" else "a"


def by_score(detections: Sequence[Detection], threshold: float) -> list[Detection]:
    """Detections at or above a confidence (0..1), best first; the order of ties is kept."""
    kept = [d for d in detections if d.score >= threshold]
    return sorted(kept, key=lambda d: -d.score)


def crop(image: Any, box: Box, margin: float) -> Any:
    """The part of a PIL image inside a box, widened on each side by ``margin`` of its size.

    The part is at least one pixel wide and high and does not leave the image.
    """
    width, height = image.size
    dx, dy = margin * (box.x1 - box.x0), margin * (box.y1 - box.y0)
    left = int(max(0.0, box.x0 - dx) * width)
    top = int(max(0.0, box.y0 - dy) * height)
    right = max(left + 1, round(min(1.0, box.x1 + dx) * width))
    bottom = max(top + 1, round(min(1.0, box.y1 + dy) * height))
    return image.crop((min(left, width - 1), min(top, height - 1), right, bottom))
