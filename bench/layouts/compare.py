"""What differs between two sets of layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.types import Instance, Layout

MOVED = 0.001
"""Edges that differ by less are the same (rounding)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One layout that is not the same in both sets."""

    id: str
    kind: str
    """``added`` (only in the second set), ``removed``, or ``changed``."""
    parts: tuple[str, ...]
    """What changed: prompt, count, noun, attributes, phrase, regions, depth, relations, ..."""
    moved: float
    """Greatest distance of an edge, as a share of the image; 0 where counts differ."""

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "parts": list(self.parts), "moved": self.moved}


def differences(first: Sequence[Layout], second: Sequence[Layout]) -> list[Difference]:
    """Layouts matched by id, in the first set's order, then those that the second adds."""
    old, new = {e.id: e for e in first}, {e.id: e for e in second}
    found = []
    for id, layout in old.items():
        if id not in new:
            found.append(Difference(id, "removed", (), 0.0))
            continue
        parts, moved = _changes(layout, new[id])
        if parts:
            found.append(Difference(id, "changed", parts, moved))
    found += [Difference(id, "added", (), 0.0) for id in new if id not in old]
    return found


def _changes(a: Layout, b: Layout) -> tuple[tuple[str, ...], float]:
    parts = []
    if a.prompt != b.prompt:
        parts.append("prompt")
    if a.category != b.category:
        parts.append("category")
    if len(a.instances) != len(b.instances):
        parts.append("count")
        moved = 0.0
    else:
        pairs = list(zip(a.instances, b.instances, strict=True))
        for name in ("noun", "attributes", "phrase", "depth"):
            if any(getattr(x, name) != getattr(y, name) for x, y in pairs):
                parts.append(name)
        moved = max(_moved(x, y) for x, y in pairs)
        if moved > MOVED or any(x.polygon != y.polygon for x, y in pairs):
            parts.append("regions")
    if set(a.relations) != set(b.relations):
        parts.append("relations")
    if a.background != b.background:
        parts.append("background")
    return tuple(parts), round(moved, 4)


def _moved(a: Instance, b: Instance) -> float:
    return max(abs(x - y) for x, y in zip(a.box.to_list(), b.box.to_list(), strict=True))
