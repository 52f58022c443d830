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
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from bench.attention.tuning import Tuning

Rows: TypeAlias = slice | Tensor
"""Query rows: a range, or positions (r,) int64."""

BLOCK = 3 << 17
"""Entries of the map that are there at once, over samples, heads and rows: 1.5 MB in float32.
Smaller ones cost matrix products their speed, larger ones only memory."""

ROWS = 128
"""Query rows of a large map that are there at once for each thread, even if that is more than
``BLOCK``: the fewer they are, the more often keys and values pass through the processor's cache.
Twice as many where scores stay float32, whose products gain more from it. A power of two, so that
nearly all blocks are of one shape: torch's CPU library keeps compiled code for each."""

FEW = 64
"""Query rows of a large map that are re-weighted at once: their buffer needs no more."""

ROUNDABLE = 8.0
"""Scores up to which rounding to bfloat16 moves a weight by at most 1.6 %."""

EPSILON = 1e-12
"""Added to the row sum before the division; the authors' script's value."""


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
    narrow = query.is_cpu and query.dtype == torch.bfloat16
    together = min(torch.get_num_threads() if query.is_cpu else 1, query.shape[1])
    rows = ROWS if narrow else 2 * ROWS
    block = block or max(BLOCK, rows * key.shape[2] * together)
    wide = torch.promote_types(query.dtype, torch.float32)
    in_twos = tuning.times(math.log2(math.e), wide)  # CPUs are fastest at powers of two
    if mask is not None:
        mask = mask.expand(*query.shape[:3], key.shape[2])

    with _products_of_bfloat16() if narrow else nullcontext():
        _reweighted(query, key, value, out, in_twos, mask, scale, block, together)
    return out


@dataclass(frozen=True, slots=True)
class _Part:
    """What to do with some rows of a sample, sorted by kind: the same for all heads."""

    runs: tuple[tuple[slice, Tensor, Tensor], ...]
    """Which of the rows are of one kind, and that kind's (C,) c M and c."""
    diagonal: tuple[Tensor, Tensor] | None
    """(1, r, 1): the column of each row's own token, and c where only the diagonal makes M one."""

    @classmethod
    def of(cls, tuning: Tuning, sample: int, rows: Tensor) -> _Part:
        kinds, counts = tuning.kinds[sample, rows].unique_consecutive(return_counts=True)
        runs, first = [], 0
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            run = slice(first, first + count)
            runs.append((run, tuning.bias[kind], tuning.strength[kind]))
            first += count
        diagonal = None
        if tuning.diagonal is not None:
            own = rows[None, :, None]
            diagonal = (own + tuning.diagonal_start, tuning.diagonal[sample, own])
        return cls(tuple(runs), diagonal)

    def change(self, weights: Tensor, out: Tensor) -> Tensor:
        """c (M - A) for ``weights`` A (h, r, C), in ``out`` of that shape."""
        for run, bias, strength in self.runs:
            torch.addcmul(bias, weights[:, run], strength, value=-1, out=out[:, run])
        if self.diagonal is not None:
            at, more = (x.expand(len(out), -1, -1) for x in self.diagonal)
            out.scatter_add_(2, at, more)
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
    together: int,
) -> None:
    """``reweighted_attention`` into ``out``, with strengths for powers of two."""
    wide = tuning.bias.dtype
    spare = query.new_empty(0, dtype=wide)
    plans: dict[tuple[int, int], _Part] = {}
    done = 0
    blocks = score_blocks(
        query,
        key,
        mask=mask,
        scale=scale,
        block=block,
        together=together,
        order=tuning.order,
        rounded=query.is_cpu and query.dtype == torch.bfloat16 and mask is None,
    )
    for b, h, r, scores in blocks:
        if isinstance(r, slice):  # a small map: all rows of some heads
            if spare.numel() < scores.numel():
                spare = query.new_empty(scores.numel(), dtype=wide)
            weights = torch.softmax(scores, -1, out=scores)
            _reweight(weights, tuning, b, r, spare)
            total = weights.sum(-1, keepdim=True).add_(EPSILON)
            out[b, h, r] = torch.matmul(weights.to(value.dtype), value[b, h]).div_(total)
            continue
        sample, scores = b.start, scores.flatten(0, 1)
        narrow, columns = scores.dtype != wide, tuning.columns
        change = FEW * len(scores) * (columns.stop - columns.start)
        if spare.numel() < change + narrow * scores.numel():
            spare = query.new_empty(change + narrow * scores.numel(), dtype=wide)
        weights = _part(spare[change:], scores.shape).copy_(scores) if narrow else scores
        torch.softmax(weights, -1, out=weights)
        for few in _ranges(0, len(r), FEW):
            if (sample, done + few.start) not in plans:
                plans[sample, done + few.start] = _Part.of(tuning, sample, r[few])
            tuned = weights[:, few, columns]
            exponent = plans[sample, done + few.start].change(tuned, _part(spare, tuned.shape))
            tuned.mul_(exponent.exp2_())
        total = weights.sum(-1, keepdim=True).add_(EPSILON)
        weights = scores.copy_(weights) if narrow else weights.to(value.dtype)
        result = torch.bmm(weights, value[sample, h]).div_(total)
        out[sample, h].index_copy_(1, r, result)
        done = (done + len(r)) % query.shape[2]


def _reweight(weights: Tensor, tuning: Tuning, samples: slice, rows: slice, spare: Tensor) -> None:
    """A 2^(c (M - A)) in place of A (b, h, r, S)."""
    part = weights[..., tuning.columns]
    change = _part(spare, part.shape)
    kinds = tuning.kinds[samples, rows]
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
    together: int = 1,
    order: Tensor | None = None,
    rounded: bool = False,
) -> Iterator[tuple[slice, slice, Rows, Tensor]]:
    """The scores ``Q K^T * scale`` block by block, so that the map is never whole.

    Arguments as in :func:`reweighted_attention`. Where a block does not hold all rows of
    ``together`` heads, it holds some rows of each, so that as many threads have something to do in
    every operation, and rows come in the given ``order`` (B, R), if any. There ``rounded`` allows
    scores in the query's dtype, less a constant of each row, as long as these heads have no score
    beyond ``ROUNDABLE``: torch has no CPU product of bfloat16 numbers with a float32 result, and
    float32 numbers take its bfloat16 units twice as long.

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
    fits = block >= columns * rows * together
    r_size = rows if fits else max(1, block // (columns * together))
    r_size = math.ceil(rows / math.ceil(rows / r_size))  # blocks of nearly one size
    h_size = min(heads, block // (columns * rows) if fits else together)
    h_size = math.ceil(heads / math.ceil(heads / h_size))
    b_size = min(batch, block // (columns * rows * heads)) if fits and h_size == heads else 1
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
                queries = _rows(query[b, h], r)
                shape = (*queries.shape[:3], columns)
                queries = queries.flatten(0, 1).to(product)
                scores = _scores(queries, keys, scale, buffer)
                if product != wide and max(map(abs, _extremes(scores))) > ROUNDABLE:
                    product = wide  # for the rest of these heads
                    keys = _turned(key[b, h], key_buffer)
                    scores = _scores(queries.to(wide), keys, scale, buffer)
                scores = scores.view(shape)
                if mask is not None:
                    scores = _masked(scores, _rows(mask[b, h], r))
                yield b, h, r, scores


def _scores(queries: Tensor, keys: Tensor, scale: float, buffer: Tensor) -> Tensor:
    """(N, r, D) times (N, D, S) times ``scale``, at the beginning of the buffer."""
    room = _part(buffer.view(keys.dtype), (len(keys), queries.shape[1], keys.shape[2]))
    return torch.baddbmm(room, queries, keys, beta=0, alpha=scale, out=room)


def _extremes(scores: Tensor) -> tuple[float, float]:
    low, high = scores.aminmax()
    return low.item(), high.item()


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

    Queries and keys are exact in bfloat16, so nothing is lost. Where torch has no such units to
    use, products stay float32 (an AMD EPYC with AVX512-BF16: the same scores). The switch is
    torch's own and process-wide, so it is put back; older versions of torch lack it.
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
    turned = key.transpose(-1, -2).flatten(0, 1)
    keys = _part(buffer, turned.shape).copy_(turned)
    # Any constant would do, so the mean may be rounded.
    return keys.sub_(keys.mean(dim=-1, keepdim=True)) if without_mean else keys


def _ranges(start: int, stop: int, size: int) -> Iterator[slice]:
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))
