"""Masks to polygons: the outline of painted regions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
BoolArray = npt.NDArray[np.bool_]
_SMALLEST = 0.02
"""Parts of a region below this share of it are specks of paint."""
_TOLERANCE = 0.004
"""How far a simplified outline may leave the painted one, as a share of the image's side."""


def trace(mask: BoolArray) -> tuple[Point, ...]:
    """One closed polygon around a mask of shape (height, width), as fractions of the image.

    A region in several parts becomes one polygon whose parts are joined by lines there and back:
    they enclose nothing. Holes are filled. An empty mask gives an empty polygon.
    """
    height, width = mask.shape
    rings = []
    for part in _parts(mask):
        ring = _simplify(_walk(part), _TOLERANCE * max(height, width))
        rings.append([(x / width, y / height) for x, y in ring])
    if not rings:
        return ()
    joined = list(rings[0])
    for ring in rings[1:]:
        joined += [joined[0], *ring, ring[0]]
    if len(rings) > 1:
        joined += [ring[0] for ring in reversed(rings[:-1])]
    return tuple((round(x, 4), round(y, 4)) for x, y in joined)


def _parts(mask: BoolArray) -> list[BoolArray]:
    """Connected parts (edge neighbours), large ones first, specks left out."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    return [labels == k + 1 for k in order if sizes[k] >= _SMALLEST * mask.sum()]


_AHEAD = {
    (1, 0): ((-1, 0), (0, 0)),
    (0, 1): ((0, 0), (0, -1)),
    (-1, 0): ((0, -1), (-1, -1)),
    (0, -1): ((-1, -1), (-1, 0)),
}
"""Direction (x, y) to the offsets (row, column) of the pixels ahead on the left and the right."""


def _walk(part: BoolArray) -> list[tuple[int, int]]:
    """Corners (x, y) of the outer outline in pixel edges, walked with the region on the right."""
    padded = np.pad(part, 1)
    top = int(np.nonzero(padded.any(axis=1))[0][0])
    start = (int(np.nonzero(padded[top])[0][0]), top)
    (x, y), way = start, (1, 0)
    corners = [start]
    while True:
        x, y = x + way[0], y + way[1]
        if (x, y) == start:
            return [(px - 1, py - 1) for px, py in corners]
        (left_row, left_column), (right_row, right_column) = _AHEAD[way]
        turned = way
        if not padded[y + right_row, x + right_column]:
            turned = (-way[1], way[0])
        elif padded[y + left_row, x + left_column]:
            turned = (way[1], -way[0])
        if turned != way:
            corners.append((x, y))
            way = turned


def _simplify(ring: list[tuple[int, int]], tolerance: float) -> list[tuple[int, int]]:
    """Douglas and Peucker's algorithm on a closed ring, split at its two farthest corners."""
    points = np.array(ring, dtype=float)
    far = int(np.argmax(((points - points[0]) ** 2).sum(axis=1)))
    halves = (list(range(far + 1)), [*range(far, len(ring)), 0])
    kept: list[int] = []
    for half in halves:
        kept += _keep(points, half, tolerance)[:-1]
    return [ring[k] for k in kept]


def _keep(points: npt.NDArray[np.float64], indices: list[int], tolerance: float) -> list[int]:
    """The indices that stay, first and last included."""
    if len(indices) < 3:
        return indices
    a, b = points[indices[0]], points[indices[-1]]
    rest = points[indices[1:-1]] - a
    along = b - a
    length = float(np.hypot(*along))
    if length == 0.0:
        distance = np.hypot(rest[:, 0], rest[:, 1])
    else:
        distance = np.abs(along[0] * rest[:, 1] - along[1] * rest[:, 0]) / length
    worst = int(np.argmax(distance))
    if distance[worst] <= tolerance:
        return [indices[0], indices[-1]]
    middle = worst + 1
    return _keep(points, indices[: middle + 1], tolerance)[:-1] + _keep(
        points, indices[middle:], tolerance
    )
