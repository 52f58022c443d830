"""Evaluation benchmark harness for multi-instance synthesis with diffusion transformers.

The public names below are loaded on first use, so importing the package never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import build_layouts, generate, load_model, run, score
    from bench.engine.config import MethodChoice, RunConfig
    from bench.errors import BenchError
    from bench.store import Run
    from bench.types import Box, Instance, Layout, Relation

_HOME = {
    "build_layouts": "bench.api",
    "generate": "bench.api",
    "load_model": "bench.api",
    "run": "bench.api",
    "score": "bench.api",
    "MethodChoice": "bench.engine.config",
    "RunConfig": "bench.engine.config",
    "BenchError": "bench.errors",
    "Run": "bench.store",
    "Box": "bench.types",
    "Instance": "bench.types",
    "Layout": "bench.types",
    "Relation": "bench.types",
}

__all__ = [
    "BenchError",
    "Box",
    "Instance",
    "Layout",
    "MethodChoice",
    "Relation",
    "Run",
    "RunConfig",
    "build_layouts",
    "generate",
    "load_model",
    "run",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
