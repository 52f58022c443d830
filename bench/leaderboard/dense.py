"""The frame of a run as arrays: units (layout, seed) by entries (model, method) by columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.leaderboard.table import Column
from bench.stats.clusters import Floats

FIRST = ("instance_success", "image_success", "miou", "blip_vqa", "clip_score")
"""Scores that lead the table, in this order; the others follow as they appear."""

EXPLAINING = (
    *(
        "miou_all",
        "miou_matched",
        "present",
        "surplus",
        "duplicated",
        "merged",
        "position_error",
        "size_error",
    ),
    *("attribute_probability", "leakage", "detector_agreement"),
)
"""Scores of the localization metric that say why its leading ones are what they are."""

_NEEDED = (
    *("key", "layout_digest", "prompt", "category", "n_instances", "seed"),
    *("model", "method", "method_label", "metric", "mode", "score", "value", "reason"),
    *("status", "seconds", "passes", "peak_memory_mb", "protocol", "protocol_text"),
)


class Entry(NamedTuple):
    """What a row of the table is about."""

    model: str
    method: str
    label: str


@dataclass(frozen=True, slots=True)
class Dense:
    """All of one protocol: U units (layout, seed), E entries (model, method), C columns."""

    protocol: str
    text: Mapping[str, Any]
    entries: tuple[Entry, ...]
    values: Floats
    """(U, E, C); NaN where there is no value."""
    reasons: NDArray[np.int32]
    """(U, E, C) index into ``reason_names``; -1 where there is a value or no row."""
    reason_names: tuple[str, ...]
    failed: NDArray[np.bool_]
    """(U, E) generation ended in an error."""
    seconds: Floats
    """(U, E), and so the next two."""
    passes: Floats
    memory: Floats
    prompts: NDArray[np.int64]
    """(U,) code of the prompt: the unit of resampling."""
    categories: NDArray[np.str_]
    """(U,)"""
    counts: NDArray[np.int64]
    """(U,) instances the layout asks for."""


def columns_of(frame: pd.DataFrame, higher_is_better: Mapping[str, bool]) -> tuple[Column, ...]:
    """The columns of the table, the best known first."""
    kinds = frame[["score", "metric", "mode"]].drop_duplicates()
    modes = kinds.groupby("score")["mode"].nunique()
    found = []
    only_explaining = set(kinds["score"]) <= set(EXPLAINING)
    for score, metric, mode in kinds.itertuples(index=False):
        key = f"{score} ({mode})" if modes[score] > 1 else str(score)
        better = higher_is_better.get(key, higher_is_better.get(str(score), True))
        leading = only_explaining or score not in EXPLAINING
        found.append(Column(key, str(score), str(metric), str(mode), better, leading))
    twice = {c.key for c in found if sum(c.key == d.key for d in found) > 1}
    if twice:
        raise BenchError(
            f"score {sorted(twice)[0]!r} comes from two metrics; every score needs its own name"
        )
    place = {name: i for i, name in enumerate(FIRST)}
    return tuple(sorted(found, key=lambda c: (not c.leading, place.get(c.score, len(FIRST)))))


def split(frame: pd.DataFrame, columns: tuple[Column, ...]) -> Iterator[Dense]:
    """One :class:`Dense` a protocol, in order of appearance."""
    reason_codes, reason_names = pd.factorize(frame["reason"])
    where = {(c.score, c.mode): i for i, c in enumerate(columns)}
    kind, kinds = _codes(frame, ["score", "mode"])
    column_of = np.array([where[name] for name in kinds], dtype=np.int64)[kind]
    protocol_codes, protocols = pd.factorize(frame["protocol"])
    for p, protocol in enumerate(protocols):
        index = np.flatnonzero(protocol_codes == p)
        part = frame.iloc[index]
        yield _dense(
            str(protocol),
            part,
            column_of[index],
            reason_codes[index],
            tuple(str(r) for r in reason_names),
            len(columns),
        )


def check(frame: pd.DataFrame) -> None:
    """Raise :class:`BenchError` for a frame that no table can be made of."""
    lacking = [name for name in _NEEDED if name not in frame.columns]
    if lacking:
        raise BenchError(f"the scores lack the columns {', '.join(lacking)}")
    if frame.empty:
        raise BenchError("there are no scores; run or score something first")


def _dense(
    protocol: str,
    part: pd.DataFrame,
    column: NDArray[np.int64],
    reason: NDArray[np.int64],
    reason_names: tuple[str, ...],
    columns: int,
) -> Dense:
    unit, units = _codes(part, ["layout_digest", "seed"])
    entry, names = _codes(part, ["model", "method", "method_label"])
    entries = tuple(Entry(*map(str, name)) for name in names)
    shape = (len(units), len(entries))
    _one_image_each(part, unit, entry, entries)

    values = np.full((*shape, columns), np.nan)
    values[unit, entry, column] = part["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    reasons: NDArray[np.int32] = np.full((*shape, columns), -1, dtype=np.int32)
    reasons[unit, entry, column] = reason
    failed: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
    failed[unit, entry] = (part["status"] == "failed").to_numpy()
    cost = []
    for name in ("seconds", "passes", "peak_memory_mb"):
        table = np.full(shape, np.nan)
        table[unit, entry] = part[name].to_numpy(dtype=np.float64, na_value=np.nan)
        cost.append(table)
    _, first = np.unique(unit, return_index=True)
    facts = part.iloc[first]
    return Dense(
        protocol=protocol,
        text=dict(part["protocol_text"].iloc[0] or {}),
        entries=entries,
        values=values,
        reasons=reasons,
        reason_names=reason_names,
        failed=failed,
        seconds=cost[0],
        passes=cost[1],
        memory=cost[2],
        prompts=pd.factorize(facts["prompt"])[0].astype(np.int64),
        categories=facts["category"].to_numpy(dtype=object).astype(str),
        counts=facts["n_instances"].to_numpy(dtype=np.int64),
    )


def _codes(frame: pd.DataFrame, names: list[str]) -> tuple[NDArray[np.int64], list[Any]]:
    """Code of each row's combination of values, and the combinations, in order of appearance."""
    code: NDArray[np.int64] = np.zeros(len(frame), dtype=np.int64)
    for name in names:
        inner, values = pd.factorize(frame[name])
        code = code * (len(values) + 1) + inner
    codes, distinct = pd.factorize(code)
    first = np.full(len(distinct), len(code))
    np.minimum.at(first, codes, np.arange(len(code)))
    return codes, list(frame[names].iloc[first].itertuples(index=False, name=None))


def _one_image_each(
    part: pd.DataFrame,
    unit: NDArray[np.int64],
    entry: NDArray[np.int64],
    entries: tuple[Entry, ...],
) -> None:
    """Refuse two images that would share a place: one would silently hide the other."""
    keys, _ = pd.factorize(part["key"])
    place = unit.astype(np.int64) * len(entries) + entry
    pairs = pd.DataFrame({"place": place, "key": keys}).drop_duplicates()
    twice = pairs["place"].duplicated()
    if twice.any():
        at = int(np.flatnonzero(place == pairs["place"][twice].iloc[0])[0])
        row = entries[int(entry[at])]
        raise BenchError(
            f"two different images stand for model {row.model!r}, method {row.label!r}, "
            f"seed {part['seed'].iloc[at]} of the same layout; results of different weights or "
            "arguments need different names: compare the two runs with 'compare' instead"
        )
