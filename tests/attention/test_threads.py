"""Heads shared among threads: the same numbers, and torch as it was."""

from __future__ import annotations

import threading

import pytest
import torch

from bench.attention import kernel
from bench.attention.kernel import Quadrant, Tuning, reweighted_attention
from bench.attention.threads import share_heads


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("heads", [1, 2, 3, 5, 24])
def test_every_head_is_worked_once(three_threads, heads):
    seen: list[int] = []
    share_heads(lambda part: seen.extend(range(heads)[part]), heads)
    assert sorted(seen) == list(range(heads))
    assert torch.get_num_threads() == 3


def test_workers_take_one_thread_and_the_callers_modes(three_threads):
    found: list[tuple[int, bool, bool]] = []
    lock = threading.Lock()

    def work(_part: slice) -> None:
        with lock:
            found.append(
                (
                    torch.get_num_threads(),
                    torch.is_inference_mode_enabled(),
                    torch.is_grad_enabled(),
                )
            )

    with torch.inference_mode():
        share_heads(work, 6)
    with torch.no_grad():
        share_heads(work, 6)
    share_heads(work, 6)
    modes = [(True, False)] * 3 + [(False, False)] * 3 + [(False, True)] * 3
    assert found == [(1, *mode) for mode in modes]


def test_an_error_comes_back_and_threads_are_restored(three_threads):
    def work(part: slice) -> None:
        if part.start:
            raise ValueError("head 1")

    with pytest.raises(ValueError, match="head 1"):
        share_heads(work, 2)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_threads_change_no_number(three_threads, monkeypatch, dtype, masked):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 5, 24, 16).to(dtype) for _ in range(3))
    bits = torch.randint(0, 4, (2, 24), dtype=torch.int32)
    tuning = Tuning.of([Quadrant(slice(0, 24), torch.rand(2, 24) * 3, bits, bits)])
    mask = torch.rand(2, 1, 24, 24) < 0.9 if masked else None
    alone = reweighted_attention(query, key, value, tuning, mask=mask, block=100)
    monkeypatch.setattr(kernel, "WORTH_THREADS", 1)
    shared = reweighted_attention(query, key, value, tuning, mask=mask, block=100)
    torch.testing.assert_close(shared, alone)


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
    blocks = kernel.score_blocks(query, key, block=600, order=tuning.order, rounded=True)
    dtypes = {scores.dtype for *_, scores in blocks}
    assert dtypes == {torch.bfloat16 if size == 1 else torch.float32}
