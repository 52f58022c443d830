"""The part of generation that every diffusers pipeline shares."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from bench.attention.sites import adapter_for
from bench.attention.tokens import TextSequence
from bench.backends.base import Generated
from bench.backends.memory import PeakMemory
from bench.backends.sampler import PipelineSampler
from bench.errors import BenchError
from bench.methods.base import Batch, Encoded, Method
from bench.types import GenerationSettings, Layout, ModelSpec


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
        with _quiet():
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

    @abstractmethod
    def noise(self, seeds: Sequence[int], settings: GenerationSettings) -> Tensor:
        """The latents that the pipeline starts from, each from its own seed.

        Drawn on the CPU, so that a seed means the same on every device.
        """

    @abstractmethod
    def sigmas(self, steps: int) -> list[float]:
        """The noise levels, before any shift, that the pipeline gives its scheduler."""

    def prompts(
        self, text: Encoded, negative: Encoded | None, settings: GenerationSettings
    ) -> dict[str, Any]:
        """The pipeline's arguments for embeddings."""
        given: dict[str, Any] = {
            "prompt_embeds": text.sequence,
            "pooled_prompt_embeds": text.pooled,
        }
        if negative is not None:
            given["negative_prompt_embeds"] = negative.sequence
            given["negative_pooled_prompt_embeds"] = negative.pooled
        return given

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
            sampler = PipelineSampler(self, layouts, seeds, settings, on_step)
            images = method.generate(self.batch(layouts, settings), sampler)
        seconds = (time.perf_counter() - started) / len(images)
        return [
            Generated(image, seconds, passes, peak.mb)
            for image, passes in zip(images, sampler.passes, strict=True)
        ]

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


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of the libraries while a model loads."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    shown = [m for m in (diffusers_logging, transformers_logging) if m.is_progress_bar_enabled()]
    for module in shown:
        module.disable_progress_bar()
    try:
        yield
    finally:
        for module in shown:
            module.enable_progress_bar()


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def descending(high: float, low: float, steps: int) -> list[float]:
    return [float(s) for s in np.linspace(high, low, steps)]
