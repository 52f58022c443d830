"""The record of a run, and how a later run is paired with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import BenchError
from bench.leaderboard.dense import check, columns_of
from bench.stats.clusters import Floats

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
ENVIRONMENT = ("device", "libraries")
"""Fields of a protocol that may differ between a record and a run: a gate is there to see it."""


def record(
    frame: pd.DataFrame, *, name: str, higher_is_better: Mapping[str, bool] | None = None
) -> dict[str, Any]:
    """What a later run is gated against: every score of every image, as JSON values.

    Prompts stand in it as digests only. ``name`` says which run it was.
    """
    check(frame)
    columns = columns_of(frame, higher_is_better or {})
    rows = []
    for (model, label), part in frame.groupby(["model", "method_label"], sort=False):
        if part["protocol"].nunique() > 1:
            raise BenchError(f"{model} {label} has several protocols; record one run at a time")
        scores = {}
        for column in columns:
            chosen = part[(part["score"] == column.score) & (part["mode"] == column.mode)]
            chosen = chosen[chosen["value"].notna()]
            if chosen.empty:
                continue
            scores[column.key] = {
                "higher_is_better": column.higher_is_better,
                "images": [
                    [_short(layout), int(seed), _short(prompt), float(value)]
                    for layout, seed, prompt, value in zip(
                        chosen["layout_digest"],
                        chosen["seed"],
                        chosen["prompt"],
                        chosen["value"],
                        strict=True,
                    )
                ],
            }
        rows.append(
            {
                "model": str(model),
                "label": str(label),
                "protocol": part["protocol_text"].iloc[0],
                "scores": scores,
            }
        )
    return {"schema": SCHEMA, "run": name, "rows": rows}


@dataclass(frozen=True, slots=True)
class Pairs:
    recorded: Floats
    """(n,) values of the record."""
    measured: Floats
    """(n,) values of this run; NaN where it has none although it tried."""
    prompts: list[str]
    better: int
    """1 where higher is better, else -1."""
    lost: dict[str, int]
    """Why this run has no value where the record has one."""
    notes: tuple[str, ...]

    @property
    def change(self) -> Floats:
        """(n,) below 0 is worse, whichever direction is better."""
        return self.better * (self.measured - self.recorded)


def pairs(entry: Mapping[str, Any], part: pd.DataFrame) -> Pairs:
    old = {(layout, seed): (prompt, value) for layout, seed, prompt, value in entry["images"]}
    new: dict[tuple[str, int], tuple[float, str]] = {}
    for layout, seed, value, reason in zip(
        part["layout_digest"], part["seed"], part["value"], part["reason"], strict=True
    ):
        new[_short(layout), int(seed)] = (float(value), str(reason))
    notes = []
    both = [unit for unit in old if unit in new]
    if both or not new:
        absent = len(old) - len(both)
        if absent:
            notes.append(f"{absent} of {len(old)} recorded images are not part of this run")
        units: list[Any] = both
        a = [old[unit][1] for unit in both]
        b = [new[unit][0] for unit in both]
        prompts = [old[unit][0] for unit in both]
    else:
        notes.append("no common seeds; layouts are paired by their mean over seeds")
        units = sorted({layout for layout, _ in old} & {layout for layout, _ in new})
        a = [float(np.mean([v for (x, _), (_, v) in old.items() if x == u])) for u in units]
        b = [float(np.mean([v for (x, _), (v, _) in new.items() if x == u])) for u in units]
        prompt_of = {layout: prompt for (layout, _), (prompt, _) in old.items()}
        prompts = [prompt_of[u] for u in units]
    lost: dict[str, int] = {}
    for unit, (value, reason) in new.items():
        if np.isnan(value) and (unit in old or unit[0] in units):
            lost[reason] = lost.get(reason, 0) + 1
    better = 1 if entry["higher_is_better"] else -1
    return Pairs(np.array(a, float), np.array(b, float), prompts, better, lost, tuple(notes))


def rows_of(against: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if against.get("schema") != SCHEMA or not isinstance(against.get("rows"), list):
        raise BenchError(
            "the record is not one that 'gate --record' of this version writes; record it again"
        )
    try:
        for row in against["rows"]:
            _ = row["model"], row["label"], row["protocol"]
            for entry in row["scores"].values():
                _ = entry["higher_is_better"]
                for layout, seed, prompt, value in entry["images"]:
                    _ = f"{layout}{prompt}", int(seed), float(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchError(f"the record is damaged ({error!r}); record it again") from error
    return list(against["rows"])


def protocol_notes(row: Mapping[str, Any], part: pd.DataFrame) -> list[str]:
    """Differences of protocol worth a note; BenchError where scores mean something else."""
    before, now = row["protocol"] or {}, part["protocol_text"].iloc[0] or {}
    metrics = [p.get("metrics") or {} for p in (before, now)]
    for name in metrics[0].keys() & metrics[1].keys():
        if metrics[0][name] != metrics[1][name]:
            raise BenchError(
                f"metric {name} is another than the record's (judge, threshold or mode changed); "
                "its numbers cannot be compared: record a new baseline"
            )
    notes = []
    for field in dict.fromkeys([*before, *now]):
        if field == "metrics" or before.get(field) == now.get(field):
            continue
        if field in ENVIRONMENT or field == "settings":
            notes.append(f"{row['label']}: {field} differ: {_changed(before, now, field)}")
    return notes


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], field: str) -> str:
    a, b = before.get(field), now.get(field)
    if not (isinstance(a, Mapping) and isinstance(b, Mapping)):
        return f"{a} -> {b}"
    names = dict.fromkeys([*a, *b])
    return ", ".join(f"{n} {a.get(n)} -> {b.get(n)}" for n in names if a.get(n) != b.get(n))


def _short(text: object) -> str:
    return hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()[:16]
