"""SD3 and SD3.5: image tokens, then CLIP's and T5's; guidance in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from bench.attention.tokens import TextSegment, TextSequence
from bench.backends.diffusers import DiffusersBackend, descending, generators
from bench.errors import BenchError
from bench.methods.base import Encoded
from bench.types import GenerationSettings


class SD3Backend(DiffusersBackend):
    """``StableDiffusion3Pipeline``, called unchanged.

    Both CLIP encoders share their 77 positions (they are joined along the features) and split
    words alike, so the first one's tokenizer stands for both. A pipeline without T5 keeps T5's
    positions, filled with zeros.
    """

    pipeline = "StableDiffusion3Pipeline"

    def text_sequence(self, settings: GenerationSettings) -> TextSequence:
        clip = TextSegment(self.pipe.tokenizer, 0, self.pipe.tokenizer_max_length)
        length = settings.max_sequence_length
        if self.pipe.text_encoder_3 is None:
            return TextSequence((clip,), padding=length)
        return TextSequence((clip, TextSegment(self.pipe.tokenizer_3, clip.length, length)))

    def encode(self, prompts: list[str], settings: GenerationSettings) -> Encoded:
        sequence, _, pooled, _ = self.pipe.encode_prompt(
            prompt=prompts,
            prompt_2=None,
            prompt_3=None,
            do_classifier_free_guidance=False,
            max_sequence_length=settings.max_sequence_length,
        )
        return Encoded(sequence, pooled)

    def guided(self, settings: GenerationSettings) -> bool:
        return settings.guidance_scale > 1

    def patch(self) -> int:
        return int(self.pipe.vae_scale_factor) * int(self.pipe.patch_size)

    def noise(self, seeds: Sequence[int], settings: GenerationSettings) -> Tensor:
        return self.pipe.prepare_latents(
            len(seeds),
            self.pipe.transformer.config.in_channels,
            settings.height,
            settings.width,
            self.pipe.text_encoder.dtype,  # as the pipeline: that of the embeddings
            self.pipe._execution_device,
            generators(seeds),
        )

    def sigmas(self, steps: int) -> list[float]:
        scheduler = self.pipe.scheduler
        return descending(scheduler.sigma_max, scheduler.sigma_min, steps)

    def prompts(
        self, text: Encoded, negative: Encoded | None, settings: GenerationSettings
    ) -> dict[str, Any]:
        if negative is not None and negative.sequence.shape != text.sequence.shape:
            raise BenchError(
                "this method lengthens the text sequence, which SD3's guidance in one batch does "
                "not allow; use a FLUX model, or guidance_scale=1"
            )
        return super().prompts(text, negative, settings)
