"""Exact re-weighting of attention maps without holding one.

For the joint map ``A = softmax(Q K^T * scale)`` and a quadrant of it with the 0/1 matrix ``M``,

    A'_ij = A_ij * exp(c_i * (M_ij - A_ij)),      out_i = sum_j A'_ij V_j / (sum_j A'_ij + 1e-12)

(AST, arXiv 2504.10148; without the ``- A_ij`` it is an additive score bias). Rows are worked in
blocks, so at most ``BLOCK`` numbers of the map live at once, and ``M`` is never
stored whole: it is one where two tokens' bit masks share a bit, and there are few different masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from bench.attention.threads import share_heads

Rows: TypeAlias = slice | Tensor
"""Query rows: a range, or positions (r,) int64."""

BLOCK = 3 << 17
"""Entries of the map that are there at once in each thread, over samples, heads and rows: 1.5 MB
in float32. Smaller ones cost matrix products their speed, larger ones only memory."""

ROWS = 256
"""Query rows of a large map that are there at once, even if that is more than ``BLOCK``: the fewer
they are, the more often keys and values pass through the processor's cache."""

CHUNK = 1 << 17
"""Entries of a block that are re-weighted at once: half a megabyte in float32."""

ROUNDABLE = 8.0
"""Scores up to which rounding to bfloat16 moves a weight by at most 1.6 %."""

WORTH_THREADS = 1 << 22
"""Entries of the whole map, over samples and heads, from which heads are shared among threads."""

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


def reweighted_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    tuning: Tuning,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    block: int | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Attention of some query rows to all keys, with quadrants of it re-weighted.

    On CUDA, without a mask, by ``flex_attention`` (:mod:`bench.attention.flex`), which compiles the
    re-weighting into one fused kernel; everywhere else by the blocks of this module.

    Args:
        query: (B, H, R, D); key and value: (B, H, S, D).
        tuning: what to do with which of the R rows.
        mask: the model's own mask, broadcastable to (B, H, R, S); boolean (False is hidden) or
            added to the scores.
        scale: factor of the scores; None is ``1 / sqrt(D)``.
        block: entries of the map that are there at once; None is ``BLOCK`` or ``ROWS`` rows.
        out: (B, H, R, D), where to put the result.

    Returns:
        (B, H, R, D) in the query's dtype. Scores, softmax and re-weighting are float32
        (float64 for float64 input): rounding a score of 20 to bfloat16 moves its weight by 4 %.
        Where a head's scores are certainly small and its map is large, a CPU may round them.
    """
    if out is None:
        out = torch.empty_like(query)
    if query.is_cuda and mask is None:
        from bench.attention.flex import flex_reweighted

        return out.copy_(flex_reweighted(query, key, value, tuning, scale=scale))
    block = block or max(BLOCK, ROWS * key.shape[2])
    wide = torch.promote_types(query.dtype, torch.float32)
    in_twos = tuning.times(math.log2(math.e), wide)  # CPUs are fastest at powers of two
    if mask is not None:
        mask = mask.expand(*query.shape[:3], key.shape[2])

    def work(heads: slice) -> None:
        _reweighted(
            query[:, heads],
            key[:, heads],
            value[:, heads],
            out[:, heads],
            in_twos,
            None if mask is None else mask[:, heads],
            scale,
            block,
        )

    narrow = query.is_cpu and query.dtype == torch.bfloat16
    with _products_of_bfloat16() if narrow else nullcontext():
        if query.is_cpu and query[..., 0].numel() * key.shape[2] >= WORTH_THREADS:
            share_heads(work, query.shape[1])
        else:
            work(slice(None))
    return out


def _reweighted(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    tuning: Tuning,
    mask: Tensor | None,
    scale: float | None,
    block: int,
) -> None:
    """``reweighted_attention`` into ``out``, with strengths for powers of two."""
    wide = tuning.bias.dtype
    spare = query.new_empty((1, 0), dtype=wide)
    head: list[Tensor] = []
    blocks = score_blocks(
        query,
        key,
        mask=mask,
        scale=scale,
        block=block,
        order=tuning.order,
        rounded=query.is_cpu and query.dtype == torch.bfloat16 and mask is None,
    )
    for b, h, r, scores in blocks:
        rows, columns = scores.shape[2:]
        total = scores.new_empty((*scores.shape[:3], 1), dtype=wide)
        # A few rows at a time go through all steps while they are in the processor's cache.
        size = max(1, CHUNK // columns) if isinstance(r, Tensor) else rows
        for few in _ranges(0, rows, size):
            part = scores[..., few, :]
            narrow = part.dtype != wide
            if spare.shape[0] <= narrow or spare.shape[1] < part.numel():
                spare = query.new_empty((1 + narrow, part.numel()), dtype=wide)
            weights = _part(spare[1], part.shape) if narrow else part
            torch.softmax(part, -1, dtype=wide, out=weights)
            _reweight(weights, tuning, b, r[few] if isinstance(r, Tensor) else r, spare[0])
            torch.sum(weights, -1, keepdim=True, out=total[..., few, :])
            if narrow:
                part.copy_(weights)
        result = torch.matmul(scores.to(value.dtype), value[b, h]).div_(total.add_(EPSILON))
        if isinstance(r, Tensor):  # put back a head at a time: gathering is faster than scattering
            head.append(result)
            if sum(part.shape[2] for part in head) == query.shape[2]:
                back = tuning.order[b.start].argsort()
                out[b, h] = torch.cat(head, 2).index_select(2, back)
                head.clear()
        else:
            out[b, h, r] = result


def _reweight(weights: Tensor, tuning: Tuning, samples: slice, rows: Rows, spare: Tensor) -> None:
    """A 2^(c (M - A)) in place of A (b, h, r, S)."""
    part = weights[..., tuning.columns]
    change = _part(spare, part.shape)
    kinds = tuning.kinds[samples, rows]
    if isinstance(rows, Tensor):  # sorted by kind, of one sample
        first = 0
        for kind, count in zip(*kinds[0].unique_consecutive(return_counts=True), strict=True):
            last = first + int(count)
            bias, strength = tuning.bias[kind], tuning.strength[kind]
            alike = part[..., first:last, :]
            torch.addcmul(bias, alike, strength, value=-1, out=change[..., first:last, :])
            first = last
    else:
        bias, strength = tuning.bias[kinds][:, None], tuning.strength[kinds][:, None]
        torch.addcmul(bias, part, strength, value=-1, out=change)
    part.mul_(change.exp2_())
    if tuning.diagonal is not None:
        own = torch.arange(tuning.kinds.shape[1], device=weights.device)[rows]
        at = (..., torch.arange(len(own), device=weights.device), own + tuning.diagonal_start)
        part[at] *= tuning.diagonal[samples, None, rows].exp2()


def _part(buffer: Tensor, shape: Sequence[int]) -> Tensor:
    """The beginning of a flat buffer: fresh memory for every block would cost as much as the
    arithmetic."""
    return buffer[: math.prod(shape)].view(shape)


def score_blocks(
    query: Tensor,
    key: Tensor,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    block: int = BLOCK,
    order: Tensor | None = None,
    rounded: bool = False,
) -> Iterator[tuple[slice, slice, Rows, Tensor]]:
    """The scores ``Q K^T * scale`` block by block, so that the map is never whole.

    Arguments as in :func:`reweighted_attention`. Where a block does not hold all rows of a head,
    rows come in the given ``order`` (B, R), if any. There ``rounded`` allows scores in the query's
    dtype, less a constant of each row, as long as a head has no score beyond ``ROUNDABLE``: torch
    has no CPU product of bfloat16 numbers with a float32 result, and float32 numbers take its
    bfloat16 units twice as long.

    Yields:
        Samples, heads and rows of the block, and its scores (b, h, r, S), masked. The next block
        overwrites them.
    """
    batch, heads, rows, dim = query.shape
    columns = key.shape[2]
    scale = dim**-0.5 if scale is None else scale
    wide = torch.promote_types(query.dtype, torch.float32)
    if mask is not None:
        mask = mask.expand(batch, heads, rows, columns)
    r_size = max(1, min(rows, block // columns))
    r_size = math.ceil(rows / math.ceil(rows / r_size))  # blocks of nearly one size
    h_size = max(1, min(heads, block // (columns * rows))) if r_size == rows else 1
    whole = h_size == heads and r_size == rows
    b_size = max(1, min(batch, block // (columns * rows * heads))) if whole else 1
    buffer = query.new_empty(b_size * h_size * r_size * columns, dtype=wide)
    key_buffer = query.new_empty(b_size * h_size * columns * dim, dtype=wide)
    for b in _ranges(0, batch, b_size):
        parts: list[Rows] = list(_ranges(0, rows, r_size))
        if order is not None and len(parts) > 1:
            parts = list(order[b.start].split(r_size))
        for h in _ranges(0, heads, h_size):
            product = query.dtype if rounded and len(parts) > 1 else wide
            keys = _turned(key[b, h], key_buffer.view(product), without_mean=product != wide)
            for r in parts:
                queries = _rows(query[b, h], r).to(wide) * scale
                shape = (*queries.shape[:3], columns)
                flat = (shape[0] * shape[1], *shape[2:])
                queries = queries.flatten(0, 1)
                room = _part(buffer.view(product), flat)
                scores = torch.bmm(queries.to(product), keys, out=room)
                if product != wide and torch.stack(scores.aminmax()).abs().max() > ROUNDABLE:
                    product = wide  # for the rest of the head
                    keys = _turned(key[b, h], key_buffer)
                    scores = torch.bmm(queries, keys, out=_part(buffer, flat))
                scores = scores.view(shape)
                if mask is not None:
                    scores = _masked(scores, _rows(mask[b, h], r))
                yield b, h, r, scores


def _rows(whole: Tensor, rows: Rows) -> Tensor:
    return whole.index_select(-2, rows) if isinstance(rows, Tensor) else whole[..., rows, :]


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores under the model's own mask, in place."""
    if mask.dtype == torch.bool:
        return scores.masked_fill_(~mask, -torch.inf)
    return scores.add_(mask)


@contextmanager
def _products_of_bfloat16() -> Iterator[None]:
    """Lets the CPU multiply float32 numbers in its bfloat16 units, summing in float32.

    Keys are exact in bfloat16; queries carry the scale, so each of their numbers may be rounded by
    0.2 %. Where torch has no such units to use, products stay float32 (an AMD EPYC with
    AVX512-BF16: the same scores). The switch is torch's own and process-wide, so it is put back;
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


def _turned(key: Tensor, buffer: Tensor, *, without_mean: bool = False) -> Tensor:
    """Keys (b, h, S, D) as (b * h, D, S) in a buffer, which is faster than a view of them.

    Without their mean all scores of a row are less by the same, which softmax ignores, and are
    small numbers (SageAttention's smoothing of keys, arXiv 2410.02367).
    """
    if without_mean:
        key = key - key.float().mean(dim=-2, keepdim=True)
    turned = key.transpose(-1, -2).flatten(0, 1)
    return _part(buffer, turned.shape).copy_(turned)


def _ranges(start: int, stop: int, size: int) -> Iterator[slice]:
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


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
