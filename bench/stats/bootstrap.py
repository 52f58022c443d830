"""Prompt-clustered bootstrap: BCa intervals of means, and intervals of ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from bench.stats.clusters import Clustered, Floats

RESAMPLES = 10_000
MIN_PROMPTS = 6
"""Fewest prompts that get an interval or a test: with 6, the smallest two-sided p of a sign-flip
test, 2 / 2**6 = 0.03, first falls below 0.05; fewer could never show anything."""
_CHUNK = 8_000_000
"""Draws held at once (64 MB as floats)."""


class Interval(NamedTuple):
    low: float
    high: float


def intervals(
    data: Clustered, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> list[Interval | None]:
    """An interval for the mean of each of the C columns.

    Bias-corrected and accelerated bootstrap over prompts (Efron 1987, JASA 82:171-185), with the
    acceleration from the jackknife and the normal quantiles replaced by sqrt(G/(G-1)) times those
    of Student's t with G-1 degrees of freedom, which repairs the narrowness of bootstrap intervals
    at small G (Hesterberg 2015, The American Statistician 69:371-386, section 5.3).

    None where no honest interval exists: fewer than ``MIN_PROMPTS`` prompts, or no spread at all
    (every prompt has the same mean, so resampling says nothing about what was not seen).
    """
    result: list[Interval | None] = [None] * data.sums.shape[1]
    usable = (data.prompts >= MIN_PROMPTS) & ~data.constant
    for index in _same_prompts(data, usable):
        part = data.columns(index)
        boot = np.concatenate([means for means in _resampled(part, resamples, seed)])
        low, high = _bca(part, boot, level)
        for c, a, b in zip(index, low, high, strict=True):
            result[int(c)] = Interval(float(a), float(b))
    return result


def rank_intervals(
    data: Clustered,
    tables: Sequence[NDArray[np.int64]] | None = None,
    *,
    higher_is_better: Sequence[bool] | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[list[tuple[int, int, int]]]:
    """(rank, lowest, highest) of each column within its table; 1 is best, equals share a rank.

    ``tables`` lists, for each score, the columns of ``data`` that are ranked against one another
    (one table of all columns by default); the columns of a table must have values on the same
    prompts. They are resampled together, so that prompts which are easy for every method do not
    widen the ranks. With fewer than ``MIN_PROMPTS`` prompts every rank is possible.
    """
    tables = [np.arange(data.sums.shape[1])] if tables is None else tables
    better = [True] * len(tables) if higher_is_better is None else higher_is_better
    means = data.means
    result = []
    for table, up in zip(tables, better, strict=True):
        ranks = _ranks((means if up else -means)[None, table])[0]
        result.append([(int(r), 1, len(table)) for r in ranks])
    usable = np.zeros(data.sums.shape[1], dtype=bool)
    usable[np.concatenate(tables)] = True
    usable &= data.prompts >= MIN_PROMPTS
    for index in _same_prompts(data, usable):
        boot = np.concatenate([m for m in _resampled(data.columns(index), resamples, seed)])
        place = {int(c): i for i, c in enumerate(index)}
        for t_index, (table, up) in enumerate(zip(tables, better, strict=True)):
            if int(table[0]) not in place:
                continue
            part = boot[:, [place[int(c)] for c in table]]
            ranks = _ranks(part if up else -part)
            tail = (1 - level) / 2
            low, high = np.quantile(ranks, [tail, 1 - tail], axis=0, method="inverted_cdf")
            result[t_index] = [
                (rank, int(a), int(b))
                for (rank, _, _), a, b in zip(result[t_index], low, high, strict=True)
            ]
    return result


def _same_prompts(data: Clustered, usable: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Groups of usable columns that have values on exactly the same prompts."""
    present = np.packbits(data.counts > 0, axis=0)
    groups: dict[bytes, list[int]] = {}
    for c in np.flatnonzero(usable):
        groups.setdefault(present[:, c].tobytes(), []).append(int(c))
    for index in groups.values():
        yield np.array(index)


def _resampled(data: Clustered, resamples: int, seed: int) -> Iterator[Floats]:
    """Chunks (b, C) of means over prompts drawn with replacement, ``resamples`` in all."""
    groups = len(data.sums)
    # Most often every column has the same images: their numbers are summed once.
    alike = (data.counts == data.counts[:, :1]).all()
    sizes = data.counts[:, :1] if alike else data.counts
    step = max(1, _CHUNK // groups)
    for start in range(0, resamples, step):
        counts = _draws(groups, start, min(step, resamples - start), seed)
        weights = counts.astype(np.float64)
        yield (weights @ data.sums) / (weights @ sizes)


@lru_cache(maxsize=4)
def _draws(groups: int, start: int, b: int, seed: int) -> NDArray[np.uint8]:
    """How often each prompt is drawn (b, groups) in the resamples from ``start`` on.

    The last few are kept, because intervals, ranks and differences of one table ask for the same.
    """
    rng = np.random.default_rng([seed, start])
    draws = rng.integers(groups, size=(b, groups), dtype=np.int32)
    draws += np.arange(b, dtype=np.int32)[:, None] * groups
    counts = np.bincount(draws.ravel(), minlength=b * groups).reshape(b, groups)
    return counts.astype(np.uint8)


def _bca(data: Clustered, boot: Floats, level: float) -> tuple[Floats, Floats]:
    """BCa limits (C,), (C,) from resampled means (B, C)."""
    groups = len(data.sums)
    estimate = data.means
    # Rounding in the matrix product must not decide on which side of the estimate a tie falls.
    near = 1e-12 * (1 + np.abs(estimate))
    below = ((boot < estimate - near) + 0.5 * (np.abs(boot - estimate) <= near)).mean(axis=0)
    edge = 0.5 / len(boot)
    z0 = norm.ppf(np.clip(below, edge, 1 - edge))
    left_out = (data.sums.sum(axis=0) - data.sums) / (data.counts.sum(axis=0) - data.counts)
    pull = left_out.mean(axis=0) - left_out
    acceleration = (pull**3).sum(axis=0) / (6 * (pull**2).sum(axis=0) ** 1.5)
    tail = (1 - level) / 2
    z = np.sqrt(groups / (groups - 1)) * t.ppf(tail, groups - 1)
    limits = []
    for side in (z, -z):
        shifted = z0 + side
        # Beyond this the correction turns around (its denominator changes sign).
        bend = np.maximum(1 - acceleration * shifted, 0.05)
        limits.append(norm.cdf(z0 + shifted / bend))
    ordered = np.sort(boot, axis=0)
    low, high = (_quantile(ordered, p) for p in limits)
    return low, high


def _quantile(ordered: Floats, p: Floats) -> Floats:
    """Quantile ``p[c]`` of each sorted column (B, C), linear between order statistics."""
    place = p * (len(ordered) - 1)
    lower = np.floor(place).astype(int)
    upper = np.minimum(lower + 1, len(ordered) - 1)
    columns = np.arange(ordered.shape[1])
    share = place - lower
    return ordered[lower, columns] * (1 - share) + ordered[upper, columns] * share


def _ranks(values: Floats) -> NDArray[np.int64]:
    """Ranks (b, C) of each row of values, 1 for the largest, ties share the better rank."""
    near = 1e-12 * (1 + np.abs(values))
    better = values[:, None, :] > (values + near)[:, :, None]
    return 1 + better.sum(axis=2)
