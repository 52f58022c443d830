"""Numeracy: is each thing there, and as often as asked?

Source of the official form: Karine-Huang/T2I-CompBench at 1b70949, ``numeracy_eval.py``. It reads
the benchmark's list of countable nouns (``new_objects.txt``, role ``objects``), which does not come
with this package; the fixed form counts the layout's instances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.types import Detection, Layout, Score
from metrics.base import (
    Column,
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
from metrics.frames import CONFIDENCE, PixelBox, as_person, frame_of, rename_persons, to_pixels
from metrics.localization import class_names

NAME = "numeracy"
SAME = 0.9
"""IoU, or share of one box inside another, above which two boxes of one label are one thing."""
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8,
}  # fmt: skip
"""Number words that the official script knows."""
SYNONYMS = {"ship": "boat", "telivision": "tv", "goldfish": "fish", "painting": "picture"}
"""What the official script looks for instead (the misspelling is its own)."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """Defects of the official form, each with its switch; `True` removes it."""

    layout_counts: bool = False
    """Nouns and numbers from the layout; officially the number words before listed nouns, which
    fails (here: no score) on a prompt with other nouns."""
    exact_labels: bool = False
    """Officially a label that contains the noun is renamed to it ("hot dog" counts as "dog")."""
    keep_inner: bool = False
    """Officially a small thing before a big one of its kind is dropped as its duplicate."""


OFFICIAL = Fixes()
FIXED = Fixes(True, True, True)


class UnreadablePrompt(ValueError):
    """The published script would stop with an error on this prompt; the message says which."""


def official_counts(
    tokens: Sequence[str], objects: Sequence[tuple[str, str]]
) -> list[tuple[str, int]]:
    """(noun, number) pairs that the official script reads from a prompt's spaCy tokens.

    ``objects``: (singular, plural). Raises UnreadablePrompt where the script would fail.
    """
    singular, plural = [s for s, _ in objects], [p for _, p in objects]
    nouns: list[str] = []
    numbers: list[int] = []
    for i, word in enumerate(tokens):
        if word not in NUMBERS:
            continue
        one = word in ("a", "an", "one")
        two_words = " ".join(tokens[i + 1 : i + 3])
        if i < len(tokens) - 2 and two_words in singular + plural:
            if two_words in plural and not one:
                nouns.append(singular[plural.index(two_words)])
                numbers.append(NUMBERS[word])
            else:
                nouns.append(two_words)
                numbers.append(1)
            continue
        if i + 1 >= len(tokens):
            raise UnreadablePrompt("it ends in a number word")
        noun = tokens[i + 1]
        if noun in singular and one:
            nouns.append(noun)
            numbers.append(1)
        elif noun in plural:
            nouns.append(singular[plural.index(noun)])
            if word not in ("a", "an"):  # its number parser fails on these, and nothing is added
                numbers.append(NUMBERS[word])
        elif noun in singular:
            raise UnreadablePrompt(f"{word!r} before the singular {noun!r}")
    if not nouns:
        raise UnreadablePrompt("it has no number word before a noun of the list")
    if len(numbers) < len(nouns):
        raise UnreadablePrompt("an article before a plural shifts its numbers")
    return list(zip(nouns, numbers, strict=True))


def official_unique(labels: Sequence[str], boxes: Sequence[PixelBox]) -> list[tuple[str, PixelBox]]:
    """Detections without the official duplicates: one label, and nearly the same or inside."""
    kept: list[tuple[str, PixelBox]] = []
    for label, box in zip(labels, boxes, strict=True):
        if not any(label == other and _official_same(box, b) for other, b in kept):
            kept.append((label, box))
    return kept


def _official_same(a: PixelBox, b: PixelBox) -> bool:
    """Boxes count their edge pixels: one pixel more each way."""
    w = max(0.0, min(a.x1, b.x1) - max(a.x0, b.x0) + 1)
    h = max(0.0, min(a.y1, b.y1) - max(a.y0, b.y0) + 1)
    area_a = (a.x1 - a.x0 + 1) * (a.y1 - a.y0 + 1)
    area_b = (b.x1 - b.x0 + 1) * (b.y1 - b.y0 + 1)
    common = w * h
    return max(common / (area_a + area_b - common), common / area_a, common / area_b) > SAME


def official_score(labels: Sequence[str], counts: Sequence[tuple[str, int]]) -> float:
    """The official score, 0..1, of ``labels`` without duplicates; ``counts``: (noun, number)."""
    return count_score(labels, [(_searched(noun), number) for noun, number in counts], OFFICIAL)


def count_score(labels: Sequence[str], counts: Sequence[tuple[str, int]], fixes: Fixes) -> float:
    """Each noun weighs the same: half for being there, half for the right number; 0..1.

    Officially a noun that no label equals takes over all labels that contain it, and they keep that
    name for the nouns that follow.
    """
    names = list(labels)
    score = 0.0
    for noun, number in counts:
        if noun not in names and not fixes.exact_labels:
            names = [noun if noun in name else name for name in names]
        if noun in names:
            score += 0.5 / len(counts)
            if names.count(noun) == number:
                score += 0.5 / len(counts)
    return score


def distinct(detections: Sequence[Detection]) -> list[Detection]:
    """Detections without those that overlap a better one of their label by an IoU above 0.9."""
    kept: list[Detection] = []
    for d in detections:
        if not any(d.label == k.label and d.box.iou(k.box) > SAME for k in kept):
            kept.append(d)
    return kept


class Numeracy:
    """Numeracy score with an injected detector."""

    name = NAME
    columns: Mapping[str, Column] = {
        NAME: Column(True, "each noun: half for being there, half for the right number")
    }

    def __init__(
        self,
        detector: DetectorJudge,
        parser: Parser | None,
        objects: Any | None,
        fixes: Fixes = OFFICIAL,
    ) -> None:
        """``parser`` and ``objects`` (with ``pairs``: singular, plural) are read unless
        ``fixes.layout_counts``."""
        self.mode: Mode = "official" if fixes == OFFICIAL else "fixed"
        self.fixes = fixes
        self._detector = detector
        self._parser = parser
        self._objects = objects

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        official = choose_mode(NAME, mode, ("official", "fixed")) == "official"
        return cls.with_fixes(judges, OFFICIAL if official else FIXED)

    @classmethod
    def with_fixes(cls, judges: Mapping[str, Any], fixes: Fixes) -> Metric:
        """The metric with some defects removed."""
        detector = need(judges, "detector", NAME)
        if fixes.layout_counts:
            return cls(detector, None, None, fixes)
        return cls(detector, need(judges, "parser", NAME), need(judges, "objects", NAME), fixes)

    @property
    def identity(self) -> Mapping[str, Any]:
        judges: dict[str, Any] = {"detector": self._detector}
        if not self.fixes.layout_counts:
            judges |= {"parser": self._parser, "objects": self._objects}
        return identity_of(judges, fixes=asdict(self.fixes), confidence=CONFIDENCE)

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        plans = [self._plan(s.layout) for s in samples]
        out = [missing([NAME], p) if isinstance(p, str) else [] for p in plans]
        asked = {k: plan for k, plan in enumerate(plans) if not isinstance(plan, str)}
        detections = self._detector.detect(
            [samples[k].image for k in asked],
            [sorted({name for name, _, _ in plan}) for plan in asked.values()],
        )
        for (k, plan), found in zip(asked.items(), detections, strict=True):
            out[k] = [self._one(samples[k], plan, by_score(found, CONFIDENCE))]
        return out

    def _plan(self, layout: Layout) -> list[tuple[str, str, int]] | str:
        """The detector's name, the name to count it under, and the number of each thing; or why
        there is nothing to score."""
        if self.fixes.layout_counts:
            names = class_names(self._detector, layout)
            if isinstance(names, str):
                return names
            return [(name, name, number) for name, number in Counter(names).items()]
        assert self._parser is not None and self._objects is not None
        tokens = [token.text for token in self._parser.parse(layout.prompt)]
        try:
            counts = official_counts(tokens, self._objects.pairs)
        except UnreadablePrompt as error:
            return f"the official script cannot read this prompt: {error}"
        known = [(self._detector.class_of(_searched(noun)), noun, n) for noun, n in counts]
        unknown = [noun for name, noun, _ in known if name is None]
        if unknown:
            return f"the detector has no class for {', '.join(unknown)}"
        return [(name, _searched(noun), n) for name, noun, n in known if name is not None]

    def _one(
        self, sample: Sample, plan: list[tuple[str, str, int]], detections: Sequence[Detection]
    ) -> Score:
        if not self.fixes.layout_counts:
            # The detector's own name for a noun is put back to the one that the script looks for.
            names = {name: searched for name, searched, _ in plan}
            detections = [
                Detection(names.get(d.label, d.label), d.score, d.box)
                for d in rename_persons(detections)
            ]
        if self.fixes.keep_inner:
            labels = [d.label for d in distinct(detections)]
        else:
            frame = frame_of(*sample.image.size)
            boxes = [to_pixels(d.box, frame) for d in detections]
            kept = official_unique([d.label for d in detections], boxes)
            labels = [label for label, _ in kept]
        counts = [(searched, number) for _, searched, number in plan]
        value = count_score(labels, counts, self.fixes)
        details = {"asked": [list(c) for c in counts], "detected": dict(Counter(labels))}
        return Score(NAME, value, details=details)


def _searched(noun: str) -> str:
    return SYNONYMS.get(as_person(noun), as_person(noun))
