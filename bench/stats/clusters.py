"""Sums per prompt: all that the bootstrap and the permutation test read.

Images of one prompt (several seeds, several layouts) succeed and fail together, so they are not
independent. Every statistic here treats the prompt as the unit that was sampled, and a mean over
images as the ratio (sum of the prompts' sums) / (sum of the prompts' counts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clustered:
    """Per-prompt sums of C columns over G prompts."""

    sums: Floats
    """(G, C) sum of a prompt's values, missing ones left out."""
    counts: Floats
    """(G, C) how many values stand behind each sum."""

    @property
    def means(self) -> Floats:
        """(C,) mean over all values; NaN for a column without any."""
        total = self.counts.sum(axis=0)
        return np.divide(
            self.sums.sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0
        )

    @property
    def prompts(self) -> NDArray[np.int64]:
        """(C,) prompts with at least one value."""
        return (self.counts > 0).sum(axis=0)

    @property
    def residuals(self) -> Floats:
        """(G, C) what each prompt adds to the mean's error: (sum - mean x count) / total count.

        Their squares, summed and times G / (G - 1), estimate the variance of the mean: the
        cluster-robust variance of a ratio (Cochran 1977, Sampling Techniques, eq. 6.9).
        """
        total = np.maximum(self.counts.sum(axis=0), 1.0)
        return (self.sums - np.nan_to_num(self.means) * self.counts) / total

    @property
    def standard_errors(self) -> Floats:
        """(C,) cluster-robust standard error of the mean; NaN below two prompts."""
        g = self.prompts.astype(float)
        factor = np.divide(g, g - 1, out=np.full(g.shape, np.nan), where=g > 1)
        return np.sqrt(factor * (self.residuals**2).sum(axis=0))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(C,) every prompt has the same mean, so that resampling shows no spread."""
        scale = np.abs(self.sums).max(axis=0, initial=0.0) + 1e-300
        total = np.maximum(self.counts.sum(axis=0), 1.0)
        return np.abs(self.residuals * total).max(axis=0, initial=0.0) <= 1e-12 * scale

    def columns(self, index: NDArray[Any]) -> Clustered:
        """The chosen columns, without the prompts that have no value in any of them."""
        counts = self.counts[:, index]
        rows = counts.any(axis=1)
        return Clustered(self.sums[np.ix_(rows, index)], counts[rows])


def cluster(values: Floats, prompts: Sequence[Any] | NDArray[Any]) -> Clustered:
    """Sum ``values`` (n, C) or (n,) by prompt; NaN means missing.

    ``prompts`` (n,) names the prompt of each row; any hashable or integer labels.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim == 1:
        table = table[:, None]
    labels = np.asarray(prompts)
    if len(labels) != len(table):
        raise ValueError(f"{len(table)} rows of values but {len(labels)} prompts")
    _, codes = np.unique(labels, return_inverse=True)
    groups = int(codes.max()) + 1 if len(codes) else 0
    present = ~np.isnan(table)
    filled = np.where(present, table, 0.0)
    shape = (groups, table.shape[1])
    sums, counts = np.empty(shape), np.empty(shape)
    for c in range(table.shape[1]):
        sums[:, c] = np.bincount(codes, weights=filled[:, c], minlength=groups)
        counts[:, c] = np.bincount(codes, weights=present[:, c], minlength=groups)
    return Clustered(sums, counts)
