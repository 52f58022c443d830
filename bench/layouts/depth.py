"""Which of two overlapping things is in front."""

from __future__ import annotations

from collections.abc import Sequence

from bench.layouts.rules import IN_DEPTH


def depth_ranks(links: Sequence[tuple[int, str, int]], key: Sequence[float]) -> list[int] | None:
    """Ranks from 0, the nearest: by ``key`` (small is near), unless a relation says otherwise.

    ``links`` are (subject, relation, object). None when the relations contradict each other.
    """
    nearer: dict[int, set[int]] = {k: set() for k in range(len(key))}
    for subject, relation, obj in links:
        if relation in ("in_front_of", "inside"):
            nearer[obj].add(subject)
        elif relation in IN_DEPTH:
            nearer[subject].add(obj)
    ranks = [0] * len(key)
    left = set(nearer)
    for rank in range(len(key)):
        free = [k for k in left if not nearer[k] & left]
        if not free:
            return None
        chosen = min(free, key=lambda k: (key[k], k))
        ranks[chosen] = rank
        left.remove(chosen)
    return ranks
