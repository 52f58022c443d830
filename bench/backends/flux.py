"""FLUX.1: T5 tokens then image tokens; guidance distilled, or true in two passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from bench.attention.tokens import TextSegment, TextSequence
from bench.backends.diffusers import DiffusersBackend, descending, generators
from bench.methods.base import Encoded
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

    def noise(self, seeds: Sequence[int], settings: GenerationSettings) -> Tensor:
        latents, _ = self.pipe.prepare_latents(
            len(seeds),
            self.pipe.transformer.config.in_channels // 4,
            settings.height,
            settings.width,
            self.pipe.text_encoder_2.dtype,  # as the pipeline: that of the embeddings
            self.pipe._execution_device,
            generators(seeds),
        )
        return latents

    def sigmas(self, steps: int) -> list[float]:
        return descending(1.0, 1 / steps, steps)

    def prompts(
        self, text: Encoded, negative: Encoded | None, settings: GenerationSettings
    ) -> dict[str, Any]:
        if negative is None or negative.sequence.shape == text.sequence.shape:
            return super().prompts(text, negative, settings)
        # The pipeline refuses embeddings of two lengths, but not a negative prompt as text.
        return {
            **super().prompts(text, None, settings),
            "negative_prompt": [settings.negative_prompt] * len(text.sequence),
        }

    def arguments(self, settings: GenerationSettings) -> dict[str, Any]:
        return {**super().arguments(settings), "true_cfg_scale": settings.true_cfg_scale}
