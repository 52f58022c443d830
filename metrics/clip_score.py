"""CLIPScore: cosine of the image's and the prompt's CLIP features.

Source: Karine-Huang/T2I-CompBench at 1b70949, ``CLIPScore_eval``: ViT-B/32, not clipped at 0, not
scaled. CLIP hardly sees binding; this is a secondary metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.types import Score
from metrics.base import CLIPJudge, Column, Metric, Mode, Sample, choose_mode, identity_of, need

NAME = "clip_score"


def without_adjectives(doc: Any) -> str:
    """The official complex form of a prompt: its tokens but the adjectives, joined by blanks."""
    return " ".join(token.text for token in doc if token.pos_ != "ADJ")


class CLIPScore:
    """CLIPScore of the whole prompt. The official form has no known defect, so it is the only one;
    its complex form (without adjectives) is a part of ``three_in_one``."""

    name = NAME
    mode: Mode = "official"
    columns: Mapping[str, Column] = {
        NAME: Column(True, "cosine of image and prompt features", (-1.0, 1.0))
    }

    def __init__(self, clip: CLIPJudge) -> None:
        self._clip = clip

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        choose_mode(NAME, mode, ("official",))
        return cls(need(judges, "clip", NAME))

    @property
    def identity(self) -> Mapping[str, Any]:
        return identity_of({"clip": self._clip})

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        values = self._clip.cosine([s.image for s in samples], [s.layout.prompt for s in samples])
        return [[Score(NAME, value)] for value in values]
