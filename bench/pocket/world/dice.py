"""Cheap random choices: one block of uniform numbers from a generator, spent one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_BLOCK = 128


class Dice:
    """Draws from ``rng`` in blocks: a call of numpy's generator costs as much as ten of these."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: list[float] = []

    def unit(self) -> float:
        """Uniform in [0, 1)."""
        if not self._left:
            self._left = self._rng.random(_BLOCK).tolist()
        return self._left.pop()

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high); ``low`` where the range is empty."""
        return low + self.unit() * max(0.0, high - low)

    def chance(self, p: float) -> bool:
        return self.unit() < p

    def below(self, n: int) -> int:
        """Uniform in 0..n-1."""
        return int(self.unit() * n)

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.unit() * len(items))]

    def weighted(self, items: Sequence[tuple[T, float]]) -> T:
        """One of (item, weight) with probability proportional to its weight."""
        left = self.unit() * sum(w for _, w in items)
        for item, weight in items:
            left -= weight
            if left < 0:
                return item
        return items[-1][0]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        keys = [self.unit() for _ in items]
        return [items[k] for k in sorted(range(len(items)), key=keys.__getitem__)]
