"""Which thresholds suit a detector: localization on clean and spoilt scenes, swept over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.calibrate.faults import make_cases
from bench.calibrate.measures import auc
from bench.calibrate.run import score_cases
from bench.judges import JudgeSet
from metrics.localization import Localization, Thresholds

DETECTION = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
IOU = (0.5, 0.75)
WATCHED = (("present", "instance missing"), ("surplus", "instance added"),
           ("miou_all", "instance moved"))  # fmt: skip
"""(score, the fault that it must see)."""


def sweep(
    judges: Mapping[str, str],
    *,
    scenes: int = 30,
    detection: Sequence[float] = DETECTION,
    iou: Sequence[float] = IOU,
    device: str = "cpu",
    seed: int = 0,
) -> list[dict[str, Any]]:
    """A row for each pair of thresholds: means on clean scenes, and the AUC for each fault.

    Keys: ``detection``, ``iou``, ``clean`` (mean ``instance_success``, ``present``, ``surplus``),
    ``auc`` (by score). The judges remember what they saw, so only the first pass costs.
    """
    shared = JudgeSet(judges, device=device)
    cases = {fault: make_cases(fault, scenes, seed=seed) for _, fault in WATCHED}
    rows = []
    for least in detection:
        for place in iou:
            metric = Localization(
                shared["detector"], shared["vqa"], thresholds=Thresholds(least, place)
            )
            scored = {fault: score_cases(metric, group) for fault, group in cases.items()}
            clean = {
                fault: np.array([c.severity == 0 for c in group]) for fault, group in cases.items()
            }
            rows.append(
                {
                    "detection": least,
                    "iou": place,
                    "clean": {
                        name: float(
                            np.nanmean(np.concatenate([scored[f][name][clean[f]] for f in cases]))
                        )
                        for name in ("instance_success", "present", "surplus")
                    },
                    "auc": {
                        name: _auc(metric, name, scored[fault][name], clean[fault])
                        for name, fault in WATCHED
                    },
                }
            )
    return rows


def _auc(
    metric: Localization,
    name: str,
    values: np.ndarray[Any, Any],
    clean: np.ndarray[Any, Any],
) -> float:
    values = values if metric.columns[name].higher_is_better else -values
    known = ~np.isnan(values)
    return auc(values[known & clean], values[known & ~clean])


def sweep_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    lines = [
        f"{'detection':>9} {'IoU':>5} {'success':>8} {'present':>8} {'surplus':>8}   AUC: "
        + ", ".join(f"{name} on '{fault}'" for name, fault in WATCHED)
    ]
    for row in rows:
        clean = row["clean"]
        lines.append(
            f"{row['detection']:>9.2f} {row['iou']:>5.2f} {clean['instance_success']:>8.3f} "
            f"{clean['present']:>8.3f} {clean['surplus']:>8.3f}   "
            + "  ".join(f"{row['auc'][name]:.3f}" for name, _ in WATCHED)
        )
    return "\n".join(lines)
