"""Every rule that a layout must keep, each with a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.layouts import rules
from bench.layouts.shapes import area
from bench.layouts.sketch import region_masks
from bench.types import Layout

GRID = 64
"""Visible areas are counted on a grid of so many cells a side (FLUX's tokens at 1024 px)."""
EDGE = 0.002
"""A polygon may leave its box by so much (rounding of hand-painted outlines)."""

RULES: dict[str, str] = {
    "phrase": "a phrase stands in the prompt, and its noun inside it",
    "polygon": "a polygon has three points or more and stays inside its box",
    "area": "the visible part of every region has its least share of the image (4 %)",
    "overlap": "no two regions overlap unless a relation between them wants it",
    "relation": "every relation holds with its margin",
    "depth": "every instance has a depth of its own where boxes overlap",
}
"""Rule to what it asks."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule of one layout."""

    rule: str
    text: str


def faults(layout: Layout) -> list[Fault]:
    """All broken rules of a layout, in the order of RULES; empty when it is in order."""
    found = [*_phrases(layout), *_polygons(layout), *_overlaps(layout), *_relations(layout)]
    found += _areas(layout)
    order = list(RULES)
    return sorted(found, key=lambda f: order.index(f.rule))


def count_by_rule(found: Iterable[Fault]) -> dict[str, int]:
    """Number of faults for every rule, those without any included."""
    counts = Counter(f.rule for f in found)
    return {rule: counts[rule] for rule in RULES}


def _who(layout: Layout, k: int) -> str:
    return f"instance {k} ({layout.instances[k].phrase!r})"


def _phrases(layout: Layout) -> list[Fault]:
    out = []
    for k, inst in enumerate(layout.instances):
        (a, b), (c, d) = inst.phrase_span, inst.noun_span
        if not a <= c < d <= b:
            out.append(Fault("phrase", f"{_who(layout, k)}: noun at {c}:{d} outside {a}:{b}"))
        for word, (start, end) in zip(inst.attributes, inst.attribute_spans, strict=True):
            text = layout.prompt[start:end]
            if text.lower() != word:
                out.append(
                    Fault("phrase", f"{_who(layout, k)}: attribute {word!r} but {text!r} there")
                )
    return out


def _polygons(layout: Layout) -> list[Fault]:
    out = []
    for k, inst in enumerate(layout.instances):
        if not inst.polygon:
            continue
        if len(inst.polygon) < 3:
            out.append(Fault("polygon", f"{_who(layout, k)}: {len(inst.polygon)} points"))
        box = inst.box
        for x, y in inst.polygon:
            if not (box.x0 - EDGE <= x <= box.x1 + EDGE and box.y0 - EDGE <= y <= box.y1 + EDGE):
                out.append(Fault("polygon", f"{_who(layout, k)}: ({x}, {y}) leaves the box"))
                break
    return out


def _overlaps(layout: Layout) -> list[Fault]:
    wanted = {
        frozenset((r.subject, r.object))
        for r in layout.relations
        if r.relation in (*rules.OVERLAPPING, "action")
    }
    out = []
    n = len(layout.instances)
    masks = None
    for i in range(n):
        for j in range(i + 1, n):
            a, b = layout.instances[i], layout.instances[j]
            shared = rules.intersection(a.box, b.box)
            if shared and (a.polygon or b.polygon):
                if masks is None:
                    masks = region_masks(layout, GRID, GRID, overlap=True)
                shared = float((masks[i] & masks[j]).mean())
            if shared == 0.0:
                continue
            if frozenset((i, j)) not in wanted:
                out.append(
                    Fault("overlap", f"{_who(layout, i)} and {_who(layout, j)}: {shared:.3f}")
                )
            elif a.depth == b.depth:
                out.append(
                    Fault("depth", f"{_who(layout, i)} and {_who(layout, j)}: both {a.depth}")
                )
    return out


def _relations(layout: Layout) -> list[Fault]:
    out = []
    for r in layout.relations:
        s, o = layout.instances[r.subject], layout.instances[r.object]
        why = rules.broken(r.relation, s.box, o.box, (s.depth, o.depth))
        if why:
            who = f"{_who(layout, r.subject)} {r.relation} {_who(layout, r.object)}"
            out.append(Fault("relation", f"{who}: {why}"))
    return out


def _areas(layout: Layout) -> list[Fault]:
    least = rules.min_region(len(layout.instances), bool(layout.relations))
    shares = visible_areas(layout)
    return [
        Fault("area", f"{_who(layout, k)}: {100 * share:.1f} % visible, least {100 * least:.1f} %")
        for k, share in enumerate(shares)
        if share < least
    ]


def visible_areas(layout: Layout) -> list[float]:
    """Share of the image that each region shows: its own area less what nearer ones cover.

    The area is exact; the covered part is counted on a grid, where there is one.
    """
    whole = [area(i.polygon) if i.polygon else i.box.area for i in layout.instances]
    if not any(
        rules.intersection(a.box, b.box)
        for k, a in enumerate(layout.instances)
        for b in layout.instances[:k]
    ):
        return whole
    own = region_masks(layout, GRID, GRID, overlap=True).sum(axis=(1, 2))
    seen = region_masks(layout, GRID, GRID).sum(axis=(1, 2))
    return [w * float(s) / float(o) for w, s, o in zip(whole, seen, own, strict=True)]
