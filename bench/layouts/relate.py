"""Relations between the things of a prompt: where one stands from another, or what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.layouts import words as lexicon
from bench.layouts.scene import Scene
from bench.layouts.syntax import Word

Link = tuple[int, str, int]

_PATTERNS = sorted(
    ((tuple(phrase.split()), relation) for phrase, relation in lexicon.RELATION_PHRASES),
    key=lambda entry: -len(entry[0]),
)
_ABSOLUTE = {"left": ("x", 0), "right": ("x", 2), "top": ("y", 0), "bottom": ("y", 2)}
_CENTRE = ("middle", "center", "centre")
_FLOATING = (
    "float", "fl", "hover", "hung", "hang", "soar", "loom", "suspend", "glid", "jump", "buzz",
    "drift", "shin", "shone", "rose", "ris", "leap", "arch", "circl",
)  # fmt: skip
_MUTUAL = (
    ("next", "to", "each", "other"),
    ("beside", "each", "other"),
    ("near", "each", "other"),
    ("side", "by", "side"),
    ("next", "to", "one", "another"),
)
_NOT_ACTIONS = ("contrast", "creat", "remind", "resembl", "provid", "compet")


@dataclass(frozen=True, slots=True)
class _Hit:
    """A wording of a relation, as a half-open range of words."""

    start: int
    end: int
    relation: str


def find_relations(scene: Scene) -> list[Link]:
    """(subject, relation, object) over the scene's mentions, at most one for each two of them."""
    found = _Relater(scene)
    links: list[Link] = []
    known: set[frozenset[int]] = set()
    for link in [*found.placed(), *found.absolute(), *found.mutual(), *found.loose()]:
        subject, _, obj = link
        pair = frozenset((subject, obj))
        if subject != obj and pair not in known:
            known.add(pair)
            links.append(link)
    return links


class _Relater:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.words = scene.words
        self.hits = _hits(self.words)
        self.covered = {i for h in self.hits for i in range(h.start, h.end)}

    # wordings of the closed list

    def placed(self) -> Iterator[Link]:
        for hit in self.hits:
            obj = self._object(hit.end)
            if obj is None:
                continue
            for subject in self._subjects(hit.start, obj):
                for other in self._objects(obj, hit):
                    yield (subject, hit.relation, other)

    def _object(self, at: int) -> int | None:
        """The mention that starts at a word, over what may stand before its phrase."""
        for i in range(at, min(at + 3, len(self.words))):
            word = self.words[i]
            if i in self.scene.owner:
                return self.scene.owner[i]
            if word.tag in ("PRP", "WDT", "WP") or word.tag.startswith("V"):
                return None
        return None

    def _objects(self, obj: int, hit: _Hit) -> list[int]:
        """The object and what "and" joins to it: "next to the peach and the pear"."""
        out = [obj]
        joined = self._joined_after(obj)
        between = self.words[hit.start].low in ("between", "among")
        verbal = any(w.tag.startswith("V") for w in self.words[: hit.start])
        if joined is not None and (between or (verbal and not self._leads_on(joined))):
            out.append(joined)
        return out

    def _joined_after(self, index: int) -> int | None:
        """The mention right after this one, with only "and" between the two."""
        if index + 1 >= len(self.scene.mentions):
            return None
        here, following = self.scene.mentions[index], self.scene.mentions[index + 1]
        between = [w.low for w in self.words[here.last + 1 : following.first]]
        return index + 1 if between in (["and"], [",", "and"]) else None

    def _leads_on(self, index: int) -> bool:
        """Does a mention start something new (a verb or a relation follows it)?"""
        after = self.scene.mentions[index].last + 1
        if after >= len(self.words):
            return False
        word = self.words[after]
        return word.tag.startswith("V") or word.tag in ("IN", "MD", "TO") or after in self.covered

    def _subjects(self, at: int, obj: int) -> list[int]:
        """Mentions of which the relation that is worded at a word speaks."""
        word = self.words[at]
        verbal = word.tag.startswith("V")
        governor = word if verbal else self._governor(at)
        subject: int | None = None
        through_verb = False
        if governor is not None and governor.index in self.scene.owner and not verbal:
            subject = self.scene.owner[governor.index]
        elif governor is not None:
            subject = self._subject_of(governor)
            through_verb = subject is not None
        if subject is None or subject == obj:
            subject = self._nearest(at, obj)
            through_verb = False
        if subject is None:
            return []
        if through_verb and governor is not None and self._plural_verb(governor):
            return [m for m in self._coordinated(subject) if m != obj]
        return [subject]

    def _governor(self, at: int) -> Word | None:
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

    def _subject_of(self, verb: Word) -> int | None:
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
                return self.scene.owner[verb.head]
            if verb.dep not in ("conj", "advcl", "xcomp", "acl", "relcl", "ccomp", "aux", "dep"):
                return None
            verb = self.words[verb.head]
            if verb.index in self.scene.owner:
                return self.scene.owner[verb.index]
        return None

    def _plural_verb(self, verb: Word) -> bool:
        return (
            verb.tag in ("VBP", "VBD")
            or any(w.head == verb.index and w.low in ("are", "were") for w in self.words)
            or verb.low in ("are", "were")
        )

    def _coordinated(self, subject: int) -> list[int]:
        out = [subject]
        while (joined := self._joined_after(out[-1])) is not None:
            out.append(joined)
        return self.scene.coordinated_before(subject)[:-1] + out

    def _nearest(self, at: int, obj: int) -> int | None:
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

    # "a dog on the left and a cat on the right"

    def absolute(self) -> Iterator[Link]:
        spots: dict[str, list[tuple[int, int]]] = {"x": [], "y": []}
        for word in self.words:
            axis, rank = _ABSOLUTE.get(word.low, ("", 0))
            centre = word.low in _CENTRE
            if word.index in self.covered or not (axis or centre):
                continue
            before = {w.low for w in self.words[max(0, word.index - 3) : word.index]}
            following = self.words[word.index + 1].low if word.index + 1 < len(self.words) else ""
            picture = following in ("of",) and self._object(word.index + 2) is None
            if not before & {"on", "at", "in", "to"} or (following == "of" and not picture):
                continue
            subject = self._spotted(word.index)
            if subject is None:
                continue
            for name in ("x", "y") if centre else (axis,):
                spots[name].append((1 if centre else rank, subject))
        for axis, relation in (("x", "left_of"), ("y", "above")):
            ranked = sorted(spots[axis])
            for (r0, a), (r1, b) in zip(ranked, ranked[1:], strict=False):
                if r0 < r1:
                    yield (a, relation, b)
            if len(ranked) == 1 and len(self.scene.mentions) == 2 and ranked[0][0] != 1:
                rank, mention = ranked[0]
                other = 1 - mention
                yield (mention, relation, other) if rank == 0 else (other, relation, mention)

    def _spotted(self, at: int) -> int | None:
        """The mention that "on the left" speaks of: the one before, or the next if it leads."""
        start = at
        while start > 0 and self.words[start - 1].low in ("the", "on", "at", "in", "to", "far"):
            start -= 1
        leading = start == 0 or self.words[start - 1].text in (".", ";")
        leading |= self.words[start - 1].low == "and" and (
            at + 1 < len(self.words) and self.words[at + 1].low in ("is", "are", ",", "there")
        )
        if leading:
            after = [i for i in self.scene.owner if i > at]
            return self.scene.owner[min(after)] if after else None
        before = [i for i in self.scene.owner if i < start]
        return self.scene.owner[max(before)] if before else None

    # "a dog and a cat next to each other"

    def mutual(self) -> Iterator[Link]:
        lows = [w.low for w in self.words]
        for pattern in _MUTUAL:
            for at in range(len(lows) - len(pattern) + 1):
                if tuple(lows[at : at + len(pattern)]) != pattern:
                    continue
                nearest = self._nearest(at, -1)
                if nearest is not None and nearest > 0:
                    yield (nearest - 1, lexicon.NEAR, nearest)

    # prepositions and verbs whose meaning hangs on their company

    def loose(self) -> Iterator[Link]:
        for word in self.words:
            if word.index in self.covered:
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
                subject = self._subject_of(verb) if verb.tag.startswith("V") else None
                if subject is not None and not verb.low.startswith(_NOT_ACTIONS):
                    yield (subject, lexicon.ACTION, self.scene.owner[word.index])

    def _prepositional(self, word: Word) -> Iterator[Link]:
        obj = self._object(word.index + 1)
        governor = self.words[word.head]
        if obj is None or governor.low.startswith(_NOT_ACTIONS):
            return
        verbal = governor.tag.startswith("V")
        if governor.index in self.scene.owner:
            subject: int | None = self.scene.owner[governor.index]
        else:
            subject = self._subject_of(governor) if verbal else None
        if subject is None:
            return
        relation = self._meaning(word, governor, verbal, subject, obj)
        if relation is None:
            return
        if word.dep == "agent" and relation == lexicon.ACTION:
            subject, obj = obj, subject
        subjects = [subject]
        if verbal and self._plural_verb(governor):
            subjects = [m for m in self._coordinated(subject) if m != obj]
        for each in subjects:
            yield (each, relation, obj)
        joined = self._extra(obj, verbal)
        if joined is not None and relation != lexicon.INSIDE:
            yield (subject, relation, joined)

    def _extra(self, obj: int, verbal: bool) -> int | None:
        joined = self._joined_after(obj)
        return joined if verbal and joined is not None and not self._leads_on(joined) else None

    def _meaning(
        self, word: Word, governor: Word, verbal: bool, subject: int, obj: int
    ) -> str | None:
        noun = self.scene.mentions[obj].noun.split()[-1]
        low = word.low
        if word.dep == "prt" or (low == "on" and noun in lexicon.HANDLED):
            return lexicon.ACTION
        if low in ("on", "upon", "onto"):
            return lexicon.INSIDE if noun in lexicon.UPRIGHT else lexicon.ABOVE
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


def _hits(words: Sequence[Word]) -> list[_Hit]:
    """Wordings in the prompt, left to right, the longest where several start."""
    lows = [w.low for w in words]
    hits = []
    at = 0
    while at < len(lows):
        for pattern, relation in _PATTERNS:
            if tuple(lows[at : at + len(pattern)]) == pattern and _holds(words, at, pattern):
                hits.append(_Hit(at, at + len(pattern), relation))
                at += len(pattern) - 1
                break
        at += 1
    return hits


def _holds(words: Sequence[Word], at: int, pattern: tuple[str, ...]) -> bool:
    """A one-word wording must be a preposition here ("before", "under", "left of" need no test)."""
    if len(pattern) > 1:
        return True
    return words[at].tag in ("IN", "RB", "JJ", "RP") and words[at].dep not in ("mark", "amod")
