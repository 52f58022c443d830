"""Two runs side by side: what differs in identity, what differs in scores, and where most."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bench import stats
from bench.errors import BenchError
from bench.leaderboard.dense import check, columns_of
from bench.leaderboard.differing import differing
from bench.leaderboard.export import escaped, grid
from bench.leaderboard.wording import bracket, number, probability, signed

if TYPE_CHECKING:
    import pandas as pd

MOST = 10
"""Single images that are listed: those that changed most."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    frame: pd.DataFrame
    """``Run.frame(details=False)``."""
    identity: Mapping[str, Any]
    """What the run was asked to do and where it was made."""
    folder: Path
    """Where the frame's image paths start from."""


class Entry(NamedTuple):
    model: str
    label: str

    def __str__(self) -> str:
        return f"{self.model} {self.label}"


@dataclass(frozen=True, slots=True)
class Compared:
    """One score of one method in both runs."""

    a: Entry
    b: Entry
    score: str
    found: stats.Comparison
    """The second run (``mean``) against the first (``reference``)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One image whose score changed."""

    entry: Entry
    score: str
    prompt: str
    category: str
    seed: int
    a: float
    b: float
    pictures: tuple[Path | None, Path | None]


@dataclass(frozen=True, slots=True)
class RunComparison:
    differences: tuple[tuple[str, str, str], ...]
    """(field, first run's value, second run's value)."""
    rows: tuple[Compared, ...]
    changes: tuple[Change, ...]
    """Largest first."""
    notes: tuple[str, ...]

    def text(self) -> str:
        lines = ["What differs:", *(f"  {name}: {a} -> {b}" for name, a, b in self.differences)]
        if not self.differences:
            lines = ["The runs have the same identity."]
        lines.append("Scores, second run against first, same layouts and seeds (p after Holm):")
        for row in self.rows:
            f = row.found
            lines.append(
                f"  {_who(row)} {row.score}: {number(f.reference)} -> {number(f.mean)}, "
                f"{signed(f.difference)} {bracket(f.interval) or f.note}, "
                f"p {probability(f.p_holm)}, {f.wins}/{f.ties}/{f.losses} of {f.pairs}"
            )
        if self.changes:
            lines.append("Largest changes:")
        for c in self.changes:
            lines.append(
                f"  {signed(c.b - c.a)} {c.entry.label} {c.score}, seed {c.seed}: {c.prompt}"
            )
            lines += [f"    {path}" for path in c.pictures if path]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def markdown(self, folder: Path = Path()) -> str:
        """Tables, with links to the pictures from a file in ``folder``."""
        different = [[escaped(v) for v in row] for row in self.differences]
        scores = [
            [
                escaped(_who(row)),
                escaped(row.score),
                number(row.found.reference),
                number(row.found.mean),
                f"{signed(row.found.difference)} {bracket(row.found.interval)}".rstrip(),
                probability(row.found.p_holm),
                f"{row.found.wins}/{row.found.ties}/{row.found.losses}",
            ]
            for row in self.rows
        ]
        changes = [
            [
                signed(c.b - c.a),
                escaped(c.entry.label),
                escaped(c.score),
                escaped(c.prompt),
                str(c.seed),
                " ".join(
                    f"[{name}](<{_link(path, folder)}>)"
                    for name, path in zip(("first", "second"), c.pictures, strict=True)
                    if path
                ),
            ]
            for c in self.changes
        ]
        parts = ["What differs:", "", *grid(["field", "first", "second"], [], different), ""]
        heads = ["first", "second", "difference [95 %]", "p", "win/tie/loss"]
        parts += ["Scores:", "", *grid(["method", "score"], heads, scores), ""]
        named = ["change", "method", "score", "prompt", "seed", "pictures"]
        parts += ["Largest changes:", "", *grid(named, [], changes), ""]
        return "\n".join([*parts, *(f"- {escaped(note)}" for note in self.notes)]).rstrip() + "\n"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "differences": [
                {"field": name, "first": a, "second": b} for name, a, b in self.differences
            ],
            "scores": [
                {
                    "first": r.a._asdict(),
                    "second": r.b._asdict(),
                    "score": r.score,
                    **r.found.to_dict(),
                }
                for r in self.rows
            ],
            "changes": [
                {
                    **dataclasses.asdict(c),
                    "entry": c.entry._asdict(),
                    "pictures": [str(p) if p else None for p in c.pictures],
                }
                for c in self.changes
            ],
            "notes": list(self.notes),
        }


def compare(
    a: Side, b: Side, *, higher_is_better: Mapping[str, bool] | None = None
) -> RunComparison:
    """Compare the second run with the first on the layouts and seeds that both have.

    Methods are matched by model and label, those left over by label, then by method name (so that
    one method with two settings, or one suite on two models, can be compared). All comparisons
    together are one family for Holm's correction. BenchError when nothing matches.
    """
    check(a.frame)
    check(b.frame)
    better = higher_is_better or {}
    columns = {c.key: c for c in columns_of(a.frame, better)}
    others = {c.key: c for c in columns_of(b.frame, better)}
    rows: list[Compared] = []
    changes: list[Change] = []
    notes = [f"{key} is in one run only" for key in columns.keys() ^ others.keys()]
    for mine, theirs in _matches(a.frame, b.frame):
        for key in (k for k in columns if k in others):
            old = _values(a.frame, mine, columns[key].score, columns[key].mode)
            new = _values(b.frame, theirs, others[key].score, others[key].mode)
            both = old.join(new[["value", "image"]].add_suffix("_b"), how="inner")
            if both.empty:
                notes.append(f"{mine.label} {key}: no layout and seed in common")
                continue
            if len(both) < max(len(old), len(new)):
                of = f"of {len(old)} and {len(new)}"
                notes.append(f"{mine.label} {key}: {len(both)} images in common, {of}")
            found = stats.compare(
                both[["value_b"]].to_numpy(float),
                both[["value"]].to_numpy(float),
                both["prompt"].to_numpy(dtype=object).astype(str),
                higher_is_better=[columns[key].higher_is_better],
            )[0]
            if found is None:
                notes.append(f"{mine.label} {key}: no image has a score in both runs")
                continue
            rows.append(Compared(mine, theirs, key, found))
            changes += _largest(both, theirs, key, a.folder, b.folder)
    if not rows:
        raise BenchError(
            "the runs have nothing in common: no method with scores on the same layouts and seeds"
            + "".join(f"; {note}" for note in notes)
        )
    corrected = stats.holm([row.found for row in rows])
    changes.sort(key=lambda c: -abs(c.b - c.a))
    return RunComparison(
        differences=tuple(
            (d.field, d.values["first"], d.values["second"])
            for d in differing({"first": a.identity, "second": b.identity})
        ),
        rows=tuple(
            dataclasses.replace(row, found=found)
            for row, found in zip(rows, corrected, strict=True)
            if found is not None
        ),
        changes=tuple(changes[:MOST]),
        notes=tuple(dict.fromkeys(notes)),
    )


def _matches(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[Entry, Entry]]:
    left, right = _entries(a), _entries(b)
    matched: list[tuple[Entry, Entry]] = []
    for same in (lambda e, _: e, lambda e, _: e.label, lambda e, method: method):
        for mine in list(left):
            fits = [e for e in right if same(e, right[e]) == same(mine, left[mine])]
            rivals = [e for e in left if same(e, left[e]) == same(mine, left[mine])]
            if len(fits) == 1 and len(rivals) == 1:
                matched.append((mine, fits[0]))
                del left[mine], right[fits[0]]
    return matched


def _entries(frame: pd.DataFrame) -> dict[Entry, str]:
    """The rows of a run, each with its method's name."""
    found = frame[["model", "method_label", "method"]].drop_duplicates()
    return {Entry(str(m), str(x)): str(name) for m, x, name in found.itertuples(index=False)}


def _values(frame: pd.DataFrame, entry: Entry, score: str, mode: str) -> pd.DataFrame:
    """Scores of one row by (layout_digest, seed)."""
    chosen = frame[
        (frame["model"] == entry.model)
        & (frame["method_label"] == entry.label)
        & (frame["score"] == score)
        & (frame["mode"] == mode)
    ]
    names = ["layout_digest", "seed", "value", "prompt", "category", "image"]
    # Two runs have different categories; as plain objects their digests can be joined.
    plain = chosen[names].astype({"layout_digest": object, "prompt": object, "image": object})
    return plain.drop_duplicates(["layout_digest", "seed"]).set_index(names[:2])


def _largest(
    both: pd.DataFrame, entry: Entry, score: str, folder_a: Path, folder_b: Path
) -> list[Change]:
    delta = (both["value_b"] - both["value"]).abs().to_numpy(float)
    order = np.argsort(-np.nan_to_num(delta), kind="stable")[:MOST]
    result = []
    for at in order:
        if not delta[at] > 0:
            break
        row = both.iloc[at]
        result.append(
            Change(
                entry=entry,
                score=score,
                prompt=str(row["prompt"]),
                category=str(row["category"]),
                seed=int(both.index[at][1]),
                a=float(row["value"]),
                b=float(row["value_b"]),
                pictures=(_picture(folder_a, row["image"]), _picture(folder_b, row["image_b"])),
            )
        )
    return result


def _picture(folder: Path, image: Any) -> Path | None:
    return folder / image if isinstance(image, str) and image else None


def _link(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _who(row: Compared) -> str:
    if row.a == row.b:
        return str(row.b)
    return f"{row.a} -> {row.b}"
