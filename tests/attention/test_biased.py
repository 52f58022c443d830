"""Masks and biases by fused attention against scores in full."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.attention.biased import biased_attention, masked_attention
from bench.attention.seam import AttentionCall
from bench.attention.sites import Site
from bench.attention.tuning import Quadrant, Tuning

TEXT, IMAGE, BATCH = 5, 9, 2
AT_TEXT, AT_IMAGE = slice(0, TEXT), slice(TEXT, TEXT + IMAGE)


def call(mask: Tensor | None = None) -> AttentionCall:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, BATCH, 3, TEXT + IMAGE, 4)
    site = Site(0, 1, 1, "x", "double", "text_first")
    return AttentionCall(site, 0, 1, 900.0, AT_TEXT, AT_IMAGE, q, k, v, mask)


def full(c: AttentionCall, rows: slice, change: Tensor) -> Tensor:
    scores = c.query[..., rows, :] @ c.key.transpose(-1, -2) / c.query.shape[-1] ** 0.5
    part = c.rows_of_mask(rows)
    if part is not None and part.dtype == torch.bool:
        scores = scores.masked_fill(~part, -torch.inf)
    elif part is not None:
        scores = scores + part
    return (scores + change[:, None]).softmax(-1) @ c.value


MASKS: dict[str, Any] = {
    "none": None,
    "keys": torch.ones(BATCH, 1, 1, TEXT + IMAGE, dtype=torch.bool),
    "additive": torch.linspace(-1, 1, TEXT + IMAGE).expand(1, 1, TEXT + IMAGE, -1),
}
MASKS["keys"][0, ..., 1] = False


@pytest.mark.parametrize("mask", MASKS)
def test_masked_attention(mask: str) -> None:
    c = call(MASKS[mask])
    allowed = torch.rand(BATCH, IMAGE, TEXT + IMAGE) < 0.6
    allowed[..., 0] = True
    change = torch.where(allowed, 0.0, -torch.inf)
    got = masked_attention(c, AT_IMAGE, allowed)
    torch.testing.assert_close(got, full(c, AT_IMAGE, change))


def bias(parts: list[Quadrant], rows: int) -> Tensor:
    out = torch.zeros(BATCH, rows, TEXT + IMAGE)
    for one in parts:
        shared = (one.row_bits[:, :, None] & one.column_bits[:, None]) != 0
        if one.diagonal:
            shared |= torch.eye(rows, dtype=torch.bool)
        out[:, :, one.columns] = one.strength[..., None] * shared
    return out


@pytest.mark.parametrize("mask", MASKS)
def test_a_bias_of_few_patterns_goes_into_extra_dimensions(mask: str) -> None:
    c = call(MASKS[mask])
    image = torch.tensor([[1, 1, 2, 2, 4, 4, 4, 1, 2], [1, 1, 1, 3, 3, 2, 2, 2, 2]])
    words = torch.tensor([[1, 0, 2, 2, 4], [1, 3, 0, 2, 0]])
    strength = image * 0.7  # one value for each bit mask
    parts = [
        Quadrant(AT_TEXT, strength, image, words),
        Quadrant(AT_IMAGE, strength / 2, image, image),
    ]
    got = biased_attention(c, AT_IMAGE, Tuning.of(parts))
    torch.testing.assert_close(got, full(c, AT_IMAGE, bias(parts, IMAGE)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mask", MASKS)
def test_a_bias_with_a_diagonal_goes_into_a_mask(mask: str) -> None:
    c = call(MASKS[mask])
    words = torch.tensor([[1, 0, 2, 2, 4], [1, 3, 0, 2, 0]])
    parts = [Quadrant(AT_TEXT, torch.full((BATCH, TEXT), 1.5), words, words, diagonal=True)]
    got = biased_attention(c, AT_TEXT, Tuning.of(parts))
    torch.testing.assert_close(got, full(c, AT_TEXT, bias(parts, TEXT)), atol=1e-5, rtol=1e-5)
