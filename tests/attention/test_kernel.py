"""The blocked kernel against a dense float64 reference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.attention.kernel import reweighted_attention, score_blocks
from bench.attention.tuning import Quadrant, Tuning, shared_counts


def dense(
    query: Tensor, key: Tensor, value: Tensor, quadrants: list[Quadrant], mask: Tensor | None
) -> Tensor:
    """The same in float64 with every map in full."""
    q, k, v = (x.double() for x in (query, key, value))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        mask = mask.expand(scores.shape)
        scores = (
            scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        )
    before = torch.softmax(scores, -1)
    after = before.clone()
    for one in quadrants:
        for b in range(q.shape[0]):
            for i in range(q.shape[2]):
                for n, j in enumerate(range(k.shape[2])[one.columns]):
                    shared = int(one.row_bits[b, i]) & int(one.column_bits[b, n])
                    member = 1.0 if shared or (one.diagonal and i == n) else 0.0
                    a = before[b, :, i, j]
                    after[b, :, i, j] = a * torch.exp(one.strength[b, i].double() * (member - a))
    return (after / (after.sum(-1, keepdim=True) + 1e-12)) @ v


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    batch, heads, dim = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 8))
    text, image = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    torch.manual_seed(draw(st.integers(0, 2**20)))
    spread = draw(st.sampled_from([0.5, 3.0]))
    q, k, v = torch.randn(3, batch, heads, text + image, dim) * spread
    bits = torch.randint(0, 8, (batch, text + image))
    strength = torch.rand(batch, text + image) * draw(st.sampled_from([0.0, 5.0]))
    mask: Tensor | None = None
    kind = draw(st.sampled_from(["none", "keys", "full", "additive"]))
    if kind == "keys":
        mask = torch.rand(batch, 1, 1, text + image) < 0.8
        mask[..., 0] = True
    elif kind == "full":
        mask = torch.rand(batch, heads, text + image, text + image) < 0.8
        mask[..., 0] = True
    elif kind == "additive":
        mask = torch.randn(1, 1, text + image, text + image)
    block = draw(st.sampled_from([1, 7, 40, 1000, 1 << 20]))
    return {
        "q": q,
        "k": k,
        "v": v,
        "bits": bits,
        "strength": strength,
        "mask": mask,
        "text": text,
        "block": block,
    }


def quadrants(p: dict[str, Any], rows: slice, *, text: bool) -> list[Quadrant]:
    """Text rows: one quadrant with a diagonal; image rows: one to text, one to image."""
    at_text, at_image = slice(0, p["text"]), slice(p["text"], p["q"].shape[2])
    bits, strength = p["bits"], p["strength"][:, rows]
    if text:
        return [Quadrant(at_text, strength, bits[:, rows], bits[:, at_text], diagonal=True)]
    return [
        Quadrant(at_text, strength, bits[:, rows], bits[:, at_text]),
        Quadrant(at_image, strength * 0.7, bits[:, rows], bits[:, at_image]),
    ]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@given(p=problems(), text=st.booleans())
@settings(max_examples=40, deadline=None)
def test_equals_the_dense_reference(
    dtype: torch.dtype, tolerance: float, p: dict[str, Any], text: bool
) -> None:
    rows = slice(0, p["text"]) if text else slice(p["text"], p["q"].shape[2])
    mask = p["mask"]
    if mask is not None and mask.shape[-2] != 1:
        mask = mask[..., rows, :]
    q, k, v = (p[n].to(dtype) for n in "qkv")
    parts = quadrants(p, rows, text=text)
    got = reweighted_attention(q[:, :, rows], k, v, Tuning.of(parts), mask=mask, block=p["block"])
    expected = dense(q[:, :, rows], k, v, parts, mask)
    scale = max(1.0, expected.abs().max().item())
    assert got.dtype == dtype
    assert (got.double() - expected).abs().max() <= tolerance * scale


def test_at_strength_zero_it_is_plain_attention() -> None:
    q, k, v = torch.randn(3, 2, 3, 11, 4)
    bits = torch.randint(0, 4, (2, 11))
    tuning = Tuning.of([Quadrant(slice(0, 11), torch.rand(2, 11), bits, bits)]).times(0)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(reweighted_attention(q, k, v, tuning), expected)


def test_blocks_do_not_change_the_result() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 12, 4, dtype=torch.float64)
    bits = torch.randint(0, 4, (2, 12))
    parts = Tuning.of([Quadrant(slice(0, 12), torch.full((2, 12), 2.0), bits, bits)])
    whole = reweighted_attention(q, k, v, parts)
    for block in (1, 13, 50, 200):
        torch.testing.assert_close(reweighted_attention(q, k, v, parts, block=block), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads", [1, 5])
def test_heads_worked_together_change_no_number(threads, heads, dtype, masked):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, heads, 24, 16).to(dtype) for _ in range(3))
    bits = torch.randint(0, 4, (2, 24), dtype=torch.int32)
    parts = [Quadrant(slice(0, 24), torch.rand(2, 24) * 3, bits, bits, diagonal=True)]
    mask = torch.rand(2, 1, 24, 24) < 0.9 if masked else None
    threads(3)
    together = reweighted_attention(query, key, value, Tuning.of(parts), mask=mask, block=100)
    threads(1)
    alone = reweighted_attention(query, key, value, Tuning.of(parts), mask=mask, block=100)
    torch.testing.assert_close(together, alone)
    expected = dense(query, key, value, parts, mask)
    assert (alone - expected).abs().max() < (1e-5 if dtype == torch.float32 else 2e-2)


def test_a_block_holds_rows_of_all_heads_worked_together() -> None:
    """Else many threads would get whole heads one after another."""
    query, key = torch.randn(2, 1, 8, 64, 4)
    order = torch.arange(64)[None]
    blocks = score_blocks(query, key, block=16 * 64 * 8, together=8, order=order)
    assert [scores.shape for *_, scores in blocks] == [(1, 8, 16, 64)] * 4


@pytest.mark.parametrize("size", [1.0, 9.0])
def test_scores_are_rounded_only_where_they_are_small(size):
    """A constant of all keys adds the same to a row's scores, so it does not make them large."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 60, 32).bfloat16() for _ in range(3))
    query, key = query * size, (key + 6).bfloat16()
    bits = torch.ones(1, 60, dtype=torch.int32)
    tuning = Tuning.of([Quadrant(slice(0, 60), torch.ones(1, 60), bits, bits)])
    exact = reweighted_attention(query.double(), key.double(), value.double(), tuning)
    close = reweighted_attention(query, key, value, tuning, block=600)
    assert (close - exact).abs().max() < 2e-2 * exact.abs().max()
    blocks = score_blocks(query, key, block=600, order=tuning.order, rounded=True)
    dtypes = {scores.dtype for *_, scores in blocks}
    assert dtypes == {torch.bfloat16 if size == 1 else torch.float32}


def test_shared_counts() -> None:
    bits = torch.tensor([[1, 1, 2, 3, 0]])
    assert shared_counts(bits).tolist() == [[3, 3, 2, 4, 0]]
