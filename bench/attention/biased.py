"""Attention with a mask or a bias that is constant over pairs of groups, by fused attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.kernel import Quadrant
    from bench.attention.seam import AttentionCall

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


def biased_attention(call: AttentionCall, rows: slice, quadrants: Sequence[Quadrant]) -> Tensor:
    """Adds c_i M_ij to the scores of the quadrants: AST without its self-suppression.

    M depends on a row by its bit mask alone, and so must c. The bias then has as many different
    rows as there are bit masks (instances and background, few), and goes into as many extra
    dimensions of queries (which one) and keys (what bias), so that no map and no mask is made.
    Quadrants with a diagonal (text rows) have no such form; they take an additive mask.

    Returns:
        (B, H, R, D).
    """
    if any(q.diagonal for q in quadrants):
        return _by_mask(call, rows, quadrants)
    query, key, value = call.query[..., rows, :], call.key, call.value
    batch, heads, count, dim = query.shape
    scale = dim**-0.5 if call.scale is None else call.scale
    tables, choices = [], []
    for b in range(batch):
        patterns, choice = quadrants[0].row_bits[b].unique(return_inverse=True)
        table = torch.zeros(len(patterns), key.shape[2], device=key.device)
        first = torch.stack([(choice == p).nonzero()[0, 0] for p in range(len(patterns))])
        for one in quadrants:
            member = (patterns[:, None] & one.column_bits[b]) != 0
            table[:, one.columns] = one.strength[b, first, None] * member
        tables.append(table)
        choices.append(choice)
    most = max(len(t) for t in tables)
    extra = most + -(dim + most) % ALIGN
    q = query.new_zeros(batch, heads, count, dim + extra)
    k = key.new_zeros(batch, heads, key.shape[2], dim + extra)
    v = F.pad(value, (0, extra))  # fused attention wants one width for all three
    q[..., :dim], k[..., :dim] = query, key
    for b, (table, choice) in enumerate(zip(tables, choices, strict=True)):
        q[b, :, :, dim : dim + most] = F.one_hot(choice, most) / scale
        k[b, :, :, dim : dim + len(table)] = table.T.to(k.dtype)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=call.rows_of_mask(rows), scale=scale)
    return out[..., :dim]


def _by_mask(call: AttentionCall, rows: slice, quadrants: Sequence[Quadrant]) -> Tensor:
    query = call.query[..., rows, :]
    batch, _, count, _ = query.shape
    bias = torch.zeros(batch, 1, count, call.key.shape[2], device=query.device)
    for one in quadrants:
        columns, part, _ = one.terms(slice(None), slice(None), bias.dtype)
        bias[..., columns] = part
    mask = call.rows_of_mask(rows)
    if mask is not None:
        bias = bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask
    return F.scaled_dot_product_attention(
        query, call.key, call.value, attn_mask=bias.to(query.dtype), scale=call.scale
    )
