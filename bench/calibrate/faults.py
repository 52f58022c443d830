"""Pocket scenes with one known fault each, in graded severity.

The layout always says what the clean scene shows; the picture is drawn from the spoilt one. All
scenes come from the held-out split, so no judge was trained on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.pocket.parsed import drawn_layout
from bench.pocket.world import Scene, SceneInstance, render_with_truth, sample_scene
from bench.pocket.world.scene import BoxT
from bench.types import Box, Layout

SIZE = 128
"""Pixels of a picture's side."""
TRIES = 200
"""Scenes drawn before a fault counts as impossible."""


@dataclass(frozen=True, slots=True)
class Case:
    """One picture with at most one fault."""

    fault: str
    severity: float
    """0: clean; 1: the worst that the fault can be."""
    scene: int
    """Which base scene; the clean one and all severities share it."""
    image: Any
    """PIL image, RGB."""
    layout: Layout
    """What was asked for: the clean scene."""
    depth: np.ndarray[Any, Any]
    """(SIZE, SIZE) true depth of the picture, 0 (background) to 1 (nearest)."""


Spoiler = Callable[[Scene, np.random.Generator], dict[float, Scene] | None]
"""A clean scene to its spoilt forms by severity; None where the fault does not fit."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a picture can be wrong."""

    description: str
    categories: tuple[str, ...]
    """Where its scenes come from, in turn."""
    counts: tuple[int, ...]
    """How many instances they have, in turn."""
    spoil: Spoiler


def _swapped(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """Two, then more things exchange their attributes."""
    things = list(scene.instances)
    pairs = _swappable(things)
    if not pairs:
        return None
    out: dict[float, Scene] = {}
    used: set[int] = set()
    for a, b in pairs:
        if a in used or b in used:
            continue
        used |= {a, b}
        first, second = things[a], things[b]
        things[a] = replace(first, color=second.color, texture=second.texture)
        things[b] = replace(second, color=first.color, texture=first.texture)
        out[len(used) / len(things)] = replace(scene, instances=tuple(things))
    return out


def _swappable(things: list[SceneInstance]) -> list[tuple[int, int]]:
    """Pairs of different things whose attributes are of the same kinds and all differ."""
    found = []
    for a, b in combinations(range(len(things)), 2):
        x, y = things[a], things[b]
        same_kinds = (x.color is None) == (y.color is None) and (x.texture is None) == (
            y.texture is None
        )
        differ = all(p != q for p, q in zip(x.attributes, y.attributes, strict=False))
        proper = x.noun not in y.attributes and y.noun not in x.attributes
        if x.noun != y.noun and x.attributes and same_kinds and differ and proper:
            found.append((a, b))
    return found


def _missing(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """One thing is left out, then two, ... all but one."""
    order = rng.permutation(len(scene.instances))
    count = len(order)
    return {k / count: _without(scene, set(order[:k].tolist())) for k in range(1, count)}


def _without(scene: Scene, gone: set[int]) -> Scene:
    kept = [k for k in range(len(scene.instances)) if k not in gone]
    return replace(
        scene,
        instances=tuple(scene.instances[k] for k in kept),
        mentions=tuple(scene.mentions[k] for k in kept),
        relations=(),
    )


def _added(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """One to three more of the asked things stand where there is room."""
    things, mentions = list(scene.instances), list(scene.mentions)
    out: dict[float, Scene] = {}
    for extra in (1, 2, 3):
        k = int(rng.integers(len(scene.instances)))
        box = _free_place([t.box for t in things], scene.instances[k].box, rng)
        if box is None:
            break
        things.append(replace(scene.instances[k], box=box, depth=len(things)))
        mentions.append(scene.mentions[k])
        out[extra / 3] = replace(
            scene, instances=tuple(things), mentions=tuple(mentions), relations=()
        )
    return out or None


def _free_place(taken: list[BoxT], like: BoxT, rng: np.random.Generator) -> BoxT | None:
    """A place for a box of this form, perhaps smaller, that touches nothing."""
    for scale in (0.9, 0.75, 0.6):
        w, h = scale * (like[2] - like[0]), scale * (like[3] - like[1])
        for _ in range(60):
            x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            box = (float(x), float(y), float(x + w), float(y + h))
            if all(
                box[2] <= t[0] or t[2] <= box[0] or box[3] <= t[1] or t[3] <= box[1] for t in taken
            ):
                return box
    return None


def _moved(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """One thing stands elsewhere: by a half, one and one and a half of its own size, or more."""
    k = int(rng.integers(len(scene.instances)))
    thing = scene.instances[k]
    x0, y0, x1, y1 = thing.box
    w, h = x1 - x0, y1 - y0
    corners = [(0.0, 0.0), (1 - w, 0.0), (0.0, 1 - h), (1 - w, 1 - h)]
    x, y = max(corners, key=lambda c: (c[0] - x0) ** 2 + (c[1] - y0) ** 2)
    if (x - x0) ** 2 + (y - y0) ** 2 < 0.2:
        return None
    out = {}
    for share in (1 / 3, 2 / 3, 1.0):
        dx, dy = share * (x - x0), share * (y - y0)
        # before the others, so that a moved thing is not at once a hidden one
        things = [replace(t, depth=t.depth + 1) for t in scene.instances]
        things[k] = replace(thing, box=(x0 + dx, y0 + dy, x1 + dx, y1 + dy), depth=0)
        out[share] = replace(scene, instances=tuple(things), relations=())
    return out


def _merged(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """Two things become one: the first grows over both places, the other slides under it."""
    a, b = rng.permutation(len(scene.instances))[:2].tolist()
    front, back = scene.instances[a].box, scene.instances[b].box
    union = (min(front[0], back[0]), min(front[1], back[1]),
             max(front[2], back[2]), max(front[3], back[3]))  # fmt: skip
    w, h = front[2] - front[0], front[3] - front[1]
    scale = min(max((union[2] - union[0]) / w, (union[3] - union[1]) / h), 1 / w, 1 / h)
    grown = _around(_center(union), scale * w, scale * h)
    under = _around(
        _center(grown), min(back[2] - back[0], 0.6 * scale * w),
        min(back[3] - back[1], 0.6 * scale * h),
    )  # fmt: skip
    out = {}
    for share in (1 / 3, 2 / 3, 1.0):
        things = [replace(t, depth=t.depth + 1) for t in scene.instances]
        things[a] = replace(things[a], box=_between(front, grown, share), depth=0)
        things[b] = replace(things[b], box=_between(back, under, share), depth=len(things) + 1)
        out[share] = replace(scene, instances=tuple(things), relations=())
    return out


def _around(center: tuple[float, float], w: float, h: float) -> BoxT:
    """A box of this size about a point, shifted into the image."""
    x, y = min(max(center[0], w / 2), 1 - w / 2), min(max(center[1], h / 2), 1 - h / 2)
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def _between(start: BoxT, end: BoxT, share: float) -> BoxT:
    """The box ``share`` (0..1) of the way from one to another."""
    x0, y0, x1, y1 = ((1 - share) * p + share * q for p, q in zip(start, end, strict=True))
    return (x0, y0, x1, y1)


def _inverted(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """The two things of a relation of places change places; half of it: one beside the other."""
    if len(scene.relations) != 1 or scene.relations[0][1] == "near":
        return None
    subject, relation, other = scene.relations[0]
    things = list(scene.instances)
    a, b = _center(things[subject].box), _center(things[other].box)
    out = {1.0: _with_centers(scene, {subject: b, other: a})}
    gap = max(abs(a[0] - b[0]), abs(a[1] - b[1])) / 2
    middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    across = (0.0, gap) if relation in ("left_of", "right_of") else (gap, 0.0)
    out[0.5] = _with_centers(
        scene,
        {
            subject: (middle[0] - across[0], middle[1] - across[1]),
            other: (middle[0] + across[0], middle[1] + across[1]),
        },
    )
    return out


def _depth_inverted(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """The farther thing of a relation of depth stands before the nearer one."""
    if len(scene.relations) != 1:
        return None
    subject, _, other = scene.relations[0]
    things = list(scene.instances)
    depths = things[subject].depth, things[other].depth
    things[subject] = replace(things[subject], depth=depths[1])
    things[other] = replace(things[other], depth=depths[0])
    return {1.0: replace(scene, instances=tuple(things))}


def _miscounted(scene: Scene, rng: np.random.Generator) -> dict[float, Scene] | None:
    """One or two of a counted kind too few."""
    group = max(scene.groups, key=len)
    if len(group) < 2:
        return None
    gone = rng.permutation(list(group)).tolist()
    most = min(2, len(group) - 1)
    return {k / 2: _without(scene, set(gone[:k])) for k in range(1, most + 1)}


def _center(box: BoxT) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _with_centers(scene: Scene, centers: Mapping[int, tuple[float, float]]) -> Scene:
    things = list(scene.instances)
    for k, (x, y) in centers.items():
        x0, y0, x1, y1 = things[k].box
        things[k] = replace(things[k], box=_around((x, y), x1 - x0, y1 - y0))
    return replace(scene, instances=tuple(things))


FAULTS: Mapping[str, Fault] = {
    "attributes swapped": Fault(
        "things exchange their attributes", ("color", "texture"), (2, 3, 4), _swapped
    ),
    "instance missing": Fault("things are left out", ("color", "texture"), (2, 3, 4), _missing),
    "instance added": Fault("asked things stand there again", ("color",), (2, 3), _added),
    "instance moved": Fault("a thing stands elsewhere", ("color", "texture"), (2, 3, 4), _moved),
    "instances merged": Fault("two things become one", ("color",), (2, 3), _merged),
    "relation inverted": Fault("two things change places", ("spatial",), (2,), _inverted),
    "depth inverted": Fault("the wrong thing is in front", ("3d_spatial",), (2,), _depth_inverted),
    "wrong count": Fault("too few of a counted kind", ("numeracy",), (3, 4, 5), _miscounted),
}


def make_cases(fault: str, scenes: int, *, seed: int = 0) -> list[Case]:
    """Clean and spoilt pictures of ``scenes`` base scenes; the same on every machine.

    Raises BenchError when the grammar gives too few scenes that the fault fits.
    """
    out: list[Case] = []
    for number, (clean, spoilt, picture_seed) in enumerate(_scenes(FAULTS[fault], scenes, seed)):
        layout = drawn_layout(clean, f"calibrate-{number}")
        for severity, scene in {0.0: clean, **spoilt}.items():
            pixels, truth = render_with_truth(scene, SIZE, picture_seed)
            out.append(
                Case(fault, severity, number, _image(pixels), layout, _depth(scene, truth.masks))
            )
    return out


def _scenes(fault: Fault, count: int, seed: int) -> Iterator[tuple[Scene, dict[float, Scene], int]]:
    for number in range(count):
        category = fault.categories[number % len(fault.categories)]
        instances = fault.counts[number % len(fault.counts)]
        for attempt in range(TRIES):
            rng = np.random.default_rng([seed, number, attempt])
            clean = sample_scene(rng, split="test", category=category, instances=instances)
            if not _sound(clean):
                continue
            spoilt = fault.spoil(clean, rng)
            if spoilt is not None:
                yield clean, spoilt, int(rng.integers(2**31))
                break
        else:
            raise BenchError(f"no scene fits the fault {fault.description!r} after {TRIES} tries")


def _sound(scene: Scene) -> bool:
    """Whether the boxes are inside the image (a layout needs that)."""
    try:
        for thing in scene.instances:
            Box(*thing.box)
    except BenchError:
        return False
    return True


def _image(pixels: np.ndarray[Any, Any]) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)


def _depth(scene: Scene, masks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """0 where the background shows, else nearer things higher, up to 1."""
    order = sorted({t.depth for t in scene.instances})
    near = {depth: 1 - 0.5 * k / max(1, len(order)) for k, depth in enumerate(order)}
    out = np.zeros(masks.shape[1:], np.float32)
    for thing, mask in zip(scene.instances, masks, strict=True):
        out[mask.astype(bool)] = near[thing.depth]
    return out
