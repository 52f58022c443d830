"""Where the joint attentions of a diffusion transformer are: one small adapter an architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import unknown_name

if TYPE_CHECKING:
    from torch import nn

Order = Literal["text_first", "image_first", "image_only"]
Stream = Literal["double", "single"]


@dataclass(frozen=True, slots=True)
class Site:
    """One attention of a transformer, in the order of execution."""

    index: int
    """Order within one forward pass, from 0."""
    layer: int
    """Number of its block among all blocks, from 1, as papers count."""
    layers: int
    """How many blocks the transformer has."""
    name: str
    """Path of the attention module inside the transformer."""
    stream: Stream
    """``double``: text and image have weights of their own; ``single``: they share them."""
    order: Order
    """Which tokens come first in the joined sequence."""

    def split(self, sequence: int, text_tokens: int) -> tuple[slice, slice]:
        """Positions of the text and the image tokens in a sequence of that length."""
        if self.order == "text_first":
            return slice(0, text_tokens), slice(text_tokens, sequence)
        if self.order == "image_first":
            return slice(sequence - text_tokens, sequence), slice(0, sequence - text_tokens)
        return slice(0, 0), slice(0, sequence)


@dataclass(frozen=True, slots=True)
class Block:
    """A transformer block with its attentions in order of execution."""

    path: str
    stream: Stream
    attentions: tuple[tuple[str, Order], ...] = (("attn", "text_first"),)
    """Name inside the block, and which tokens come first in its sequence."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the seam must know of an architecture."""

    blocks: Callable[[Any], list[Block]]
    """A transformer's blocks in order of execution."""
    text_argument: str = "encoder_hidden_states"
    """Argument of the transformer's forward that holds the text embeddings (B, T, D)."""

    def sites(self, transformer: nn.Module) -> tuple[Site, ...]:
        blocks = self.blocks(transformer)
        found: list[Site] = []
        for layer, block in enumerate(blocks, start=1):
            for name, order in block.attentions:
                path = f"{block.path}.{name}"
                found.append(Site(len(found), layer, len(blocks), path, block.stream, order))
        return tuple(found)


def _stack(transformer: Any, name: str, stream: Stream) -> list[Block]:
    return [Block(f"{name}.{i}", stream) for i in range(len(getattr(transformer, name)))]


def _flux(transformer: Any) -> list[Block]:
    """Double-stream blocks, then single-stream blocks; text stands before image in both."""
    double = _stack(transformer, "transformer_blocks", "double")
    return double + _stack(transformer, "single_transformer_blocks", "single")


def _sd3(transformer: Any) -> list[Block]:
    """Image before text; SD3.5-medium's first blocks add an image-only ``attn2``."""
    joint: tuple[tuple[str, Order], ...] = (("attn", "image_first"),)
    both: tuple[tuple[str, Order], ...] = (*joint, ("attn2", "image_only"))
    return [
        Block(f"transformer_blocks.{i}", "double", both if block.attn2 is not None else joint)
        for i, block in enumerate(transformer.transformer_blocks)
    ]


def _qwen(transformer: Any) -> list[Block]:
    """Double-stream blocks only, text before image; padding is hidden by a mask."""
    return _stack(transformer, "transformer_blocks", "double")


ADAPTERS: Mapping[str, Adapter] = {
    "ChromaTransformer2DModel": Adapter(_flux),
    "Flux2Transformer2DModel": Adapter(_flux),
    "FluxTransformer2DModel": Adapter(_flux),
    "QwenImageTransformer2DModel": Adapter(_qwen),
    "SD3Transformer2DModel": Adapter(_sd3),
}
"""By class name of the transformer."""


def adapter_for(transformer: nn.Module) -> Adapter:
    """The adapter of a transformer, by its class name or a base class's.

    Raises:
        BenchError: no adapter knows the class.
    """
    for cls in type(transformer).__mro__:
        if cls.__name__ in ADAPTERS:
            return ADAPTERS[cls.__name__]
    raise unknown_name("transformer", type(transformer).__name__, ADAPTERS)
