"""The decision: which scores fell, which did not, and which cannot be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import BenchError, unknown_name
from bench.gate.recorded import Pairs, labels_of, pairs, protocol_notes, rows_of
from bench.gate.result import Check, GateResult, Verdict
from bench.leaderboard.dense import EXPLAINING, check, columns_of
from bench.leaderboard.wording import number
from bench.stats import (
    MIN_PROMPTS,
    Interval,
    cluster,
    holm_adjusted,
    intervals,
    prompts_needed,
    sign_flip_p,
)
from bench.stats.clusters import Clustered

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.02
"""Fall of a score that is put up with unless the caller says otherwise."""
ALPHA = 0.05
"""Chance of a false alarm of the whole gate, and of a false pass of one check (one-sided)."""


def gate(
    frame: pd.DataFrame,
    against: Mapping[str, Any],
    *,
    margins: Mapping[str, float] | None = None,
    margin: float = MARGIN,
    scores: Sequence[str] | None = None,
) -> GateResult:
    """Hold a run (``Run.frame()``) against a record made by :func:`record`.

    A check fails when the score fell by more than its margin: a one-sided paired permutation
    test over prompts, Holm-corrected over all checks, so that the whole gate raises a false alarm
    at most 5 times in 100. It passes when the lower end of the change's interval (one-sided 95 %)
    stays above minus the margin. Otherwise the run is too small to tell.

    Images are paired by layout and seed; where the seeds differ, layouts are paired by their mean
    over seeds. An image that the record has a score for and this run failed to give one (it was
    not generated, or not scored) fails the gate: a broken method must not look better for its
    failures. A score that a metric does not define for every image (the IoU of things that were
    found, when none was) is compared where both have it, and the share of images that have it is
    one more check.
    A recorded method that the run lacks leaves the gate undecided; one that the run has with other
    constants is held against its record. ``scores`` names the scores to check (by default the
    leaderboard's leading ones); ``margins`` gives single scores another margin than ``margin``.
    """
    recorded = rows_of(against)
    wanted = list(dict.fromkeys(key for row in recorded for key in row["scores"]))
    for name in (*(scores or ()), *(margins or {})):
        if name not in wanted:
            raise unknown_name("recorded score", name, wanted)
    low = min([margin, *(margins or {}).values()])
    if low < 0:
        raise BenchError(f"margin {low} is negative; it is the fall that is put up with, 0 or more")
    check(frame)
    by_key = {c.key: c for c in columns_of(frame, {})}
    chosen_scores = set(scores or (k for k in wanted if k.partition(" ")[0] not in EXPLAINING))
    drafts: list[_Draft] = []
    notes: list[str] = []
    absent: list[Check] = []
    for row, label in zip(recorded, labels_of(recorded, frame), strict=True):
        if label is None:
            absent.append(_absent(row["model"], row["label"], margin))
            continue
        if label != row["label"]:
            notes.append(f"{label} of this run is held against the recorded {row['label']}")
        part = frame[(frame["model"] == row["model"]) & (frame["method_label"] == label)]
        notes += protocol_notes(row, part)
        for key, entry in row["scores"].items():
            if key not in chosen_scores:
                continue
            column = by_key.get(key)
            chosen = (
                part.iloc[:0]
                if column is None
                else part[(part["score"] == column.score) & (part["mode"] == column.mode)]
            )
            found = pairs(entry, chosen)
            notes += [f"{row['label']}, {key}: {note}" for note in found.notes]
            allowed = (margins or {}).get(key, margin)
            drafts.append(_Draft(row["model"], row["label"], key, allowed, found))
            if found.defined:
                share = replace(
                    found, recorded=found.defined[0], measured=found.defined[1], better=1
                )
                name = f"{key}: images with a value"
                drafts.append(_Draft(row["model"], row["label"], name, allowed, share))
    if not drafts:
        have = sorted(
            {f"{m} {x}" for m, x in zip(frame["model"], frame["method_label"], strict=True)}
        )
        raise BenchError(f"nothing to check: the record has no row of this run ({', '.join(have)})")
    return GateResult((*_judge(drafts), *absent), tuple(dict.fromkeys(notes)))


@dataclass(frozen=True, slots=True)
class _Draft:
    model: str
    label: str
    score: str
    margin: float
    pairs: Pairs


def _judge(drafts: Sequence[_Draft]) -> tuple[Check, ...]:
    """Test every draft; the p of all are corrected together."""
    found: dict[int, tuple[Clustered, Interval | None, float | None]] = {}
    for places in _same_pairs(drafts):
        prompts = drafts[places[0]].pairs.prompts
        changes = np.stack([drafts[i].pairs.change for i in places], axis=1)
        margins = np.array([drafts[i].margin for i in places])
        data, above = cluster(changes, prompts), cluster(changes + margins, prompts)
        limits = intervals(data, level=1 - 2 * ALPHA)
        twosided = sign_flip_p(above)
        for c, i in enumerate(places):
            p = float(twosided[c])
            fell = above.means[c] < 0
            chance = None if np.isnan(p) else p / 2 if fell else 1 - p / 2
            found[i] = data.columns(np.array([c])), limits[c], chance
    corrected = holm_adjusted([found[i][2] for i in range(len(drafts))])
    return tuple(
        _check(draft, *found[i][:2], p)
        for i, (draft, p) in enumerate(zip(drafts, corrected, strict=True))
    )


def _same_pairs(drafts: Sequence[_Draft]) -> list[list[int]]:
    """Places of the drafts that have the same rows of pairs, to be resampled together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, draft in enumerate(drafts):
        groups.setdefault(tuple(draft.pairs.prompts), []).append(i)
    return list(groups.values())


def _absent(model: str, label: str, margin: float) -> Check:
    return Check(
        model=model,
        label=label,
        score="all scores",
        margin=margin,
        recorded=None,
        measured=None,
        change=None,
        interval=None,
        p=None,
        pairs=0,
        prompts=0,
        verdict=Verdict.UNDECIDED,
        reason="recorded, but not part of this run",
    )


def _check(draft: _Draft, data: Clustered, limits: Interval | None, p: float | None) -> Check:
    scored = ~np.isnan(draft.pairs.change)
    some = bool(scored.any())
    prompts = int(data.prompts[0]) if some else 0
    verdict, reason, needed = _verdict(draft, data, limits, p, prompts)
    return Check(
        model=draft.model,
        label=draft.label,
        score=draft.score,
        margin=draft.margin,
        recorded=float(draft.pairs.recorded[scored].mean()) if some else None,
        measured=float(draft.pairs.measured[scored].mean()) if some else None,
        change=float(data.means[0]) if some else None,
        interval=limits,
        p=p,
        pairs=int(scored.sum()),
        prompts=prompts,
        verdict=verdict,
        reason=reason,
        needed=needed,
    )


def _verdict(
    draft: _Draft, data: Clustered, limits: Interval | None, p: float | None, prompts: int
) -> tuple[Verdict, str, int | None]:
    margin = number(draft.margin)
    if draft.pairs.lost:
        total = sum(draft.pairs.lost.values())
        why = "; ".join(f"{reason} ({count})" for reason, count in draft.pairs.lost.items())
        return Verdict.FAIL, f"{total} images have no score any more: {why}", None
    if not prompts and draft.pairs.defined:
        return Verdict.UNDECIDED, "no image has a value in both", None
    if not prompts:
        return Verdict.FAIL, "this run has no score at all where the record has some", None
    change = float(data.means[0])
    if p is not None and p < ALPHA:
        chance = "< 0.001" if p < 0.001 else f"= {number(p)}"
        return Verdict.FAIL, f"fell by more than {margin} (p {chance})", None
    constant = bool(data.constant[0])
    if constant and not np.abs(data.sums).any():
        return Verdict.PASS, "equal on every image", None
    if constant and prompts >= MIN_PROMPTS and change > -draft.margin:
        return Verdict.PASS, "the same change on every prompt", None
    if limits is not None and limits.low > -draft.margin:
        return Verdict.PASS, f"not fallen by {margin} or more", None
    away = change + draft.margin
    if constant or prompts < 2 or abs(away) < 1e-9:
        return Verdict.UNDECIDED, f"{prompts} prompts cannot tell", None
    error = float(data.standard_errors[0])
    needed = prompts_needed(away, error, prompts, alpha=2 * ALPHA)
    if needed is None:
        return Verdict.UNDECIDED, f"too near to the margin for {prompts} prompts to tell", None
    needed = max(needed, prompts + 1)
    return Verdict.UNDECIDED, f"too small to tell: {prompts} prompts, about {needed} needed", needed
