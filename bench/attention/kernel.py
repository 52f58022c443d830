"""Exact re-weighting of attention maps without holding one.

For the joint map ``A = softmax(Q K^T * scale)`` and a quadrant of it with the 0/1 matrix ``M``,

    A'_ij = A_ij * exp(c_i * (M_ij - A_ij)),      out_i = sum_j A'_ij V_j / (sum_j A'_ij + 1e-12)

(AST, arXiv 2504.10148; without the ``- A_ij`` it is an additive score bias). Rows are worked in
blocks, so at most ``BLOCK`` numbers of the map live at once, and ``M`` is never stored: it is one
where two tokens' bit masks share a bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 18
"""Entries of the map that are worked at once, over samples, heads and query rows."""

HEADS = 4
"""Heads that share one block's membership and one widened copy of the keys."""

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

    def terms(
        self, samples: slice, rows: slice, dtype: torch.dtype
    ) -> tuple[slice, Tensor, Tensor]:
        """The columns, c_i M_ij as (b, 1, r, C) and c_i as (b, 1, r, 1) for a block of rows."""
        left = self.row_bits[samples, rows, None]
        member = (left & self.column_bits[samples, None, :]) != 0
        if self.diagonal:
            span = torch.arange(self.column_bits.shape[1], device=member.device)
            member |= span[rows, None] == span
        strength = self.strength[samples, None, rows, None].to(dtype)
        return self.columns, member[:, None] * strength, strength


def reweighted_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    quadrants: Sequence[Quadrant],
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    block: int = BLOCK,
    out: Tensor | None = None,
) -> Tensor:
    """Attention of some query rows to all keys, with the quadrants re-weighted.

    On CUDA, without a mask, by ``flex_attention`` (:mod:`bench.attention.flex`), which compiles the
    re-weighting into one fused kernel; everywhere else by the blocks of this module.

    Args:
        query: (B, H, R, D); key and value: (B, H, S, D).
        quadrants: disjoint groups of columns.
        mask: the model's own mask, broadcastable to (B, H, R, S); boolean (False is hidden) or
            added to the scores.
        scale: factor of the scores; None is ``1 / sqrt(D)``.
        block: entries of the map that are worked at once.
        out: (B, H, R, D), where to put the result.

    Returns:
        (B, H, R, D) in the query's dtype. Scores, softmax and re-weighting are float32
        (float64 for float64 input): rounding a score of 20 to bfloat16 moves its weight by 4 %.
    """
    if out is None:
        out = torch.empty_like(query)
    if query.is_cuda and mask is None:
        from bench.attention.flex import flex_reweighted

        return out.copy_(flex_reweighted(query, key, value, quadrants, scale=scale))
    at, terms = (slice(0, 0), slice(0, 0)), []
    for b, h, r, scores in score_blocks(query, key, mask=mask, scale=scale, block=block):
        weights = scores.softmax(-1)
        if (b, r) != at:
            at, terms = (b, r), [q.terms(b, r, weights.dtype) for q in quadrants]
        for columns, bias, strength in terms:
            entries = weights[..., columns]
            entries.mul_(torch.addcmul(bias, entries, strength, value=-1).exp_())
        total = weights.sum(-1, keepdim=True).add_(EPSILON)
        out[b, h, r] = torch.matmul(weights.to(value.dtype), value[b, h]) / total
    return out


def score_blocks(
    query: Tensor,
    key: Tensor,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    block: int = BLOCK,
) -> Iterator[tuple[slice, slice, slice, Tensor]]:
    """The scores ``Q K^T * scale`` block by block, so that the map is never whole.

    Arguments as in :func:`reweighted_attention`. Heads come in groups, and within a group all
    heads of a block of rows follow one another.

    Yields:
        Samples, heads and rows of the block, and its scores (b, h, r, S), masked.
    """
    batch, heads, rows, dim = query.shape
    columns = key.shape[2]
    scale = dim**-0.5 if scale is None else scale
    wide = torch.promote_types(query.dtype, torch.float32)
    if mask is not None:
        mask = mask.expand(batch, heads, rows, columns)
    r_size = max(1, min(rows, block // columns))
    h_size = max(1, min(heads, block // (columns * r_size))) if r_size == rows else 1
    b_size = max(1, min(batch, block // (columns * r_size * h_size))) if h_size == heads else 1
    narrow = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    for b in _ranges(0, batch, b_size):
        for group in _ranges(0, heads, max(h_size, HEADS)):
            keys = key[b, group].to(wide).transpose(-1, -2)
            for r in _ranges(0, rows, r_size):
                for h in _ranges(group.start, group.stop, h_size):
                    part = slice(h.start - group.start, h.stop - group.start)
                    with _products_of_bfloat16() if narrow else nullcontext():
                        scores = _scores(query[b, h, r].to(wide), keys[:, part], scale)
                    if mask is not None:
                        scores = _masked(scores, mask[b, h, r])
                    yield b, h, r, scores


def _scores(query: Tensor, keys: Tensor, scale: float) -> Tensor:
    """scale * Q K^T, (b, h, r, S), from Q (b, h, r, D) and K^T (b, h, D, S)."""
    shape = (*query.shape[:-1], keys.shape[-1])
    flat = query.reshape(-1, *query.shape[2:]), keys.reshape(-1, *keys.shape[2:])
    return torch.baddbmm(query.new_empty(1, 1, 1), *flat, beta=0, alpha=scale).view(shape)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores under the model's own mask, in place."""
    if mask.dtype == torch.bool:
        return scores.masked_fill_(~mask, -torch.inf)
    return scores.add_(mask)


@contextmanager
def _products_of_bfloat16() -> Iterator[None]:
    """Lets the CPU multiply float32 numbers in its bfloat16 units, summing in float32.

    Products of widened bfloat16 numbers are exact there, so for them this is as good as float32
    and twice as fast. The switch is torch's own and process-wide, so it is put back at once;
    older versions of torch lack it.
    """
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is None:
        yield
        return
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def _ranges(start: int, stop: int, size: int) -> Iterator[slice]:
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


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
