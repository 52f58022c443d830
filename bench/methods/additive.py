"""AST without its self-suppression: a bias that fused attention takes directly.

``log A' = log A + c (M - A) + const``: without the ``-c A`` term the update is an additive bias
``c M`` on the scores, which needs no softmax of its own. It is an approximation of AST, worth a row
of its own in the table; see :mod:`bench.attention.biased`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.methods.ast import AST

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall
    from bench.attention.tuning import Tuning


@dataclass(frozen=True)
class AdditiveAST(AST):
    """AST's arguments, presets and masks, with the bias ``s w rho(t) M`` on the scores."""

    name = "ast-additive"

    def tune(self, call: AttentionCall, rows: slice, tuning: Tuning, out: Tensor) -> None:
        from bench.attention.biased import biased_attention

        out[..., rows, :] = biased_attention(call, rows, tuning)
