"""95 % intervals of the figures in the model cards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
RESAMPLES = 300


def bootstrap(
    rows: Sequence[T], statistic: Callable[[list[T]], float], *, seed: int = 0
) -> dict[str, float | int]:
    """A statistic of pictures with its percentile interval over resampled pictures.

    Returns ``value``, ``low``, ``high`` and ``n``.
    """
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(rows), (RESAMPLES, len(rows)))
    draws = [statistic([rows[i] for i in pick]) for pick in picks]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "value": statistic(list(rows)),
        "low": float(low),
        "high": float(high),
        "n": len(rows),
    }
