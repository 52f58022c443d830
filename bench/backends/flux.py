"""FLUX.1: T5 tokens then image tokens; guidance distilled, or true in two passes."""

from __future__ import annotations

from typing import Any

from bench.attention.tokens import TextSegment, TextSequence
from bench.backends.diffusers import DiffusersBackend, Encoded
from bench.types import GenerationSettings


class FluxBackend(DiffusersBackend):
    """``FluxPipeline``, called unchanged."""

    pipeline = "FluxPipeline"

    def text_sequence(self, settings: GenerationSettings) -> TextSequence:
        return TextSequence((TextSegment(self.pipe.tokenizer_2, 0, settings.max_sequence_length),))

    def encode(self, prompts: list[str], settings: GenerationSettings) -> Encoded:
        sequence, pooled, _ = self.pipe.encode_prompt(
            prompt=prompts, prompt_2=None, max_sequence_length=settings.max_sequence_length
        )
        return Encoded(sequence, pooled)

    def guided(self, settings: GenerationSettings) -> bool:
        return settings.true_cfg_scale > 1

    def patch(self) -> int:
        return int(self.pipe.vae_scale_factor) * 2

    def arguments(self, settings: GenerationSettings) -> dict[str, Any]:
        return {**super().arguments(settings), "true_cfg_scale": settings.true_cfg_scale}
