"""Which combinations are held out: noun-attribute pairs and pairs of nouns.

A pair's side is a function of its words alone (SHA-256), so it never changes when words are
added. Training scenes hold "train" pairs only; a "test" scene has at least one "test" pair and
no "tune" pair, and the other way round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from itertools import combinations
from typing import Literal

Split = Literal["train", "tune", "test"]
SPLITS: tuple[Split, ...] = ("train", "tune", "test")
TRAIN_SHARE = 0.8
TUNE_SHARE = 0.1


def _side(key: str) -> Split:
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    if share < TRAIN_SHARE:
        return "train"
    return "tune" if share < TRAIN_SHARE + TUNE_SHARE else "test"


@cache
def pair_split(noun: str, attribute: str) -> Split:
    """The side of a noun with an attribute, for example ("apple", "red")."""
    return _side(f"noun-attribute|{noun}|{attribute}")


@cache
def nouns_split(a: str, b: str) -> Split:
    """The side of two different nouns in one scene; their order does not matter."""
    first, second = sorted((a, b))
    return _side(f"noun-noun|{first}|{second}")


def sides(things: Iterable[tuple[str, tuple[str, ...]]]) -> set[Split]:
    """The sides of all pairs in a scene given as (noun, attributes) of each thing."""
    listed = list(things)
    found: set[Split] = {pair_split(noun, attr) for noun, attrs in listed for attr in attrs}
    nouns = sorted({noun for noun, _ in listed})
    found.update(nouns_split(a, b) for a, b in combinations(nouns, 2))
    return found


def belongs(things: Iterable[tuple[str, tuple[str, ...]]], split: Split) -> bool:
    """Whether a scene of these (noun, attributes) may stand in the split."""
    found = sides(things)
    if split == "train":
        return found <= {"train"}
    return split in found and found <= {"train", split}
