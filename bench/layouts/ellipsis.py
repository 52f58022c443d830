"""Phrases without a noun: "one red and the other blue", "a green one"."""

from __future__ import annotations

from bench.layouts import words as lexicon
from bench.layouts.chunks import Chunk
from bench.layouts.scene import Mention, Scene


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

    def resolve(self, chunk: Chunk) -> None:
        """Give a phrase without a noun the noun of an earlier phrase."""
        low = {self.scene.words[i].low for i in range(chunk.first, chunk.last + 1)}
        before = self.scene.before(chunk)
        mentions = self.scene.mentions
        if not mentions or "each" in (before, *low) or (before == "one" and "another" in low):
            return
        again = self._named_by_attribute(chunk)
        source = self.remainder or next((m for m in reversed(mentions) if m.count > 1), None)
        one = chunk.number == 1 and chunk.determiner == ""
        if one and source is None and len(mentions) > 1 and mentions[-1].chunk.number is None:
            self.pair = mentions[-2:]
        if self.pair and (one or {"other"} & low):
            target = self.pair.pop(0)
            target.attributes += chunk.attributes
            self.scene.own(chunk, target)
        elif again is not None:
            self.scene.own(chunk, again)
        elif source is not None and "another" not in low and chunk.determiner not in ("a", "an"):
            self._split(chunk, source)
        elif {"other", "others", "another"} & low or (chunk.attributes and {"one", "ones"} & low):
            model = self._counterpart(chunk)
            target = Mention(
                chunk, model.noun, chunk.count, list(chunk.attributes), chunk.first, chunk.last
            )
            mentions.append(target)
            self.scene.own(chunk, target)

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
        number = chunk.number or (source.count - 1 if chunk.plural else 1)
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

    def _counterpart(self, chunk: Chunk) -> Mention:
        """The mention that "the other" is the counterpart of."""
        counted = [m for m in self.scene.mentions if m.chunk.number_at is not None]
        return (counted or self.scene.mentions)[-1]
