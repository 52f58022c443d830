"""Hard binding: image tokens of an instance see their own instance only, in the middle layers.

After DreamRenderer (arXiv 2503.12885) and 3DIS-FLUX (arXiv 2501.05131), which render given depth
maps: hard binding in the layers that render instances, soft binding in the others, where image
tokens see the whole image but no other instance's words. Without depth maps there is nothing that
holds the instances in place once binding ends, and without the replicated bridge tokens a phrase's
words see its region directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.methods.base import Batch, Method
from bench.types import Needs

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall, AttentionUpdate
    from bench.methods.membership import Membership


@dataclass(frozen=True)
class HardBinding(Method):
    """Boolean masks: hard in the middle layers, soft elsewhere."""

    name = "hard-binding"
    needs = Needs(boxes=True, masks=True)
    neutral = {"tuned_steps": 0.0}

    first: float = 1 / 3
    """Depth, 0..1, from which binding is hard. FLUX's layers 20-38 are its middle third."""
    last: float = 2 / 3
    """Depth up to which binding is hard."""
    tuned_steps: float = 0.5
    """Share of the steps, from the first, that are bound. Ours: bound to the end without depth
    maps, the instances do not merge with their surroundings."""

    def __post_init__(self) -> None:
        for name in ("first", "last", "tuned_steps"):
            if not 0 <= getattr(self, name) <= 1:
                raise BenchError(f"hard-binding.{name} must lie in 0..1")

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        if not self.tuned_steps:
            return None
        from bench.methods.membership import membership

        who = membership(batch)
        return lambda call: self._update(call, who)

    def _update(self, call: AttentionCall, who: Membership) -> Tensor | None:
        if call.site.order == "image_only" or call.step >= self.tuned_steps * call.steps:
            return None
        import torch

        from bench.attention.biased import masked_attention

        depth = (call.site.layer - 0.5) / call.site.layers
        hard = self.first <= depth < self.last
        words = who.instance | who.attribute  # the background's words are everybody's
        outside = who.image == who.image_background[:, None]
        size, text, image = len(words), words.shape[1], outside.shape[1]
        free_words, free_image = (words == 0)[:, None], outside[:, :, None]

        from_text = torch.ones(size, text, text + image, dtype=torch.bool, device=words.device)
        mine = (words[:, :, None] & words[:, None, :]) != 0
        region = (words[:, :, None] & who.image[:, None, :]) != 0
        loose = (words == 0)[:, :, None]
        from_text[..., call.text] = loose | mine
        from_text[..., call.image] = loose | region

        from_image = torch.ones(size, image, text + image, dtype=torch.bool, device=words.device)
        own_words = (who.image[:, :, None] & words[:, None, :]) != 0
        same = (who.image[:, :, None] & who.image[:, None, :]) != 0
        if hard:
            from_image[..., call.text] = own_words | free_image
            from_image[..., call.image] = same | free_image
        else:
            from_image[..., call.text] = own_words | free_words | free_image
        out = call.empty()
        out[..., call.text, :] = masked_attention(call, call.text, from_text)
        out[..., call.image, :] = masked_attention(call, call.image, from_image)
        return out
