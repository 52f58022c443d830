"""How fast attention and whole generations are, side by side in one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.attention.kernel import reweighted_attention
from bench.attention.tuning import Quadrant, Tuning, shared_counts
from bench.backends.memory import PeakMemory
from bench.errors import BenchError, unknown_name

HEADS, DIM, TEXT = 24, 128, 512
"""FLUX.1's heads, their width, and its text tokens."""

KINDS = ("sdpa", "dense", "ours")
DTYPES = ("float32", "bfloat16")
INSTANCES = 4
STRENGTHS = {"t2t": 3.5, "i2t": 5.0, "i2i": 3.5}
"""The published ones; every quadrant is tuned."""

_DENSE_COPIES = 6
"""Maps of all heads that live at once in the dense form, at its peak."""


def run_attention(
    image_tokens: Sequence[int] = (1024, 4096),
    dtypes: Sequence[str] = DTYPES,
    *,
    repeats: int = 3,
) -> dict[str, Any]:
    """Times stock attention, AST in the published dense manner, and AST by our kernel.

    One sample of 24 heads of 128 dimensions with 512 text tokens, on the CPU. The three run in
    turn in this process, the best of ``repeats`` counts; peak extra memory is measured in a fresh
    process each, and counts the result itself.

    Returns:
        ``rows`` of ``image_tokens``, ``dtype``, ``kind`` (sdpa, dense, ours), ``seconds``,
        ``extra_mb``, ``time_ratio`` (to sdpa), ``memory_ratio`` (to dense), ``note``. Figures are
        None where the dense form does not fit into the free memory; the note says so.
    """
    rows = []
    for tokens in image_tokens:
        if math.isqrt(tokens) ** 2 != tokens:
            raise BenchError(f"{tokens} image tokens are no square grid")
        for dtype in dtypes:
            if dtype not in DTYPES:
                raise unknown_name("dtype", dtype, DTYPES)
            rows += _compare(tokens, dtype, repeats)
    return {
        "heads": HEADS,
        "dim": DIM,
        "text_tokens": TEXT,
        "threads": _threads(),
        "rows": rows,
    }


def run_generate(
    model: str = "pocket-flux",
    *,
    images: int = 8,
    repeats: int = 3,
    steps: int | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Times whole generations, the baseline and AST (the model's preset) in turn.

    Returns:
        ``rows`` of ``method``, ``seconds`` (an image, best of ``repeats``), ``passes``,
        ``peak_memory_mb``; ``ratio``, AST over baseline.
    """
    from bench.backends import load_backend
    from bench.engine.plan import make_method
    from bench.models import model_spec, with_settings
    from bench.suites import load_suite

    spec = with_settings(model_spec(model), {"steps": steps} if steps else {})
    backend = load_backend(spec, device=device)
    layouts = list(load_suite("pocket").select(limit=images).layouts)
    methods = {name: make_method(name, None, {}, spec) for name in ("baseline", "ast")}
    best: dict[str, Any] = {}
    for turn in range(repeats + 1):
        for name, method in methods.items():
            made = backend.generate(layouts, range(len(layouts)), method, spec.settings)[0]
            if turn and (name not in best or made.seconds < best[name].seconds):
                best[name] = made  # the first turn warms up
    rows = [
        {
            "method": name,
            "seconds": made.seconds,
            "passes": made.passes,
            "peak_memory_mb": made.peak_memory_mb,
        }
        for name, made in best.items()
    ]
    return {
        "model": spec.name,
        "images": len(layouts),
        "steps": spec.settings.steps,
        "threads": _threads(),
        "rows": rows,
        "ratio": best["ast"].seconds / best["baseline"].seconds,
    }


def _compare(tokens: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    fits = _dense_mb(tokens, dtype) < _free_mb()
    kinds = [k for k in KINDS if k != "dense" or fits]
    run = {kind: problem(tokens, dtype, kind) for kind in kinds}
    seconds = dict.fromkeys(kinds, math.inf)
    for turn in range(repeats + 1):
        for kind in kinds:
            started = time.perf_counter()
            run[kind]()
            if turn:
                seconds[kind] = min(seconds[kind], time.perf_counter() - started)
    extra = {kind: _in_fresh_process(tokens, dtype, kind) for kind in kinds}
    rows = []
    for kind in KINDS:
        there = kind in kinds
        dense = extra.get("dense")
        rows.append(
            {
                "image_tokens": tokens,
                "dtype": dtype,
                "kind": kind,
                "seconds": seconds[kind] if there else None,
                "extra_mb": extra[kind] if there else None,
                "time_ratio": seconds[kind] / seconds["sdpa"] if there else None,
                "memory_ratio": extra[kind] / dense if there and dense else None,
                "note": None if there else f"needs about {_dense_mb(tokens, dtype):.0f} MB",
            }
        )
    return rows


def problem(tokens: int, dtype: str, kind: str) -> Callable[[], Tensor]:
    """One attention to run: four instances and a background, all quadrants tuned."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, HEADS, TEXT + tokens, DIM)
    query, key, value = (
        torch.randn(shape, generator=generator).to(getattr(torch, dtype)) for _ in range(3)
    )
    side = math.isqrt(tokens)
    quarter = (torch.arange(side) * 2 // side)[:, None] * 2 + torch.arange(side) * 2 // side
    image = (1 << quarter.flatten()).to(torch.int32)[None]
    text = torch.zeros(1, TEXT, dtype=torch.int32)
    for k in range(INSTANCES):
        text[0, 4 * k : 4 * k + 4] = 1 << k
    image_rows = 1 - shared_counts(image).float() / tokens
    text_rows = (1 - 4 * shared_counts(text).clamp(min=1).float() / TEXT).clamp(min=0)
    at_text, at_image = slice(0, TEXT), slice(TEXT, TEXT + tokens)
    words = Quadrant(at_text, STRENGTHS["t2t"] * text_rows, text, text, diagonal=True)
    cross = Quadrant(at_text, STRENGTHS["i2t"] * image_rows, image, text)
    region = Quadrant(at_image, STRENGTHS["i2i"] * image_rows, image, image)

    def sdpa() -> Tensor:
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)

    tunings = [
        (rows, Tuning.of(parts))
        for rows, parts in ((at_text, [words]), (at_image, [cross, region]))
    ]

    def ours() -> Tensor:
        out = torch.empty_like(query)
        for rows, tuning in tunings:
            reweighted_attention(query[:, :, rows], key, value, tuning, out=out[:, :, rows])
        return out

    def dense() -> Tensor:
        return _dense(query, key, value, [(at_text, words), (at_image, cross), (at_image, region)])

    return {"sdpa": sdpa, "dense": dense, "ours": ours}[kind]


def _dense(query: Tensor, key: Tensor, value: Tensor, parts: list[tuple[slice, Any]]) -> Tensor:
    """AST with whole maps of all heads, masks repeated for each head, every term kept by name."""
    heads, dtype = query.shape[1], query.dtype
    scores = query[0] @ key[0].transpose(-1, -2) * query.shape[-1] ** -0.5
    maps = torch.softmax(scores, -1)
    for rows, part in parts:
        shared = (part.row_bits[0, :, None] & part.column_bits[0]) != 0
        if part.diagonal:
            shared |= torch.eye(len(shared), dtype=torch.bool)
        member = shared.to(dtype).repeat(heads, 1, 1)
        weight = part.strength[0, :, None].to(dtype).repeat(heads, 1, 1)
        entries = maps[:, rows, part.columns]
        change = weight * (member - entries)
        factor = torch.exp(change)
        entries = factor * entries
        maps[:, rows, part.columns] = entries
    maps = maps / (maps.sum(-1, keepdim=True) + 1e-12)
    return (maps @ value[0])[None]


def _in_fresh_process(tokens: int, dtype: str, kind: str) -> float:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_extra_mb, tokens, dtype, kind).result()


def _extra_mb(tokens: int, dtype: str, kind: str) -> float:
    """Peak resident memory of one call beyond what its inputs take."""
    _return_freed_memory()
    problem(64, dtype, kind)()  # libraries load and make their pools
    run = problem(tokens, dtype, kind)
    before = _resident_mb()
    with PeakMemory(torch.device("cpu")) as peak:
        run()
    return max(peak.mb - before, 0.0)


def _return_freed_memory() -> None:
    """Lets the C library give freed tensors back at once, so that they do not hide new ones."""
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc; M_MMAP_THRESHOLD is -3
        mallopt(-3, 1 << 16)


def _resident_mb() -> float:
    return _status_mb(Path("/proc/self/status"), "VmRSS:")


def _free_mb() -> float:
    return _status_mb(Path("/proc/meminfo"), "MemAvailable:")


def _status_mb(path: Path, name: str) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise BenchError("memory can be measured on Linux only: there is no /proc") from error
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(name))


def _dense_mb(tokens: int, dtype: str) -> float:
    size = {"float32": 4, "bfloat16": 2}[dtype]
    return _DENSE_COPIES * HEADS * (TEXT + tokens) ** 2 * size / 2**20


def _threads() -> int:

    return torch.get_num_threads()
