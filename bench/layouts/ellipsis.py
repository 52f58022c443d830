"""Phrases that lean on others: "one red and the other blue", "a green one", "the other cat"."""

from __future__ import annotations

from collections.abc import Sequence

from bench.layouts import words as lexicon
from bench.layouts.chunks import Chunk
from bench.layouts.scene import Mention, Scene
from bench.layouts.syntax import Word

_ARTICLES = ("a", "an", "the")


class Ellipsis:
    """Gives such phrases the nouns of earlier ones; remembers what is told apart already."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.pair: list[Mention] = []
        """Two things of which "one ..., the other ..." speaks, as far as not yet told apart."""
        self.remainder: Mention | None = None
        """What is left of a plural of which "one" was told apart."""

    def picks_color(self, chunk: Chunk, n: int) -> bool:
        """Is "one orange" or "the other orange" a colour of an earlier thing, not a fruit?"""
        if chunk.noun not in lexicon.COLORS or chunk.attributes or not self.scene.mentions:
            return False
        other = any(w.low == "other" for w in self.scene.words[chunk.first : chunk.last + 1])
        following = self.scene.chunks[n + 1] if n + 1 < len(self.scene.chunks) else None
        paired = chunk.number == 1 and following is not None and not following.head
        if other or (paired and self.scene.mentions[-1].count > 1):
            chunk.attributes, chunk.head = list(chunk.head), []
            return True
        return False

    def tells_apart(self, chunk: Chunk) -> bool:
        """Take "one cat", "the other cat" out of "two cats"; True when that is done."""
        low = {w.low for w in self._words(chunk)}
        source = self._plural(chunk.noun)
        if source is None or source.chunk is chunk or chunk.number == 0:
            return False
        others = bool({"other", "others"} & low) or self.scene.sided(chunk)
        if not others and not ("one" in low and not chunk.determiner and self._restarts(chunk)):
            return False
        self._split(chunk, source)
        return True

    def borrow(self, chunk: Chunk, following: Sequence[Chunk]) -> bool:
        """Give "two red" the noun of "and three blue balloons"; True when that is done."""
        lender = next((c for c in following if c.head), None)
        if lender is None or not chunk.attributes or self._plural(lender.noun) is not None:
            return False
        counted = chunk.number is not None and lender.number is not None
        if not counted and not (chunk.determiner in ("a", "an") and lender.determiner in _ARTICLES):
            return False
        links = [chunk, *following[: following.index(lender) + 1]]
        for left, right in zip(links, links[1:], strict=False):
            between = {w.low for w in self.scene.words[left.last + 1 : right.first]}
            if not between or not between <= {"and", ","}:
                return False
        self._add(chunk, lender.noun)
        return True

    def resolve(self, chunk: Chunk) -> None:
        """Give a phrase without a noun the noun of an earlier phrase."""
        low = {w.low for w in self._words(chunk)}
        before = self.scene.before(chunk)
        mentions = self.scene.mentions
        if not mentions or "each" in (before, *low) or (before == "one" and "another" in low):
            return
        again = self._named_by_attribute(chunk)
        source = self._plural()
        one = chunk.number == 1 and chunk.determiner == ""
        if one and source is None and len(mentions) > 1 and mentions[-1].chunk.number is None:
            self.pair = mentions[-2:]
        if self.pair and (one or {"other"} & low):
            target = self.pair.pop(0)
            target.attributes += chunk.attributes
            self.scene.own(chunk, target)
        elif again is not None:
            self.scene.own(chunk, again)
        elif source is not None and self._is_part(chunk, source, low):
            self._split(chunk, source)
        elif {"other", "others", "another"} & low or (chunk.attributes and {"one", "ones"} & low):
            self._add(chunk, self._counterpart().noun)

    def _words(self, chunk: Chunk) -> Sequence[Word]:
        return self.scene.words[chunk.first : chunk.last + 1]

    def _plural(self, noun: str | None = None) -> Mention | None:
        """The plural that is being told apart, or the last one (of a noun)."""
        for mention in (self.remainder, *reversed(self.scene.mentions)):
            told = mention is not None and (mention is self.remainder or mention.count > 1)
            if mention is not None and told and noun in (None, mention.noun):
                return mention
        return None

    def _restarts(self, chunk: Chunk) -> bool:
        """Does a phrase open a sentence or clause of its own ("One cat is black")?"""
        if self.remainder is not None or self.scene.before(chunk) in (".", ":", ";", ""):
            return True
        after = chunk.last + 1
        return after < len(self.scene.words) and self.scene.words[after].tag.startswith("V")

    def _is_part(self, chunk: Chunk, source: Mention, low: set[str]) -> bool:
        """Is it "a black one" of "two dogs" rather than one more dog?"""
        colors = {self.scene.words[i].low for i in source.chunk.attributes} & lexicon.COLORS
        if colors and {self.scene.words[i].low for i in chunk.attributes} & lexicon.COLORS:
            return False
        if "another" in low:
            return False
        added = self.remainder is None and self.scene.before(chunk) == "and"
        if chunk.determiner in ("a", "an") or "ones" in low:
            return bool({"one", "ones"} & low) and not added
        return True

    def _add(self, chunk: Chunk, noun: str) -> None:
        attributes = list(chunk.attributes)
        made = Mention(chunk, noun, chunk.count, attributes, chunk.first, chunk.last)
        self.scene.mentions.append(made)
        self.scene.own(chunk, made)

    def _named_by_attribute(self, chunk: Chunk) -> Mention | None:
        """The earlier thing that "the red one" picks out."""
        described = {self.scene.words[i].low for i in chunk.attributes}
        if chunk.determiner != "the" or not described:
            return None
        for mention in reversed(self.scene.mentions):
            if described <= {self.scene.words[i].low for i in mention.attributes}:
                return mention
        return None

    def _split(self, chunk: Chunk, source: Mention) -> None:
        """Take "one" or "the other two" out of a plural that was counted before."""
        mentions = self.scene.mentions
        rest = source.count if source is self.remainder else source.count - 1
        number = chunk.number or (rest if chunk.plural else 1)
        if number < source.count:
            kept = [i for i in source.attributes if i in source.chunk.attributes]
            part = Mention(source.chunk, source.noun, number, kept, source.first, source.last)
            self.scene.insert(mentions.index(source), part)
            source.count -= number
            self.remainder, source = source, part
        else:
            self.remainder = None
        source.attributes += chunk.attributes
        self.scene.own(chunk, source)

    def _counterpart(self) -> Mention:
        """The mention that "the other" is the counterpart of."""
        counted = [m for m in self.scene.mentions if m.chunk.number_at is not None]
        return (counted or self.scene.mentions)[-1]
