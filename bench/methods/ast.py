"""AST: attention specialty tuning for multi-instance synthesis.

"Hierarchical and Step-Layer-Wise Tuning of Attention Specialty for Multi-Instance Synthesis in
Diffusion Transformers", arXiv 2504.10148. Every default is the value of the authors' published
script (MIS_DiT, FLUX.1-dev, 1024 x 1024, 32 steps).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, unknown_name
from bench.methods.base import Batch, Encoded, Method, Sampler
from bench.types import Layout, Needs

if TYPE_CHECKING:
    from torch import Tensor

    from bench.attention.seam import AttentionCall, AttentionUpdate
    from bench.attention.tuning import Tuning

CLASSES = ("i2i", "t2t", "instance", "attribute", "background")
"""What a layer's window can tune: image-to-image and text-to-text attention, and image-to-text
attention by the class of the words: an instance's attribute words, the rest of its phrase, the
background phrase."""

Window = tuple[str, ...]

PUBLISHED_LAYERS = 57
"""FLUX.1: 19 double-stream and 38 single-stream blocks."""

_PUBLISHED: tuple[tuple[int, Window], ...] = (
    (5, ()),
    (19, ("i2i", "t2t", "instance")),
    (24, ("i2i", "t2t", "instance", "background")),
    (34, ("i2i", "t2t", "instance", "attribute")),
    (50, ("i2i", "t2t", "attribute")),
    (57, ("attribute",)),
)
"""Last layer (from 1) of each published window, and what it tunes."""


def published_windows(layers: int) -> tuple[Window, ...]:
    """The published windows at the same fractions of a model's depth, one a layer.

    Layer l of L takes the window of the published layer that holds its middle, ``(l - 1/2) / L``
    of the depth. With 57 layers these are the published windows.

    >>> [i + 1 for i, w in enumerate(published_windows(57)) if "background" in w]
    [20, 21, 22, 23, 24]
    """
    windows = []
    for layer in range(1, layers + 1):
        middle = (2 * layer - 1) * PUBLISHED_LAYERS / (2 * layers)
        windows.append(next(window for last, window in _PUBLISHED if middle <= last))
    return tuple(windows)


MEASURED = Path(__file__).parent / "windows"
"""Windows measured by ``python -m bench analyze --derive-windows``, a file a model."""


def _measured() -> dict[str, Mapping[str, Any]]:
    """A preset for every file of measured windows, under the file's name."""
    files = sorted(MEASURED.glob("*.json"))
    return {f.stem: {"windows": json.loads(f.read_text("utf-8"))["windows"]} for f in files}


@dataclass(frozen=True)
class AST(Method):
    """Tunes attention maps towards a layout: ``A' = A exp(s w rho(t) (M - A))``, rows normalised.

    See :mod:`bench.attention.kernel` for the formula and :mod:`bench.methods.ast_plan` for M, s
    and rho. Image-only attentions (SD3.5-medium's ``attn2``) are left alone: the update is
    defined on joint maps.
    """

    name = "ast"
    needs = Needs(boxes=True, masks=True)

    t2t: float = 3.5
    """Strength w of text-to-text tuning; 0 leaves that quadrant untouched. Script: t2treg."""
    i2t: float = 5.0
    """Strength of image-to-text tuning. Script: i2treg."""
    i2i: float = 3.5
    """Strength of image-to-image tuning. Script: i2ireg."""
    image_size: float = 1.0
    """a_img: how much larger regions are tuned less. Script: sizereg_image."""
    text_size: float = 4.0
    """a_txt: how much longer phrases are tuned less. Script: sizereg_text."""
    decay: float = 3.0
    """Exponent of rho(t) = (t/1000)^decay; 0 tunes all tuned steps alike. Script: decay_size."""
    tuned_steps: float = 0.5
    """Share of the steps, from the first, that are tuned. Script: 16 of 32."""
    phrase_embeddings: bool = True
    """Whether each phrase is encoded alone and put in place of the prompt's embeddings."""
    windows: str | tuple[Window, ...] = "scaled"
    """What each layer tunes: ``scaled`` (the published windows by depth), ``all`` (everything in
    every layer), or a list with one list of :data:`CLASSES` a layer."""

    presets = {
        "flux-published": {"windows": published_windows(PUBLISHED_LAYERS)},
        "sd3.5-fractions": {"windows": "scaled"},
        "scaled": {"windows": "scaled"},
        "all-layers": {"windows": "all"},
        **_measured(),
    }

    neutral = {"t2t": 0.0, "i2t": 0.0, "i2i": 0.0, "phrase_embeddings": False}
    ablations = {
        "no T2T": {"t2t": 0.0},
        "no I2I": {"i2i": 0.0},
        "no I2T": {"i2t": 0.0},
        "no windows": {"windows": "all"},
        "no decay": {"decay": 0.0},
        "no phrase embeddings": {"phrase_embeddings": False},
    }

    def __post_init__(self) -> None:
        if not 0 <= self.tuned_steps <= 1:
            raise BenchError(f"{self.name}.tuned_steps must lie in 0..1, not {self.tuned_steps}")
        for name in ("t2t", "i2t", "i2i", "image_size", "text_size", "decay"):
            if getattr(self, name) < 0:
                raise BenchError(f"{self.name}.{name} must be 0 or more, not {getattr(self, name)}")
        object.__setattr__(self, "windows", _check_windows(self.windows))

    def layer_windows(self, layers: int) -> tuple[Window, ...]:
        """What each of a model's layers tunes.

        Raises:
            BenchError: the windows were listed for another number of layers.
        """
        if self.windows == "scaled":
            return published_windows(layers)
        if self.windows == "all":
            return (CLASSES,) * layers
        if len(self.windows) != layers:
            raise BenchError(
                f"ast.windows lists {len(self.windows)} layers and the model has {layers}; "
                "give one list a layer, or use 'scaled' or 'all'"
            )
        return tuple(w for w in self.windows if isinstance(w, tuple))

    def text(self, batch: Batch, text: Encoded, sampler: Sampler) -> Encoded:
        """Each phrase's embeddings, encoded alone, at the phrase's positions in its prompt.

        A longer phrase is put in before a shorter one, so a phrase inside another keeps its own.
        The pooled embedding stays the whole prompt's.
        """
        if not self.phrase_embeddings:
            return text
        spans = [(b, *s) for b, e in enumerate(batch.layouts) for s in sorted(_phrases(e))]
        spans.sort(key=lambda s: s[1] - s[2])
        alone = sampler.encode([batch.layouts[b].prompt[i:j] for b, i, j in spans]).sequence
        out = text.sequence.clone()
        for (b, start, stop), phrase in zip(spans, alone, strict=True):
            for here, there in batch.sequence.align(batch.layouts[b].prompt, (start, stop)):
                out[b, here] = phrase[there]
        return Encoded(out, text.pooled)

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        if not (self.t2t or self.i2t or self.i2i) or not self.tuned_steps:
            return None
        from bench.methods.ast_plan import plan

        return plan(self, batch)

    def tune(self, call: AttentionCall, rows: slice, tuning: Tuning, out: Tensor) -> None:
        """Writes the output of some query rows that are tuned."""
        from bench.attention.kernel import reweighted_attention

        reweighted_attention(
            call.query[..., rows, :],
            call.key,
            call.value,
            tuning,
            mask=call.rows_of_mask(rows),
            scale=call.scale,
            out=out[..., rows, :],
        )


def _phrases(layout: Layout) -> set[tuple[int, int]]:
    background = {layout.background_span} if layout.background_span else set()
    return {i.phrase_span for i in layout.instances} | background


def _check_windows(windows: Any) -> str | tuple[Window, ...]:
    if isinstance(windows, str):
        if windows not in ("scaled", "all"):
            raise unknown_name("ast.windows", windows, ["scaled", "all", "(a list)"])
        return windows
    if not isinstance(windows, Sequence) or not windows:
        raise BenchError(f"ast.windows must be a name or a list of lists, not {windows!r}")
    checked = []
    for window in windows:
        if isinstance(window, str) or not isinstance(window, Sequence):
            raise BenchError(f"ast.windows: a layer is a list of classes, not {window!r}")
        for one in window:
            if one not in CLASSES:
                raise unknown_name("class in ast.windows", str(one), CLASSES)
        checked.append(tuple(c for c in CLASSES if c in window))
    return tuple(checked)
