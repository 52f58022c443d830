"""Prepositions and verbs whose meaning hangs on their company: "on", "in", "with", "holds"."""

from __future__ import annotations

from collections.abc import Iterator

from bench.layouts import words as lexicon
from bench.layouts.doers import Doers
from bench.layouts.scene import Link, Scene
from bench.layouts.sizes import build_of
from bench.layouts.syntax import Word

_FLOATING = (
    "float", "fl", "hover", "hung", "hang", "soar", "loom", "suspend", "glid", "jump", "buzz",
    "drift", "shin", "shone", "rose", "ris", "leap", "arch", "circl",
)  # fmt: skip
_FILLED = ("fill", "contain")
_PLACING = ("on", "upon", "onto", "in", "into", "over", "by")
_SEATED = ("sit", "sat", "stand", "stood", "perch", "walk", "lie", "lay", "rest", "climb")
_NOT_ACTIONS = ("contrast", "creat", "remind", "resembl", "provid", "compet")


class Loose:
    """Reads what no wording of the closed list says."""

    def __init__(self, scene: Scene, doers: Doers) -> None:
        self.scene = scene
        self.words = scene.words
        self.doers = doers

    def links(self) -> Iterator[Link]:
        for word in self.words:
            if word.index in self.doers.covered:
                continue
            if word.tag in ("IN", "TO", "RP", "RB") and word.dep in (
                "prep",
                "agent",
                "prt",
                "dative",
            ):
                yield from self._prepositional(word)
            elif word.dep == "dobj" and word.index in self.scene.owner:
                verb = self.words[word.head]
                acts = verb.tag.startswith("V") and verb.index not in self.scene.owner
                subject = self.doers.subject_of(verb) if acts else None
                obj = self.scene.owner[word.index]
                if subject is not None and self._holds(verb, subject):
                    yield (obj, lexicon.INSIDE, subject)
                elif subject is not None and not verb.low.startswith(_NOT_ACTIONS):
                    yield (subject, lexicon.ACTION, obj)

    def _holds(self, verb: Word, subject: int) -> bool:
        """ "A box containing four oranges", "a bowl holding an egg"."""
        hollow = self.scene.mentions[subject].noun.split()[-1] in lexicon.HOLLOW
        return hollow and verb.low.startswith((*_FILLED, "hold"))

    def _prepositional(self, word: Word) -> Iterator[Link]:
        obj = self.doers.object_at(word.index + 1)
        if word.low == "of" and obj is not None and word.index - 1 in self.scene.owner:
            holder = self.scene.owner[word.index - 1]
            if self.scene.mentions[obj].chunk.number and holder != obj:
                yield (obj, lexicon.INSIDE, holder)  # "a bowl of three apples"
            return
        governor = self.words[word.head]
        if obj is None or governor.low.startswith(_NOT_ACTIONS):
            return
        verbal = governor.tag.startswith("V")
        if governor.index in self.scene.owner:
            subject: int | None = self.scene.owner[governor.index]
        else:
            subject = self.doers.subject_of(governor) if verbal else None
        if subject is None and not verbal:  # "a close-up of a banana in a bowl"
            subject = self.scene.owner.get(word.index - 1)
        if subject is None or subject == obj:
            return
        relation = self._meaning(word, governor, verbal, subject, obj)
        if relation is None:
            return
        if word.dep == "agent" and relation == lexicon.ACTION:
            subject, obj = obj, subject
        if word.low == "with" and governor.low.startswith(_FILLED):
            yield (obj, lexicon.INSIDE, subject)
            return
        subjects = self.doers.doers(governor, subject, obj) if verbal else [subject]
        if not verbal and word.low in _PLACING:
            listed = self.doers.listed_before(word.index, obj)
            subjects = [m for m in listed if m == listed[-1] or self._fits(m, obj)] or subjects
        for each in subjects:
            yield (each, relation, obj)
        joined = self._extra(obj, verbal)
        if joined is not None and relation != lexicon.INSIDE:
            yield (subject, relation, joined)

    def _fits(self, index: int, obj: int) -> bool:
        """Can a thing stand on or in another: "a sofa and a lamp on a table" has no sofa there."""
        inner, outer = self.scene.mentions[index], self.scene.mentions[obj]
        return build_of(inner.noun).metres <= build_of(outer.noun).metres

    def _extra(self, obj: int, verbal: bool) -> int | None:
        joined = self.doers.joined_after(obj)
        return joined if verbal and joined is not None and not self.doers.leads_on(joined) else None

    def _meaning(
        self, word: Word, governor: Word, verbal: bool, subject: int, obj: int
    ) -> str | None:
        noun = self.scene.mentions[obj].noun.split()[-1]
        low = word.low
        if word.dep == "prt" or (low == "on" and noun in lexicon.HANDLED):
            return lexicon.ACTION
        if low in ("on", "upon", "onto"):
            hangs = noun in lexicon.UPRIGHT and not governor.low.startswith(_SEATED)
            return lexicon.INSIDE if hangs else lexicon.ABOVE
        if low in ("in", "into"):
            return lexicon.ACTION if noun in lexicon.GARMENTS else lexicon.INSIDE
        if low == "over":
            floats = not verbal or governor.low.startswith(_FLOATING)
            return lexicon.ABOVE if floats else lexicon.ACTION
        if low == "by":
            return lexicon.ACTION if word.dep == "agent" else lexicon.NEAR
        if low == "with":
            return lexicon.ACTION if verbal else lexicon.NEAR
        return lexicon.ACTION if verbal and low not in ("for", "of", "like", "as") else None
