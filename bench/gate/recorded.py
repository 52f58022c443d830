"""The record of a run, and how a later run is paired with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
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

    An image for which a metric defines no value stands in it with null, one that failed does not.
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
            chosen = chosen[~np.array(_failed(chosen), dtype=bool)]
            if chosen["value"].isna().all():
                continue
            scores[column.key] = {
                "higher_is_better": column.higher_is_better,
                "images": [
                    [_short(layout), int(seed), _short(prompt), None if value != value else value]
                    for layout, seed, prompt, value in zip(
                        chosen["layout_digest"],
                        chosen["seed"],
                        chosen["prompt"],
                        chosen["value"].tolist(),
                        strict=True,
                    )
                ],
            }
        rows.append(
            {
                "model": str(model),
                "method": str(part["method"].iloc[0]),
                "label": str(label),
                "protocol": part["protocol_text"].iloc[0],
                "scores": scores,
            }
        )
    return {"schema": SCHEMA, "run": name, "rows": rows}


@dataclass(frozen=True, slots=True)
class Pairs:
    recorded: Floats
    """(n,) values of the record; NaN, as in the next, where a value is not defined."""
    measured: Floats
    """(n,) values of this run."""
    prompts: list[str]
    better: int
    """1 where higher is better, else -1."""
    lost: dict[str, int]
    """Why this run failed to give a value where the record has one."""
    defined: tuple[Floats, Floats] | None
    """(n,) shares of images that have a value, in the record and in this run; None where all
    have."""
    notes: tuple[str, ...]

    @property
    def change(self) -> Floats:
        """(n,) below 0 is worse, whichever direction is better."""
        return self.better * (self.measured - self.recorded)


def pairs(entry: Mapping[str, Any], part: pd.DataFrame) -> Pairs:
    """Pair the record of one score with this run's rows of it (``part``)."""
    old: dict[tuple[str, int], float] = {}
    prompt_of: dict[tuple[str, int], str] = {}
    for layout, seed, prompt, value in entry["images"]:
        old[layout, seed] = np.nan if value is None else value
        prompt_of[layout, seed] = prompt
    new: dict[tuple[str, int], float] = {}
    broken: dict[tuple[str, int], str] = {}
    failed = _failed(part)
    for layout, seed, value, reason, bad in zip(
        part["layout_digest"], part["seed"], part["value"], part["reason"], failed, strict=True
    ):
        unit = _short(layout), int(seed)
        new[unit] = float(value)
        if bad:
            broken[unit] = str(reason)
    notes = []
    both = [unit for unit in old if unit in new]
    if both or not new:
        absent = len(old) - len(both)
        if absent:
            notes.append(f"{absent} of {len(old)} recorded images are not part of this run")
        groups = [([unit], [unit]) for unit in both]
    else:
        notes.append("no common seeds; layouts are paired by their mean over seeds")
        mine, theirs = _by_layout(old), _by_layout(new)
        groups = [(mine[layout], theirs[layout]) for layout in mine if layout in theirs]
    a = [_mean([old[unit] for unit in before]) for before, _ in groups]
    b = [_mean([new[unit] for unit in after]) for _, after in groups]
    lost: dict[str, int] = {}
    for (_, after), value in zip(groups, a, strict=True):
        for unit in after:
            if unit in broken and not np.isnan(value):
                lost[broken[unit]] = lost.get(broken[unit], 0) + 1
    defined = tuple(
        np.array([np.mean([not np.isnan(side[u]) for u in g[k]]) for g in groups])
        for k, side in enumerate((old, new))
    )
    undefined = not lost and any((share < 1).any() for share in defined)
    return Pairs(
        recorded=np.array(a, float),
        measured=np.array(b, float),
        prompts=[prompt_of[before[0]] for before, _ in groups],
        better=1 if entry["higher_is_better"] else -1,
        lost=lost,
        defined=(defined[0], defined[1]) if undefined else None,
        notes=tuple(notes),
    )


def _failed(part: pd.DataFrame) -> list[bool]:
    """Rows without a value for a failure, not because the metric defines none for the image."""
    return [
        bool(np.isnan(value))
        and (
            status != "done"
            or str(reason) == "not scored yet"
            or str(reason).startswith(f"{metric} failed: ")
        )
        for value, status, reason, metric in zip(
            part["value"], part["status"], part["reason"], part["metric"], strict=True
        )
    ]


def _by_layout(units: Iterable[tuple[str, int]]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for unit in units:
        found.setdefault(unit[0], []).append(unit)
    return found


def _mean(values: Sequence[float]) -> float:
    """Of the defined ones; NaN without any."""
    known = [v for v in values if not np.isnan(v)]
    return sum(known) / len(known) if known else np.nan


def rows_of(against: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if against.get("schema") != SCHEMA or not isinstance(against.get("rows"), list):
        raise BenchError(
            "the record is not one that 'gate --record' of this version writes; record it again"
        )
    try:
        for row in against["rows"]:
            _ = row["model"], row["method"], row["label"], row["protocol"]
            for entry in row["scores"].values():
                _ = entry["higher_is_better"]
                for layout, seed, prompt, value in entry["images"]:
                    _ = f"{layout}{prompt}", int(seed), value is None or float(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchError(f"the record is damaged ({error!r}); record it again") from error
    return list(against["rows"])


def labels_of(recorded: Sequence[Mapping[str, Any]], frame: pd.DataFrame) -> list[str | None]:
    """For each recorded row the label that stands for it in the run; None where none does.

    The same label, else the one label left of the same method (its constants have changed).
    """
    columns = frame[["model", "method", "method_label"]].drop_duplicates()
    present = {(str(m), str(x)): str(name) for m, name, x in columns.itertuples(index=False)}
    known = {(row["model"], row["label"]): row["method"] for row in recorded}
    chosen: list[str | None] = []
    for row in recorded:
        model, method = row["model"], row["method"]
        if (model, row["label"]) in present:
            chosen.append(row["label"])
            continue
        free, rivals = (
            [
                x
                for (m, x), name in these.items()
                if (m, name) == (model, method) and (m, x) not in others
            ]
            for these, others in ((present, known), (known, present))
        )
        chosen.append(free[0] if len(free) == len(rivals) == 1 else None)
    return chosen


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
