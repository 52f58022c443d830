"""Regional prompting: every region has a prompt of its own (arXiv 2411.02395).

The prompts of the regions (each instance's phrase; the background phrase, or the whole prompt, for
what no instance covers) are encoded alone and joined after the base prompt. In the first steps,
image tokens attend twice in some layers: to the base prompt and the whole image, and, behind a
boolean mask, to their own region's prompt and their own region; the two results are blended. It
lengthens the text sequence, so guidance has to be distilled or run in two passes (FLUX).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.methods.base import Batch, Encoded, Method, Sampler
from bench.types import Layout, Needs

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall, AttentionUpdate


@dataclass(frozen=True)
class RegionalPrompting(Method):
    """Blends attention to the whole prompt with attention to each region's own prompt."""

    name = "regional"
    needs = Needs(boxes=True, masks=True)
    neutral = {"base_ratio": 1.0}

    base_ratio: float = 0.2
    """Weight of the base prompt's result, 0..1; the authors use 0.1 to 0.3."""
    tuned_steps: float = 0.4
    """Share of the steps, from the first, that are masked: the authors' 10 of 24."""
    double_every: int = 1
    """Every how many double-stream layers are masked; the authors' demo: every one."""
    single_every: int = 2
    """Every how many single-stream layers are masked; the authors' demo: every second."""

    def __post_init__(self) -> None:
        if not 0 <= self.base_ratio <= 1 or not 0 <= self.tuned_steps <= 1:
            raise BenchError("regional.base_ratio and regional.tuned_steps must lie in 0..1")
        if self.double_every < 1 or self.single_every < 1:
            raise BenchError("regional.double_every and regional.single_every must be 1 or more")

    def text(self, batch: Batch, text: Encoded, sampler: Sampler) -> Encoded:
        """The base prompt's embeddings, then each region's, padded to the longest of the batch."""
        if self.base_ratio == 1:
            return text
        import torch

        prompts = [region_prompts(layout) for layout in batch.layouts]
        alone = sampler.encode([p for mine in prompts for p in mine]).sequence
        length, most = text.sequence.shape[1], max(map(len, prompts))
        rows, at = [], 0
        for base, mine in zip(text.sequence, prompts, strict=True):
            parts = alone[at : at + len(mine)].flatten(0, 1)
            at += len(mine)
            empty = base.new_zeros((most - len(mine)) * length, base.shape[1])
            rows.append(torch.cat([base, parts, empty]))
        return Encoded(torch.stack(rows), text.pooled)

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        if self.base_ratio == 1:
            return None
        import torch

        from bench.methods.membership import membership

        who = membership(batch)
        size, length = who.instance.shape
        most = 1 + max(len(layout.instances) for layout in batch.layouts)
        # The prompt of region k holds bit k; a sample with fewer regions has unused positions.
        bits = (1 << torch.arange(most, device=who.image.device)).to(who.image)
        bits = bits.repeat_interleave(length)
        used = bits <= who.image_background[:, None]
        owners = torch.where(used, bits, 0)
        masked = self._masked_sites(batch)
        return lambda call: self._update(call, who.image, owners, length, masked)

    def _masked_sites(self, batch: Batch) -> frozenset[int]:
        """Every n-th joint attention of each stream, from its first."""
        every = {"double": self.double_every, "single": self.single_every}
        found = set()
        for stream, n in every.items():
            sites = [s for s in batch.sites if s.stream == stream and s.order != "image_only"]
            found |= {s.index for s in sites[::n]}
        return frozenset(found)

    def _update(
        self, call: AttentionCall, image: Tensor, owners: Tensor, base: int, masked: frozenset[int]
    ) -> Tensor:
        """Image tokens see base text and image, and in masked layers their region as well."""
        import torch

        from bench.attention.biased import masked_attention

        if call.site.order == "image_only":
            return call.attend()
        everyone = slice(None)
        hide_regions = torch.ones(1, 1, call.key.shape[2], dtype=torch.bool, device=image.device)
        hide_regions[..., call.text.start + base : call.text.stop] = False
        plain = masked_attention(call, everyone, hide_regions)
        if call.step >= self.tuned_steps * call.steps or call.site.index not in masked:
            return plain

        regions = slice(call.text.start + base, call.text.stop)
        keys = torch.zeros(len(owners), call.key.shape[2], dtype=torch.int32, device=image.device)
        keys[:, regions], keys[:, call.image] = owners, image
        own = (owners[:, :, None] & keys[:, None]) != 0
        own |= (owners == 0)[:, :, None]  # unused rows must see something; nobody sees them
        out = plain.clone()
        out[..., regions, :] = masked_attention(call, regions, own)
        regional = masked_attention(call, call.image, (image[:, :, None] & keys[:, None]) != 0)
        out[..., call.image, :] = torch.lerp(regional, plain[..., call.image, :], self.base_ratio)
        return out


def region_prompts(layout: Layout) -> list[str]:
    """A prompt for each instance, then one for what no instance covers."""
    return [*(i.phrase for i in layout.instances), layout.background or layout.prompt]
