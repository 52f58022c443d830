"""2D spatial relations: are both things there, and is one left of, above or near the other?

Source of the official form: Karine-Huang/T2I-CompBench at 1b70949, ``2D_spatial_eval.py``. UniDet
itself cannot be installed with current software, so a score always names its detector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
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
from metrics.frames import (
    CONFIDENCE,
    PixelBox,
    as_person,
    first_and_last_noun,
    frame_of,
    rename_persons,
    to_pixels,
)
from metrics.localization import class_names

NAME = "spatial_2d"
DISTANCE = 150.0
"""Pixels of the frame: nearer than this is near."""
IOU = 0.1
"""From this overlap on a direction counts less."""
FLOOR = 0.5
"""Official scores below become 0."""
PHRASES = (
    "on side of",
    "next to",
    "near",
    "on the left of",
    "on the right of",
    "on the bottom of",
    "on the top of",
    "on top of",
)
"""In the official order: the first one that the prompt contains is its relation."""
RELATION_OF = {
    "on side of": "near",
    "next to": "near",
    "near": "near",
    "on the left of": "left_of",
    "on the right of": "right_of",
    "on the bottom of": "below",
    "on the top of": "above",
    "on top of": None,
}
"""What the official position function makes of a phrase; it does not know ``on top of``."""
COMPLEX_PHRASES = (
    "on top of",
    "on bottom of",
    "on the left",
    "on the right",
    "next to",
    "on side of",
    "near",
)
"""Phrases around which the complex form looks for the two objects."""
PLANAR = ("left_of", "right_of", "above", "below", "near")


@dataclass(frozen=True, slots=True)
class Fixes:
    """Defects of the official form, each with its switch; `True` removes it."""

    layout_objects: bool = False
    """Objects and relations from the layout, all of them, instead of first and last noun and first
    phrase of the prompt."""
    on_top_of: bool = False
    """The prompt's "on top of" means above; the official position function does not know it."""
    best_pair: bool = False
    """The pair of detections that fits best instead of the two most confident ones."""
    near_in_both: bool = False
    """Near when both |dx| and |dy| are small, not one of them: things at the two ends of a row are
    not near."""
    no_floor: bool = False
    """Scores below 0.5 stay what they are."""
    no_confidence: bool = False
    """A thing is there or not; how sure the detector is does not count."""


OFFICIAL = Fixes()
FIXED = Fixes(True, True, True, True, True, True)


def official_relation(prompt: str) -> str | None:
    """The first relation phrase of the official list that stands in the prompt."""
    return next((p for p in PHRASES if p in prompt), None)


def position_score(
    relation: str | None, a: PixelBox, b: PixelBox, *, near_in_both: bool = False
) -> float:
    """How well two boxes (pixels of the frame) stand in a relation of ``PLANAR``, 0..1.

    ``a left_of b`` wants b's centre to the right, farther across than up or down; from an IoU of
    0.1 on the score falls as 0.1 / IoU. Any other relation scores 0.
    """
    (ax, ay), (bx, by) = a.center, b.center
    dx, dy = bx - ax, by - ay
    if relation == "near":
        close = max if near_in_both else min
        if close(abs(dx), abs(dy)) < DISTANCE:
            return 1.0
        return DISTANCE / max(abs(dx), abs(dy))
    ahead = {"right_of": -dx, "left_of": dx, "below": -dy, "above": dy}.get(relation or "")
    if ahead is None:
        return 0.0
    across = abs(dy) if relation in ("left_of", "right_of") else abs(dx)
    if ahead <= 0 or ahead <= across:
        return 0.0
    overlap = a.iou(b)
    return 1.0 if overlap < IOU else IOU / overlap


def complex_objects(doc: Any) -> tuple[str, str] | None:
    """The two objects of the complex form: the noun before and the noun after a relation phrase.

    None unless exactly two are found over all phrases. Before: the nearest NOUN or PROPN. After:
    the first NOUN, or without one the last of the first run of PROPN that does not end the prompt.
    """
    found: list[str] = []
    for i in range(len(doc)):
        length = next((n for n in (3, 2, 1) if doc[i : i + n].text in COMPLEX_PHRASES), None)
        if length is None:
            continue
        before = [t.text for t in doc[:i] if t.pos_ in ("NOUN", "PROPN")]
        found += before[-1:]
        rest = doc[i + length :]
        noun = next((t.text for t in rest if t.pos_ == "NOUN"), None)
        if noun is not None:
            found.append(noun)
            continue
        for j in range(len(rest) - 1):
            if rest[j].pos_ == "PROPN" and rest[j + 1].pos_ != "PROPN":
                found.append(rest[j].text)
                break
    if len(found) != 2:
        return None
    return as_person(found[0]), as_person(found[1])


def official_score(
    detections: Sequence[Detection],
    objects: tuple[str, str] | None,
    phrase: str | None,
    frame: tuple[int, int],
) -> float:
    """The official score of an image, 0..1.

    ``detections``: best first, cut at the confidence threshold, labels in the official spelling.
    ``frame``: (width, height) in pixels.
    """
    if objects is None:
        return 0.0
    return relation_score(detections, objects, RELATION_OF.get(phrase or ""), frame, OFFICIAL)


def relation_score(
    detections: Sequence[Detection],
    names: tuple[str, str],
    relation: str | None,
    frame: tuple[int, int],
    fixes: Fixes,
) -> float:
    """The score of one relation, 0..1: a quarter for each thing, half for the place.

    ``relation`` is one of ``PLANAR``; None, or any other, scores 0 for the place.
    """
    subjects, objects = ([d for d in detections if d.label == name] for name in names)
    if fixes.best_pair:
        pairs = [
            (a, b) for a in (*subjects, None) for b in (*objects, None) if a is not b or a is None
        ]
    else:  # officially one detection can be both
        pairs = [(subjects[0] if subjects else None, objects[0] if objects else None)]
    best = max(_pair_score(a, b, relation, frame, fixes) for a, b in pairs)
    return best if fixes.no_floor or best >= FLOOR else 0.0


def _pair_score(
    subject: Detection | None,
    other: Detection | None,
    relation: str | None,
    frame: tuple[int, int],
    fixes: Fixes,
) -> float:
    there = [d for d in (subject, other) if d is not None]
    score = sum(0.25 * (1.0 if fixes.no_confidence else d.score) for d in there)
    if len(there) == 2:
        a, b = (to_pixels(d.box, frame) for d in there)
        score += position_score(relation, a, b, near_in_both=fixes.near_in_both) / 2
    return score


Plan = list[tuple[str, str | None, str]]
"""(subject, relation, object) by the detector's names; the relation is one of ``PLANAR`` or None
for a phrase without a meaning. Empty: the complex form has no pair of objects, and scores 0."""


class Spatial2D:
    """2D spatial score with an injected detector."""

    name = NAME
    columns: Mapping[str, Column] = {
        NAME: Column(True, "both things there (half) and in the right place to each other (half)")
    }

    def __init__(
        self,
        detector: DetectorJudge,
        parser: Parser | None,
        fixes: Fixes = OFFICIAL,
        *,
        complex_form: bool = False,
    ) -> None:
        """``parser`` may be None when ``fixes`` takes the objects from the layout.

        ``complex_form`` is the official form's for complex prompts, a part of ``three_in_one``.
        """
        self.mode: Mode = "official" if fixes == OFFICIAL else "fixed"
        self.fixes = fixes
        self._detector = detector
        self._parser = parser
        self._complex = complex_form

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        official = choose_mode(NAME, mode, ("official", "fixed")) == "official"
        return cls.with_fixes(judges, OFFICIAL if official else FIXED)

    @classmethod
    def with_fixes(cls, judges: Mapping[str, Any], fixes: Fixes) -> Metric:
        """The metric with some defects removed."""
        parser = None if fixes.layout_objects else need(judges, "parser", NAME)
        return cls(need(judges, "detector", NAME), parser, fixes)

    @property
    def identity(self) -> Mapping[str, Any]:
        judges: dict[str, Any] = {"detector": self._detector}
        if self._parser is not None:
            judges["parser"] = self._parser
        settings = {"confidence": CONFIDENCE, "complex_form": self._complex}
        return identity_of(judges, fixes=asdict(self.fixes), **settings)

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        plans = [self._plan(s.layout) for s in samples]
        out = [missing([NAME], p) if isinstance(p, str) else [] for p in plans]
        asked = {k: plan for k, plan in enumerate(plans) if not isinstance(plan, str)}
        detections = self._detector.detect(
            [samples[k].image for k in asked],
            [sorted({n for s, _, o in plan for n in (s, o)}) for plan in asked.values()],
        )
        for (k, plan), found in zip(asked.items(), detections, strict=True):
            out[k] = [self._one(samples[k], plan, by_score(found, CONFIDENCE))]
        return out

    def _plan(self, layout: Layout) -> Plan | str:
        """What to look for, or why there is nothing to score."""
        if self.fixes.layout_objects:
            relations = planar_relations(layout)
            if not relations:
                return "the layout has no relation of places"
            labels = class_names(self._detector, layout)
            if isinstance(labels, str):
                return labels
            return [(labels[s], r, labels[o]) for s, r, o in relations]
        assert self._parser is not None
        doc, phrase = self._parser.parse(layout.prompt), official_relation(layout.prompt)
        if not self._complex and phrase is None:
            return "the prompt has no spatial relation of the official list"
        objects = complex_objects(doc) if self._complex else first_and_last_noun(doc)
        if objects is None:
            return [] if self._complex else "spaCy finds no noun in the prompt"
        names = detector_names(self._detector, objects)
        if isinstance(names, str):
            return names
        relation = RELATION_OF.get(phrase or "")
        if self.fixes.on_top_of and phrase == "on top of":
            relation = "above"
        return [(names[0], relation, names[1])]

    def _one(self, sample: Sample, plan: Plan, detections: Sequence[Detection]) -> Score:
        if not self.fixes.layout_objects:
            detections = rename_persons(detections)
        frame = frame_of(*sample.image.size)
        parts = [relation_score(detections, (s, o), r, frame, self.fixes) for s, r, o in plan]
        details = {
            "relations": [[*p, v] for p, v in zip(plan, parts, strict=True)],
            "detections": _plain(detections),
        }
        return Score(NAME, fmean(parts) if parts else 0.0, details=details)


def detector_names(detector: DetectorJudge, objects: tuple[str, str]) -> tuple[str, str] | str:
    """The detector's names for two nouns, or a reason if it lacks one."""
    first, second = (detector.class_of(noun) for noun in objects)
    if first is None or second is None:
        unknown = [o for o, n in zip(objects, (first, second), strict=True) if n is None]
        return f"the detector has no class for {', '.join(dict.fromkeys(unknown))}"
    return first, second


def planar_relations(layout: Layout) -> list[tuple[int, str, int]]:
    """The layout's relations that boxes alone can show."""
    return [(r.subject, r.relation, r.object) for r in layout.relations if r.relation in PLANAR]


def _plain(detections: Sequence[Detection]) -> list[dict[str, Any]]:
    return [{"label": d.label, "score": d.score, "box": d.box.to_list()} for d in detections]
