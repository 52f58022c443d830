"""The timed attentions compute what they claim, and the table has every row."""

from __future__ import annotations

import pytest
import torch

from bench.cli.perf import attention_text
from bench.errors import BenchError
from bench.perf import KINDS, problem, run_attention


def test_dense_and_ours_agree() -> None:
    dense, ours, plain = (problem(16, "float32", kind)() for kind in ("dense", "ours", "sdpa"))
    torch.testing.assert_close(ours, dense, atol=1e-5, rtol=1e-5)
    assert (ours - plain).abs().max() > 1e-3


def test_the_table_has_a_row_for_each_kind() -> None:
    result = run_attention((16,), ("bfloat16",), repeats=1)
    rows = result["rows"]
    assert [(r["image_tokens"], r["dtype"], r["kind"]) for r in rows] == [
        (16, "bfloat16", kind) for kind in KINDS
    ]
    assert all(r["seconds"] > 0 and r["extra_mb"] >= 0 for r in rows)
    assert rows[0]["time_ratio"] == 1.0
    assert len(attention_text(result).splitlines()) == 5


def test_odd_grids_and_dtypes_are_refused() -> None:
    with pytest.raises(BenchError, match="15 image tokens are no square grid"):
        run_attention((15,))
    with pytest.raises(BenchError, match="did you mean 'float32'"):
        run_attention((16,), ("float3",))
