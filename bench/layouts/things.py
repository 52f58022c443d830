"""Which noun phrases are things of a picture, and which are places, ideas or nothing."""

from __future__ import annotations

from bench.layouts import words as lexicon
from bench.layouts.chunks import Chunk, is_describing
from bench.layouts.nouns import singular
from bench.layouts.scene import Scene

_OBJECTS = ("pobj", "dobj", "obj")


class Sorter:
    """Sorts the phrases of one prompt."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def of(self, chunk: Chunk, following: Chunk | None) -> str:
        """How a phrase relates to an "of" after it: through, holds, drop, or nothing ("")."""
        after = chunk.last + 1
        if (
            following is None
            or not following.head
            or after >= len(self.scene.words)
            or self.scene.words[after].low != "of"
            or following.first != after + 1
        ):
            return ""
        head = self.scene.head(chunk).low
        base = singular(head)
        if base in lexicon.PAIRS or base in lexicon.GROUPS:
            return "through"
        if base in lexicon.PORTIONS and not following.determiner:
            return "through"
        if base in lexicon.ASPECTS or head in lexicon.ASPECTS:
            return "through"
        if head in lexicon.PLACED and following.noun in lexicon.PICTURES | {"frame"}:
            return "nothing"
        if base in lexicon.PICTURES or head in lexicon.PLACED or not self._concrete(chunk):
            self.scene.ideas.append(chunk)
            return "drop"
        return "holds"

    def is_thing(self, chunk: Chunk) -> bool:
        """Sort a phrase with a noun: a thing (True), a place (kept apart), or nothing."""
        head = self.scene.head(chunk)
        if self._negated(chunk) or head.low in lexicon.VAGUE or self._shows(chunk):
            return False
        if singular(head.low) in ("pair", "dozen"):
            return False
        if (
            head.low in lexicon.PLACED
            and len(chunk.head) == 1
            and chunk.determiner in ("", "the", "its", "one", "each")
        ):
            return False
        if (
            head.low in lexicon.ARRANGED
            and self.scene.before(chunk) == "in"
            and not chunk.attributes
        ):
            return False
        if self._is_place(chunk):
            self.scene.places.append(chunk)
            return False
        if self._bare_aspect(chunk) or not self._concrete(chunk) or self._says_what_it_is(chunk):
            self.scene.ideas.append(chunk)
            return False
        return not self._is_body_part(chunk) and not self._is_sport(chunk)

    def _concrete(self, chunk: Chunk) -> bool:
        noun = chunk.noun.split()[-1] if chunk.noun else ""
        if tuple(chunk.noun.split()[-2:]) in lexicon.NAMED_BY_ADJECTIVE:
            return True  # "a remote control"
        return not is_abstract(noun) and not is_abstract(self.scene.head(chunk).low)

    def _bare_aspect(self, chunk: Chunk) -> bool:
        """ "Color and texture", with nothing said of them."""
        base = chunk.noun.split()[-1]
        if base == "work" and not chunk.determiner:
            return True  # "at work"; "a work of art" is a thing
        vague = base in lexicon.ASPECTS - {"line", "body", "fabric", "surface"}
        return vague and not chunk.attributes and len(chunk.head) == 1

    def _shows(self, chunk: Chunk) -> bool:
        """ "A photograph showing two cars"."""
        after = chunk.last + 1
        if chunk.first or after >= len(self.scene.words):
            return False
        shows = self.scene.words[after].low.startswith(("show", "depict", "featur", "captur"))
        return shows and self.scene.head(chunk).low in lexicon.PICTURES | {"painting"}

    def _negated(self, chunk: Chunk) -> bool:
        before = self.scene.before(chunk)
        return chunk.determiner == "no" or chunk.number == 0 or before == "without"

    def _is_body_part(self, chunk: Chunk) -> bool:
        head = self.scene.head(chunk)
        if head.low not in lexicon.BODY:
            return False
        bare = not chunk.determiner and not chunk.attributes and head.dep in _OBJECTS
        before = self.scene.before(chunk)
        return chunk.owner or bare or (before == "with" and bool(self.scene.mentions))

    def _is_sport(self, chunk: Chunk) -> bool:
        """ "Playing basketball": a game, not a thing; instruments and toys have their names."""
        head = self.scene.head(chunk)
        verb = self.scene.words[head.head].low
        games = ("basketball", "baseball", "football", "volleyball", "softball", "frisbee", "pool")
        bare = not chunk.determiner and not chunk.attributes
        return bare and verb.startswith("play") and head.low in games and head.low != "frisbee"

    def _says_what_it_is(self, chunk: Chunk) -> bool:
        """ "... were the only containers", "..., a savory delight": no second thing."""
        head = self.scene.head(chunk)
        governor = self.scene.words[head.head]
        if chunk.first and self.scene.words[chunk.first - 1].tag in ("IN", "TO"):
            return False
        if self._after_pronoun(governor.index):
            return False
        if head.dep == "attr" and governor.low in lexicon.STATES:
            subjects = [
                w for w in self.scene.words if w.head == governor.index and w.dep == "nsubj"
            ]
            # Not of what an inverted sentence starts with: "Behind two cats are three dogs".
            return any(self._speaks(s.index) for s in subjects)
        comma = chunk.first > 0 and self.scene.words[chunk.first - 1].text == ","
        if comma and chunk.determiner in ("a", "an") and self._of_an_idea(chunk):
            return True
        if head.dep in ("appos", "npadvmod") and chunk.determiner in ("a", "an"):
            clause = [
                w
                for w in self.scene.words
                if w.sentence == head.sentence
                and w.index < chunk.first
                and w.tag in ("VBD", "VBZ", "VBP")
            ]
            listed = any(
                w.low == "and" and w.index > chunk.last and w.dep == "cc" and w.head in chunk
                for w in self.scene.words
            )
            there = any(w.low == "there" for w in self.scene.words if w.sentence == head.sentence)
            return bool(clause) and comma and not listed and not there
        return False

    def _after_pronoun(self, verb: int) -> bool:
        """ "To the right of which is a zebra"."""
        words = self.scene.words
        pronoun = verb > 1 and words[verb - 1].tag in ("WDT", "WP", "PRP")
        return pronoun and words[verb - 2].tag in ("IN", "TO")

    def _speaks(self, at: int) -> bool:
        """Is a word part of a thing that no preposition leads to?"""
        index = self.scene.owner.get(at)
        if index is None:
            return False
        first = self.scene.mentions[index].first
        return first == 0 or self.scene.words[first - 1].tag not in ("IN", "TO", "RB", "JJ")

    def _of_an_idea(self, chunk: Chunk) -> bool:
        """ "A maze of possibilities"."""
        after = chunk.last + 1
        if after >= len(self.scene.words) or self.scene.words[after].low != "of":
            return False
        inner = next((c for c in self.scene.chunks if c.first == after + 1 and c.head), None)
        return inner is not None and not self._concrete(inner)

    def _is_place(self, chunk: Chunk) -> bool:
        head = self.scene.head(chunk)
        name = head.low if head.low in lexicon.OUTDOORS else singular(head.low)
        if head.low in ("background", "scene") and chunk.noun != "background":
            return chunk.noun.split()[0] in lexicon.ROOMS | lexicon.OUTDOORS | {"background"}
        if head.low == "background":
            return True
        if name == "moon":
            return self.scene.before(chunk) == "on"
        indoors = name in lexicon.ROOMS or chunk.noun.endswith(" room")
        if not indoors and name not in lexicon.OUTDOORS:
            return False
        before = self.scene.before(chunk)
        if before == "of" and chunk.first > 1:
            before = self._before_part(chunk.first - 1)
        if name in ("horizon", "sky") and before in ("below", "above", "behind", "beyond"):
            return True
        if before in (lexicon.INTO if indoors else lexicon.PLACE_PREPOSITIONS):
            described = [self.scene.words[i] for i in chunk.attributes]
            vivid = [w for w in described if is_describing(w) and w.low not in lexicon.AMBIENT]
            vivid = [] if name in lexicon.SCENIC else vivid
            solid = name in ("sidewalk", "path", "road", "street", "waves", "pavement", "lawn")
            return indoors or not (vivid and (before in ("on", "against") or solid))
        if indoors:
            frames = head.dep in ("ROOT", "nsubj") and self._introduces(chunk)
            return frames or head.dep == "dobj"
        return head.dep == "dobj" and not chunk.attributes and chunk.determiner == "the"

    def _before_part(self, of: int) -> str:
        """The preposition of "in the middle of", seen from its "of"; "" for other nouns."""
        part = next((c for c in self.scene.chunks if c.last == of - 1), None)
        if part is None or not part.head or not part.first:
            return ""
        if self.scene.words[part.head[-1]].low not in lexicon.PLACED - {"front"}:
            return ""
        return self.scene.words[part.first - 1].low

    def _introduces(self, chunk: Chunk) -> bool:
        """ "A bathroom with a sink", "The kitchen has a table": the place frames the scene."""
        after = (
            self.scene.words[chunk.last + 1].low if chunk.last + 1 < len(self.scene.words) else ""
        )
        return after in ("with", "features", "has", "contains", "filled", "containing", "featuring")


def is_abstract(noun: str) -> bool:
    """Is a noun (singular or not) an idea, an event or a measure?"""
    base = singular(noun)
    if noun in lexicon.CONCRETE or base in lexicon.CONCRETE:
        return False
    if noun in lexicon.ABSTRACT or base in lexicon.ABSTRACT:
        return True
    return base.endswith(lexicon.ABSTRACT_ENDINGS) and len(base) > 5
