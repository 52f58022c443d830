"""Paired permutation test: signs of whole prompts are flipped."""

from __future__ import annotations

import numpy as np

from bench.stats.bootstrap import MIN_PROMPTS, RESAMPLES
from bench.stats.clusters import Clustered, Floats

_CHUNK = 8_000_000


def sign_flip_p(differences: Clustered, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Two-sided p (C,) that the mean paired difference is zero; NaN below ``MIN_PROMPTS`` prompts.

    If the two methods were exchangeable, the sign of all differences of one prompt together would
    be a coin toss. All 2**G sign patterns are tried when there are at most ``resamples`` of them;
    otherwise ``resamples`` random ones, and the observed pattern counts as one of them, so that p
    is never 0 (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39). The sum of squares
    does not change under flips, so testing the mean equals testing its t statistic: from about 20
    prompts on the test also keeps its level, nearly, when differences are skewed.
    """
    result = np.full(differences.sums.shape[1], np.nan)
    usable = np.flatnonzero(differences.prompts >= MIN_PROMPTS)
    if not len(usable):
        return result
    sums = differences.sums[:, usable]
    groups = len(sums)
    total = sums.sum(axis=0)
    observed = np.abs(total)
    bar = observed - 1e-9 * np.abs(sums).sum(axis=0)  # rounding must not break ties
    if 2**groups <= resamples:
        patterns = (np.arange(2**groups)[:, None] >> np.arange(groups)) & 1
        flipped = np.abs(total - 2 * (patterns.astype(np.float64) @ sums))
        result[usable] = (flipped >= bar).mean(axis=0)
        return result
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // groups)
    extreme = np.zeros(len(usable))
    for start in range(0, resamples, step):
        b = min(step, resamples - start)
        turned = rng.integers(0, 2, size=(b, groups), dtype=np.int8).astype(np.float64)
        flipped = np.abs(total - 2 * (turned @ sums))
        extreme += (flipped >= bar).sum(axis=0)
    result[usable] = (1 + extreme) / (1 + resamples)
    return result
