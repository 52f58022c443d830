"""SD3 and SD3.5: image tokens, then CLIP's and T5's; guidance in one batch."""

from __future__ import annotations

from bench.attention.tokens import TextSegment, TextSequence
from bench.backends.diffusers import DiffusersBackend, Encoded
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
