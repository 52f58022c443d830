"""How well a score tells wrong from right: AUC and rank correlations with intervals.

Everything is resampled by base scene (a clean picture and its spoilt forms stay together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 512
"""Rows that are compared with all others at once: memory, not result."""

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
    values = np.concatenate([clean, spoilt])
    is_clean = np.arange(len(values)) < len(clean)
    return float(weighted_auc(values, is_clean, np.ones((1, len(values))))[0])


# A resample of rows with repetition is a weight for each row: how often it was drawn. So every
# statistic below takes (R, N) weights and gives (R,) values, by matrix products.


def weighted_auc(values: Floats, clean: NDArray[np.bool_], weights: Floats) -> Floats:
    """`auc` of the clean against the other rows, (R,); NaN where either are absent."""
    above = np.zeros(len(weights))
    for block in _blocks(len(values)):
        higher = 0.5 * (1 + np.sign(values[:, None] - values[None, block]))
        pairs = clean[:, None] & ~clean[None, block]
        above += ((weights @ (higher * pairs)) * weights[:, block]).sum(axis=1)
    return _ratio(above, weights[:, clean].sum(axis=1) * weights[:, ~clean].sum(axis=1))


def kendall(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Kendall's tau-b, (R,); NaN where one side has no two different values."""
    concordant, differ_a, differ_b = (np.zeros(len(weights)) for _ in range(3))
    for block in _blocks(len(a)):
        x, y = (np.sign(v[:, None] - v[None, block]) for v in (a, b))
        for total, pairs in ((concordant, x * y), (differ_a, x * x), (differ_b, y * y)):
            total += ((weights @ pairs) * weights[:, block]).sum(axis=1)
    return _ratio(concordant, np.sqrt(differ_a * differ_b))


def spearman(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Spearman's rho with mean ranks for ties, (R,); NaN as for `kendall`."""
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    together, spread_a, spread_b = (np.zeros(len(weights)) for _ in range(3))
    for block in _blocks(len(a)):
        # The mean rank of a value: those below it, half of those equal to it, and a half.
        x, y = (
            weights @ (0.5 * (1 + np.sign(v[None, block] - v[:, None]))) + 0.5 - middle
            for v in (a, b)
        )
        for total, product in ((together, x * y), (spread_a, x * x), (spread_b, y * y)):
            total += (product * weights[:, block]).sum(axis=1)
    spread = np.sqrt(spread_a * spread_b)
    # of equal values nothing but rounding is left
    return _ratio(together, np.where(spread > 1e-9 * middle[:, 0] ** 2, spread, 0.0))


def paired_share(better: Floats, worse: Floats, weights: Floats) -> Floats:
    """Share of pairs in the right order, ties half, (R,); NaN without pairs."""
    right = 0.5 * (1 + np.sign(better - worse))
    return _ratio(weights @ right, weights.sum(axis=1))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def bootstrap(
    groups: NDArray[np.int64],
    statistic: Callable[[Floats], Floats],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic of rows with its interval over resampled groups of rows.

    ``groups``: (N,) group of each row. ``statistic`` takes (R, N) weights and gives (R,) values.
    Resamples in which it is NaN are left out of the interval.
    """
    value = float(statistic(np.ones((1, len(groups))))[0])
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    values = statistic(drawn.astype(np.float64)[:, member])
    values = values[~np.isnan(values)]
    if not values.size:
        return Estimate(value, float("nan"), float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
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

    clean_of = {int(g): v for g, v, s in zip(scene, values, severity, strict=True) if s == 0}
    paired = [k for k in range(len(values)) if severity[k] > 0 and int(scene[k]) in clean_of]
    better = np.array([clean_of[int(scene[k])] for k in paired])
    worse = values[paired] if paired else np.array([])
    levels = np.unique(severity[severity > 0])
    is_clean = severity == 0
    return Sensitivity(
        auc=bootstrap(scene, lambda w: weighted_auc(values, is_clean, w), resamples=resamples),
        kendall=bootstrap(scene, lambda w: kendall(values, -severity, w), resamples=resamples),
        spearman=bootstrap(scene, lambda w: spearman(values, -severity, w), resamples=resamples),
        pairs=bootstrap(
            scene[paired] if paired else np.array([], np.int64),
            lambda w: paired_share(better, worse, w),
            resamples=resamples,
        ),
        by_severity={
            float(level): auc(values[is_clean], values[severity == level]) for level in levels
        },
        n=len(values),
        unscored=unscored,
    )
