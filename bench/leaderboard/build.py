"""From a frame of scores to a leaderboard."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.leaderboard import dense
from bench.leaderboard.dense import Dense
from bench.leaderboard.differing import differing
from bench.leaderboard.table import (
    ALL,
    Cell,
    Column,
    Cost,
    Coverage,
    Leaderboard,
    Row,
    Slice,
)
from bench.stats import Comparison, cluster, compare, holm, intervals, rank_intervals
from bench.stats.clusters import Floats

MOST_INSTANCES = 8
"""Layouts with this many instances or more share the last slice."""


def build(
    frame: pd.DataFrame,
    *,
    baseline: str = "baseline",
    higher_is_better: Mapping[str, bool] | None = None,
    headline: str | None = None,
) -> Leaderboard:
    """Make the leaderboard of a frame (``Run.frame()``, or several concatenated).

    ``baseline`` is the method that the others of the same model and protocol are compared with.
    ``higher_is_better`` gives the direction of scores by name; higher is better unless it says
    otherwise. ``headline`` is the score that orders the rows; by default the first column.

    Holm's correction covers all comparisons of one kind in the whole table: those of the leading
    scores on all images are one family, those by category another, those by number of instances a
    third; the scores that only explain have families of their own.
    """
    dense.check(frame)
    columns = dense.columns_of(frame, higher_is_better or {})
    if headline is None:
        headline = columns[0].key
    elif headline not in {c.key for c in columns}:
        raise BenchError(
            f"headline {headline!r} is not a score here: {', '.join(c.key for c in columns)}"
        )
    groups = [(_letter(i), data) for i, data in enumerate(dense.split(frame, columns))]
    slices = _slices([data for _, data in groups])
    rows = [
        row for letter, data in groups for row in _rows(letter, data, columns, slices, baseline)
    ]
    rows = _corrected(rows, {c.key: c.leading for c in columns})
    rows.sort(key=lambda row: _order(row, next(c for c in columns if c.key == headline)))
    return Leaderboard(
        rows=tuple(rows),
        columns=columns,
        slices=tuple(slices),
        headline=headline,
        protocols={letter: data.text for letter, data in groups},
        differences=differing({letter: data.text for letter, data in groups}),
        seeds=int(frame["seed"].nunique()),
    )


def _rows(
    letter: str, data: Dense, columns: Sequence[Column], slices: Sequence[Slice], baseline: str
) -> list[Row]:
    reference = {e.model: i for i, e in enumerate(data.entries) if baseline in (e.method, e.label)}
    cells: list[dict[tuple[Slice, str], Cell]] = [{} for _ in data.entries]
    for part in slices:
        units = _units(data, part)
        if units.any():
            for e, found in enumerate(_cells(data, units, columns, reference)):
                cells[e] |= {(part, key): cell for key, cell in found.items()}
    return [
        Row(
            group=letter,
            protocol=data.protocol,
            model=entry.model,
            method=entry.method,
            label=entry.label,
            is_baseline=reference.get(entry.model) == e,
            coverage=_coverage(data, e),
            cost=Cost(
                _mean(data.seconds[:, e]), _mean(data.passes[:, e]), _highest(data.memory[:, e])
            ),
            cells=cells[e],
        )
        for e, entry in enumerate(data.entries)
    ]


def _cells(
    data: Dense, units: NDArray[np.bool_], columns: Sequence[Column], reference: Mapping[str, int]
) -> list[dict[str, Cell]]:
    """The cells of every entry on the chosen units, by column key."""
    values = data.values[units]
    reasons = data.reasons[units]
    prompts = data.prompts[units]
    n, entries, width = values.shape
    flat = values.reshape(n, entries * width)
    grouped = cluster(flat, prompts)
    limits = intervals(grouped)
    ranks = _ranks(values, prompts, columns)
    versus = _against(data, values, prompts, columns, reference)
    result: list[dict[str, Cell]] = []
    for e in range(entries):
        row = {}
        for c, column in enumerate(columns):
            at = e * width + c
            images = int((~np.isnan(values[:, e, c])).sum())
            rank = ranks[c].get(e)
            row[column.key] = Cell(
                value=float(grouped.means[at]) if images else None,
                interval=limits[at],
                images=images,
                prompts=int(grouped.prompts[at]),
                rank=rank,
                best=rank is not None and rank[0] == 1 < max(r for r, _, _ in ranks[c].values()),
                missing=_missing(values[:, e, c], reasons[:, e, c], data.reason_names),
                against=versus.get((e, c)),
            )
        result.append(row)
    return result


def _ranks(
    values: Floats, prompts: NDArray[np.int64], columns: Sequence[Column]
) -> list[dict[int, tuple[int, int, int]]]:
    """For each column the rank of each entry that has scores, on the units all of those have."""
    n, entries, width = values.shape
    scored = ~np.isnan(values)
    ranked = cast("NDArray[np.bool_]", scored.any(axis=0))
    everyone = (scored | ~ranked).all(axis=1)
    common = cast("NDArray[np.bool_]", everyone & ranked.any(axis=0))
    flat = np.where(common[:, None, :], values, np.nan).reshape(n, entries * width)
    chosen = [c for c in range(width) if common[:, c].any()]
    members = [np.flatnonzero(ranked[:, c]) for c in chosen]
    result: list[dict[int, tuple[int, int, int]]] = [{} for _ in columns]
    if chosen:
        found = rank_intervals(
            cluster(flat, prompts),
            [entry * width + c for entry, c in zip(members, chosen, strict=True)],
            higher_is_better=[columns[c].higher_is_better for c in chosen],
        )
        for c, entry, ranks in zip(chosen, members, found, strict=True):
            result[c] = {int(e): rank for e, rank in zip(entry, ranks, strict=True)}
    return result


def _against(
    data: Dense,
    values: Floats,
    prompts: NDArray[np.int64],
    columns: Sequence[Column],
    reference: Mapping[str, int],
) -> dict[tuple[int, int], Comparison]:
    """Comparisons of every entry with its model's baseline, by (entry, column)."""
    places = [
        (e, reference[entry.model], c)
        for e, entry in enumerate(data.entries)
        if entry.model in reference and reference[entry.model] != e
        for c in range(len(columns))
    ]
    if not places:
        return {}
    mine, theirs, column = (np.array(index) for index in zip(*places, strict=True))
    found = compare(
        values[:, mine, column],
        values[:, theirs, column],
        prompts,
        higher_is_better=[columns[c].higher_is_better for c in column],
    )
    return {(e, c): f for (e, _, c), f in zip(places, found, strict=True) if f is not None}


def _corrected(rows: list[Row], leading: Mapping[str, bool]) -> list[Row]:
    """Holm's correction over the whole table; see :func:`build` for the families."""
    places: dict[tuple[str, bool], list[tuple[int, tuple[Slice, str]]]] = {}
    for i, row in enumerate(rows):
        for at, cell in row.cells.items():
            if cell.against is not None:
                places.setdefault((at[0].kind, leading[at[1]]), []).append((i, at))
    cells = [dict(row.cells) for row in rows]
    for family in places.values():
        corrected = holm([cells[i][at].against for i, at in family])
        for (i, at), against in zip(family, corrected, strict=True):
            cells[i][at] = dataclasses.replace(cells[i][at], against=against)
    return [dataclasses.replace(row, cells=c) for row, c in zip(rows, cells, strict=True)]


def _coverage(data: Dense, e: int) -> Coverage:
    expected = len(data.values)
    scored = int((~np.isnan(data.values[:, e])).any(axis=1).sum())
    failed = int(data.failed[:, e].sum())
    return Coverage(expected, scored, failed, expected - scored - failed)


def _missing(values: Floats, reasons: NDArray[np.int32], names: Sequence[str]) -> dict[str, int]:
    absent = reasons[np.isnan(values)]
    codes, counts = np.unique(absent, return_counts=True)
    return {
        names[code] if code >= 0 else "not in this run": int(count)
        for code, count in zip(codes, counts, strict=True)
    }


def _slices(groups: Sequence[Dense]) -> list[Slice]:
    categories = sorted({str(c) for data in groups for c in np.unique(data.categories)})
    counts = sorted({int(n) for data in groups for n in np.unique(data.counts)})
    names = dict.fromkeys(_count_name(n) for n in counts)
    return [
        ALL,
        *(Slice("category", c) for c in categories),
        *(Slice("instances", n) for n in names),
    ]


def _units(data: Dense, part: Slice) -> NDArray[np.bool_]:
    if part.kind == "category":
        return np.asarray(data.categories == part.name)
    if part.kind == "instances":
        return np.array([_count_name(int(n)) == part.name for n in data.counts], dtype=bool)
    return np.ones(len(data.values), dtype=bool)


def _count_name(n: int) -> str:
    return str(n) if n < MOST_INSTANCES else f"{MOST_INSTANCES}+"


def _order(row: Row, column: Column) -> tuple[Any, ...]:
    value = row.cell(column.key).value
    if value is None:
        return (row.group, 1, 0.0, row.label)
    return (row.group, 0, -value if column.higher_is_better else value, row.label)


def _letter(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _highest(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else None
