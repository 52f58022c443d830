"""How a scene is put into words, with the span of everything that a layout needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.pocket.world import vocabulary as vocab
from bench.pocket.world.dice import Dice
from bench.pocket.world.scene import Mention, Span


@dataclass(frozen=True, slots=True)
class Thing:
    """What one phrase of a caption names."""

    noun: str
    color: str | None
    texture: str | None
    number: int = 0
    """0: one thing, "a dog"; 1 and more: "one dog", "two dogs"."""

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(a for a in (self.color, self.texture) if a is not None)


@dataclass(frozen=True, slots=True)
class Caption:
    """A finished caption."""

    text: str
    mentions: tuple[Mention, ...]
    """One for each thing, in the order of the things."""
    background: Span | None


class _Writer:
    """Text that grows word by word and remembers where it put what."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, words: str) -> Span:
        """Append words after a blank (none before punctuation); returns where they stand."""
        if self.text and words not in vocab.PUNCTUATION:
            self.text += " "
        start = len(self.text)
        self.text += words
        return start, len(self.text)

    def name(self, thing: Thing, *, definite: bool = False) -> Mention:
        """A noun phrase: "a red wooden chair", "the chair", "three dogs"."""
        head = (thing.attributes or (thing.noun,))[0]
        if thing.number:
            lead = vocab.NUMBER_WORDS[thing.number - 1]
        else:
            lead = "the" if definite else vocab.article(head)
        start = self.say(lead)[0]
        attributes = tuple(self.say(word) for word in thing.attributes)
        noun = self.say(vocab.PLURALS[thing.noun] if thing.number > 1 else thing.noun)
        return Mention(phrase=(start, noun[1]), noun=noun, attributes=attributes)

    def statement(self, thing: Thing) -> Mention:
        """ "the chair is red and wooden": attributes that do not stand before their noun."""
        start = self.say("the")[0]
        noun = self.say(thing.noun)
        self.say("is")
        spans = []
        for k, word in enumerate(thing.attributes):
            if k:
                self.say("and")
            spans.append(self.say(word))
        return Mention(phrase=(start, spans[-1][1]), noun=noun, attributes=tuple(spans))


def write(
    dice: Dice,
    category: str,
    things: Sequence[Thing],
    relations: Sequence[tuple[int, str, int]],
    background: str | None,
) -> Caption:
    """Word a scene in the manner of its category.

    ``relations`` pair mentions (0, 1), (2, 3), ... from the front of ``things``.
    """
    out = _Writer()
    sentence = category == "complex" and dice.chance(0.6)
    if category == "complex" and not relations and _plain_statements(things) and dice.chance(0.4):
        mentions = _list(out, things, out.statement)
        sentence = True
    elif relations:
        mentions = _related(dice, out, things, relations, sentence)
    elif len(things) == 2 and category != "numeracy" and dice.chance(0.06):
        mentions = [out.name(things[0])]
        out.say("with")
        mentions.append(out.name(things[1]))
    else:
        mentions = _list(out, things, out.name)
    span = out.say(vocab.BACKGROUNDS[background]) if background else None
    if sentence or dice.chance(0.08):
        out.say(".")
        out.text = out.text[0].upper() + out.text[1:]
    return Caption(out.text, tuple(mentions), span)


def _plain_statements(things: Sequence[Thing]) -> bool:
    return len(things) <= 3 and all(t.attributes for t in things)


def _list(out: _Writer, things: Sequence[Thing], say: Callable[[Thing], Mention]) -> list[Mention]:
    """ "A, B and C"."""
    mentions = []
    for k, thing in enumerate(things):
        if k:
            out.say("and" if k == len(things) - 1 else ",")
        mentions.append(say(thing))
    return mentions


def _related(
    dice: Dice,
    out: _Writer,
    things: Sequence[Thing],
    relations: Sequence[tuple[int, str, int]],
    sentence: bool,
) -> list[Mention]:
    """ "A on the left of B and C behind D, E and F"; with a verb if it is a sentence."""
    verb = dice.pick(("is", "was")) if sentence else None
    mentions: list[Mention] = []
    for k, (subject, relation, other) in enumerate(relations):
        if k:
            out.say("and")
        mentions.append(out.name(things[subject], definite=sentence))
        if verb:
            out.say(verb)
        phrases = vocab.RELATION_PHRASES[relation]
        # The official wording leads, the others stay familiar.
        out.say(phrases[0] if dice.chance(0.4) else dice.pick(phrases))
        mentions.append(out.name(things[other], definite=sentence))
    rest = things[len(mentions) :]
    if rest:
        out.say("," if len(rest) > 1 else "and")
        mentions += _list(out, rest, out.name)
    return mentions
