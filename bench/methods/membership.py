"""Which tokens belong together: bit masks of a batch's image and text tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.methods.base import Batch

MOST_INSTANCES = 30
"""One bit of an int32 for each instance, one for the background."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Who belongs together. Bit k is instance k, the bit after the last is the background.

    M of the paper: two image tokens that share a bit lie in one segment (I2I); two text tokens
    that share one belong to one phrase (T2T); an image and a text token that share one are a
    region and its words (I2T). Instances of one plural phrase have different bits on the image
    side and all of them on the text side, so words bind to the union and regions stay apart.
    """

    image: Tensor
    """(B, N) int32; the background's bit where no instance is."""
    instance: Tensor
    """(B, T) int32: the words of each instance's phrase but its attributes."""
    attribute: Tensor
    """(B, T) int32: each instance's attribute words."""
    background: Tensor
    """(B, T) int32: the background phrase."""
    image_background: Tensor
    """(B,) int32: each sample's bit of the background."""

    @property
    def text(self) -> Tensor:
        return self.instance | self.attribute | self.background


def membership(batch: Batch) -> Membership:
    """Bit masks of a batch's image and text tokens, on its device."""
    height, width = batch.grid
    size, length = len(batch.layouts), batch.sequence.length
    image = torch.zeros(size, height * width, dtype=torch.int32)
    instance, attribute, background = torch.zeros(3, size, length, dtype=torch.int32)
    for b, (layout, tokens) in enumerate(zip(batch.layouts, batch.tokens, strict=True)):
        count = len(layout.instances)
        if count > MOST_INSTANCES:
            raise BenchError(f"layout {layout.id}: {count} instances; {MOST_INSTANCES} at most fit")
        masks = torch.from_numpy(batch.regions[b].copy()).flatten(1)
        for k, words in enumerate(tokens.instances):
            image[b, masks[k]] |= 1 << k
            instance[b, list(words.instance)] |= 1 << k
            attribute[b, list(words.attribute)] |= 1 << k
        image[b, image[b] == 0] = 1 << count
        background[b, list(tokens.background)] |= 1 << count
    counts = [1 << len(layout.instances) for layout in batch.layouts]
    bits = torch.tensor(counts, dtype=torch.int32)
    parts = (image, instance, attribute, background, bits)
    return Membership(*(p.to(batch.device) for p in parts))
