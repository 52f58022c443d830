"""BLIP-VQA: are the things of the prompt there, with their attributes?

Source of the official form: Karine-Huang/T2I-CompBench at 1b70949, ``BLIPvqa_eval``. Its defects
can be removed one by one (`Fixes`); the product over the questions is kept in both modes, so a
prompt with more things scores lower, and scores compare only over the same prompts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np

from bench.types import Instance, Layout, Score
from metrics.base import (
    Column,
    DetectorJudge,
    Metric,
    Mode,
    Parser,
    Sample,
    VQAJudge,
    article,
    by_score,
    choose_mode,
    crop,
    identity_of,
    missing,
    need,
)
from metrics.localization import Thresholds

SKIPPED_CHUNKS = ("top", "the side", "the left", "the right")
"""Noun chunks of relation phrases that the official script does not ask about."""
MAX_QUESTIONS = 8
"""The official script's default ``--np_num``."""
MAX_WORDS = 50
"""Words of a question that the official cleaning keeps."""
NAME = "blip_vqa"
FOUND = Thresholds()
"""What counts as found, and how much of its surroundings is shown."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """Defects of the official form, each with its switch."""

    questions: Literal["chunks", "instances"] = "chunks"
    """``chunks``: spaCy's noun chunks, at most eight, among them parts of relation phrases ("the
    bottom") and whatever the parser gets wrong. ``instances``: the layout's phrases, all."""
    unparsed: Literal["one", "none"] = "one"
    """A prompt without a question: a perfect score, or none with a reason."""
    rounding: bool = True
    """Whether each probability and the product are rounded to 4 decimals (small products to 0)."""
    regions: bool = False
    """Each thing is asked about where the detector finds its noun, as many regions as it has
    instances, those that answer best. Officially about the whole image, where the model is prone to
    say yes to "a red apple?" because of a green apple and a red dog. Where fewer are found, or the
    detector has no class for the noun, the whole image stands in."""


OFFICIAL = Fixes()
FIXED = Fixes(questions="instances", unparsed="none", rounding=False, regions=True)


@dataclass(frozen=True, slots=True)
class Thing:
    """What one question is about."""

    question: str
    """About the whole image ("two red dogs?")."""
    alone: str
    """About a region that shows one of it ("a red dog?")."""
    noun: str
    """Singular, lower case."""
    count: int = 1
    """How many of it there shall be."""


def chunk_things(doc: Any) -> list[Thing]:
    """The things of a parsed prompt (spaCy ``Doc``) by the official rule: in order, at most eight
    noun chunks."""
    chunks = [chunk for chunk in doc.noun_chunks if chunk.text not in SKIPPED_CHUNKS]
    things = []
    for chunk in chunks[:MAX_QUESTIONS]:
        question = clean_question(f"{chunk.text}?")
        things.append(Thing(question, question, chunk.root.lemma_.lower()))
    return things


def chunk_questions(doc: Any) -> list[str]:
    """The official questions of a parsed prompt (spaCy ``Doc``), in order, at most eight."""
    return [thing.question for thing in chunk_things(doc)]


def clean_question(text: str) -> str:
    """The official cleaning: lower case, some marks removed, at most 50 words.

    >>> clean_question('A "Red" apple.?')
    'a red apple?'
    """
    text = re.sub(r"[.!\"()*#:;~]", "", text.lower()).rstrip(" ")
    words = text.split(" ")
    return " ".join(words[:MAX_WORDS]) if len(words) > MAX_WORDS else text


def instance_things(layout: Layout) -> list[Thing]:
    """One thing for every phrase of a layout that names instances, in the prompt's order.

    The question is the phrase itself ("two red apples?"), or, where attributes do not stand before
    their noun ("the chair is red"), attributes and noun ("a red chair?").
    """
    phrases: dict[tuple[int, int], list[Instance]] = {}
    for instance in layout.instances:
        phrases.setdefault(instance.phrase_span, []).append(instance)
    things = []
    for span in sorted(phrases):
        first, count = phrases[span][0], len(phrases[span])
        question = clean_question(_question(first))
        alone = question if count == 1 else clean_question(_named(first))
        things.append(Thing(question, alone, first.noun, count))
    return things


def instance_questions(layout: Layout) -> list[str]:
    """The questions of `instance_things`."""
    return [thing.question for thing in instance_things(layout)]


def _question(instance: Instance) -> str:
    start, noun_start = instance.phrase_span[0], instance.noun_span[0]
    if all(start <= a and b <= noun_start for a, b in instance.attribute_spans):
        end = instance.noun_span[1] - start
        return f"{instance.phrase[:end]}?"
    return _named(instance)


def _named(instance: Instance) -> str:
    words = [*instance.attributes, instance.noun]
    return f"{article(words[0])} {' '.join(words)}?"


def best_mean(regions: Sequence[float], whole: float | None, count: int) -> float:
    """Mean of the ``count`` best answers about regions; ``whole`` stands in for each that lacks.

    >>> best_mean([0.25, 0.75, 0.5], None, 2), best_mean([1.0], 0.5, 2)
    (0.625, 0.75)
    """
    best = sorted(regions, reverse=True)[:count]
    if len(best) < count:
        assert whole is not None
        best += [whole] * (count - len(best))
    return fmean(best)


def combine(probabilities: Sequence[float], *, rounding: bool) -> float:
    """Product of the probabilities (0..1), 1 if there is none.

    With ``rounding`` as the official script computes it: each factor rounded to 4 decimals, the
    product in single precision, rounded to 4 decimals again.

    >>> combine([0.5, 0.12345], rounding=True)
    0.0617
    """
    if not rounding:
        return float(np.prod(np.asarray(probabilities, dtype=np.float64)))
    product = np.float32(1.0)
    for p in probabilities:
        product = np.float32(product * np.float32(f"{p:.4f}"))
    return float(f"{float(product):.4f}")


class BlipVQA:
    """BLIP-VQA with an injected judge and parser; images' questions go to the judge together."""

    name = NAME
    columns: Mapping[str, Column] = {
        NAME: Column(True, "product over the prompt's things of P(yes | 'a red apple?')")
    }

    def __init__(
        self,
        vqa: VQAJudge,
        parser: Parser | None,
        detector: DetectorJudge | None = None,
        fixes: Fixes = OFFICIAL,
    ) -> None:
        """``parser`` may be None when ``fixes`` takes the questions from the layout, ``detector``
        when it asks about the whole image."""
        self.mode: Mode = "official" if fixes == OFFICIAL else "fixed"
        self.fixes = fixes
        self._vqa = vqa
        self._parser = parser
        self._detector = detector

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        official = choose_mode(NAME, mode, ("official", "fixed")) == "official"
        return cls.with_fixes(judges, OFFICIAL if official else FIXED)

    @classmethod
    def with_fixes(cls, judges: Mapping[str, Any], fixes: Fixes) -> Metric:
        """The metric with some defects removed."""
        parser = need(judges, "parser", NAME) if fixes.questions == "chunks" else None
        detector = need(judges, "detector", NAME) if fixes.regions else None
        return cls(need(judges, "vqa", NAME), parser, detector, fixes)

    @property
    def identity(self) -> Mapping[str, Any]:
        judges: dict[str, Any] = {"vqa": self._vqa}
        if self._parser is not None:
            judges["parser"] = self._parser
        settings: dict[str, Any] = {"fixes": asdict(self.fixes)}
        if self._detector is not None:
            judges["detector"] = self._detector
            settings |= {"confidence": FOUND.detection, "margin": FOUND.margin}
        return identity_of(judges, **settings)

    def things(self, layout: Layout) -> list[Thing]:
        """What a layout's images are asked about."""
        if self.fixes.questions == "instances":
            return instance_things(layout)
        assert self._parser is not None
        return chunk_things(self._parser.parse(layout.prompt))

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        things = [self.things(s.layout) for s in samples]
        regions = self._regions(samples, things)
        asked: list[tuple[Any, str]] = []
        for sample, row, found in zip(samples, things, regions, strict=True):
            for thing, parts in zip(row, found, strict=True):
                asked += [(part, thing.alone) for part in parts]
                if len(parts) < thing.count:
                    asked.append((sample.image, thing.question))
        answers = self._vqa.ask([image for image, _ in asked], [[q] for _, q in asked])
        given = iter(row[0] for row in answers)
        out = []
        for row, found in zip(things, regions, strict=True):
            values = []
            for thing, parts in zip(row, found, strict=True):
                about = [next(given) for _ in parts]
                whole = next(given) if len(parts) < thing.count else None
                values.append(best_mean(about, whole, thing.count))
            out.append(self._scores(row, values, [len(parts) for parts in found]))
        return out

    def _regions(
        self, samples: Sequence[Sample], things: Sequence[Sequence[Thing]]
    ) -> list[list[list[Any]]]:
        """For each thing of each sample the regions of the image that may show it."""
        if self._detector is None:
            return [[[] for _ in row] for row in things]
        names = [[self._detector.class_of(thing.noun) for thing in row] for row in things]
        labels = [sorted({name for name in row if name is not None}) for row in names]
        detections = self._detector.detect([s.image for s in samples], labels)
        return [
            [
                [
                    crop(sample.image, d.box, FOUND.margin)
                    for d in by_score(found, FOUND.detection)
                    if d.label == name
                ]
                for name in row
            ]
            for sample, row, found in zip(samples, names, detections, strict=True)
        ]

    def _scores(
        self, things: Sequence[Thing], answers: Sequence[float], regions: Sequence[int]
    ) -> list[Score]:
        if not things and self.fixes.unparsed == "none":
            return missing([NAME], "the prompt has no noun phrase to ask about")
        value = combine(answers, rounding=self.fixes.rounding)
        details: dict[str, Any] = {
            "questions": [thing.question for thing in things],
            "answers": list(answers),
        }
        if self._detector is not None:
            details["regions"] = list(regions)
        if not things:
            details["note"] = "no noun phrase found; the official script gives 1"
        return [Score(NAME, value, details=details)]
