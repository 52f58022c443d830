"""What a method is: arguments that stand in a job's identity, and three places to act."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from bench.errors import BenchError, unknown_name
from bench.types import Layout, Needs

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

    from bench.attention.seam import AttentionUpdate
    from bench.attention.sites import Site
    from bench.attention.tokens import LayoutTokens, TextSequence


@dataclass(frozen=True, slots=True)
class Encoded:
    """Prompts as the transformer gets them."""

    sequence: torch.Tensor
    """(n, T, D) embeddings of the joint text sequence."""
    pooled: torch.Tensor
    """(n, P)."""


class Sampler(Protocol):
    """What a method generates one batch with; latents are the pipeline's own, (n, ...)."""

    steps: int

    def encode(self, prompts: Sequence[str]) -> Encoded:
        """Texts through the pipeline's own encoders."""

    def noise(self) -> torch.Tensor:
        """The latents that the batch starts from, each from its own seed."""

    def denoise(
        self,
        text: Encoded,
        update: AttentionUpdate | None,
        latents: torch.Tensor,
        *,
        start: int = 0,
        stop: int,
        owners: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Latents after the steps start..stop-1.

        ``owners`` tells which image of the batch each row belongs to, for the count of passes;
        by default rows and images are the same.
        """

    def finish(
        self,
        text: Encoded,
        update: AttentionUpdate | None,
        latents: torch.Tensor,
        *,
        start: int = 0,
    ) -> list[Image]:
        """The images (RGB) after all steps from ``start`` on."""


@dataclass(frozen=True)
class Batch:
    """One batch about to be generated: everything that a method may plan from."""

    layouts: tuple[Layout, ...]
    sequence: TextSequence
    """The joint text sequence, T tokens."""
    grid: tuple[int, int]
    """Rows and columns of image tokens."""
    sites: tuple[Site, ...]
    steps: int
    device: torch.device

    @cached_property
    def tokens(self) -> tuple[LayoutTokens, ...]:
        """Where each layout's words stand.

        Raises:
            BenchError: a phrase does not fit into the text encoder.
        """
        from bench.attention.tokens import layout_tokens

        return tuple(layout_tokens(self.sequence, layout) for layout in self.layouts)

    @cached_property
    def regions(self) -> tuple[np.ndarray, ...]:
        """For each layout (K, rows, columns) booleans: the image tokens of each instance.

        Where regions overlap the nearer instance has the token (depth order).
        """
        from bench.layouts.sketch import region_masks

        return tuple(region_masks(layout, *self.grid) for layout in self.layouts)


@dataclass(frozen=True)
class Method:
    """Base of all methods: subclass it as a frozen dataclass whose fields are its arguments.

    A method acts in up to three places, all optional: :meth:`text` may change the text embeddings
    before denoising, :meth:`attention` may replace the output of any joint attention, and
    :meth:`generate` may run passes of its own. It keeps no state between batches.
    """

    name: ClassVar[str]
    """Short, lower case; the column of the leaderboard."""
    needs: ClassVar[Needs] = Needs()
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of arguments."""
    neutral: ClassVar[Mapping[str, Any] | None] = None
    """Arguments with which the method is the baseline to the bit; None if there are none."""
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What an ablation table switches off, one set of arguments each."""

    @classmethod
    def create(cls, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> Self:
        """A method from a preset (None: the field defaults) and single arguments.

        Raises:
            BenchError: the preset or an argument is unknown, or a value does not fit.
        """
        if preset is not None and preset not in cls.presets:
            raise unknown_name(f"preset of method {cls.name}", preset, cls.presets)
        given = {**(cls.presets[preset] if preset is not None else {}), **(overrides or {})}
        fields = {f.name: f for f in dataclasses.fields(cls)}
        for key in given:
            if key not in fields:
                raise unknown_name(f"argument of method {cls.name}", key, fields)
        return cls(**{k: cls._convert(k, fields[k].default, v) for k, v in given.items()})

    @classmethod
    def _convert(cls, name: str, default: Any, value: Any) -> Any:
        """Numbers and booleans must be of the default's kind; everything else is left alone."""
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise BenchError(f"{cls.name}.{name} must be true or false, not {value!r}")
        elif isinstance(default, float):
            if not numeric or not abs(value) < float("inf"):
                raise BenchError(f"{cls.name}.{name} must be a finite number, not {value!r}")
            return float(value)
        elif isinstance(default, int) and (not numeric or int(value) != value):
            raise BenchError(f"{cls.name}.{name} must be a whole number, not {value!r}")
        return value

    @property
    def args(self) -> Mapping[str, Any]:
        """Every argument, defaults included, as JSON values: part of a job's identity."""
        return {f.name: _json(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def text(self, batch: Batch, text: Encoded, sampler: Sampler) -> Encoded:
        """The embeddings to generate with; by default those of the prompts."""
        return text

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        """What to do at the joint attentions of this batch; None leaves the model untouched."""
        return None

    def generate(self, batch: Batch, sampler: Sampler) -> list[Image]:
        """The batch's images; to be overridden by methods with passes of their own only."""
        update = self.attention(batch)
        text = self.text(batch, sampler.encode([e.prompt for e in batch.layouts]), sampler)
        return sampler.finish(text, update, sampler.noise())


def _json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_json(v) for v in value]
    return value
