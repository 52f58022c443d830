"""The part of generation that every diffusers pipeline shares."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from bench.attention.seam import Seam
from bench.attention.sites import adapter_for
from bench.attention.tokens import TextSequence
from bench.backends.base import Generated
from bench.backends.memory import PeakMemory
from bench.errors import BenchError
from bench.methods.base import Batch, Method
from bench.types import GenerationSettings, Layout, ModelSpec


@dataclass(frozen=True, slots=True)
class Encoded:
    """Prompts as the transformer gets them."""

    sequence: Tensor
    """(n, T, D) embeddings of the joint text sequence."""
    pooled: Tensor
    """(n, P)."""


class DiffusersBackend(ABC):
    """A text-to-image pipeline of diffusers with a joint-attention transformer.

    A subclass says how prompts are encoded and which arguments its pipeline takes. The pipeline
    itself is called unchanged.
    """

    pipeline: ClassVar[str]
    """Class name in diffusers."""

    def __init__(self, spec: ModelSpec, pipe: Any) -> None:
        self.spec = spec
        self.pipe = pipe
        self.pipe.set_progress_bar_config(disable=True)

    @classmethod
    def load(cls, spec: ModelSpec, *, device: str, dtype: str) -> Self:
        import diffusers

        pipeline = getattr(diffusers, cls.pipeline)
        pipe = pipeline.from_pretrained(
            spec.source, revision=spec.revision, dtype=getattr(torch, dtype)
        )
        return cls(spec, pipe.to(device))

    @abstractmethod
    def text_sequence(self, settings: GenerationSettings) -> TextSequence:
        """The joint text sequence that the transformer sees."""

    @abstractmethod
    def encode(self, prompts: list[str], settings: GenerationSettings) -> Encoded:
        """Prompts through the pipeline's own encoders."""

    @abstractmethod
    def guided(self, settings: GenerationSettings) -> bool:
        """Whether these settings mean classifier-free guidance."""

    @abstractmethod
    def patch(self) -> int:
        """Pixels along one side of an image token."""

    def arguments(self, settings: GenerationSettings) -> dict[str, Any]:
        """Further arguments of the pipeline's call."""
        return {"guidance_scale": settings.guidance_scale}

    def unknown_words(self, prompt: str) -> list[str]:
        return self.text_sequence(self.spec.settings).unknown_words(prompt)

    def generate(
        self,
        layouts: Sequence[Layout],
        seeds: Sequence[int],
        method: Method,
        settings: GenerationSettings,
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[Generated]:
        if len(layouts) != len(seeds) or not layouts:
            raise BenchError(f"{len(layouts)} layouts and {len(seeds)} seeds; one seed a layout")
        started = time.perf_counter()
        with PeakMemory(self.pipe._execution_device) as peak, torch.inference_mode():
            images, passes = self._denoise(layouts, seeds, method, settings, on_step)
        seconds = (time.perf_counter() - started) / len(images)
        return [Generated(image, seconds, passes, peak.mb) for image in images]

    def batch(self, layouts: Sequence[Layout], settings: GenerationSettings) -> Batch:
        """What a method is given to plan from."""
        side = self.patch()
        if settings.height % side or settings.width % side:
            raise BenchError(
                f"image size {settings.width}x{settings.height} must be divisible by {side}"
            )
        return Batch(
            layouts=tuple(layouts),
            sequence=self.text_sequence(settings),
            grid=(settings.height // side, settings.width // side),
            sites=adapter_for(self.pipe.transformer).sites(self.pipe.transformer),
            steps=settings.steps,
            device=self.pipe._execution_device,
        )

    def _denoise(
        self,
        layouts: Sequence[Layout],
        seeds: Sequence[int],
        method: Method,
        settings: GenerationSettings,
        on_step: Callable[[int, int], None] | None,
    ) -> tuple[list[Any], int]:
        count = len(layouts)
        batch = self.batch(layouts, settings)
        update = method.attention(batch)
        encoded = self.encode([layout.prompt for layout in layouts], settings)
        text = method.text(
            batch, encoded.sequence, lambda texts: self.encode(texts, settings).sequence
        )
        embeddings = {"prompt_embeds": text, "pooled_prompt_embeds": encoded.pooled}
        unconditional: Tensor | None = None
        if self.guided(settings):
            negative = self.encode([settings.negative_prompt] * count, settings)
            unconditional = negative.sequence
            embeddings["negative_prompt_embeds"] = unconditional
            embeddings["negative_pooled_prompt_embeds"] = negative.pooled
        seam = None
        if update is not None:
            seam = Seam(
                self.pipe.transformer,
                update,
                conditional=lambda seen: conditional_rows(seen, text, unconditional),
                steps=settings.steps,
                timestep=lambda step: float(self.pipe.scheduler.timesteps[step]),
            )

        def after_step(pipe: Any, step: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if seam is not None:
                seam.step = step + 1
            if on_step is not None:
                on_step(step + 1, settings.steps)
            if step + 1 == settings.steps:
                check_finite(tensors["latents"], layouts, seeds, method)
            return {}

        samples = 0

        def count_pass(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            nonlocal samples
            samples += len(kwargs["hidden_states"])

        counter = self.pipe.transformer.register_forward_pre_hook(count_pass, with_kwargs=True)
        try:
            with seam or contextlib.nullcontext():
                result = self.pipe(
                    **embeddings,
                    **self.arguments(settings),
                    height=settings.height,
                    width=settings.width,
                    num_inference_steps=settings.steps,
                    max_sequence_length=settings.max_sequence_length,
                    generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                    callback_on_step_end=after_step,
                    output_type="pil",
                )
        finally:
            counter.remove()
        return result.images, samples // count


def conditional_rows(seen: Tensor, text: Tensor, unconditional: Tensor | None) -> slice | None:
    """Which rows of a forward pass's text embeddings are the batch's conditional samples.

    Told from the embeddings themselves, never from the number of calls: guidance in two passes
    (FLUX) gives each its own forward, guidance in one batch (SD3) stacks them with the
    unconditional half first. Offloading copies tensors, so equal ones count when identical ones
    are not seen.

    Args:
        seen: (N, T, D), what the transformer was given.
        text: (n, T, D), what the method made.
        unconditional: (n, T, D) or None without guidance.

    Raises:
        BenchError: the embeddings are neither.
    """
    count = len(text)
    if seen is text:
        return slice(0, count)
    if seen is unconditional:
        return None
    if _equal(seen, text):
        return slice(0, count)
    if len(seen) == 2 * count and _equal(seen[count:], text):
        return slice(count, 2 * count)
    if unconditional is not None and _equal(seen, unconditional):
        return None
    raise BenchError(
        f"the transformer was called with text embeddings {tuple(seen.shape)} that are neither "
        f"the prompts' {tuple(text.shape)} nor the negative prompt's"
    )


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other.to(one))


def check_finite(
    latents: Tensor, layouts: Sequence[Layout], seeds: Sequence[int], method: Method
) -> None:
    """Refuses latents that would decode to a black image."""
    for sample, layout, seed in zip(latents, layouts, seeds, strict=True):
        if not torch.isfinite(sample).all():
            raise BenchError(
                f"layout {layout.id}, seed {seed}: method {method.name} left values in the "
                "latents that are not finite; lower its strengths or use float32"
            )
