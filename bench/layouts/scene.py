"""What the reading of a prompt works on: its words, phrases, and the things found so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.layouts.chunks import Chunk
from bench.layouts.syntax import Word

Link = tuple[int, str, int]
"""(subject, relation, object): indices of mentions."""


@dataclass(slots=True, eq=False)
class Mention:
    """One thing, or one plural, of the scene."""

    chunk: Chunk
    """Where the noun stands."""
    noun: str
    count: int
    attributes: list[int] = field(default_factory=list)
    """Indices of attribute words."""
    first: int = 0
    last: int = 0
    """Words of the phrase, inclusive; wider than the chunk for "a bottle of water"."""


@dataclass(slots=True)
class Scene:
    """What was found in a prompt."""

    words: Sequence[Word]
    chunks: list[Chunk]
    mentions: list[Mention] = field(default_factory=list)
    places: list[Chunk] = field(default_factory=list)
    """Phrases that name where the scene is, in order."""
    ideas: list[Chunk] = field(default_factory=list)
    """Phrases that name no thing."""
    owner: dict[int, int] = field(default_factory=dict)
    """Word index to mention index, for all words of all phrases that stand for a mention."""

    def before(self, chunk: Chunk) -> str:
        """The word before a phrase, lower case; "" at the start."""
        return self.words[chunk.first - 1].low if chunk.first else ""

    def before_mention(self, index: int) -> str:
        """The word before a mention's phrase, lower case; "" at the start."""
        first = self.mentions[index].first
        return self.words[first - 1].low if first else ""

    def head(self, chunk: Chunk) -> Word:
        """The last word of a phrase's noun."""
        return self.words[chunk.head[-1]]

    def sided(self, chunk: Chunk) -> bool:
        """Is it told from another of its kind: "the dog on the left", "the first dog"?"""
        inside = {w.low for w in self.words[chunk.first : chunk.last]}
        if inside & {"left", "right", "first", "second", "third", "last"}:
            return True
        after = [w.low for w in self.words[chunk.last + 1 : chunk.last + 5]]
        sides = ("left", "right", "top", "bottom")
        return (
            after[:1] in (["on"], ["at"])
            and after[1:2] == ["the"]
            and (len(after) > 2 and after[2] in sides and after[3:] != ["of"])
        )

    def own(self, chunk: Chunk, mention: Mention) -> None:
        """Let the words of a phrase stand for a mention."""
        index = self.mentions.index(mention)
        for i in range(chunk.first, chunk.last + 1):
            self.owner[i] = index

    def insert(self, at: int, mention: Mention) -> None:
        """Put a mention before the one at an index."""
        self.mentions.insert(at, mention)
        self.owner = {i: m + (m >= at) for i, m in self.owner.items()}

    def nearest_before(self, at: int) -> int | None:
        """The mention that ends last before a word."""
        owned = [i for i in self.owner if i < at]
        return self.owner[max(owned)] if owned else None

    def last_joined(self, index: int, end: int) -> int:
        """The last mention that commas and "and" join to this one, before a word."""
        while index + 1 < len(self.mentions):
            joined = len(self.coordinated_before(index + 1)) > 1
            if self.mentions[index + 1].last >= end or not joined:
                break
            index += 1
        return index

    def coordinated_before(self, index: int) -> list[int]:
        """A mention and those joined to it by commas and "and" directly before it."""
        out = [index]
        while out[0] > 0:
            earlier, later = self.mentions[out[0] - 1], self.mentions[out[0]]
            between = {w.low for w in self.words[earlier.last + 1 : later.first]}
            head = earlier.chunk.head or [earlier.last]
            ends_a_clause = self.words[head[-1]].dep in ("pobj", "dobj")
            if not between or not between <= {"and", ","} or ends_a_clause:
                break
            out.insert(0, out[0] - 1)
        return out
