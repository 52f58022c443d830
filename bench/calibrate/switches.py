"""What each repair of an official score changes, alone: official, one switch at a time, all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bench.calibrate.faults import make_cases
from bench.calibrate.measures import auc
from bench.calibrate.run import pocket_judges, score_cases
from bench.calibrate.tables import aligned
from bench.errors import unknown_name
from metrics import blip_vqa, numeracy, spatial_2d, spatial_3d, three_in_one

REPAIRED: Mapping[str, tuple[Any, Any, Any, str]] = {
    blip_vqa.NAME: (
        blip_vqa.BlipVQA, blip_vqa.OFFICIAL, blip_vqa.FIXED, "attributes swapped"
    ),
    spatial_2d.NAME: (
        spatial_2d.Spatial2D, spatial_2d.OFFICIAL, spatial_2d.FIXED, "relation inverted"
    ),
    spatial_3d.NAME: (
        spatial_3d.Spatial3D, spatial_3d.OFFICIAL, spatial_3d.FIXED, "depth inverted"
    ),
    numeracy.NAME: (numeracy.Numeracy, numeracy.OFFICIAL, numeracy.FIXED, "wrong count"),
    three_in_one.NAME: (
        three_in_one.ThreeInOne, three_in_one.OFFICIAL, three_in_one.FIXED, "attributes swapped"
    ),
}  # fmt: skip
"""Metric to its class, its switches off and on, and the fault that it is there to see."""


def variants(official: Any, fixed: Any) -> Iterator[tuple[str, Any]]:
    """``official``, every switch alone by its name, ``fixed``."""
    yield "official", official
    for field in fields(official):
        value = getattr(fixed, field.name)
        if value != getattr(official, field.name):
            yield field.name, replace(official, **{field.name: value})
    yield "fixed", fixed


def switches(
    judges: Mapping[str, str],
    *,
    scenes: int = 60,
    metrics: Sequence[str] = tuple(REPAIRED),
    given: Mapping[str, Any] | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """A row for each metric and variant, measured on the fault that the metric is there to see.

    Keys: ``metric``, ``fault``, ``switch``; ``clean`` and ``spoilt`` (mean scores), ``auc``,
    ``differs`` (share of pictures whose score is another than the official one, missing ones
    included), ``unscored`` (pictures), ``n``. None where nothing has a score. Raises BenchError for
    a metric without switches.
    """
    for name in metrics:
        if name not in REPAIRED:
            raise unknown_name("metric with switches", name, REPAIRED)
    rows = []
    for name in metrics:
        metric_class, official, fixed, fault = REPAIRED[name]
        cases = make_cases(fault, scenes, seed=seed)
        shared = pocket_judges(cases, judges, given=given, device=device)
        clean = np.array([case.severity == 0 for case in cases])
        reference: np.ndarray[Any, Any] | None = None
        for switch, fixes in variants(official, fixed):
            progress(f"{name}: {switch}")
            values = score_cases(metric_class.with_fixes(shared, fixes), cases)[name]
            reference = values if reference is None else reference
            known = ~np.isnan(values)
            rows.append(
                {
                    "metric": name,
                    "fault": fault,
                    "switch": switch,
                    "clean": _mean(values[known & clean]),
                    "spoilt": _mean(values[known & ~clean]),
                    "auc": auc(values[known & clean], values[known & ~clean]),
                    "differs": float(
                        (~np.isclose(values, reference, atol=1e-4, equal_nan=True)).mean()
                    ),
                    "unscored": int((~known).sum()),
                    "n": len(cases),
                }
            )
    return rows


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return float(values.mean()) if values.size else None


def switches_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table for each metric."""

    def figure(value: float | None) -> str:
        return "-" if value is None or np.isnan(value) else f"{value:.3f}"

    parts = []
    for name in dict.fromkeys(row["metric"] for row in rows):
        own = [row for row in rows if row["metric"] == name]
        heads = ["switch", "clean", "spoilt", "AUC", "differs", "unscored"]
        lines = [
            [row["switch"], *(figure(row[k]) for k in ("clean", "spoilt", "auc")),
             f"{row['differs']:.0%}", f"{row['unscored']} of {row['n']}"]
            for row in own
        ]  # fmt: skip
        parts.append(f"{name}: {own[0]['fault']}\n{aligned([heads, *lines])}")
    return "\n\n".join(parts)
