"""What a method is: arguments that stand in a job's identity, and two places to act."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from bench.errors import BenchError, unknown_name
from bench.types import Layout, Needs

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.attention.seam import AttentionUpdate
    from bench.attention.sites import Site
    from bench.attention.tokens import LayoutTokens, TextSequence

Encode = Callable[[list[str]], "torch.Tensor"]
"""Texts to embeddings (n, T, D), by the pipeline's own text encoders."""


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

    A method acts in up to two places, both optional: :meth:`text` may change the text embeddings
    before denoising, :meth:`attention` may replace the output of any joint attention. It keeps no
    state of its own between batches.
    """

    name: ClassVar[str]
    """Short, lower case; the column of the leaderboard."""
    needs: ClassVar[Needs] = Needs()
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of arguments."""

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

    def text(self, batch: Batch, embeddings: torch.Tensor, encode: Encode) -> torch.Tensor:
        """The text embeddings (B, T, D) to generate with; by default those of the prompts."""
        return embeddings

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        """What to do at the joint attentions of this batch; None leaves the model untouched."""
        return None


def _json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_json(v) for v in value]
    return value
