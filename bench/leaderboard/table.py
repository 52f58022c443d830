"""The records of a leaderboard, and the forms it can be had in."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.files import write_atomic
from bench.stats import Comparison, Interval

if TYPE_CHECKING:
    import pandas as pd


class Slice(NamedTuple):
    """A part of the suite: every image, one category, or one number of instances."""

    kind: str
    """``all``, ``category`` or ``instances``."""
    name: str = ""


ALL = Slice("all")


@dataclass(frozen=True, slots=True)
class Column:
    """One score of the table."""

    key: str
    """Unique in the table: the score's name, with its mode where both modes are present."""
    score: str
    metric: str
    mode: str
    higher_is_better: bool
    leading: bool = True
    """Shown first; the others explain the leading ones and have tables of their own."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One score of one row on one slice of the suite."""

    value: float | None
    """Mean over the scored images; None when there is none."""
    interval: Interval | None
    """95 %, by prompt; None below six prompts or without spread."""
    images: int
    """Scored images behind the value."""
    prompts: int
    rank: tuple[int, int, int] | None
    """(rank, lowest, highest) within the protocol, on the images that every row has a score for."""
    best: bool
    """First in its protocol, before at least one other row."""
    missing: Mapping[str, int]
    """Why images have no value here, and how many each."""
    against: Comparison | None
    """Paired with the baseline of the same model and protocol."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "interval": list(self.interval) if self.interval else None,
            "images": self.images,
            "prompts": self.prompts,
            "rank": list(self.rank) if self.rank else None,
            "best": self.best,
            "missing": dict(self.missing),
            "against": self.against.to_dict() if self.against else None,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the images that the protocol asks for."""

    expected: int
    """(layout, seed) pairs that any row of the protocol has."""
    scored: int
    """With at least one score."""
    failed: int
    """Generation ended in an error."""
    missing: int
    """Never made, or made and without any score."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an image costs; None where the run did not record it."""

    seconds: float | None
    """Mean wall time an image."""
    passes: float | None
    """Mean transformer calls an image."""
    peak_memory_mb: float | None
    """Highest over all images."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model with one method under one protocol."""

    group: str
    """Letter of the protocol; rows of different letters are never ranked together."""
    protocol: str
    model: str
    method: str
    label: str
    """Method with its arguments where they are not the defaults."""
    is_baseline: bool
    coverage: Coverage
    cost: Cost
    cells: Mapping[tuple[Slice, str], Cell]

    def cell(self, column: str, part: Slice = ALL) -> Cell:
        return self.cells[part, column]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which protocols differ: why their rows are not ranked together."""

    field: str
    values: Mapping[str, str]
    """Protocol letter to value."""


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Rows (model x method x protocol) by columns (scores), on the whole suite and on slices."""

    rows: tuple[Row, ...]
    """By protocol, then by the headline score, best first; the baseline keeps its place."""
    columns: tuple[Column, ...]
    slices: tuple[Slice, ...]
    headline: str
    """Key of the column that orders the rows and that the sentence speaks of."""
    protocols: Mapping[str, Mapping[str, Any]]
    """Protocol letter to what it fixes."""
    differences: tuple[Difference, ...]
    seeds: int
    """Distinct seeds."""

    @property
    def naming(self) -> tuple[str, ...]:
        """Which of protocol, model and method tell the rows apart."""
        names = ["method"]
        if len({row.model for row in self.rows}) > 1:
            names.insert(0, "model")
        if len(self.protocols) > 1:
            names.insert(0, "protocol")
        return tuple(names)

    def names(self, row: Row) -> list[str]:
        """The row's values of ``naming``."""
        values = {"protocol": row.group, "model": row.model, "method": row.label}
        return [values[name] for name in self.naming]

    @property
    def leading(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.leading)

    @property
    def further(self) -> tuple[Column, ...]:
        """The columns that are not leading."""
        return tuple(c for c in self.columns if not c.leading)

    def column(self, key: str) -> Column:
        return next(c for c in self.columns if c.key == key)

    def images(self, part: Slice) -> int:
        """Scored images of a row on a slice, at the most; a cell with fewer says so."""
        return max(c.images for row in self.rows for (p, _), c in row.cells.items() if p == part)

    def text(self, width: int | None = None, *, color: bool = False) -> str:
        """For a terminal of ``width`` characters; None: this terminal's, or 100 without one."""
        from bench.leaderboard.terminal import render

        return render(self, width or shutil.get_terminal_size((100, 24)).columns, color=color)

    def markdown(self) -> str:
        from bench.leaderboard.export import markdown

        return markdown(self)

    def latex(self) -> str:
        """A ``tabular`` for the ``booktabs`` package."""
        from bench.leaderboard.export import latex

        return latex(self)

    def csv(self) -> str:
        """One line a cell; see :meth:`frame`."""
        return str(self.frame().to_csv(index=False, lineterminator="\n"))

    def parquet(self, path: Path) -> Path:
        """One row a cell; see :meth:`frame`. Returns ``path``."""
        write_atomic(path, self.frame().to_parquet(None, index=False))
        return path

    def to_json(self) -> dict[str, Any]:
        """The whole table as JSON values (no NaN: a missing value is None)."""
        from bench.leaderboard.published import CATEGORIES, fitting

        return {
            "schema": 1,
            "headline": self.headline,
            "sentence": self.sentence(),
            "seeds": self.seeds,
            "columns": [dataclasses.asdict(c) for c in self.columns],
            "protocols": {k: dict(v) for k, v in self.protocols.items()},
            "differences": [{"field": d.field, "values": dict(d.values)} for d in self.differences],
            "published": [
                {
                    "model": row.model,
                    "source": row.source,
                    "transcribed": row.transcribed,
                    "figures": dict(zip(CATEGORIES, row.figures, strict=True)),
                }
                for row in fitting(self)
            ],
            "rows": [
                {
                    "group": row.group,
                    "protocol": row.protocol,
                    "model": row.model,
                    "method": row.method,
                    "label": row.label,
                    "is_baseline": row.is_baseline,
                    "coverage": dataclasses.asdict(row.coverage),
                    "cost": dataclasses.asdict(row.cost),
                    "cells": [
                        {"slice": part.kind, "name": part.name, "column": key, **cell.to_dict()}
                        for (part, key), cell in row.cells.items()
                    ],
                }
                for row in self.rows
            ],
        }

    def frame(self) -> pd.DataFrame:
        """One row a cell; the same columns and types whatever the data."""
        import pandas as pd

        records = [
            _record(row, part, key, cell)
            for row in self.rows
            for (part, key), cell in row.cells.items()
        ]
        types = {name: _TYPES.get(name, "Float64") for name in records[0]}
        return pd.DataFrame(records).astype(types)

    def sentence(self) -> str:
        """What the result means, in one plain sentence."""
        from bench.leaderboard.wording import sentence

        return sentence(self)


_TEXTS = ("protocol", "model", "method", "label", "slice", "name", "score")
_WHOLE = ("images", "prompts", "rank", "rank_low", "rank_high", "wins", "ties", "losses", "pairs")
_COUNTS = ("expected", "scored", "failed", "missing")
_TYPES = dict.fromkeys(_TEXTS, "str") | dict.fromkeys(_WHOLE + _COUNTS, "Int64")
"""Types of the flat columns that are not numbers with a fraction."""


def _record(row: Row, part: Slice, key: str, cell: Cell) -> dict[str, Any]:
    against = cell.against
    low, high = cell.interval or (None, None)
    rank, rank_low, rank_high = cell.rank or (None, None, None)
    diff_low, diff_high = (against.interval if against else None) or (None, None)
    return {
        "protocol": row.protocol,
        "model": row.model,
        "method": row.method,
        "label": row.label,
        "slice": part.kind,
        "name": part.name,
        "score": key,
        "value": cell.value,
        "low": low,
        "high": high,
        "images": cell.images,
        "prompts": cell.prompts,
        "rank": rank,
        "rank_low": rank_low,
        "rank_high": rank_high,
        "difference": against.difference if against else None,
        "difference_low": diff_low,
        "difference_high": diff_high,
        "p": against.p if against else None,
        "p_holm": against.p_holm if against else None,
        "wins": against.wins if against else None,
        "ties": against.ties if against else None,
        "losses": against.losses if against else None,
        "pairs": against.pairs if against else None,
        "mde": against.mde if against else None,
        "expected": row.coverage.expected,
        "scored": row.coverage.scored,
        "failed": row.coverage.failed,
        "missing": row.coverage.missing,
        "seconds": row.cost.seconds,
        "passes": row.cost.passes,
        "peak_memory_mb": row.cost.peak_memory_mb,
    }
