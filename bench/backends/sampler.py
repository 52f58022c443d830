"""Stretches of the denoising loop, by the pipeline's own call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bench.attention.seam import AttentionUpdate, Seam
from bench.errors import BenchError
from bench.methods.base import Encoded
from bench.types import GenerationSettings, Layout

if TYPE_CHECKING:
    from bench.backends.diffusers import DiffusersBackend


class PipelineSampler:
    """What a method generates one batch with: see :class:`bench.methods.base.Sampler`."""

    def __init__(
        self,
        backend: DiffusersBackend,
        layouts: Sequence[Layout],
        seeds: Sequence[int],
        settings: GenerationSettings,
        on_step: Callable[[int, int], None] | None,
    ) -> None:
        self.steps = settings.steps
        self.passes = [0] * len(layouts)
        self._backend = backend
        self._layouts = layouts
        self._seeds = seeds
        self._settings = settings
        self._on_step = on_step

    def encode(self, prompts: Sequence[str]) -> Encoded:
        return self._backend.encode(list(prompts), self._settings)

    def noise(self) -> Tensor:
        return self._backend.noise(self._seeds, self._settings)

    def denoise(
        self,
        text: Encoded,
        update: AttentionUpdate | None,
        latents: Tensor,
        *,
        start: int = 0,
        stop: int,
        owners: Sequence[int] | None = None,
    ) -> Tensor:
        result: Tensor = self._call(text, update, latents, start, stop, owners, "latent")
        return result

    def finish(
        self, text: Encoded, update: AttentionUpdate | None, latents: Tensor, *, start: int = 0
    ) -> list[Any]:
        images: list[Any] = self._call(text, update, latents, start, self.steps, None, "pil")
        return images

    def _call(
        self,
        text: Encoded,
        update: AttentionUpdate | None,
        latents: Tensor,
        start: int,
        stop: int,
        owners: Sequence[int] | None,
        output: str,
    ) -> Any:
        backend, settings = self._backend, self._settings
        pipe = backend.pipe
        owners = range(len(self._layouts)) if owners is None else owners
        count = len(owners)
        negative = None
        if backend.guided(settings):
            negative = backend.encode([settings.negative_prompt] * count, settings)
        seam = None
        if update is not None:
            seam = Seam(
                pipe.transformer,
                update,
                conditional=lambda seen: conditional_rows(
                    seen, text.sequence, negative.sequence if negative else None
                ),
                steps=self.steps,
                timestep=lambda step: float(pipe.scheduler.timesteps[step - start]),
            )
            seam.step = start

        def after_step(pipe: Any, index: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            done = start + index + 1
            if seam is not None:
                seam.step = done
            if self._on_step is not None:
                self._on_step(done, self.steps)
            if done == stop:
                self._check_finite(tensors["latents"], owners)
                pipe._interrupt = True  # the pipeline's own way to leave the rest undone
            return {}

        def count_passes(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            for row in range(len(kwargs["hidden_states"])):
                self.passes[owners[row % count]] += 1

        counter = pipe.transformer.register_forward_pre_hook(count_passes, with_kwargs=True)
        try:
            with seam or contextlib.nullcontext():
                return pipe(
                    **backend.prompts(text, negative, settings),
                    **backend.arguments(settings),
                    height=settings.height,
                    width=settings.width,
                    num_inference_steps=self.steps,
                    sigmas=backend.sigmas(self.steps)[start:] if start else None,
                    max_sequence_length=settings.max_sequence_length,
                    latents=latents,
                    callback_on_step_end=after_step,
                    output_type=output,
                ).images
        finally:
            counter.remove()

    def _check_finite(self, latents: Tensor, owners: Sequence[int]) -> None:
        """Refuses latents that would decode to a black image."""
        for sample, owner in zip(latents, owners, strict=True):
            if not torch.isfinite(sample).all():
                raise BenchError(
                    f"layout {self._layouts[owner].id}, seed {self._seeds[owner]}: the latents "
                    "hold values that are not finite; lower the method's strengths or use float32"
                )


def conditional_rows(seen: Tensor, text: Tensor, unconditional: Tensor | None) -> slice | None:
    """Which rows of a forward pass's text embeddings are the batch's conditional samples.

    Told from the embeddings themselves, never from the number of calls: guidance in two passes
    (FLUX) gives each its own forward, guidance in one batch (SD3) stacks them with the
    unconditional half first. Offloading copies tensors, so equal ones count when identical ones
    are not seen.

    Args:
        seen: (N, T, D), what the transformer was given.
        text: (n, T, D), what the method made.
        unconditional: (n, T', D) or None without guidance.

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
