"""The models that metrics ask: visual questions, CLIP, detectors, depth, and the English parser.

Importing this package imports no model library; a judge loads its weights when it is first asked.
"""

from bench.judges.specs import (
    SPECS,
    JudgeSet,
    JudgeSpec,
    judge_digest,
    judge_spec,
    load_clip,
    load_depth,
    load_detector,
    load_judge,
    load_vqa,
)

__all__ = [
    "SPECS",
    "JudgeSet",
    "JudgeSpec",
    "judge_digest",
    "judge_spec",
    "load_clip",
    "load_depth",
    "load_detector",
    "load_judge",
    "load_vqa",
]
