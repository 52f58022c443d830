"""Wordings of the closed list of relations, found in a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.layouts import words as lexicon
from bench.layouts.syntax import Word

_PATTERNS = sorted(
    ((tuple(phrase.split()), relation) for phrase, relation in lexicon.RELATION_PHRASES),
    key=lambda entry: -len(entry[0]),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A wording of a relation, as a half-open range of words."""

    start: int
    end: int
    relation: str


def find_hits(words: Sequence[Word]) -> list[Hit]:
    """Wordings in the prompt, left to right, the longest where several start."""
    lows = [w.low for w in words]
    hits = []
    at = 0
    while at < len(lows):
        for pattern, relation in _PATTERNS:
            if tuple(lows[at : at + len(pattern)]) == pattern and _holds(words, at, pattern):
                hits.append(Hit(at, at + len(pattern), relation))
                at += len(pattern) - 1
                break
        at += 1
    return hits


def _holds(words: Sequence[Word], at: int, pattern: tuple[str, ...]) -> bool:
    """A one-word wording must be a preposition here ("before", "under", "left of" need no test)."""
    if len(pattern) > 1:
        return True
    word, after = words[at], words[at + 1 : at + 2]
    if word.dep == "amod" and after and after[0].tag in ("CD", "DT"):
        return True  # "above twelve kings", where the syntax takes it for "over twelve"
    if word.dep == "amod" or (word.dep == "mark" and word.low == "before"):
        return False
    return word.tag in ("IN", "RB", "JJ", "RP")
