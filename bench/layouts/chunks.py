"""Noun phrases of a prompt.

spaCy's tags and dependency labels are the ground, corrected where prompts are not the running
text that its model has learnt: a colour, material or shape before a noun describes it whatever its
tag, and what ends an article's phrase is its noun ("a green acorn", where the tag says verb).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.layouts import words as lexicon
from bench.layouts.nouns import singular
from bench.layouts.sizes import builds, is_living
from bench.layouts.syntax import Word

_DETERMINERS = ("DT", "PDT", "PRP$", "WP$")
_NOUNS = ("NN", "NNS", "NNP", "NNPS")
_ADJECTIVES = ("JJ", "JJR", "JJS")
_VERBS = ("VB", "VBD", "VBP", "VBZ", "VBN", "MD")
_BOUNDARY = (".", ",", ":", "CC", "-RRB-", "")


@dataclass(slots=True, eq=False)
class Chunk:
    """One noun phrase, as indices of words."""

    first: int
    last: int
    """Inclusive."""
    head: list[int]
    """The noun's words, in order; empty for an elliptical phrase ("the other red")."""
    attributes: list[int]
    number: int | None = None
    number_at: int | None = None
    determiner: str = ""
    owner: bool = False
    """A possessor comes first ("its", "the chef's")."""
    plural: bool = False
    noun: str = ""
    """Singular, lower case."""
    late: list[int] = field(default_factory=list)
    """Attributes that stand after the phrase."""

    @property
    def count(self) -> int:
        return self.number if self.number is not None else 1

    def __contains__(self, index: int) -> bool:
        return self.first <= index <= self.last


def find_chunks(words: Sequence[Word]) -> list[Chunk]:
    """All noun phrases, in order; phrases without a noun (elliptical ones) included."""
    chunks = []
    at = 0
    while at < len(words):
        scan = _Scan(words, at)
        chunk = scan.run()
        if chunk is None:
            at += 1
        else:
            chunks.append(chunk)
            at = chunk.last + 1 + scan.verbs
    return chunks


def is_describing(word: Word) -> bool:
    """Can it stand after "is" and describe: an adjective, a colour, a material, a shape?"""
    if word.low in lexicon.QUANTIFIERS or word.low in lexicon.PLACED:
        return False
    return word.tag in _ADJECTIVES or word.low in lexicon.MODIFIERS


class _Scan:
    """One attempt to read a noun phrase from a position.

    Its steps share place and findings, which is why this module is longer than others.
    """

    def __init__(self, words: Sequence[Word], at: int) -> None:
        self.words = words
        self.start = at
        self.at = at
        self.determiner = ""
        self.owner = False
        self.number: int | None = None
        self.number_at: int | None = None
        self.items: list[tuple[str, int]] = []
        self.verbs = 0
        """Words after the phrase that look like nouns but are its verb."""

    def run(self) -> Chunk | None:
        self._lead()
        self._body()
        self._absorb()
        self._release()
        return self._chunk()

    def _word(self, at: int) -> Word | None:
        return self.words[at] if at < len(self.words) else None

    def _lead(self) -> None:
        half = False
        while word := self._word(self.at):
            number = _number(word)
            half |= word.low == "half" and number is None
            dozen = word.low == "dozen" and self._kind(self.at + 1)
            if dozen or number is not None:
                dozens = lexicon.PAIRS["dozen"] * (self.number or 1) // (2 if half else 1)
                self.number, self.number_at = dozens if dozen else number, self.at
            elif word.tag in _DETERMINERS or word.low in ("another", "each", "both"):
                if word.low == "both":
                    self.number = 2
                self.determiner = self.determiner or word.low
                self.owner |= word.tag == "PRP$"
            else:
                break
            self.at += 1

    def _kind(self, at: int) -> str:
        """Part that a word can play inside a phrase; "" when it ends the phrase."""
        word = self._word(at)
        if word is None:
            return ""
        low, tag = word.low, word.tag
        if low in ("left", "right") and self.items and self._followed_by(at, "of"):
            return ""  # "a taxi left of a bus"
        if low in ("one", "ones"):
            return "noun" if self.determiner or self.items else ""
        if low in lexicon.MODIFIERS and tag not in ("MD", "IN"):
            after = self._word(at + 1)
            adverb = tag == "RB" and (after is None or after.tag in ("IN", "TO"))
            return "" if adverb else "modifier"  # "a kite high above a tree"
        if tag in _NOUNS or self._known(at) or self._compound(at):
            return self._noun_kind(at)
        if tag in _ADJECTIVES:
            return "adjective"
        if tag == "VBN" or (tag == "VBD" and word.dep == "amod"):
            return "participle"
        if tag == "VBG":
            return "gerund"
        return ""

    def _followed_by(self, at: int, low: str) -> bool:
        after = self._word(at + 1)
        return after is not None and after.low == low

    def _noun_kind(self, at: int) -> str:
        """ "A flickering candle", "and roasting marshmallows", where the tag says noun."""
        low, after = self.words[at].low, self._word(at + 1)
        noun = low in lexicon.GERUNDS | lexicon.NOT_PARTICIPLES or low in builds()
        if not low.endswith("ing") or noun or self.items:
            return "noun"
        if self.determiner:
            return "gerund" if after is not None and after.tag in _NOUNS else "noun"
        return "" if self._goes_on(at) else "noun"

    def _known(self, at: int) -> bool:
        """A thing of the size table whose tag is wrong: no verb could stand where it stands."""
        word, after = self.words[at], self._word(at + 1)
        if singular(word.low) not in builds() or word.tag in ("IN", "MD", "DT", "CC", "CD"):
            return False
        before = self.words[at - 1] if at else None
        if before is None or (word.tag in _ADJECTIVES and after and after.tag in _NOUNS):
            return False
        led = (
            before.tag in (*_ADJECTIVES, "DT", "CC", "CD", "PRP$")
            or before.low in lexicon.MODIFIERS
        )
        led |= before.tag == "NN" and bool(self.determiner) and _closes(after)
        return led and not (after and after.tag in ("DT", "PRP$", "TO", "RP"))

    def _compound(self, at: int) -> bool:
        """ "A teddy bear below a lamp", "two stop signs", where the tag says verb."""
        after = self._word(at + 1)
        if self.items and f"{self.words[at - 1].low} {singular(self.words[at].low)}" in builds():
            return True
        led = bool(self.items or self.determiner or self.number)
        return (
            led and after is not None and f"{self.words[at].low} {singular(after.low)}" in builds()
        )

    def _starts(self, at: int) -> bool:
        """May a phrase without a determiner begin with this participle?"""
        word = self.words[at]
        if self.determiner or self.number or self.items:
            return True
        return word.dep in ("amod", "compound") and not self._goes_on(at)

    def _goes_on(self, at: int) -> bool:
        """ "Is sitting down and roasting marshmallows": a second verb, no attribute."""
        before = self.words[at - 1].low if at else ""
        return before in ("and", ",") and any(
            w.tag == "VBG" and w.dep != "amod" for w in self.words[:at]
        )

    def _body(self) -> None:
        while word := self._word(self.at):
            kind = self._kind(self.at)
            named = any(k == "noun" for k, _ in self.items)
            if self._done_by(self.at):
                return
            if kind in ("participle", "gerund"):
                if not self._starts(self.at) or (named and not self._bound(self.at)):
                    return
                if named and kind == "gerund" and word.low not in lexicon.GERUNDS:
                    return
            elif kind == "adjective" and named and not self._noun_follows(self.at + 1):
                return
            elif not kind:
                if word.tag == "POS" and named:
                    self.owner, self.items = True, []
                    self.number = self.number_at = None
                    self.at += 1
                    continue
                joined = self._joined(named)
                if not joined:
                    return
                self.at += joined
                continue
            elif self.items and (self._new_phrase(word) or (named and word.low == "cast")):
                return
            self.items.append((kind, self.at))
            self.at += 1

    def _new_phrase(self, word: Word) -> bool:
        """Two nouns side by side that spaCy gives to different phrases ("gave the dog food")."""
        last = self.words[self.items[-1][1]]
        return (
            self.items[-1][0] == "noun"
            and word.tag in _NOUNS
            and last.tag == "NNS"
            and word.dep == "dobj"
        )

    def _done_by(self, at: int) -> bool:
        """ "A chef cooking pasta", "a boy building a castle": what a living thing does."""
        low = self.words[at].low
        if not at or not low.endswith("ing") or low in lexicon.NOT_PARTICIPLES - {"building"}:
            return False
        return is_living(singular(self.words[at - 1].low))

    def _bound(self, at: int) -> bool:
        word = self.words[at]
        return word.dep in ("amod", "compound") and self._noun_follows(at + 1)

    def _noun_follows(self, at: int) -> bool:
        """Does a noun come before anything that would end the phrase?"""
        while kind := self._kind(at):
            if kind == "noun" or self._ends_named(at):
                return True
            if kind in ("participle", "gerund") and self.words[at].dep not in ("amod", "compound"):
                return False
            at += 1
        return False

    def _ends_named(self, at: int) -> bool:
        """A material's name that is the noun itself here ("the flowing fabric of")."""
        if self._kind(at) != "modifier" or self.words[at].tag not in _NOUNS:
            return False
        return not self._kind(at + 1) and self.words[at].low not in lexicon.COLORS

    def _joined(self, named: bool) -> int:
        """Words to skip between two attributes of one noun: "and", ",", "very"; 0 if none."""
        word = self.words[self.at]
        step = 1
        if word.tag in ("RB", "RBS", "RBR"):
            following = self._kind(self.at + 1)
            fits = following in ("adjective", "modifier", "participle")
            return 1 if fits and not named and (self.items or self.determiner) else 0
        if word.text == "," and (after := self._word(self.at + 1)) and after.low == "and":
            step = 2
        elif word.text != "," and word.low not in ("and", "or", "but"):
            return 0
        if (
            not self.items
            or named
            or self.items[-1][0] not in ("adjective", "modifier", "participle")
        ):
            return 0
        if not self._kind(self.at + step):
            following_word = self._word(self.at + step)
            if following_word is None or following_word.tag not in ("RB",):
                return 0
            step += 1
        return step if self._describes(self.at + step) else 0

    def _describes(self, at: int) -> bool:
        """An attribute stands here, and its noun is still to come."""
        kind = self._kind(at)
        if kind not in ("adjective", "modifier", "participle", "gerund"):
            return False
        following = at + 1
        while self._kind(following) in ("adjective", "modifier", "participle", "gerund"):
            if self._ends_named(following):
                return True
            following += 1
        if self._kind(following) == "noun":
            return True
        word = self._word(following)
        more = word is not None and (word.text == "," or word.low == "and")
        return more and self._describes(following + 1)

    def _absorb(self) -> None:
        """Take in a noun that is tagged as a verb, at the end of an article's phrase."""
        word = self._word(self.at)
        if word is None or word.tag not in _VERBS:
            return
        after = self._word(self.at + 1)
        boundary = _closes(after)
        named = any(k == "noun" for k, _ in self.items)
        ends = self.items[-1][0] if self.items else ""
        if not named and self.determiner and ends in ("adjective", "modifier", ""):
            article = self.determiner not in ("the", "that", "this") or boundary
            linking = word.low in lexicon.STATES
            if article and not linking:
                self._take()
        elif boundary and ends in ("noun", "gerund", "modifier") and self.determiner:
            if word.low in lexicon.ENDING_NOUNS:
                self._take()
        elif word.low == "can" and ends in ("gerund", "noun") and after and after.tag in _VERBS:
            self._take()

    def _release(self) -> None:
        """Give back a verb that is tagged as a noun ("the fluffy bird perch on the pole")."""
        if len(self.items) < 2 or self.items[-2][0] not in ("noun", "modifier"):
            return
        last, after = self.words[self.items[-1][1]], self._word(self.at)
        if after is None or not (last.low in lexicon.ENDING_VERBS or self._third_person(last)):
            return
        finite = any(
            w.tag in ("VBD", "VBZ", "VBP", "MD") and w.sentence == last.sentence for w in self.words
        )
        if not finite and (after.tag in ("IN", "DT", "RB") or after.low == "next"):
            self.items.pop()
            self.at -= 1
            self.verbs = 1

    def _third_person(self, last: Word) -> bool:
        """ "A red fox chases a rabbit": one fox, so no plural."""
        if self.determiner not in ("a", "an", "another") or last.tag != "NNS":
            return False
        counting = any(self.words[i].low in lexicon.QUANTIFIERS for _, i in self.items)
        return not counting and self.number is None and singular(last.low) != last.low

    def _take(self) -> None:
        self.items.append(("noun", self.at))
        self.at += 1

    def _chunk(self) -> Chunk | None:
        if not self.items:
            return self._elliptical([])
        kind, last = self.items[-1]
        if kind in ("participle", "gerund", "adjective"):
            word = self.words[last]
            strange = self.number is not None and word.low not in lexicon.MODIFIERS
            if strange and kind == "adjective" and not lexicon.QUANTIFIERS & {word.low}:
                return self._named(last)
            takes = self.determiner in ("a", "an") or kind == "participle"
            lonely = (
                word.low in lexicon.QUANTIFIERS or is_describing(word) and self.determiner != "a"
            )
            if not (takes and self.determiner) or (lonely and kind == "adjective"):
                return self._elliptical([i for _, i in self.items])
        elif kind == "modifier" and not self._stands_alone(last):
            return self._elliptical([i for _, i in self.items])
        if self.words[last].low in ("one", "ones", "others"):
            return self._elliptical([i for _, i in self.items[:-1]])
        return self._named(last)

    def _named(self, last: int) -> Chunk:
        """The phrase whose noun ends at a word."""
        head = [last]
        rest = self.items[:-1]
        while rest and self._in_name(rest[-1], head[0]):
            head.insert(0, rest.pop()[1])
        attributes = [
            i for k, i in rest if k != "noun" and self.words[i].low not in lexicon.QUANTIFIERS
        ]
        text = " ".join(self.words[i].low for i in head)
        if self.determiner == "both" and self.words[last].tag == "NN":
            self.number = self.number_at = None  # "both the apple and the pear"
        plural = self.words[last].tag in ("NNS", "NNPS") or (self.number or 1) > 1
        return Chunk(
            first=self.start,
            last=self.at - 1,
            head=head,
            attributes=attributes,
            number=self.number,
            number_at=self.number_at,
            determiner=self.determiner,
            owner=self.owner,
            plural=plural,
            noun=singular(text, (self.number or 1) > 1) if plural else text,
        )

    def _stands_alone(self, at: int) -> bool:
        """Is a modifier at the end of its phrase a thing ("a glass", "an orange")?"""
        word = self.words[at]
        if word.tag == "NNS":
            return True
        if word.low in lexicon.COLORS and word.low not in lexicon.THING_MODIFIERS:
            return len(self.items) > 1 and word.tag in _NOUNS and word.dep != "conj"
        if not self.determiner and not self.number and word.low in lexicon.LOOKS | lexicon.SHAPES:
            return False
        if self.determiner or self.number or len(self.items) > 1:
            return word.tag in _NOUNS or word.low in lexicon.THING_MODIFIERS
        return word.low not in lexicon.MATERIALS and word.tag in _NOUNS

    def _in_name(self, item: tuple[str, int], following: int) -> bool:
        """Does a word belong to the noun's name ("dining" in "dining table")?"""
        kind, at = item
        low, after = self.words[at].low, self.words[following].low
        if (low, singular(after)) in lexicon.NAMED_BY_ADJECTIVE:
            return True
        if at and (self.words[at - 1].low, low) in lexicon.NAMED_BY_ADJECTIVE:
            return True  # "ice cream cone"
        if low in lexicon.GERUNDS:
            return True
        return kind != "gerund" and kind == "noun" and at + 1 == following

    def _elliptical(self, attributes: list[int]) -> Chunk | None:
        """A phrase without a noun that still counts something: "one red", "the other"."""
        words = [self.words[i].low for i in range(self.start, self.at)]
        picks = {"other", "others", "another", "first", "second", "third", "one", "ones"}
        paired = self.determiner in ("a", "an") and attributes and self._another_follows()
        if self.at == self.start or not (self.number or picks & set(words) or paired):
            return None
        described = [i for i in attributes if is_describing(self.words[i])]
        return Chunk(
            first=self.start,
            last=self.at - 1,
            head=[],
            attributes=described,
            number=self.number,
            number_at=self.number_at,
            determiner=self.determiner,
            plural="others" in words,
        )

    def _another_follows(self) -> bool:
        """ "A red and a blue ball"."""
        joint, after = self._word(self.at), self._word(self.at + 1)
        return (
            joint is not None
            and joint.low in ("and", ",")
            and after is not None
            and after.tag == "DT"
        )


def _closes(word: Word | None) -> bool:
    """End of the prompt, punctuation, or "and"."""
    return word is None or word.tag in _BOUNDARY


def _number(word: Word) -> int | None:
    if word.low in lexicon.NUMBERS:
        return lexicon.NUMBERS[word.low]
    if word.text.isascii() and word.text.isdigit() and len(word.text) <= 3:
        return int(word.text)
    tens, hyphen, units = word.low.partition("-")
    if hyphen and tens == "twenty" and 0 < lexicon.NUMBERS.get(units, 0) < 10:
        return lexicon.NUMBERS[tens] + lexicon.NUMBERS[units]
    return None
