"""Who stands in a relation: the things before and after its wording, over the syntax."""

from __future__ import annotations

from collections.abc import Sequence

from bench.layouts.scene import Scene
from bench.layouts.sizes import is_living
from bench.layouts.syntax import Word
from bench.layouts.wordings import Hit

_INVERTING = (
    "is", "are", "was", "were", "there", "stands", "stand", "stood", "sits", "sit", "sat", "lies",
    "lie", "lay", "hangs",
)  # fmt: skip


class Doers:
    """Finds subjects and objects of the relations of one scene."""

    def __init__(self, scene: Scene, hits: Sequence[Hit]) -> None:
        self.scene = scene
        self.words = scene.words
        self.covered = {i for h in hits for i in range(h.start, h.end)}
        """Words that are part of a wording."""
        self.antecedents: dict[int, int] = {}
        """What "it" stood for where a mention was placed by it: the next "it" is the same."""

    def object_at(self, at: int) -> int | None:
        """The mention that starts at a word, over what may stand before its phrase."""
        for i in range(at, min(at + 3, len(self.words))):
            word = self.words[i]
            if i in self.scene.owner:
                return self.scene.owner[i]
            if word.tag in ("PRP", "WDT", "WP", "CC", ",") or word.tag.startswith("V"):
                return None
        return None

    def joined_after(self, index: int) -> int | None:
        """The mention right after this one, with only "and" between the two."""
        if index + 1 >= len(self.scene.mentions):
            return None
        here, following = self.scene.mentions[index], self.scene.mentions[index + 1]
        between = [w.low for w in self.words[here.last + 1 : following.first]]
        return index + 1 if between in (["and"], [",", "and"]) else None

    def leads_on(self, index: int) -> bool:
        """Does a mention start something new (a verb or a relation follows it)?"""
        after = self.scene.mentions[index].last + 1
        if after >= len(self.words):
            return False
        word = self.words[after]
        return word.tag.startswith("V") or word.tag in ("IN", "MD", "TO") or after in self.covered

    def subjects(self, at: int, obj: int) -> list[int]:
        """Mentions of which the relation that is worded at a word speaks."""
        led = self.led_by(at, obj)
        if led is not None:
            return [led]
        word = self.words[at]
        verbal = word.tag.startswith("V")
        governor = word if verbal else self.governor(at)
        subject: int | None = None
        through_verb = False
        if governor is not None and governor.index in self.scene.owner and not verbal:
            subject = self.scene.owner[governor.index]
        elif governor is not None:
            subject = self.subject_of(governor)
            through_verb = subject is not None
        if subject is None or subject == obj:
            subject = self.nearest(at, obj)
            through_verb = False
        if subject is None:
            return []
        if through_verb and governor is not None:
            return self.doers(governor, subject, obj)
        return self.listed_before(at, obj) or [subject]

    def led_by(self, at: int, obj: int) -> int | None:
        """ "Behind the dog is a tree": the thing after a wording that opens its clause."""
        phrase = [i for i, m in self.scene.owner.items() if m == obj and i > at]
        after = min(phrase, default=at) + 1
        while self.scene.owner.get(after) == obj:
            after += 1
        if not self.leads(at, after):
            return None
        following = [i for i in self.scene.owner if i > after]
        subject = self.scene.owner[min(following)] if following else obj
        if subject == obj:
            return None
        self.antecedents[subject] = obj
        return subject

    def leads(self, start: int, end: int) -> bool:
        """Do the words of a range open a clause whose verb, or whose subject, follows them?"""
        if end >= len(self.words):
            return False
        before = self.words[start - 1].text if start else "."
        if self.words[end].text == ",":
            return before in (".", ";")
        return before in (",", ".", ";", "and", "while") and self.words[end].low in _INVERTING

    def listed_before(self, at: int, obj: int) -> list[int]:
        """ "A lamp and a chair next to a bed": a list that ends right before a wording."""
        if at - 1 not in self.scene.owner or self.words[at].tag.startswith("V"):
            return []
        last = self.scene.owner[at - 1]
        start = self.scene.mentions[last].first
        joined = start > 0 and self.words[start - 1].low in ("and", ",", ";", "while")
        if last == obj or not joined or self.scene.mentions[last].last != at - 1:
            return []
        listed = self.scene.coordinated_before(last)
        # "A table, an apple on the table and ...": each item of such a list is its own.
        closed = self.words[start - 1].low == "and" and obj not in listed
        return listed if closed else [last]

    def governor(self, at: int) -> Word | None:
        """What a preposition hangs on, over the words of its own wording."""
        word = self.words[at]
        seen = set()
        while word.index not in seen:
            seen.add(word.index)
            head = self.words[word.head]
            if head.index == word.index:
                return None
            inside = head.index in self.covered and abs(head.index - at) < 6
            if not inside and head.tag not in ("IN", "TO", "RB", "CC"):
                return head
            word = head
        return None

    def subject_of(self, verb: Word) -> int | None:
        """The mention that does what a verb says, over chains of "and" and participles."""
        for _ in range(4):
            children = [w for w in self.words if w.head == verb.index and w.index != verb.index]
            there = any(w.dep == "expl" for w in children)
            wanted = ("nsubj", "nsubjpass") if not there else ("attr", "nsubj", "dobj")
            for child in children:
                if child.dep in wanted and child.index in self.scene.owner:
                    return self.scene.owner[child.index]
            if any(c.dep in wanted and c.tag == "PRP" for c in children):
                return None
            if verb.dep in ("acl", "relcl", "amod") and verb.head in self.scene.owner:
                return self.actor(verb, self.scene.owner[verb.head])
            if verb.dep not in ("conj", "advcl", "xcomp", "acl", "relcl", "ccomp", "aux", "dep"):
                return None
            verb = self.words[verb.head]
            if verb.index in self.scene.owner:
                return self.scene.owner[verb.index]
        return None

    def actor(self, verb: Word, index: int) -> int:
        """ "A boy with a backpack standing by a tree": the boy stands, whatever the syntax."""
        mentions = self.scene.mentions
        with_it = self.scene.before_mention(index) == "with"
        if verb.tag != "VBG" or not index or not with_it or is_living(mentions[index].noun):
            return index
        return index - 1 if is_living(mentions[index - 1].noun) else index

    def doers(self, verb: Word, subject: int, obj: int) -> list[int]:
        """All that do what a verb says: "the cat and the dog sit", "a cat and a dog sitting"."""
        last = self.scene.mentions[subject].last
        listed = verb.dep == "acl" and verb.tag in ("VBG", "VBN") and verb.index == last + 1
        if self.plural_verb(verb) or (listed and self.scene.before_mention(subject) == "and"):
            end = verb.index if verb.index > last else len(self.words)
            joined = self.scene.coordinated_before(self.scene.last_joined(subject, end))
            return [m for m in joined if m != obj]
        return [subject]

    def plural_verb(self, verb: Word) -> bool:
        return (
            verb.tag in ("VBP", "VBD")
            or any(w.head == verb.index and w.low in ("are", "were") for w in self.words)
            or verb.low in ("are", "were")
        )

    def nearest(self, at: int, obj: int) -> int | None:
        """The mention that ends last before a word; the next after the object if none does."""
        sentence = self.words[at].sentence
        before = [
            i
            for i, m in self.scene.owner.items()
            if i < at and m != obj and self.words[i].sentence == sentence
        ]
        if before:
            return self.scene.owner[max(before)]
        last = self.scene.mentions[obj].last
        after = [i for i, m in self.scene.owner.items() if i > last and m != obj]
        return self.scene.owner[min(after)] if after else None
