"""AST's update of one batch: row factors and the tuned quadrants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from bench.attention.tuning import Quadrant, Tuning, shared_counts
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


@dataclass
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

    def __post_init__(self) -> None:
        self._plans: dict[Any, list[tuple[slice, Tuning | None]]] = {}
        self._now: dict[Any, list[tuple[slice, Tuning | None]]] = {}
        self._timestep = float("nan")

    def __call__(self, call: AttentionCall) -> Tensor | None:
        if call.site.order == "image_only" or call.step >= self.ast.tuned_steps * call.steps:
            return None
        tunings = self._tunings(call)
        if not any(tuning for _, tuning in tunings):
            return None
        out = call.empty()
        for rows, tuning in tunings:
            if tuning is None:
                out[..., rows, :] = call.attend(rows)
            else:
                self.ast.tune(call, rows, tuning, out)
        return out

    def _tunings(self, call: AttentionCall) -> list[tuple[slice, Tuning | None]]:
        """What to do with text and image rows: planned once a window, weakened once a step."""
        window = self.windows[call.site.layer - 1]
        key = window, call.text.start, call.image.start
        if key not in self._plans:
            plans = self._text_rows(call, window), self._image_rows(call, window)
            self._plans[key] = [
                (rows, Tuning.of(quadrants) if quadrants else None)
                for rows, quadrants in zip((call.text, call.image), plans, strict=True)
            ]
        if call.timestep != self._timestep:
            self._timestep = call.timestep
            self._now = {}
        if key not in self._now:
            rho = (call.timestep / 1000) ** self.ast.decay
            self._now[key] = [(r, t.times(rho) if t else None) for r, t in self._plans[key]]
        return self._now[key]

    def _text_rows(self, call: AttentionCall, window: Window) -> list[Quadrant]:
        """T2T: M is the identity and 1 within a phrase. Text-to-image is left alone."""
        if "t2t" not in window or not self.ast.t2t:
            return []
        words = self.who.text
        strength = self.ast.t2t * self.text_factor
        return [Quadrant(call.text, strength, words, words, diagonal=True)]

    def _image_rows(self, call: AttentionCall, window: Window) -> list[Quadrant]:
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
            quadrants.append(Quadrant(call.text, self.ast.i2t * factor, who.image, words))
        if "i2i" in window and self.ast.i2i:
            strength = self.ast.i2i * self.segment_factor
            quadrants.append(Quadrant(call.image, strength, who.image, who.image))
        return quadrants
