"""How well a score tells wrong from right: AUC and rank correlations with intervals.

Everything is resampled by base scene (a clean picture and its spoilt forms stay together).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its percentile bootstrap interval (95 %)."""

    value: float
    """NaN where the data do not determine it (all scores equal, for example)."""
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """JSON values; None for NaN."""
        fields = {"value": self.value, "low": self.low, "high": self.high}
        return {k: (None if np.isnan(v) else float(v)) for k, v in fields.items()}


def auc(clean: Floats, spoilt: Floats) -> float:
    """Chance that a clean picture's score is above a spoilt one's, ties half; 0..1.

    Both are oriented so that higher is better. NaN if either is empty.

    >>> auc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    if not clean.size or not spoilt.size:
        return float("nan")
    ordered = np.sort(spoilt)
    below = np.searchsorted(ordered, clean, side="left")
    upto = np.searchsorted(ordered, clean, side="right")
    return float((below + upto).sum() / (2 * clean.size * spoilt.size))


def rank_correlation(kind: str, a: Floats, b: Floats) -> float:
    """``kendall`` tau-b or ``spearman`` rho; NaN where one side has no two different values."""
    from scipy import stats

    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    function = stats.kendalltau if kind == "kendall" else stats.spearmanr
    return float(function(a, b).statistic)


def paired_share(better: Floats, worse: Floats) -> float:
    """Share of pairs in the right order, ties half; NaN without pairs."""
    if not better.size:
        return float("nan")
    return float(((better > worse) + 0.5 * (better == worse)).mean())


def bootstrap(
    groups: NDArray[np.int64],
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic of rows with its interval over resampled groups of rows.

    ``groups``: (N,) group of each row. ``statistic`` takes row indices (with repetition).
    Resamples in which it is NaN are left out of the interval.
    """
    rows = np.arange(len(groups))
    value = statistic(rows)
    names, first = np.unique(groups, return_inverse=True)
    members = [rows[first == g] for g in range(len(names))]
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(np.concatenate([members[g] for g in rng.integers(0, len(names), len(names))]))
            for _ in range(resamples)
        ]
        if len(names) > 1
        else []
    )
    draws = draws[~np.isnan(draws)]
    if not draws.size or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a score makes of one fault."""

    auc: Estimate
    kendall: Estimate
    """With the fault's severity (0 for clean), positive when worse pictures score worse."""
    spearman: Estimate
    pairs: Estimate
    """Share of (clean, spoilt) pictures of one scene in the right order, ties half."""
    by_severity: dict[float, float]
    """AUC of each severity against the clean pictures."""
    n: int
    """Pictures with a score."""
    unscored: int
    """Pictures without one."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **{k: getattr(self, k).to_dict() for k in ("auc", "kendall", "spearman", "pairs")},
            "by_severity": {f"{s:.3f}": v for s, v in sorted(self.by_severity.items())},
            "n": self.n,
            "unscored": self.unscored,
        }


def sensitivity(
    values: Floats,
    severity: Floats,
    scene: NDArray[np.int64],
    *,
    higher_is_better: bool = True,
    resamples: int = RESAMPLES,
) -> Sensitivity | None:
    """Measure one score on one fault; None if fewer than two clean or two spoilt pictures score.

    ``values``: (N,) scores, NaN where there is none; ``severity``: (N,) 0 for clean.
    """
    known = ~np.isnan(values)
    unscored = int((~known).sum())
    values = values[known] if higher_is_better else -values[known]
    severity, scene = severity[known], scene[known]
    if (severity == 0).sum() < 2 or (severity > 0).sum() < 2:
        return None

    def statistic(kind: str) -> Callable[[NDArray[np.int64]], float]:
        def of(rows: NDArray[np.int64]) -> float:
            v, s = values[rows], severity[rows]
            if kind == "auc":
                return auc(v[s == 0], v[s > 0])
            return rank_correlation(kind, v, -s)

        return of

    clean_of = {int(g): v for g, v, s in zip(scene, values, severity, strict=True) if s == 0}
    paired = [k for k in range(len(values)) if severity[k] > 0 and int(scene[k]) in clean_of]
    better = np.array([clean_of[int(scene[k])] for k in paired])
    worse = values[paired] if paired else np.array([])
    levels = np.unique(severity[severity > 0])
    return Sensitivity(
        auc=bootstrap(scene, statistic("auc"), resamples=resamples),
        kendall=bootstrap(scene, statistic("kendall"), resamples=resamples),
        spearman=bootstrap(scene, statistic("spearman"), resamples=resamples),
        pairs=bootstrap(
            scene[paired] if paired else np.array([], np.int64),
            lambda rows: paired_share(better[rows], worse[rows]),
            resamples=resamples,
        ),
        by_severity={
            float(level): auc(values[severity == 0], values[severity == level]) for level in levels
        },
        n=len(values),
        unscored=unscored,
    )
