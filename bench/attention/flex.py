"""The same re-weighting through ``flex_attention``, which fuses it into one compiled kernel.

With L_i the logarithm of row i's softmax sum, ``A_ij = exp(score_ij - L_i)``, so re-weighting is a
change of the score, ``score + c_i (M_ij - exp(score - L_i))``, followed by an ordinary softmax. L
needs a pass of its own, which on CUDA is fused attention as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from bench.attention.kernel import score_blocks

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.tuning import Tuning


def flex_reweighted(
    query: Tensor, key: Tensor, value: Tensor, tuning: Tuning, *, scale: float | None = None
) -> Tensor:
    """As :func:`bench.attention.kernel.reweighted_attention`, without a mask.

    The row sum is not raised by 1e-12 before the division: it is 1 or so, and in float32 the
    addition changes nothing.
    """
    sums = log_sums(query, key, scale)
    kinds, at = tuning.kinds, tuning.columns
    outside = (at.start, key.shape[2] - at.stop)
    bias, strength = (F.pad(t, outside) for t in (tuning.bias, tuning.strength))
    diagonal = torch.zeros_like(kinds, dtype=bias.dtype)
    if tuning.diagonal is not None:
        diagonal = tuning.diagonal
    start = at.start + tuning.diagonal_start

    def change(score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        kind = kinds[b, i]
        own = torch.where(j == i + start, diagonal[b, i], 0.0)
        return score + bias[kind, j] + own - strength[kind, j] * torch.exp(score - sums[b, h, i])

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
