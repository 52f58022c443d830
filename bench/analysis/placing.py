"""Where a model puts the instances when nobody tells it: layouts of what it drew.

A baseline does not know the layout, so its image tokens in a target box often show another thing or
none. To see which words the tokens of an instance attend to, one has to look where it was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.types import Box, Layout

if TYPE_CHECKING:
    from bench.backends import Backend

Placed = tuple[Layout, int]
"""A layout whose boxes are those of the drawn instances, and the seed that draws them there."""


def drawn_layouts(
    backend: Backend,
    layouts: Sequence[Layout],
    seeds: Sequence[int],
    *,
    on_batch: Callable[[int], None] | None = None,
) -> list[Placed]:
    """Generate with the untouched model and let its judges say where the instances are.

    Left out are images in which none is drawn right and prompts of one phrase, which cannot tell an
    instance's own words from another's.

    Raises:
        BenchError: no image is left.
    """
    from bench.api import score
    from bench.methods.baseline import Baseline

    size = backend.spec.batch_size
    pairs = [(layout, seed) for seed in seeds for layout in layouts]
    images = []
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        made = backend.generate(
            [layout for layout, _ in part],
            [seed for _, seed in part],
            Baseline(),
            backend.spec.settings,
        )
        images += [one.image for one in made]
        if on_batch is not None:
            on_batch(len(part))
    frame = score(
        images,
        [layout for layout, _ in pairs],
        ["localization"],
        judges=backend.spec.judges,
    )
    rows = frame[frame["score"] == "instance_success"].sort_values("index")
    placed = [
        (moved, seed)
        for (layout, seed), details in zip(pairs, rows["details"], strict=True)
        if (moved := as_drawn(layout, details)) is not None
    ]
    if not placed:
        raise BenchError(
            f"in none of {len(pairs)} images an instance of a prompt with two phrases is drawn "
            "right, say the judges; take more prompts, or the model is too weak to say where it "
            "binds words"
        )
    return placed


def as_drawn(layout: Layout, details: Mapping[str, Any]) -> Layout | None:
    """The layout with the matched detections' boxes; None where it can tell nothing.

    It can where one instance is drawn right and the prompt has two phrases or more. Instances that
    are not found, or have another's attributes (their tokens then attend to the other's words),
    keep their words but get no image tokens: they are put behind one that is drawn right.

    Args:
        details: what localization says of the image (``detections``, ``matches``, ``instances``);
            empty where it was not scored.
    """
    boxes = {
        t: details["detections"][d]["box"]
        for t, d, _ in details.get("matches", ())
        if details["instances"][t]["attribute_ok"] is not False
    }
    if not boxes or len({one.phrase_span for one in layout.instances}) < 2:
        return None
    cover = next(iter(boxes.values()))
    behind = 1 + max(one.depth for one in layout.instances)
    instances = tuple(
        replace(
            one,
            box=Box(*boxes.get(k, cover)),
            polygon=(),
            depth=one.depth if k in boxes else behind + k,
        )
        for k, one in enumerate(layout.instances)
    )
    return replace(layout, instances=instances, relations=())
