"""TACA: temperature-adjusted cross-modal attention (arXiv 2506.07986), without its LoRA.

Image tokens are many and text tokens few, so text gets little of an image token's attention. TACA
multiplies the scores of image queries with text keys by a factor above 1 while there is much
noise. It needs no layout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.methods.base import Batch, Method

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall, AttentionUpdate


@dataclass(frozen=True)
class TACA(Method):
    """Scores of image queries with text keys times ``factor`` at timesteps of ``threshold`` on."""

    name = "taca"
    neutral = {"factor": 1.0}

    factor: float = 1.2
    """gamma_0 of the paper."""
    threshold: float = 970.0
    """t_thresh of the paper: timesteps (1000 is noise) at and above it are adjusted."""

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise BenchError(f"taca.factor must be above 0, not {self.factor}")

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        return None if self.factor == 1 else self._update

    def _update(self, call: AttentionCall) -> Tensor | None:
        if call.site.order == "image_only" or call.timestep < self.threshold:
            return None
        key = call.key.clone()
        key[..., call.text, :] *= self.factor
        out = call.empty()
        out[..., call.text, :] = call.attend(call.text)
        out[..., call.image, :] = replace(call, key=key).attend(call.image)
        return out
