"""AST's update of one batch: row factors and the tuned quadrants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.attention.kernel import Quadrant, shared_counts
from bench.methods.membership import Membership, membership

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall
    from bench.methods.ast import AST, Window
    from bench.methods.base import Batch


def plan(ast: AST, batch: Batch) -> Update:
    """AST's update for one batch."""
    who = membership(batch)
    segments = who.image
    instances = segments & (who.image_background[:, None] - 1)
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
        out = call.empty()
        for rows, quadrants in ((call.text, text_rows), (call.image, image_rows)):
            if quadrants:
                self.ast.tune(call, rows, quadrants, out)
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
