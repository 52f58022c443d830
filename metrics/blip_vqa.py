"""BLIP-VQA: are the things of the prompt there, with their attributes?

Source of the official form: Karine-Huang/T2I-CompBench at 1b70949, ``BLIPvqa_eval``. Its defects
can be removed one by one (`Fixes`); the product over the questions is kept in both modes, so a
prompt with more things scores lower, and scores compare only over the same prompts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from bench.types import Instance, Layout, Score
from metrics.base import (
    Column,
    Metric,
    Mode,
    Parser,
    Sample,
    VQAJudge,
    article,
    choose_mode,
    identity_of,
    missing,
    need,
)

SKIPPED_CHUNKS = ("top", "the side", "the left", "the right")
"""Noun chunks of relation phrases that the official script does not ask about."""
MAX_QUESTIONS = 8
"""The official script's default ``--np_num``."""
MAX_WORDS = 50
"""Words of a question that the official cleaning keeps."""
NAME = "blip_vqa"


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


OFFICIAL = Fixes()
FIXED = Fixes(questions="instances", unparsed="none", rounding=False)


def chunk_questions(doc: Any) -> list[str]:
    """The official questions of a parsed prompt (spaCy ``Doc``), in order, at most eight."""
    chunks = [chunk.text for chunk in doc.noun_chunks if chunk.text not in SKIPPED_CHUNKS]
    return [clean_question(f"{chunk}?") for chunk in chunks[:MAX_QUESTIONS]]


def clean_question(text: str) -> str:
    """The official cleaning: lower case, some marks removed, at most 50 words.

    >>> clean_question('A "Red" apple.?')
    'a red apple?'
    """
    text = re.sub(r"[.!\"()*#:;~]", "", text.lower()).rstrip(" ")
    words = text.split(" ")
    return " ".join(words[:MAX_WORDS]) if len(words) > MAX_WORDS else text


def instance_questions(layout: Layout) -> list[str]:
    """One question for every phrase of a layout that names instances, in the prompt's order.

    The phrase itself ("two red apples?"), or, where attributes do not stand before their noun
    ("the chair is red"), attributes and noun ("a red chair?").
    """
    phrases: dict[tuple[int, int], Instance] = {}
    for instance in layout.instances:
        phrases.setdefault(instance.phrase_span, instance)
    return [clean_question(_question(phrases[span])) for span in sorted(phrases)]


def _question(instance: Instance) -> str:
    start, noun_start = instance.phrase_span[0], instance.noun_span[0]
    if all(start <= a and b <= noun_start for a, b in instance.attribute_spans):
        end = instance.noun_span[1] - start
        return f"{instance.phrase[:end]}?"
    words = [*instance.attributes, instance.noun]
    return f"{article(words[0])} {' '.join(words)}?"


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

    def __init__(self, vqa: VQAJudge, parser: Parser | None, fixes: Fixes = OFFICIAL) -> None:
        """``parser`` may be None when ``fixes`` takes the questions from the layout."""
        self.mode: Mode = "official" if fixes == OFFICIAL else "fixed"
        self.fixes = fixes
        self._vqa = vqa
        self._parser = parser

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        official = choose_mode(NAME, mode, ("official", "fixed")) == "official"
        return cls.with_fixes(judges, OFFICIAL if official else FIXED)

    @classmethod
    def with_fixes(cls, judges: Mapping[str, Any], fixes: Fixes) -> Metric:
        """The metric with some defects removed."""
        parser = need(judges, "parser", NAME) if fixes.questions == "chunks" else None
        return cls(need(judges, "vqa", NAME), parser, fixes)

    @property
    def identity(self) -> Mapping[str, Any]:
        judges: dict[str, Any] = {"vqa": self._vqa}
        if self._parser is not None:
            judges["parser"] = self._parser
        return identity_of(judges, fixes=asdict(self.fixes))

    def questions(self, layout: Layout) -> list[str]:
        """The questions that a layout's images are asked."""
        if self.fixes.questions == "instances":
            return instance_questions(layout)
        assert self._parser is not None
        return chunk_questions(self._parser.parse(layout.prompt))

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        questions = [self.questions(s.layout) for s in samples]
        answers = self._vqa.ask([s.image for s in samples], questions)
        return [self._scores(q, a) for q, a in zip(questions, answers, strict=True)]

    def _scores(self, questions: Sequence[str], answers: Sequence[float]) -> list[Score]:
        if not questions and self.fixes.unparsed == "none":
            return missing([NAME], "the prompt has no noun phrase to ask about")
        value = combine(answers, rounding=self.fixes.rounding)
        details: dict[str, Any] = {"questions": list(questions), "answers": list(answers)}
        if not questions:
            details["note"] = "no noun phrase found; the official script gives 1"
        return [Score(NAME, value, details=details)]
