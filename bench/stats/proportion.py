"""Intervals of shares that count yes and no."""

from __future__ import annotations

from bench.stats.bootstrap import Interval


def exact_interval(successes: int, trials: int) -> Interval:
    """Clopper and Pearson's 95 % interval of a share (Biometrika 26, 1934).

    Unlike a bootstrap it has a width, too, where all trials went one way.

    Raises:
        ValueError: there are no trials, or more successes than trials.

    >>> exact_interval(64, 64).high
    1.0
    >>> round(exact_interval(64, 64).low, 3)
    0.944
    """
    from scipy.stats import binomtest

    low, high = binomtest(successes, trials).proportion_ci(method="exact")
    return Interval(float(low), float(high))
