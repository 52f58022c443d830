"""Attributes that stand after their noun: "the apple was red", "a ball made of rubber"."""

from __future__ import annotations

from bench.layouts import words as lexicon
from bench.layouts.chunks import is_describing
from bench.layouts.scene import Scene
from bench.layouts.syntax import Word


def add_predicates(scene: Scene) -> None:
    """Give every adjective outside of the noun phrases to the mentions that it describes."""
    reader = _Predicates(scene)
    for word in scene.words:
        if word.index not in scene.owner and reader.is_predicate(word):
            for index in reader.described(word):
                scene.mentions[index].attributes.append(word.index)


class _Predicates:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def is_predicate(self, word: Word) -> bool:
        """An adjective, colour or material outside of every noun phrase."""
        if any(word.index in c for c in self.scene.chunks if c.head):
            return False
        return is_describing(word)

    def described(self, word: Word) -> list[int]:
        """Mentions that a predicate is about."""
        before = self._leading_verb(word.index)
        if before is None:
            return []
        verb = self.scene.words[before]
        subject = self._subject(verb)
        if subject is None:
            return []
        out = [subject]
        if verb.low in ("are", "were", "look", "seem"):
            mention = self.scene.mentions[subject]
            if mention.count == 1 and not mention.chunk.plural:
                out = self.scene.coordinated_before(self.scene.last_joined(subject, verb.index))
        return out

    def _leading_verb(self, at: int) -> int | None:
        """The verb before a predicate, over adverbs, other predicates and "and"; None if none."""
        at -= 1
        while at >= 0:
            word = self.scene.words[at]
            if word.low in lexicon.STATES or word.low in (*lexicon.COLORED, "of", "in", "out"):
                return at
            passing = (
                word.tag in ("RB", "CC", ",")
                or word.low in ("both", "all", "either")
                or self.is_predicate(word)
            )
            if at in self.scene.owner:
                return at
            if not passing:
                return None
            at -= 1
        return None

    def _subject(self, verb: Word) -> int | None:
        """Mention that a verb of state (or "painted", or nothing) speaks of."""
        at = verb.index
        if at in self.scene.owner:
            return self._directly(at)
        if verb.low in ("of", "in", "out"):
            return self._made_of(verb)
        subjects = [
            w
            for w in self.scene.words
            if w.head == at and w.dep in ("nsubj", "nsubjpass") and w.index < at
        ]
        for word in subjects:
            if word.index in self.scene.owner:
                return self.scene.owner[word.index]
            if word.tag in ("WDT", "WP"):
                return self.scene.nearest_before(word.index)
        if any(w.tag in ("PRP", "EX") for w in subjects):
            return None
        return self.scene.nearest_before(at)

    def _directly(self, at: int) -> int | None:
        """ "The cat white": only in "one red, the other blue" and "a ball, red and shiny, ..."."""
        index = self.scene.owner[at]
        mention = self.scene.mentions[index]
        if not mention.chunk.head or at > mention.last:
            return index
        return index if at == mention.last and self._set_off(at + 1) else None

    def _set_off(self, at: int) -> bool:
        """Do only attributes stand between a comma at a word and the next mark or the end?"""
        words = self.scene.words
        if at >= len(words) or words[at].text != ",":
            return False
        at += 1
        while at < len(words) and (self.is_predicate(words[at]) or words[at].low == "and"):
            at += 1
        closed = at == len(words) or words[at].text in (",", ".", ";") or words[at].tag == "IN"
        return closed and words[at - 1].low != "and"

    def _made_of(self, word: Word) -> int | None:
        """ "Made of wood", "a man in red"."""
        at = word.index - 1
        while at >= 0 and self.scene.words[at].low in (
            "out",
            "made",
            "is",
            "are",
            "all",
            "entirely",
        ):
            at -= 1
        made = any(self.scene.words[i].low == "made" for i in range(at + 1, word.index))
        return self.scene.nearest_before(at + 1) if made or word.low == "in" else None
