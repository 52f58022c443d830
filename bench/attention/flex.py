"""The same re-weighting through ``flex_attention``, which fuses it into one compiled kernel.

With L_i the logarithm of row i's softmax sum, ``A_ij = exp(score_ij - L_i)``, so re-weighting is a
change of the score, ``score + c_i (M_ij - exp(score - L_i))``, followed by an ordinary softmax. L
needs a pass of its own, which on CUDA is fused attention as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from bench.attention.kernel import score_blocks

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.kernel import Quadrant


def flex_reweighted(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    quadrants: Sequence[Quadrant],
    *,
    scale: float | None = None,
) -> Tensor:
    """As :func:`bench.attention.kernel.reweighted_attention`, without a mask.

    The row sum is not raised by 1e-12 before the division: it is 1 or so, and in float32 the
    addition changes nothing.
    """
    batch, _, rows, _ = query.shape
    columns = key.shape[2]
    sums = log_sums(query, key, scale)
    strength = query.new_zeros(batch, len(quadrants), rows, dtype=torch.float32)
    row_bits = query.new_zeros(batch, len(quadrants), rows, dtype=torch.int64)
    column_bits = query.new_zeros(batch, columns, dtype=torch.int64)
    which = query.new_full((columns,), -1, dtype=torch.int64)
    diagonal = query.new_full((columns,), -1, dtype=torch.int64)
    for n, one in enumerate(quadrants):
        strength[:, n], row_bits[:, n] = one.strength, one.row_bits
        column_bits[:, one.columns], which[one.columns] = one.column_bits, n
        if one.diagonal:
            diagonal[one.columns] = torch.arange(rows, device=query.device)

    def change(score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        n = which[j].clamp(min=0)
        shared = (row_bits[b, n, i] & column_bits[b, j]) != 0
        member = (shared | (diagonal[j] == i)).to(torch.float32)
        weight = torch.exp(score - sums[b, h, i])
        return torch.where(which[j] >= 0, score + strength[b, n, i] * (member - weight), score)

    out: Tensor = _compiled()(query, key, value, score_mod=change, scale=scale)
    return out


def log_sums(query: Tensor, key: Tensor, scale: float | None) -> Tensor:
    """Logarithm of each row's softmax sum, (B, H, R) float32."""
    if query.is_cuda:
        from torch.nn.attention.flex_attention import AuxRequest

        _, aux = _compiled()(query, key, key, scale=scale, return_aux=AuxRequest(lse=True))
        return aux.lse
    sums = query.new_empty(query.shape[:3], dtype=torch.float32)
    for b, h, r, scores in score_blocks(query, key, scale=scale):
        sums[b, h, r] = scores.logsumexp(-1)
    return sums


@cache
def _compiled() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=False)
    return compiled
