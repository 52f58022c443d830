"""From noun phrases to the things of a scene: which phrases are things, how many, which the same.

Places become the background, ideas and parts of space are dropped, "one ... the other ..." splits a
plural, "the dog" in a later sentence is the dog of the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.layouts import words as lexicon
from bench.layouts.chunks import Chunk, find_chunks
from bench.layouts.ellipsis import Ellipsis
from bench.layouts.nouns import singular
from bench.layouts.predicates import add_predicates
from bench.layouts.scene import Mention, Scene
from bench.layouts.syntax import Word
from bench.layouts.things import Sorter


def find_mentions(words: Sequence[Word]) -> Scene:
    """The things of a prompt, in the order of their phrases."""
    finder = _Finder(Scene(words, find_chunks(words)))
    finder.run()
    return finder.scene


class _Finder:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.sorter = Sorter(scene)
        self.ellipsis = Ellipsis(scene)

    def run(self) -> None:
        pending: Chunk | None = None
        skip_before = -1
        for n, chunk in enumerate(self.scene.chunks):
            if chunk.first <= skip_before:
                continue
            following = self.scene.chunks[n + 1] if n + 1 < len(self.scene.chunks) else None
            if pending is not None:
                self._through(pending, chunk)
                pending = None
                skip_before = chunk.last
                continue
            if not chunk.head or self.ellipsis.picks_color(chunk, n):
                if not self.ellipsis.borrow(chunk, self.scene.chunks[n + 1 :]):
                    self.ellipsis.resolve(chunk)
                continue
            if self.ellipsis.tells_apart(chunk):
                continue
            link = self.sorter.of(chunk, following)
            if link == "through":
                pending = chunk
            elif link == "drop":
                continue
            elif link == "nothing" and following is not None:
                skip_before = following.last
            elif self.sorter.is_thing(chunk):
                mention = self._add(chunk)
                counted = following is not None and (following.number or 0) > 0
                if link == "holds" and not counted and mention is not None:
                    skip_before = self._extend(mention, n)
        add_predicates(self.scene)
        self._ensure_one()

    def _through(self, outer: Chunk, inner: Chunk) -> None:
        """ "A pair of red shoes": the inner noun with the attributes and count of both."""
        if not self.sorter.is_thing(inner):
            return
        base = singular(self.scene.words[outer.head[-1]].low)
        number = inner.number
        if base in lexicon.PAIRS:
            pairs = (
                lexicon.PAIRS[base]
                if self.scene.words[inner.head[-1]].low not in (lexicon.PAIRED_GARMENTS)
                else 1
            )
            number = pairs * (outer.number or 1)
        elif base in lexicon.PORTIONS:
            number = outer.number
        merged = Chunk(
            first=outer.first,
            last=inner.last,
            head=inner.head,
            attributes=outer.attributes + inner.attributes,
            number=number,
            number_at=outer.number_at if inner.number is None else inner.number_at,
            determiner=outer.determiner,
            owner=outer.owner or inner.owner,
            plural=inner.plural,
            noun=singular(" ".join(self.scene.words[i].low for i in inner.head), (number or 1) > 1)
            if inner.plural
            else inner.noun,
        )
        self._add(merged)

    def _extend(self, mention: Mention, n: int) -> int:
        """ "A bottle of water": what it holds belongs to the phrase and is no thing of its own."""
        last = self.scene.chunks[n].last
        for inner in self.scene.chunks[n + 1 :]:
            if inner.first != last + 2 or self.scene.words[last + 1].low != "of":
                break
            last = inner.last
        index = self.scene.mentions.index(mention)
        for i in range(mention.last + 1, last + 1):
            self.scene.owner[i] = index
        mention.last = last
        return last

    def _add(self, chunk: Chunk) -> Mention | None:
        """A new mention, or the earlier one that the phrase speaks of again."""
        known = self._same_as(chunk)
        if known is not None:
            index = self.scene.mentions.index(known)
            said = {self.scene.words[i].low for i in known.attributes}
            known.attributes += [i for i in chunk.attributes if self.scene.words[i].low not in said]
        else:
            known = Mention(
                chunk, chunk.noun, chunk.count, list(chunk.attributes), chunk.first, chunk.last
            )
            index = len(self.scene.mentions)
            self.scene.mentions.append(known)
        for i in range(chunk.first, chunk.last + 1):
            self.scene.owner[i] = index
        return known

    def _same_as(self, chunk: Chunk) -> Mention | None:
        if chunk.determiner not in ("the", "this", "that", "these", "those", "both"):
            return None
        if chunk.number is not None and chunk.determiner != "both" and chunk.number == 1:
            return None
        if "other" in {w.low for w in self.scene.words[chunk.first : chunk.last + 1]}:
            return None
        described = {self.scene.words[i].low for i in chunk.attributes}
        sentence = self.scene.words[chunk.first].sentence
        for mention in reversed(self.scene.mentions):
            short = chunk.noun.split()[-1]
            if chunk.noun != mention.noun and mention.noun.split()[-1] != short:
                continue
            if chunk.noun != mention.noun and " " in chunk.noun:
                continue
            if self.scene.sided(chunk) and self.scene.sided(mention.chunk):
                continue  # "the dog on the left ..., the dog on the right ..."
            known = {self.scene.words[i].low for i in mention.attributes}
            if described <= known:
                return mention
            if not known and self.scene.words[mention.first].sentence < sentence:
                return mention
        return None

    def _ensure_one(self) -> None:
        """A prompt that names only a place or an idea is about that."""
        if self.scene.mentions:
            return
        candidates = self.scene.places or self.scene.ideas
        if not candidates:
            candidates = [c for c in self.scene.chunks if c.head]
        if candidates:
            self.scene.places = [c for c in self.scene.places if c is not candidates[0]]
            self._add(candidates[0])
