"""How far additive AST is from exact AST, at every attention that exact AST tunes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.methods.additive import AdditiveAST
from bench.methods.ast import AST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bench.attention.seam import AttentionCall
    from bench.attention.tuning import Tuning
    from bench.backends import Backend
    from bench.types import Layout


@dataclass(frozen=True)
class WithDistance(AST):
    """Exact AST that measures, on the same queries and keys, what additive AST would give."""

    distances: dict[int, list[float]] = field(default_factory=dict, compare=False, repr=False)
    """By step, one entry for each attention and group of rows: |additive - exact| over
    |exact - untouched|, Euclidean norms over the whole batch."""

    def tune(self, call: AttentionCall, rows: slice, tuning: Tuning, out: Tensor) -> None:
        super().tune(call, rows, tuning, out)
        exact = out[..., rows, :].float()
        additive = exact.new_empty(out.shape)
        AdditiveAST().tune(call, rows, tuning, additive)
        moved = float((exact - call.attend(rows).float()).norm())
        if moved:
            apart = float((additive[..., rows, :] - exact).norm())
            self.distances.setdefault(call.step, []).append(apart / moved)


def additive_distance(
    backend: Backend, layouts: Sequence[Layout], seeds: Sequence[int], ast: AST
) -> dict[str, Any]:
    """Generates with exact AST and with additive AST of the same constants.

    Returns:
        ``distance``, the median over all tuned attentions of |additive - exact| relative to what
        exact AST changes (0: the same; 1: as far from it as the untouched model); ``by_step``, the
        medians of each step; ``pixels`` and ``pixels_baseline``, mean absolute difference of pixel
        values (of 255) of additive AST's and of the baseline's images from exact AST's.
    """
    from bench.methods.baseline import Baseline

    settings = backend.spec.settings
    measured = WithDistance(**{n: v for n, v in vars(ast).items() if n != "distances"})
    additive = AdditiveAST.create(None, ast.args)
    images = {
        method.name: np.stack(
            [
                np.asarray(m.image, dtype=float)
                for m in backend.generate(layouts, seeds, method, settings)
            ]
        )
        for method in (Baseline(), measured, additive)
    }
    exact = images[AST.name]
    every = [d for step in measured.distances.values() for d in step]
    return {
        "model": backend.spec.name,
        "images": len(layouts),
        "attentions": len(every),
        "distance": float(np.median(every)),
        "by_step": {s: float(np.median(d)) for s, d in sorted(measured.distances.items())},
        "pixels": float(np.abs(images[AdditiveAST.name] - exact).mean()),
        "pixels_baseline": float(np.abs(images[Baseline.name] - exact).mean()),
    }
