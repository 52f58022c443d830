"""AST's update of one batch: membership of every token, row factors, and the tuned quadrants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.attention.kernel import Quadrant, reweighted_attention, shared_counts
from bench.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall
    from bench.methods.ast import AST, Window
    from bench.methods.base import Batch

MOST_INSTANCES = 62
"""One bit of an int64 for each instance, one for the background."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Who belongs together. Bit k is instance k, the bit after the last is the background.

    M of the paper: two image tokens that share a bit lie in one segment (I2I); two text tokens
    that share one belong to one phrase (T2T); an image and a text token that share one are a
    region and its words (I2T). Instances of one plural phrase have different bits on the image
    side and all of them on the text side, so words bind to the union and regions stay apart.
    """

    image: Tensor
    """(B, N) int64; the background's bit where no instance is."""
    instance: Tensor
    """(B, T) int64: the words of each instance's phrase but its attributes."""
    attribute: Tensor
    """(B, T) int64: each instance's attribute words."""
    background: Tensor
    """(B, T) int64: the background phrase."""

    @property
    def text(self) -> Tensor:
        return self.instance | self.attribute | self.background


def membership(batch: Batch) -> Membership:
    """Bit masks of a batch's image and text tokens, on its device."""
    height, width = batch.grid
    size, length = len(batch.layouts), batch.sequence.length
    image = torch.zeros(size, height * width, dtype=torch.int64)
    instance, attribute, background = torch.zeros(3, size, length, dtype=torch.int64)
    for b, (layout, tokens) in enumerate(zip(batch.layouts, batch.tokens, strict=True)):
        count = len(layout.instances)
        if count > MOST_INSTANCES:
            raise BenchError(
                f"layout {layout.id}: {count} instances; AST takes {MOST_INSTANCES} at most"
            )
        masks = torch.from_numpy(batch.regions[b].copy()).flatten(1)
        for k, words in enumerate(tokens.instances):
            image[b, masks[k]] |= 1 << k
            instance[b, list(words.instance)] |= 1 << k
            attribute[b, list(words.attribute)] |= 1 << k
        image[b, image[b] == 0] = 1 << count
        background[b, list(tokens.background)] |= 1 << count
    parts = (image, instance, attribute, background)
    return Membership(*(p.to(batch.device) for p in parts))


def plan(ast: AST, batch: Batch) -> Update:
    """AST's update for one batch."""
    who = membership(batch)
    segments = who.image
    instances = segments.clone()
    for b, layout in enumerate(batch.layouts):
        instances[b] &= (1 << len(layout.instances)) - 1
    text_counts = shared_counts(who.text).clamp(min=1)  # every token has at least itself
    tokens = segments.shape[1]
    return Update(
        ast=ast,
        windows=ast.layer_windows(batch.sites[0].layers),
        who=who,
        text_factor=_row_factor(ast.text_size, text_counts, who.text.shape[1]),
        segment_factor=_row_factor(ast.image_size, shared_counts(segments), tokens),
        instance_factor=_row_factor(ast.image_size, shared_counts(instances), tokens),
    )


def _row_factor(weight: float, counts: Tensor, total: int) -> Tensor:
    """s of the paper, 1 - a * (row sum of M) / (number of tokens), kept at 0 or above.

    The published script lets it turn negative, which with short text sequences would push words
    of one phrase apart instead of together.
    """
    return (1 - weight * counts / total).clamp(min=0).float()


@dataclass(frozen=True, slots=True)
class Update:
    """Re-weights the quadrants that the layer's window names, in the tuned steps."""

    ast: AST
    windows: tuple[Window, ...]
    who: Membership
    text_factor: Tensor
    """(B, T) s of the text rows."""
    segment_factor: Tensor
    """(B, N) s of the image rows, background counted as a segment."""
    instance_factor: Tensor
    """(B, N) s of the image rows from the instances' segments alone: 1 in the background."""

    def __call__(self, call: AttentionCall) -> Tensor | None:
        if call.site.order == "image_only" or call.step >= self.ast.tuned_steps * call.steps:
            return None
        rho = (call.timestep / 1000) ** self.ast.decay
        window = self.windows[call.site.layer - 1]
        text_rows = self._text_rows(call, window, rho)
        image_rows = self._image_rows(call, window, rho)
        if not text_rows and not image_rows:
            return None
        # (B, S, H, D) in memory, as the models flatten heads next.
        out = torch.empty_like(call.query.transpose(1, 2)).transpose(1, 2)
        for rows, quadrants in ((call.text, text_rows), (call.image, image_rows)):
            if quadrants:
                reweighted_attention(
                    call.query[..., rows, :],
                    call.key,
                    call.value,
                    quadrants,
                    mask=call.rows_of_mask(rows),
                    scale=call.scale,
                    out=out[..., rows, :],
                )
            else:
                out[..., rows, :] = call.attend(rows)
        return out

    def _text_rows(self, call: AttentionCall, window: Window, rho: float) -> list[Quadrant]:
        """T2T: M is the identity and 1 within a phrase. Text-to-image is left alone."""
        if "t2t" not in window or not self.ast.t2t:
            return []
        words = self.who.text
        strength = self.ast.t2t * rho * self.text_factor
        return [Quadrant(call.text, strength, words, words, diagonal=True)]

    def _image_rows(self, call: AttentionCall, window: Window, rho: float) -> list[Quadrant]:
        """I2T by the window's word classes, and I2I."""
        quadrants = []
        who = self.who
        classes = [c for c in ("instance", "attribute", "background") if c in window]
        if classes and self.ast.i2t:
            words = torch.zeros_like(who.instance)
            for name in classes:
                words |= getattr(who, name)
            # The script takes the factor of all segments where the background phrase is tuned
            # (layers 20-24) and of the instances' segments everywhere else.
            factor = self.segment_factor if "background" in classes else self.instance_factor
            quadrants.append(Quadrant(call.text, self.ast.i2t * rho * factor, who.image, words))
        if "i2i" in window and self.ast.i2i:
            strength = self.ast.i2i * rho * self.segment_factor
            quadrants.append(Quadrant(call.image, strength, who.image, who.image))
        return quadrants
