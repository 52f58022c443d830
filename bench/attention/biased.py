"""Attention with a mask or a bias that is constant over pairs of groups, by fused attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall
    from bench.attention.tuning import Tuning

ALIGN = 8
"""Fused kernels want head widths that are multiples of this."""


def masked_attention(call: AttentionCall, rows: slice, allowed: Tensor) -> Tensor:
    """Some query rows attend to the allowed keys only.

    Args:
        rows: R query positions.
        allowed: (B, R, S) booleans; every row must be allowed something.

    Returns:
        (B, H, R, D).
    """
    mask = call.rows_of_mask(rows)
    together: Tensor = allowed[:, None]
    if mask is not None:
        together = (
            together & mask
            if mask.dtype == torch.bool
            else torch.where(together, mask, -torch.inf).to(call.query.dtype)
        )
    return F.scaled_dot_product_attention(
        call.query[..., rows, :], call.key, call.value, attn_mask=together, scale=call.scale
    )


def biased_attention(call: AttentionCall, rows: slice, tuning: Tuning) -> Tensor:
    """Adds c_i M_ij to the scores: AST without its self-suppression.

    The bias has as many different rows as there are kinds of rows (few), so it goes into as many
    extra dimensions of queries (which kind) and keys (what bias): no map and no mask is made.
    A diagonal (text rows) has no such form; it takes an additive mask.

    Returns:
        (B, H, R, D).
    """
    if tuning.diagonal is not None:
        return _by_mask(call, rows, tuning)
    query, key, value = call.query[..., rows, :], call.key, call.value
    batch, heads, count, dim = query.shape
    scale = dim**-0.5 if call.scale is None else call.scale
    first = tuning.kinds.amin(1)
    most = int((tuning.kinds.amax(1) - first).max()) + 1
    extra = most + -(dim + most) % ALIGN
    q = query.new_zeros(batch, heads, count, dim + extra)
    k = key.new_zeros(batch, heads, key.shape[2], dim + extra)
    v = F.pad(value, (0, extra))  # fused attention wants one width for all three
    q[..., :dim], k[..., :dim] = query, key
    for b in range(batch):
        table = tuning.bias[first[b] : first[b] + most]
        q[b, :, :, dim : dim + most] = F.one_hot(tuning.kinds[b] - first[b], most) / scale
        k[b, :, tuning.columns, dim : dim + len(table)] = table.T.to(k.dtype)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=call.rows_of_mask(rows), scale=scale)
    return out[..., :dim]


def _by_mask(call: AttentionCall, rows: slice, tuning: Tuning) -> Tensor:
    query = call.query[..., rows, :]
    batch, _, count, _ = query.shape
    bias = torch.zeros(batch, 1, count, call.key.shape[2], device=query.device)
    part = bias[..., tuning.columns]
    part[:, 0] = tuning.bias[tuning.kinds]
    if tuning.diagonal is not None:
        part[:, 0].diagonal(tuning.diagonal_start, -2, -1).add_(tuning.diagonal)
    mask = call.rows_of_mask(rows)
    if mask is not None:
        bias = bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask
    return F.scaled_dot_product_attention(
        query, call.key, call.value, attn_mask=bias.to(query.dtype), scale=call.scale
    )
