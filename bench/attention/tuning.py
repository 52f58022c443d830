"""Which entries of an attention map are re-weighted, and how much: the input of the kernels.

Membership is a bit mask for each token, so that regions may overlap and no matrix of tokens by
tokens is ever stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Quadrant:
    """A group of columns whose entries are re-weighted, for a group of query rows."""

    columns: slice
    """Columns (key positions) of the quadrant, C of them."""
    strength: Tensor
    """(B, R) float: c_i of the formula, for each query row."""
    row_bits: Tensor
    """(B, R) int32 membership of the query tokens."""
    column_bits: Tensor
    """(B, C) int32 membership of the key tokens."""
    diagonal: bool = False
    """Whether M is also one where row and column are the same token (R = C)."""


@dataclass(frozen=True)
class Tuning:
    """The quadrants of a group of query rows, by kinds of rows.

    Rows with the same bit masks and strengths are of one kind: they are re-weighted alike. There
    are about as many kinds as regions, so c and c M are kept for each kind (P of them, over all
    samples) instead of each row.
    """

    kinds: Tensor
    """(B, R) int64: each row's kind, 0..P-1."""
    order: Tensor
    """(B, R) int64: each sample's rows, sorted by kind."""
    columns: slice
    """From the first to the last column of all quadrants, C of them."""
    bias: Tensor
    """(P, C) float32: c M; 0 between the quadrants."""
    strength: Tensor
    """(P, C) float32: c; 0 between the quadrants."""
    diagonal: Tensor | None
    """(B, R) float32: c where only the diagonal makes M one, else 0."""
    diagonal_start: int
    """Which of the C columns is the first row's own token."""

    @classmethod
    def of(cls, quadrants: Sequence[Quadrant]) -> Tuning:
        """From at least one quadrant, of disjoint columns, at most one with a diagonal."""
        first = min(q.columns.start for q in quadrants)
        last = max(q.columns.stop for q in quadrants)
        kinds, biases, strengths, before = [], [], [], 0
        diagonal, start = None, 0
        for b in range(len(quadrants[0].strength)):
            keys = [k for q in quadrants for k in (q.row_bits[b], q.strength[b])]
            rows, which = torch.stack([k.double() for k in keys], 1).unique(
                dim=0, return_inverse=True
            )
            bias, strength = rows.new_zeros(2, len(rows), last - first, dtype=torch.float32)
            for n, one in enumerate(quadrants):
                c = rows[:, 2 * n + 1, None].float()
                shared = rows[:, 2 * n, None].to(one.column_bits.dtype) & one.column_bits[b]
                at = slice(one.columns.start - first, one.columns.stop - first)
                bias[:, at] = c * (shared != 0)
                strength[:, at] = c
            kinds.append(which + before)
            biases.append(bias)
            strengths.append(strength)
            before += len(rows)
        for one in quadrants:
            if one.diagonal:
                alone = (one.row_bits & one.column_bits) == 0
                diagonal, start = one.strength.float() * alone, one.columns.start - first
        rows_by_kind = torch.stack([k.argsort(stable=True) for k in kinds])
        return cls(
            torch.stack(kinds),
            rows_by_kind,
            slice(first, last),
            torch.cat(biases),
            torch.cat(strengths),
            diagonal,
            start,
        )

    def times(self, factor: float, dtype: torch.dtype = torch.float32) -> Tuning:
        """The same with every c multiplied."""
        diagonal = None if self.diagonal is None else self.diagonal.to(dtype) * factor
        bias, strength = self.bias.to(dtype) * factor, self.strength.to(dtype) * factor
        return replace(self, bias=bias, strength=strength, diagonal=diagonal)


def shared_counts(bits: Tensor) -> Tensor:
    """For each token how many tokens of its sample share a bit with it, itself included.

    Args:
        bits: (B, N) integers.

    Returns:
        (B, N) float64; 0 for a token without any bit.
    """
    out = torch.empty(bits.shape, dtype=torch.float64, device=bits.device)
    for row, sample in zip(out, bits, strict=True):
        patterns, where, counts = sample.unique(return_inverse=True, return_counts=True)
        overlap = ((patterns[:, None] & patterns) != 0).to(row.dtype)
        row.copy_((overlap @ counts.to(row.dtype))[where])
    return out
