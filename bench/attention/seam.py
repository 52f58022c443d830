"""The seam into joint attention: Q, K and V of every site, without repeating projection code.

While a :class:`Seam` is entered, each attention module of the transformer runs under a
``TorchFunctionMode`` that sees the module's one call of ``F.scaled_dot_product_attention``. The
mode lives for that module's forward only and is left again when the forward raises; no class and
no processor is changed. A forward pass in which a site did not make exactly one such call (another
attention backend is active, an adapter adds attentions) is an error, never a silent baseline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from bench.attention.sites import Site, adapter_for
from bench.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """One joint attention of the conditional samples of a batch: all that a method sees."""

    site: Site
    step: int
    """Denoising step, from 0."""
    steps: int
    timestep: float
    """The scheduler's timestep of this step, 1000 (noise) to 0 (image)."""
    text: slice
    """Positions of the text tokens in the sequence; empty at an image-only site."""
    image: slice
    """Positions of the image tokens."""
    query: Tensor
    """(B, H, S, D); sample b belongs to layout b of the batch. Keys and values alike."""
    key: Tensor
    value: Tensor
    mask: Tensor | None = None
    """The model's own attention mask, broadcastable to (B, H, S, S); boolean or additive."""
    scale: float | None = None
    """Factor of the scores; None is ``1 / sqrt(D)``."""

    def empty(self) -> Tensor:
        """Room for the output, (B, H, S, D), laid out as the models flatten heads next."""
        return torch.empty_like(self.query.transpose(1, 2)).transpose(1, 2)

    def attend(self, rows: slice = slice(None)) -> Tensor:
        """The model's own attention for some query rows, (B, H, rows, D)."""
        query = self.query[..., rows, :]
        return F.scaled_dot_product_attention(
            query, self.key, self.value, attn_mask=self.rows_of_mask(rows), scale=self.scale
        )

    def rows_of_mask(self, rows: slice) -> Tensor | None:
        """The model's own mask for some query rows."""
        if self.mask is None or self.mask.shape[-2] == 1:
            return self.mask
        return self.mask[..., rows, :]


AttentionUpdate = Callable[[AttentionCall], "Tensor | None"]
"""Gives the attention's output (B, H, S, D), or None where the model's own is wanted."""


class Seam:
    """Offers every attention of a transformer to ``update`` while entered.

    Args:
        transformer: any class that :data:`bench.attention.sites.ADAPTERS` knows.
        update: called once a site and forward pass with the conditional samples.
        conditional: tells from the text embeddings (N, T, D) that a forward pass was given which
            of its rows are the batch's conditional samples; None for a pass without any
            (the unconditional pass of guidance in two passes), which is left untouched.
        steps: denoising steps in all.
        timestep: the scheduler's timestep of a step.

    ``step`` is set by whoever drives the denoising loop.
    """

    def __init__(
        self,
        transformer: nn.Module,
        update: AttentionUpdate,
        *,
        conditional: Callable[[Tensor], slice | None],
        steps: int,
        timestep: Callable[[int], float],
    ) -> None:
        adapter = adapter_for(transformer)
        self.transformer = transformer
        self.sites = adapter.sites(transformer)
        self.step = 0
        self._steps = steps
        self._timestep = timestep
        self._update = update
        self._conditional = conditional
        self._text_argument = adapter.text_argument
        self._handles: list[Any] = []
        self._rows: slice | None = None
        self._text_tokens = 0
        self._fired = [0] * len(self.sites)

    def __enter__(self) -> Seam:
        if self._handles:
            raise RuntimeError("this seam is entered already")
        modules = dict(self.transformer.named_modules())
        self._handles += [
            self.transformer.register_forward_pre_hook(self._begin, with_kwargs=True),
            self.transformer.register_forward_hook(self._check),
        ]
        for site in self.sites:
            mode = _Intercept(self, site)
            module = modules[site.name]
            self._handles += [
                module.register_forward_pre_hook(mode.start),
                module.register_forward_hook(mode.stop, always_call=True),
            ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = inspect.signature(module.forward).bind_partial(*args, **kwargs).arguments
        text = given[self._text_argument]
        self._text_tokens = text.shape[1]
        self._rows = self._conditional(text)
        self._fired = [0] * len(self.sites)

    def _check(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._rows is None:
            return
        wrong = [s.name for s, n in zip(self.sites, self._fired, strict=True) if n != 1]
        if wrong:
            raise BenchError(
                f"{type(module).__name__}: {len(wrong)} of {len(self.sites)} attentions did not "
                f"call F.scaled_dot_product_attention exactly once (first: {wrong[0]}); reset the "
                "attention backend to 'native' and take IP adapters and caches off the model"
            )

    @property
    def active(self) -> bool:
        """Whether the running forward pass has conditional samples."""
        return self._rows is not None

    def attention(self, site: Site, call: _Call) -> Tensor:
        """The output of one site: updated for the conditional rows, the model's own elsewhere."""
        self._fired[site.index] += 1
        rows = self._rows
        assert rows is not None
        batch, sequence = call.query.shape[0], call.query.shape[2]
        text, image = site.split(sequence, self._text_tokens)
        mine = call.rows(rows)
        updated = self._update(
            AttentionCall(
                site=site,
                step=self.step,
                steps=self._steps,
                timestep=self._timestep(self.step),
                text=text,
                image=image,
                query=mine.query,
                key=mine.key,
                value=mine.value,
                mask=mine.attn_mask,
                scale=call.scale,
            )
        )
        if updated is None:
            return call.run()
        if updated.shape != mine.query.shape:
            raise BenchError(
                f"{site.name}: the method returned shape {tuple(updated.shape)}, "
                f"the attention's output is {tuple(mine.query.shape)}"
            )
        if rows == slice(0, batch):
            return updated
        parts = [updated]
        if rows.start > 0:
            parts.insert(0, call.rows(slice(0, rows.start)).run())
        if rows.stop < batch:
            parts.append(call.rows(slice(rows.stop, batch)).run())
        return torch.cat(parts)


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments of one ``F.scaled_dot_product_attention``."""

    query: Tensor
    key: Tensor
    value: Tensor
    attn_mask: Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    def __post_init__(self) -> None:
        if self.dropout_p or self.is_causal or self.enable_gqa:
            raise BenchError(
                "joint attention with dropout, causality or grouped queries is not supported"
            )

    def rows(self, rows: slice) -> _Call:
        mask = self.attn_mask
        if mask is not None and mask.ndim == 4 and mask.shape[0] != 1:
            mask = mask[rows]
        return _Call(self.query[rows], self.key[rows], self.value[rows], mask, scale=self.scale)

    def run(self) -> Tensor:
        return F.scaled_dot_product_attention(
            self.query, self.key, self.value, attn_mask=self.attn_mask, scale=self.scale
        )


class _Intercept(TorchFunctionMode):
    """Replaces the one attention call inside a site's forward."""

    def __init__(self, seam: Seam, site: Site) -> None:
        super().__init__()
        self._seam = seam
        self._site = site
        self._entered = False

    def start(self, module: nn.Module, args: Any) -> None:
        if self._seam.active:
            self.__enter__()
            self._entered = True

    def stop(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._entered:
            self._entered = False
            self.__exit__(None, None, None)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return self._seam.attention(self._site, _Call(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))
