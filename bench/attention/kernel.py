"""Exact re-weighting of attention maps without holding one.

For the joint map ``A = softmax(Q K^T * scale)`` and a quadrant of it with the 0/1 matrix ``M``,

    A'_ij = A_ij * exp(c_i * (M_ij - A_ij)),      out_i = sum_j A'_ij V_j / (sum_j A'_ij + 1e-12)

(AST, arXiv 2504.10148; without the ``- A_ij`` it is an additive score bias). Rows are worked in
blocks, so at most ``BLOCK`` numbers of the map live at once, and ``M`` is never stored: it is one
where two tokens' bit masks share a bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 20
"""Entries of the map that are worked at once, over samples, heads and query rows."""

EPSILON = 1e-12
"""Added to the row sum before the division; the authors' script's value."""


@dataclass(frozen=True, slots=True)
class Quadrant:
    """A group of columns whose entries are re-weighted, for a group of query rows."""

    columns: slice
    """Columns (key positions) of the quadrant, C of them."""
    strength: Tensor
    """(B, R) float: c_i of the formula, for each query row."""
    row_bits: Tensor
    """(B, R) int64 membership of the query tokens."""
    column_bits: Tensor
    """(B, C) int64 membership of the key tokens."""
    diagonal: bool = False
    """Whether M is also one where row and column are the same token (R = C)."""

    def part(self, samples: slice, rows: slice) -> tuple[Tensor, Tensor]:
        """M as (b, 1, r, C) booleans and c as (b, 1, r, 1) for a block."""
        left = self.row_bits[samples, rows, None]
        member = (left & self.column_bits[samples, None, :]) != 0
        if self.diagonal:
            span = torch.arange(self.column_bits.shape[1], device=member.device)
            member |= span[rows, None] == span
        return member[:, None], self.strength[samples, None, rows, None]


def reweighted_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    quadrants: Sequence[Quadrant],
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    block: int = BLOCK,
) -> Tensor:
    """Attention of some query rows to all keys, with the quadrants re-weighted.

    Args:
        query: (B, H, R, D); key and value: (B, H, S, D).
        quadrants: disjoint groups of columns.
        mask: the model's own mask, broadcastable to (B, H, R, S); boolean (False is hidden) or
            added to the scores.
        scale: factor of the scores; None is ``1 / sqrt(D)``.

    Returns:
        (B, H, R, D) in the query's dtype. Scores, softmax and re-weighting are float32
        (float64 for float64 input): rounding a score of 20 to bfloat16 moves its weight by 4 %.
    """
    batch, heads, rows, dim = query.shape
    scale = dim**-0.5 if scale is None else scale
    wide = torch.promote_types(query.dtype, torch.float32)
    # Laid out as (B, R, H, D) in memory, as the models flatten heads next.
    out = query.new_empty(batch, rows, heads, dim).transpose(1, 2)
    if mask is not None:
        mask = mask.expand(batch, heads, rows, key.shape[2])
    for b, h, r in _blocks(batch, heads, rows, key.shape[2], block):
        scores = torch.matmul(query[b, h, r].to(wide), key[b, h].to(wide).transpose(-1, -2))
        scores = scores.mul_(scale)
        if mask is not None:
            part = mask[b, h, r]
            hidden = part.dtype == torch.bool
            scores = scores.masked_fill_(~part, -torch.inf) if hidden else scores.add_(part)
        weights = scores.softmax(-1)
        for quadrant in quadrants:
            member, strength = quadrant.part(b, r)
            entries = weights[..., quadrant.columns]
            strength = strength.to(entries.dtype)
            factor = torch.addcmul(member * strength, entries, strength, value=-1)
            entries.mul_(factor.exp_())
        total = weights.sum(-1, keepdim=True).add_(EPSILON)
        out[b, h, r] = torch.matmul(weights.to(value.dtype), value[b, h]) / total
    return out


def _blocks(
    batch: int, heads: int, rows: int, columns: int, limit: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Ranges of samples, heads and rows whose part of the map stays within the limit."""
    r = max(1, min(rows, limit // columns))
    h = max(1, min(heads, limit // (columns * r))) if r == rows else 1
    b = max(1, min(batch, limit // (columns * r * h))) if h == heads else 1
    for b0 in range(0, batch, b):
        for h0 in range(0, heads, h):
            for r0 in range(0, rows, r):
                yield slice(b0, b0 + b), slice(h0, h0 + h), slice(r0, r0 + r)


def shared_counts(bits: Tensor) -> Tensor:
    """For each token how many tokens of its sample share a bit with it, itself included.

    Args:
        bits: (B, N) int64.

    Returns:
        (B, N) float64; 0 for a token without any bit.
    """
    out = torch.empty(bits.shape, dtype=torch.float64, device=bits.device)
    for row, sample in zip(out, bits, strict=True):
        patterns, where, counts = sample.unique(return_inverse=True, return_counts=True)
        overlap = ((patterns[:, None] & patterns) != 0).to(row.dtype)
        row.copy_((overlap @ counts.to(row.dtype))[where])
    return out
