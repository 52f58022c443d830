"""What judges remember: answers by image content, so that no metric asks twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def image_key(image: Any) -> bytes:
    """A digest of a PIL image's mode, size and pixels."""
    head = f"{image.mode} {image.size}".encode()
    return hashlib.blake2b(head + image.tobytes(), digest_size=16).digest()


class Memory(Generic[T]):
    """The most recently used values up to a total size."""

    def __init__(self, limit: int, size: Callable[[T], int] = lambda value: 1) -> None:
        """``limit`` is in units of ``size``; by default the number of values."""
        self._limit = limit
        self._size = size
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self._total = 0

    def get(self, key: Hashable) -> T | None:
        """The value of a key, or None."""
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        return None

    def put(self, key: Hashable, value: T) -> None:
        """Remember a value; the least recently used ones are forgotten when there is no room."""
        if key in self._held:
            self._total -= self._size(self._held.pop(key))
        self._held[key] = value
        self._total += self._size(value)
        while self._total > self._limit and len(self._held) > 1:
            _, old = self._held.popitem(last=False)
            self._total -= self._size(old)


def remembered(
    memory: Memory[T],
    keys: Sequence[Hashable],
    make: Callable[[list[int]], Sequence[T]],
) -> list[T]:
    """The value of each key; ``make`` gets the positions of those that are new, each key once."""
    out: dict[Hashable, T] = {}
    new: dict[Hashable, int] = {}
    for position, key in enumerate(keys):
        value = memory.get(key)
        if value is not None:
            out[key] = value
        else:
            new.setdefault(key, position)
    if new:
        for key, value in zip(new, make(list(new.values())), strict=True):
            out[key] = value
            memory.put(key, value)
    return [out[key] for key in keys]
