"""When a relation between two placed instances holds, and with what margin.

Planar relations follow T2I-CompBench's position function (``UniDet_eval/2D_spatial_eval.py``):
with the centres' offset ``dx = x_object - x_subject``, "left" needs ``dx > 0`` and
``|dx| > |dy|``, "top" ``dy > 0`` and ``|dy| > |dx|``, both with an IoU below 0.1; "near" needs
``|dx|`` or ``|dy|`` below 150 pixels of a 480-pixel frame. Here each holds with a margin, so that
an image which follows its layout roughly still passes.
"""

from __future__ import annotations

from bench.types import Box

PLANAR = {"left_of": (0, 1), "right_of": (0, -1), "above": (1, 1), "below": (1, -1)}
"""Relation to (axis, sign of the object's offset along it)."""
IN_DEPTH = ("in_front_of", "behind", "hidden_by")
CLOSE = ("near", "action")
OVERLAPPING = (*IN_DEPTH, "inside")
"""Relations that want two regions to overlap; no other regions may."""

MIN_SHIFT = 0.08
"""Least distance of the centres along a planar relation's axis."""
MIN_LEAD = 0.02
"""By how much that distance exceeds the one along the other axis, at least."""
MAX_PLANAR_IOU = 0.05
"""Official: below 0.1."""
NEAR = 0.8 * 150 / 480
"""Official: 150 of 480 pixels; here with a fifth in reserve."""
MAX_GAP = 0.15
"""Greatest free distance between two boxes that are near each other or act on each other."""
DEPTH_IOU = (0.1, 0.6)
"""Overlap of two boxes of which one hides a part of the other."""
MIN_INSIDE = 0.9
"""Share of the inner box that lies in the outer one."""
MIN_REGION = 0.04
"""Least visible share of the image for a region, where the count allows it."""
FREE, RELATED = 12, 6
"""Up to so many instances keep MIN_REGION: without relations, and with relations among them."""


def min_region(count: int, related: bool) -> float:
    """Least visible area of each of ``count`` regions, as a share of the image.

    Beyond the counts that keep 4 %, regions share what those would have had, less a fifth for the
    margins between them.
    """
    most = RELATED if related else FREE
    return MIN_REGION if count <= most else 0.8 * MIN_REGION * most / count


def intersection(a: Box, b: Box) -> float:
    """Area that two boxes share, as a share of the image."""
    w = min(a.x1, b.x1) - max(a.x0, b.x0)
    h = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(w, 0.0) * max(h, 0.0)


def gap(a: Box, b: Box) -> float:
    """Free distance between two boxes; 0 where they touch or overlap."""
    dx = max(a.x0 - b.x1, b.x0 - a.x1, 0.0)
    dy = max(a.y0 - b.y1, b.y0 - a.y1, 0.0)
    return float((dx * dx + dy * dy) ** 0.5)


def broken(relation: str, subject: Box, obj: Box, depths: tuple[int, int]) -> str | None:
    """Why the relation does not hold, or None when it does. ``depths``: subject's, object's."""
    dx = obj.center[0] - subject.center[0]
    dy = obj.center[1] - subject.center[1]
    iou = subject.iou(obj)
    if relation in PLANAR:
        axis, sign = PLANAR[relation]
        along, across = ((dx, dy), (dy, dx))[axis]
        along *= sign
        if along < MIN_SHIFT or along - abs(across) < MIN_LEAD:
            return f"offset {along:.3f} along and {abs(across):.3f} across"
        return f"IoU {iou:.3f}" if iou > MAX_PLANAR_IOU else None
    if relation in CLOSE:
        distance = gap(subject, obj)
        if distance > MAX_GAP:
            return f"gap {distance:.3f}"
        if relation == "near" and min(abs(dx), abs(dy)) > NEAR:
            return f"offset {dx:.3f}, {dy:.3f}"
        return None
    if relation == "inside":
        share = intersection(subject, obj) / subject.area
        if share < MIN_INSIDE:
            return f"only {share:.2f} of it inside"
        return "deeper than its container" if depths[0] >= depths[1] else None
    if not DEPTH_IOU[0] <= iou <= DEPTH_IOU[1]:
        return f"IoU {iou:.3f}"
    nearer = depths[0] < depths[1]
    return None if nearer == (relation == "in_front_of") else f"depths {depths[0]}, {depths[1]}"
