"""Records a model's attention over many prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.placing import Placed
from bench.analysis.record import Overlay, Recorder
from bench.errors import BenchError

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

    from bench.backends import Backend


@dataclass(frozen=True, slots=True)
class Analysis:
    """What :func:`analyze` found."""

    table: pandas.DataFrame
    """See :meth:`bench.analysis.record.Sums.frame`."""
    overlay: Overlay
    """Maps of the first layout."""
    image: Image
    """The first layout's image."""


def analyze(
    backend: Backend,
    placed: Sequence[Placed],
    *,
    batch_size: int | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Analysis:
    """Generates with the untouched model and records where its attention goes.

    Args:
        placed: at least one layout with its seed; those of two instances or more say which words
            are whose, if their boxes are where the model draws the instances
            (:func:`bench.analysis.placing.drawn_layouts`).
        on_batch: called with the number of images of each batch that is done.
    """
    if not placed:
        raise BenchError("no layout to analyse; give at least one")
    settings = backend.spec.settings
    size = batch_size or backend.spec.batch_size
    recorder = Recorder(overlay_of=placed[0][0].id)
    first: Image | None = None
    for start in range(0, len(placed), size):
        part = placed[start : start + size]
        made = backend.generate(
            [layout for layout, _ in part], [seed for _, seed in part], recorder, settings
        )
        first = first or made[0].image
        if on_batch is not None:
            on_batch(len(part))
    overlay = recorder.overlay
    assert first is not None and overlay is not None
    return Analysis(recorder.frame(), overlay, first)
