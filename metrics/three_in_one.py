"""3-in-1: the score of complex prompts, a mean of attribute, place and action scores.

Source of the official form: Karine-Huang/T2I-CompBench at 1b70949, ``3_in_1_eval/3_in_1.py``. Which
parts a prompt of the benchmark has stands in its sub-lists; here they are known by SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from bench.types import Layout, Score
from metrics.base import (
    CLIPJudge,
    Column,
    DetectorJudge,
    Metric,
    Mode,
    Parser,
    Sample,
    VQAJudge,
    choose_mode,
    identity_of,
    missing,
    need,
)
from metrics.blip_vqa import FIXED as BLIP_FIXED
from metrics.blip_vqa import BlipVQA
from metrics.clip_score import without_adjectives
from metrics.spatial_2d import FIXED as SPATIAL_FIXED
from metrics.spatial_2d import Spatial2D, planar_relations

NAME = "three_in_one"
CLIP_SCALE = 2.5
"""Brings usual cosines to about 0..1 (CLIPScore, arXiv 2104.08718, section 3)."""
Part = Literal["attribute", "spatial", "action"]
KINDS_FILE = Path(__file__).with_name("complex_kinds.json")
"""SHA-256 of each prompt of the official sub-lists (to its first full stop, lower case) by list."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """Defects of the official form, each with its switch; `True` removes it."""

    layout_parts: bool = False
    """A prompt has the parts that its layout has: places if it names some, an action if it names
    one. Officially a prompt outside the benchmark's sub-lists has all three."""
    scaled_action: bool = False
    """The action's cosine (0.2 to 0.35 in practice) becomes 2.5 times itself, cut to 0..1, so that
    it weighs like the other parts."""
    fixed_parts: bool = False
    """Attribute and spatial scores in their fixed forms."""


OFFICIAL = Fixes()
FIXED = Fixes(True, True, True)


def official_parts(prompt: str) -> tuple[Part, ...]:
    """Which parts the official script averages for a prompt."""
    text = prompt.strip("\n").split(".")[0].lower()
    kind = _kinds().get(hashlib.sha256(text.encode()).hexdigest())
    if kind == "spatial":
        return ("attribute", "spatial")
    return ("attribute", "action") if kind == "action" else ("attribute", "spatial", "action")


@cache
def _kinds() -> dict[str, str]:
    lists = json.loads(KINDS_FILE.read_text(encoding="utf-8"))
    # a prompt in both lists counts as spatial, which the script asks for first
    return {key: kind for kind in ("action", "spatial") for key in lists[kind]}


def layout_parts(layout: Layout) -> tuple[Part, ...]:
    """Which parts a layout has to score."""
    parts: list[Part] = ["attribute"]
    if planar_relations(layout):
        parts.append("spatial")
    if any(r.relation == "action" for r in layout.relations):
        parts.append("action")
    return tuple(parts)


class ThreeInOne:
    """The 3-in-1 score from injected judges."""

    name = NAME
    columns: Mapping[str, Column] = {
        NAME: Column(True, "mean of the attribute, place and action scores that the prompt has")
    }

    def __init__(
        self,
        vqa: VQAJudge,
        clip: CLIPJudge,
        detector: DetectorJudge,
        parser: Parser,
        fixes: Fixes = OFFICIAL,
    ) -> None:
        self.mode: Mode = "official" if fixes == OFFICIAL else "fixed"
        self.fixes = fixes
        self._judges: dict[str, Any] = {
            "vqa": vqa, "clip": clip, "detector": detector, "parser": parser
        }  # fmt: skip
        if fixes.fixed_parts:
            self._attribute = BlipVQA(vqa, None, detector, BLIP_FIXED)
            self._spatial = Spatial2D(detector, None, SPATIAL_FIXED)
        else:
            self._attribute = BlipVQA(vqa, parser)
            self._spatial = Spatial2D(detector, parser, complex_form=True)

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        official = choose_mode(NAME, mode, ("official", "fixed")) == "official"
        return cls.with_fixes(judges, OFFICIAL if official else FIXED)

    @classmethod
    def with_fixes(cls, judges: Mapping[str, Any], fixes: Fixes) -> Metric:
        """The metric with some defects removed."""
        vqa, clip, detector, parser = (
            need(judges, role, NAME) for role in ("vqa", "clip", "detector", "parser")
        )
        return cls(vqa, clip, detector, parser, fixes)

    @property
    def identity(self) -> Mapping[str, Any]:
        return identity_of(
            self._judges,
            fixes=asdict(self.fixes),
            attribute=self._attribute.identity,
            spatial=self._spatial.identity,
        )

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        parts = [
            layout_parts(s.layout) if self.fixes.layout_parts else official_parts(s.layout.prompt)
            for s in samples
        ]
        scores: list[dict[Part, Score]] = [
            {"attribute": row[0]} for row in self._attribute.score(samples)
        ]
        scorers: dict[Part, Any] = {"spatial": self._spatial.score, "action": self._action}
        for part, score in scorers.items():
            wanted = [k for k, names in enumerate(parts) if part in names]
            given = score([samples[k] for k in wanted])
            for k, row in zip(wanted, given, strict=True):
                scores[k][part] = row[0]
        return [[self._mean(row)] for row in scores]

    def _action(self, samples: Sequence[Sample]) -> list[list[Score]]:
        parse = self._judges["parser"].parse
        texts = [without_adjectives(parse(s.layout.prompt)) for s in samples]
        cosines = self._judges["clip"].cosine([s.image for s in samples], texts)
        if self.fixes.scaled_action:
            cosines = [min(1.0, max(0.0, CLIP_SCALE * c)) for c in cosines]
        return [[Score("action", c)] for c in cosines]

    def _mean(self, parts: Mapping[Part, Score]) -> Score:
        for part, score in parts.items():
            if score.value is None:
                return missing([NAME], f"no {part} score: {score.reason}")[0]
        values = {part: score.value for part, score in parts.items() if score.value is not None}
        return Score(NAME, fmean(values.values()), details={"parts": values})
