"""From what a prompt says to a layout: boxes, painted regions, depth order.

The same prompt gives the same layout on every machine: all chance comes from the prompt's hash.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from random import Random

from bench.errors import BenchError
from bench.layouts import rules
from bench.layouts.bands import bands
from bench.layouts.check import faults
from bench.layouts.depth import depth_ranks
from bench.layouts.place import GAP, RIM, Body, Link, Vector, pack, settle
from bench.layouts.records import ParsedInstance, ParsedPrompt, ParsedRelation
from bench.layouts.shapes import FILL, paint
from bench.layouts.sizes import build_of, usual_level
from bench.types import Box, Instance, Layout, Relation

VERSION = "2"
"""Raised with every change that can move a region."""
MAX_INSTANCES = 24
"""More cannot be told apart in one picture."""

_SHAPED = {
    "round": ("disc", 1.0),
    "circular": ("disc", 1.0),
    "spherical": ("disc", 1.0),
    "oval": ("oval", 1.5),
    "oblong": ("oval", 1.8),
    "square": ("square", 1.0),
    "cubic": ("square", 1.0),
    "rectangular": ("slab", 1.6),
    "triangular": ("triangle", 1.1),
    "pyramidal": ("triangle", 1.1),
    "conical": ("triangle", 0.8),
    "pentagonal": ("pentagon", 1.0),
    "hexagonal": ("hexagon", 1.1),
    "diamond": ("diamond", 0.9),
    "teardrop": ("teardrop", 0.7),
    "crescent": ("crescent", 0.8),
    "cylindrical": ("slab", 0.6),
}
"""Attribute to outline and aspect; it outranks the noun's own."""
_STRETCH = {"long": 1.5, "wide": 1.4, "tall": 0.65, "high": 0.8, "short": 1.25, "narrow": 0.7}
_SCALE = {"big": 1.3, "large": 1.3, "huge": 1.5, "giant": 1.5, "small": 0.75, "little": 0.75}
_CROWD = 7
"""From so many instances on, regions are plain blobs: their boxes have no room to spare."""
_FEW = 3
"""A plural phrase relates through so many of its members where all of them could not hold it."""
_LEVELS = 26
_SPARE = 1.07
"""Regions are planned a little larger than they must be: outlines wobble."""
_TRIES = 5


class LayoutWarning(UserWarning):
    """A layout was made, but something that the prompt asks for could not be kept."""


def plan(parsed: ParsedPrompt, *, id: str, category: str) -> Layout:
    """Give every instance of a parsed prompt a place.

    Relations hold as ``bench.layouts.rules`` defines them. Relations that cannot hold together
    are dropped, actions first and the last ones first, each with a LayoutWarning. Raises
    BenchError when there is no instance or more than MAX_INSTANCES.
    """
    if not parsed.instances:
        raise BenchError(f"no instance found in the prompt {parsed.prompt!r}; name a thing")
    if parsed.total > MAX_INSTANCES:
        raise BenchError(
            f"{parsed.total} instances in the prompt {parsed.prompt!r}; "
            f"at most {MAX_INSTANCES} can be placed"
        )
    seed = int.from_bytes(hashlib.sha256(parsed.prompt.encode()).digest()[:8], "big")
    relations = list(parsed.relations)
    while True:
        named = [(r.subject, r.relation, r.object) for r in relations]
        choices: list[list[Link]] = []
        for every, longer in ((True, True), (True, False), (False, False)):
            links = _links(parsed, named, every, longer)
            if links not in choices:
                choices.append(links)
        for links in choices:
            layout = _search(parsed, links, Random(seed), id, category)
            if layout is not None:
                return layout
        if not relations:
            raise BenchError(f"no layout found for the prompt {parsed.prompt!r}")
        dropped = relations.pop(_least(relations))
        warnings.warn(
            f"layout {id}: {_name(parsed, dropped.subject)} {dropped.relation} "
            f"{_name(parsed, dropped.object)} cannot hold beside the other relations; left out",
            LayoutWarning,
            stacklevel=2,
        )


def _least(relations: Sequence[ParsedRelation]) -> int:
    """Which relation a layout can best do without."""
    ranks = {"action": 2, "near": 1}
    return max(range(len(relations)), key=lambda k: (ranks.get(relations[k].relation, 0), k))


def _name(parsed: ParsedPrompt, k: int) -> str:
    start, end = parsed.instances[k].phrase_span
    return repr(parsed.prompt[start:end])


def _links(
    parsed: ParsedPrompt, relations: Sequence[Link], every: bool, longer: bool
) -> list[Link]:
    """Relations between single instances.

    "Inside" holds for every member of a plural phrase, and so do planar relations unless ``every``
    is False: then members pair one to one. So they do in depth, nearness and actions, at most _FEW
    times: as often as the ``longer`` side has members (the shorter repeats), or as the shorter has.
    """
    members: list[list[int]] = []
    at = 0
    for instance in parsed.instances:
        members.append(list(range(at, at + instance.count)))
        at += instance.count
    links: list[Link] = []
    for s, relation, o in relations:
        subjects, objects = members[s], members[o]
        if relation in rules.PLANAR and every:
            pairs = [(a, b) for a in subjects for b in objects]
        elif relation == "inside":
            pairs = [(a, objects[n % len(objects)]) for n, a in enumerate(subjects)]
        else:
            most = (max if longer else min)(len(subjects), len(objects))
            pairs = [
                (subjects[n % len(subjects)], objects[n % len(objects)])
                for n in range(most if relation in rules.PLANAR else min(most, _FEW))
            ]
        known = {frozenset((a, b)) for a, _, b in links}
        links += [(a, relation, b) for a, b in pairs if a != b and frozenset((a, b)) not in known]
    return links


def _search(
    parsed: ParsedPrompt, links: Sequence[Link], rng: Random, id: str, category: str
) -> Layout | None:
    """The first arrangement without a fault, from large regions to small ones."""
    things = [i for i in parsed.instances for _ in range(i.count)]
    outlines, wanted = _appearance(things)
    least = rules.min_region(len(things), bool(links))
    floors = sorted({max(least, rules.min_region(len(things), False)), least}, reverse=True)
    arrange = _arranger(parsed, links)
    caps = _caps(len(things), links)
    if caps is None:
        return None
    for floor, level in itertools.product(floors, range(_LEVELS)):
        scale = 0.94**level
        sizes = _sizes(wanted, outlines, links, scale, _SPARE * floor, caps)
        for _ in range(_TRIES if level < 8 else 2):
            bodies = arrange(sizes, rng, 0.7 * scale)
            if bodies is None:
                continue
            if not links:
                _upright(bodies, [thing.noun for thing in things])
            boxes = [_box(b) for b in bodies]
            depths = depth_ranks(links, [-box.y1 for box in boxes])
            if depths is None:
                return None
            instances = tuple(
                _instance(parsed.prompt, thing, box, paint(outline, box, rng), depth)
                for thing, box, outline, depth in zip(things, boxes, outlines, depths, strict=True)
            )
            layout = Layout(
                id=id,
                prompt=parsed.prompt,
                category=category,
                instances=instances,
                relations=tuple(Relation(s, r, o) for s, r, o in links),
                background_span=parsed.background_span,
                planner=f"bench-planner {VERSION}; {parsed.parser}".rstrip("; "),
            )
            if not faults(layout) and not _touching(layout):
                return layout
    return None


def _upright(bodies: Sequence[Body], nouns: Sequence[str]) -> None:
    """Turn a free arrangement upside down where that brings floors down and ceilings up."""
    levels = [usual_level(noun) for noun in nouns]
    pairs = list(itertools.combinations(zip(levels, bodies, strict=True), 2))
    fits = sum((b - a) * (y.y - x.y) for (a, x), (b, y) in pairs)
    if fits < 0:
        for body in bodies:
            body.y = 1 - body.y


def _touching(layout: Layout) -> bool:
    """Do boxes overlap that need not? Painted scenes may leave it at regions, planned ones not."""
    wanted = {
        frozenset((r.subject, r.object))
        for r in layout.relations
        if r.relation in rules.OVERLAPPING
    }
    return any(
        rules.intersection(a.box, b.box) > 0 and frozenset((i, j)) not in wanted
        for i, a in enumerate(layout.instances)
        for j, b in enumerate(layout.instances[:i])
    )


def _arranger(
    parsed: ParsedPrompt, links: Sequence[Link]
) -> Callable[[list[Vector], Random, float], list[Body] | None]:
    """A grid for crowds, blocks for two plurals, pushes and pulls for everything else."""
    if not links:
        if parsed.total >= _CROWD:
            return lambda sizes, rng, spread: pack(sizes, rng)
        return lambda sizes, rng, spread: settle(sizes, links, rng, spread)
    subjects, objects = sorted({s for s, _, _ in links}), sorted({o for _, _, o in links})
    names = {relation for _, relation, _ in links}
    whole = len(links) == len(subjects) * len(objects) and len(names) == 1
    if whole and len(links) > 1 and names <= set(rules.PLANAR):
        axis, sign = rules.PLANAR[links[0][1]]
        first, second = (subjects, objects) if sign > 0 else (objects, subjects)
        return lambda sizes, rng, spread: (
            bands(sizes, first, second, axis, rng) or settle(sizes, links, rng, spread)
        )
    return lambda sizes, rng, spread: settle(sizes, links, rng, spread)


def _instance(
    prompt: str, thing: ParsedInstance, box: Box, polygon: tuple[Vector, ...], depth: int
) -> Instance:
    start, end = thing.phrase_span
    return Instance(
        phrase=prompt[start:end],
        phrase_span=thing.phrase_span,
        noun=thing.noun,
        noun_span=thing.noun_span,
        attributes=thing.attributes,
        attribute_spans=thing.attribute_spans,
        box=box,
        polygon=polygon,
        depth=depth,
    )


def _appearance(things: Sequence[ParsedInstance]) -> tuple[list[str], list[Vector]]:
    """Outline and wanted (width, height) of each instance, before anything must fit."""
    n = len(things)
    outlines: list[str] = []
    shapes: list[tuple[float, float]] = []
    for thing in things:
        build = build_of(thing.noun)
        outline, aspect, relative = build.outline, build.aspect, build.relative
        for word in thing.attributes:
            outline, aspect = _SHAPED.get(word, (outline, aspect))
        for word in thing.attributes:
            aspect *= _STRETCH.get(word, 1.0)
            relative *= _SCALE.get(word, 1.0)
        if n >= _CROWD and FILL[outline] < 0.85:
            outline = "group"
        outlines.append(outline)
        stretch = 1.35 if n >= _CROWD else 2.0
        shapes.append((min(max(aspect, 1 / stretch), stretch), min(max(relative, 1.0), 2.0)))
    middle = math.exp(sum(math.log(r) for _, r in shapes) / n)
    mean_area = min(0.26, 0.5 / (n + 0.6))
    wanted = []
    for aspect, relative in shapes:
        area = mean_area * (relative / middle) ** 1.5
        wanted.append((math.sqrt(area * aspect), math.sqrt(area / aspect)))
    return outlines, wanted


def _sizes(
    wanted: Sequence[Vector],
    outlines: Sequence[str],
    links: Sequence[Link],
    scale: float,
    floor: float,
    caps: Sequence[Vector],
) -> list[Vector]:
    """Widths and heights at a scale, none below the least area, none wider than its row allows."""
    inside = [(s, o) for s, r, o in links if r == "inside"]
    depth = [(s, o) for s, r, o in links if r in rules.IN_DEPTH]
    areas = [w * h * scale * scale for w, h in wanted]
    least = [floor / FILL[outline] for outline in outlines]
    areas = [max(a, low) for a, low in zip(areas, least, strict=True)]
    for s, o in depth:
        # The far one must show beside the near one, and neither may dwarf the other's overlap.
        for k in (s, o):
            areas[k] = max(areas[k], 1.9 * least[k])
        areas[s] = max(areas[s], 0.55 * areas[o])
        areas[o] = max(areas[o], 0.55 * areas[s])
    for o in {o for _, o in inside}:
        held = [s for s, outer in inside if outer == o]
        for s in held:
            areas[s] = max(least[s], min(areas[s], 0.09))
        areas[o] = max(areas[o], 1.7 * sum(areas[s] for s in held) + 1.2 * least[o])
    out = []
    for (w, h), area, low, (cap_w, cap_h) in zip(wanted, areas, least, caps, strict=True):
        aspect = w / h
        # What is too long for its row gets smaller first, and broader only below the least area.
        area = max(min(area, cap_w * cap_w / aspect, cap_h * cap_h * aspect), low)
        width = min(math.sqrt(area * aspect), cap_w)
        height = min(area / width, cap_h)
        out.append((min(area / height, cap_w), height))
    for o in {o for _, o in inside}:
        _fit(out, [s for s, outer in inside if outer == o], o)
    return out


def _fit(sizes: list[Vector], held: Sequence[int], outer: int) -> None:
    """Make a container large enough for its contents in rows, and one content slim enough."""
    if len(held) == 1:
        (w, h), room_w, room_h = sizes[held[0]], 0.92 * sizes[outer][0], 0.92 * sizes[outer][1]
        wide = min(max(w, w * h / room_h), room_w)
        sizes[held[0]] = (wide, min(w * h / wide, room_h))
        return
    width, height = sizes[outer]
    most_w = max(sizes[k][0] for k in held) + 1.5 * GAP
    most_h = max(sizes[k][1] for k in held) + 1.5 * GAP
    shapes = []
    for columns in range(1, len(held) + 1):
        rows = -(-len(held) // columns)
        shapes.append((max(width, columns * most_w + 0.04), max(height, rows * most_h + 0.04)))
    best = min(shapes, key=lambda s: s[0] * s[1])
    sizes[outer] = (min(best[0], 1 - 2 * RIM), min(best[1], 1 - 2 * RIM))


def _caps(n: int, links: Sequence[Link]) -> list[Vector] | None:
    """Greatest width and height: a chain of k things side by side shares the image's width.

    None when the order is circular.
    """
    chains: list[list[int]] = []
    for axis in (0, 1):
        before: list[tuple[int, int]] = []
        for s, relation, o in links:
            if relation in rules.PLANAR and rules.PLANAR[relation][0] == axis:
                before.append((s, o) if rules.PLANAR[relation][1] > 0 else (o, s))
        head, tail = [1] * n, [1] * n
        for _ in range(n):
            for a, b in before:
                head[b] = max(head[b], head[a] + 1)
                tail[a] = max(tail[a], tail[b] + 1)
        if any(length > n for length in (*head, *tail)):
            return None
        chains.append([h + t - 1 for h, t in zip(head, tail, strict=True)])
    most = 1 - 2 * RIM
    return [
        ((most - (a - 1) * (GAP + 0.005)) / a, (most - (b - 1) * (GAP + 0.005)) / b)
        for a, b in zip(*chains, strict=True)
    ]


def _box(body: Body) -> Box:
    return Box(
        round(max(0.0, body.x - body.w / 2), 4),
        round(max(0.0, body.y - body.h / 2), 4),
        round(min(1.0, body.x + body.w / 2), 4),
        round(min(1.0, body.y + body.h / 2), 4),
    )
