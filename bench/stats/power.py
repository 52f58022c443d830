"""How small a difference a run can see, and how large a run must be to see a given one."""

from __future__ import annotations

import math
from functools import lru_cache

from bench.stats.bootstrap import MIN_PROMPTS

ALPHA = 0.05
"""Two-sided level of the test."""
POWER = 0.8
"""Chance to find the difference when it is there (Cohen 1988, section 2.4)."""


CERTAIN = 100.0
"""Effect in standard deviations of prompts from which on any run shows it; the noncentral t
distribution's numbers fail far beyond."""

MOST_PROMPTS = 1_000_000
"""Size beyond which no run is planned."""


def minimum_detectable_effect(
    standard_error: float, prompts: int, *, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest true mean difference that a paired t test over ``prompts`` finds with ``power``.

    ``standard_error`` is that of the mean difference in this run; the result has its unit.
    """
    if prompts < 2:
        raise ValueError(f"{prompts} prompts; at least 2 are needed")
    return _effect_size(prompts, alpha, power) * standard_error * math.sqrt(prompts)


@lru_cache
def _effect_size(prompts: int, alpha: float, power: float) -> float:
    """Difference in standard deviations; cached, for a table asks for few sizes many times."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=prompts, alpha=alpha, power=power))


def prompts_needed(
    effect: float,
    standard_error: float,
    prompts: int,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
) -> int | None:
    """Prompts (same seeds a prompt) at which a true mean difference of ``effect`` is found.

    ``standard_error`` and ``prompts`` describe the run at hand: together they say how much
    prompts differ. Never fewer than ``MIN_PROMPTS``; None when ``MOST_PROMPTS`` are not enough.
    """
    from statsmodels.stats.power import TTestPower

    if effect == 0 or not math.isfinite(effect):
        raise ValueError(f"effect {effect}; no number of prompts shows a difference of 0")
    size = abs(effect) / max(standard_error * math.sqrt(prompts), 1e-300)
    test = TTestPower()

    def enough(n: int) -> bool:
        # An effect of several standard deviations is seen at once, and overflows the power.
        return size > 5 or float(test.power(size, nobs=n, alpha=alpha)) >= power

    if not enough(MOST_PROMPTS):
        return None
    low, high = MIN_PROMPTS - 1, MIN_PROMPTS
    while not enough(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
