"""Composite: each instance is begun alone in its box, then all are put together and finished.

In the manner of Stitch (arXiv 2509.26644): for the first steps every phrase is denoised in a pass
of its own, from the same noise, with attention bound to its region; then each region is cut out of
its phrase's latents and pasted into the background's, and the whole prompt finishes the image
untouched. Stitch cuts objects out along the map of one attention head, chosen for each model on
segmented images; here the region is cut out whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.methods.base import Batch, Encoded, Method, Sampler
from bench.methods.regional import region_prompts
from bench.types import Needs

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from bench.attention.seam import AttentionCall, AttentionUpdate


@dataclass(frozen=True)
class Composite(Method):
    """K + 1 passes in the first steps, one afterwards."""

    name = "composite"
    needs = Needs(boxes=True, masks=True, extra_passes=1)
    """One for each instance in the bound steps, none in the others."""
    neutral = {"bound_steps": 0.0}

    bound_steps: float = 0.2
    """Share of the steps, from the first, in which instances are made alone: 10 of 50."""

    def __post_init__(self) -> None:
        if not 0 <= self.bound_steps < 1:
            raise BenchError("composite.bound_steps must be 0 or more and below 1")

    def generate(self, batch: Batch, sampler: Sampler) -> list[Image]:
        import torch

        bound = round(self.bound_steps * sampler.steps)
        latents = sampler.noise()
        whole = sampler.encode([layout.prompt for layout in batch.layouts])
        if not bound:
            return sampler.finish(whole, None, latents)
        prompts = [region_prompts(layout) for layout in batch.layouts]
        jobs = [(b, k) for b, mine in enumerate(prompts) for k in range(len(mine))]
        regions = [torch.from_numpy(r.copy()).flatten(1).to(batch.device) for r in batch.regions]
        made: dict[tuple[int, int], Tensor] = {}
        size = len(batch.layouts)  # no more samples at once than the batch has
        for first in range(0, len(jobs), size):
            part = jobs[first : first + size]
            owners = [b for b, _ in part]
            inside = torch.stack([_inside(regions[b], k) for b, k in part])
            rows = sampler.denoise(
                sampler.encode([prompts[b][k] for b, k in part]),
                bind(inside),
                latents[owners],
                stop=bound,
                owners=owners,
            )
            made.update(zip(part, rows, strict=True))
        latents = torch.stack(
            [
                paste([made[b, k] for k in range(len(mine))], regions[b], batch.grid)
                for b, mine in enumerate(prompts)
            ]
        )
        text: Encoded = whole
        return sampler.finish(text, None, latents, start=bound)


def _inside(regions: Tensor, k: int) -> Tensor:
    """Image tokens that pass k may paint: its region, or everything for the background's pass."""
    import torch

    return regions[k] if k < len(regions) else torch.ones_like(regions[0])


def bind(inside: Tensor) -> AttentionUpdate:
    """Cuts attention between the tokens inside and outside, and between text and outside.

    Args:
        inside: (B, N) booleans.
    """
    import torch

    from bench.attention.biased import masked_attention

    def update(call: AttentionCall) -> Tensor | None:
        if inside.all():
            return None
        member = torch.ones(len(inside), call.key.shape[2], dtype=torch.bool, device=inside.device)
        member[:, call.image] = inside
        return masked_attention(call, slice(None), member[:, :, None] == member[:, None])

    return update


def paste(layers: list[Tensor], regions: Tensor, grid: tuple[int, int]) -> Tensor:
    """The last layer's latents with each region taken from its own layer's.

    Args:
        layers: K + 1 latents, packed (N, C) or spatial (C, H, W).
        regions: (K, N) booleans, disjoint.
        grid: rows and columns of tokens.
    """
    out = layers[-1].clone()
    for latents, region in zip(layers, regions, strict=False):
        if out.ndim == 2:
            out[region] = latents[region]
        else:
            side = out.shape[-2] // grid[0]
            cells = region.view(grid).repeat_interleave(side, 0).repeat_interleave(side, 1)
            out[:, cells] = latents[:, cells]
    return out
