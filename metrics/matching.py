"""Which detection is which target instance: one to one, per class, by IoU. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from bench.types import Box, Detection

NEARNESS = 1e-6
"""Weight of centre distance against IoU: decides between detections that overlap no target."""
SAME_PLACE = 0.5
"""Share of a box inside another from which it counts as lying there."""


@dataclass(frozen=True, slots=True)
class Target:
    """One instance as a detector could find it."""

    label: str
    """The detector's name for its noun."""
    box: Box


@dataclass(frozen=True, slots=True)
class Match:
    """A target and the detection assigned to it."""

    target: int
    detection: int
    iou: float
    """0..1; may be 0: right class, wrong place."""
    position_error: float
    """Distance of the centres as a share of the image's diagonal, 0..1."""
    size_error: float
    """|ln(detected area / target area)|: 0 is equal, 0.69 is half or double."""


@dataclass(frozen=True, slots=True)
class Matching:
    """All that boxes alone say about an image."""

    matches: tuple[Match, ...]
    """By target, at most one each; a detection stands in at most one."""
    missing: tuple[int, ...]
    """Targets without a detection of their class."""
    surplus: tuple[int, ...]
    """Detections of asked classes that no target is left for, wherever they lie."""
    duplicated: tuple[int, ...]
    """Those of `surplus` that lie for at least half in a matched target's box of their class."""
    merged: tuple[int, ...]
    """Those of `missing` whose box is covered for at least half by another target's detection."""

    def of(self, target: int) -> Match | None:
        """The match of a target, if it has one."""
        return next((m for m in self.matches if m.target == target), None)


def match(targets: Sequence[Target], detections: Sequence[Detection]) -> Matching:
    """Assign detections to targets of the same class so that the sum of IoUs is greatest.

    As many targets as possible get a detection, also one that does not overlap (then the nearest);
    the order of either list does not change what is assigned to what. Detections of classes that
    no target has are left out of everything.
    """
    matches: list[Match] = []
    surplus: list[int] = []
    for label in sorted({t.label for t in targets}):
        wanted = _canonical([(k, t.box) for k, t in enumerate(targets) if t.label == label])
        found = _canonical([(k, d.box) for k, d in enumerate(detections) if d.label == label])
        gain = np.array(
            [[t.iou(d) - NEARNESS * _distance(t, d) for _, d in found] for _, t in wanted]
        ).reshape(len(wanted), len(found))
        rows, columns = linear_sum_assignment(gain, maximize=True)
        for r, c in zip(rows, columns, strict=True):
            (target, want), (detection, have) = wanted[r], found[c]
            matches.append(_match(target, detection, want, have))
        surplus += [k for c, (k, _) in enumerate(found) if c not in set(columns)]
    matches.sort(key=lambda m: m.target)
    taken = {m.target for m in matches}
    absent = [k for k in range(len(targets)) if k not in taken]
    return Matching(
        matches=tuple(matches),
        missing=tuple(absent),
        surplus=tuple(sorted(surplus)),
        duplicated=tuple(
            k
            for k in sorted(surplus)
            if any(
                targets[t].label == detections[k].label
                and coverage(detections[k].box, targets[t].box) >= SAME_PLACE
                for t in taken
            )
        ),
        merged=tuple(
            k
            for k in absent
            if any(
                coverage(targets[k].box, detections[m.detection].box) >= SAME_PLACE for m in matches
            )
        ),
    )


def coverage(inner: Box, outer: Box) -> float:
    """Share of ``inner``'s area that lies in ``outer``, 0..1.

    >>> coverage(Box(0, 0, 0.5, 1), Box(0.25, 0, 1, 1))
    0.5
    """
    w = min(inner.x1, outer.x1) - max(inner.x0, outer.x0)
    h = min(inner.y1, outer.y1) - max(inner.y0, outer.y0)
    return w * h / inner.area if w > 0 and h > 0 else 0.0


def _canonical(boxes: list[tuple[int, Box]]) -> list[tuple[int, Box]]:
    """In an order that depends on the boxes alone, so that ties are broken the same way always."""
    return sorted(boxes, key=lambda item: item[1].to_list())


def _distance(a: Box, b: Box) -> float:
    (ax, ay), (bx, by) = a.center, b.center
    return math.hypot(ax - bx, ay - by) / math.sqrt(2)


def _match(target: int, detection: int, want: Box, have: Box) -> Match:
    return Match(
        target=target,
        detection=detection,
        iou=want.iou(have),
        position_error=_distance(want, have),
        size_error=abs(math.log(have.area / want.area)),
    )
