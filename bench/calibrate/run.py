"""Scenes with known faults through every metric and mode."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.calibrate.faults import FAULTS, SIZE, Case, make_cases
from bench.calibrate.measures import RESAMPLES, sensitivity
from bench.errors import BenchError, unknown_name
from bench.judges import JudgeSet
from bench.judges.cache import image_key
from bench.models import POCKET_JUDGES
from bench.scoring import make_metrics
from metrics.base import Metric, Sample

METRICS = (
    "blip_vqa@official",
    "blip_vqa@fixed",
    "clip_score",
    "localization",
    "spatial_2d@official",
    "spatial_2d@fixed",
    "spatial_3d@official",
    "spatial_3d@fixed",
    "numeracy@official",
    "numeracy@fixed",
    "three_in_one@official",
    "three_in_one@fixed",
)
"""All that there is."""
TARGETS: Mapping[tuple[str, str, str], tuple[str, float]] = {
    ("blip_vqa", "fixed", "attributes swapped"): ("auc", 0.95),
    ("miou", "fixed", "instance moved"): ("auc", 0.98),
    ("present", "fixed", "instance missing"): ("auc", 0.98),
    ("leakage", "fixed", "attributes swapped"): ("pairs", 0.95),
}
"""(score, mode, fault) to the figure that must be reached on held-out pocket scenes."""
CHUNK = 64
"""Pictures given to the metrics at once."""


class TrueDepth:
    """The renderer's own depth in place of an estimator: no depth model is shipped."""

    identity: Mapping[str, Any] = {"name": "pocket world", "digest": "truth"}

    def __init__(self, cases: Iterable[Case]) -> None:
        self._maps = {image_key(case.image): case.depth for case in cases}

    def depth(self, images: Sequence[Any]) -> list[Any]:
        flat = np.zeros((SIZE, SIZE), np.float32)  # of any other picture nothing is known
        return [self._maps.get(image_key(image), flat) for image in images]


class PocketObjects:
    """The pocket world's countable nouns for the official numeracy score."""

    identity: Mapping[str, Any] = {"name": "pocket world", "digest": "vocabulary"}

    def __init__(self) -> None:
        from bench.pocket.world.vocabulary import PLURALS

        self.pairs = tuple(PLURALS.items())


def calibrate(
    *,
    scenes: int = 60,
    faults: Sequence[str] = tuple(FAULTS),
    metrics: Sequence[str] = METRICS,
    judges: Mapping[str, str] = POCKET_JUDGES,
    given: Mapping[str, Any] | None = None,
    device: str = "cpu",
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Score clean and spoilt scenes and measure what each score sees.

    ``judges`` names a judge for each role, ``given`` holds judges that are there already. Where
    neither has one, depth comes from the renderer itself.

    Returns a JSON document: ``rows`` (a row for each fault, metric, mode and score, with AUC,
    Kendall tau, Spearman rho and the share of right pairs, each ``value``, ``low``, ``high``),
    ``targets`` and ``speed``. Raises BenchError for unknown faults, metrics and judges.
    """
    if scenes < 2:
        raise BenchError(f"scenes is {scenes}; at least 2 are needed")
    for fault in faults:
        if fault not in FAULTS:
            raise unknown_name("fault", fault, FAULTS)
    cases = {fault: make_cases(fault, scenes, seed=seed) for fault in faults}
    every = [case for group in cases.values() for case in group]
    shared = pocket_judges(every, judges, given=given, device=device)
    made = [make_metric(text, shared) for text in metrics]
    rows: list[dict[str, Any]] = []
    speed: dict[str, float] = {}
    for metric in made:
        label = f"{metric.name} ({metric.mode})"
        started = time.perf_counter()
        for fault, group in cases.items():
            progress(f"{label}: {fault}")
            rows += _rows(metric, fault, group, resamples)
        speed[label] = len(every) / (time.perf_counter() - started)
    return {
        "scenes": scenes,
        "seed": seed,
        "images": len(every),
        "judges": {role: dict(judge.identity) for role, judge in shared.made.items()},
        "rows": rows,
        "targets": _targets(rows),
        "speed": speed,
    }


def pocket_judges(
    cases: Iterable[Case],
    judges: Mapping[str, str],
    *,
    given: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> JudgeSet:
    """Judges by name or given; depth and countable nouns, where none is named, from the world."""
    stand_ins = {"depth": TrueDepth(cases), "objects": PocketObjects()}
    there = {role: judge for role, judge in stand_ins.items() if role not in judges}
    return JudgeSet(judges, device=device, given={**there, **(given or {})})


def make_metric(text: str, judges: JudgeSet) -> Metric:
    """``name`` or ``name@mode`` (or ``module:attribute``) as a metric with these judges."""
    return make_metrics([text], judges)[0]


def _rows(
    metric: Metric, fault: str, cases: Sequence[Case], resamples: int
) -> list[dict[str, Any]]:
    columns = score_cases(metric, cases)
    severity = np.array([case.severity for case in cases])
    scene = np.array([case.scene for case in cases], dtype=np.int64)
    rows = []
    for name, values in columns.items():
        found = sensitivity(
            values,
            severity,
            scene,
            higher_is_better=metric.columns[name].higher_is_better,
            resamples=resamples,
        )
        if found is not None:
            head = {"fault": fault, "metric": metric.name, "mode": metric.mode, "score": name}
            rows.append({**head, **found.to_dict()})
    return rows


def score_cases(metric: Metric, cases: Sequence[Case]) -> dict[str, np.ndarray[Any, Any]]:
    """(N,) scores by column, NaN where there is none."""
    out = {name: np.full(len(cases), np.nan) for name in metric.columns}
    for start in range(0, len(cases), CHUNK):
        part = cases[start : start + CHUNK]
        scored = metric.score([Sample(case.image, case.layout) for case in part])
        for k, scores in enumerate(scored, start=start):
            for score in scores:
                if score.value is not None:
                    out[score.name][k] = score.value
    return out


def _targets(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        target = TARGETS.get((row["score"], row["mode"], row["fault"]))
        if target is not None:
            figure, least = target
            value = row[figure]["value"]
            name = f"{row['score']} ({row['mode']}), {row['fault']}: {figure}"
            reached = value is not None and value >= least
            found.append({"name": name, **row[figure], "target": least, "reached": reached})
    return found
