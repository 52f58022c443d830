"""Relations between the things of a prompt: where one stands from another, or what it does."""

from __future__ import annotations

from collections.abc import Iterator

from bench.layouts import words as lexicon
from bench.layouts.doers import Doers
from bench.layouts.loose import Loose
from bench.layouts.rules import PLANAR
from bench.layouts.scene import Link, Scene
from bench.layouts.wordings import Hit, find_hits

_ABSOLUTE = {"left": ("x", 0), "right": ("x", 2), "top": ("y", 0), "bottom": ("y", 2)}
_CENTRE = ("middle", "center", "centre")
_MUTUAL = (
    ("next", "to", "each", "other"),
    ("beside", "each", "other"),
    ("near", "each", "other"),
    ("side", "by", "side"),
    ("next", "to", "one", "another"),
)
_CARRYING = {"on": lexicon.ABOVE, "in": lexicon.INSIDE, "over": lexicon.ABOVE}


def find_relations(scene: Scene) -> list[Link]:
    """Links between the scene's mentions, at most one for each two of them.

    Wordings of the closed list come first, what only follows from a verb or preposition last.
    """
    hits = find_hits(scene.words)
    doers = Doers(scene, hits)
    found = _Relater(scene, hits, doers)
    links: list[Link] = []
    known: set[frozenset[int]] = set()
    for link in [
        *found.placed(), *found.sided(), *found.carried(), *found.absolute(),
        *found.mutual(), *Loose(scene, doers).links(),
    ]:  # fmt: skip
        subject, _, obj = link
        pair = frozenset((subject, obj))
        if subject != obj and pair not in known:
            known.add(pair)
            links.append(link)
    return links


class _Relater:
    def __init__(self, scene: Scene, hits: list[Hit], doers: Doers) -> None:
        self.scene = scene
        self.words = scene.words
        self.hits = hits
        self.doers = doers

    def placed(self) -> Iterator[Link]:
        for hit in self.hits:
            obj = self.doers.object_at(hit.end)
            if obj is None:
                if self._pronoun_at(hit.end):
                    yield from self._pronominal(hit.start, hit.end, hit.relation)
                continue
            for subject in self.doers.subjects(hit.start, obj):
                for other in self._objects(obj, hit):
                    yield (subject, hit.relation, other)

    def _objects(self, obj: int, hit: Hit) -> list[int]:
        """The object and what "and" joins to it: "next to the peach and the pear"."""
        out = [obj]
        joined = self.doers.joined_after(obj)
        between = self.words[hit.start].low in ("between", "among")
        verbal = any(w.tag.startswith("V") for w in self.words[: hit.start])
        if joined is not None and (between or (verbal and not self.doers.leads_on(joined))):
            out.append(joined)
        return out

    # "a house with a tree behind it", "a cat with a dog to its right"

    def sided(self) -> Iterator[Link]:
        for word in self.words[2:]:
            lead, owner = self.words[word.index - 2], self.words[word.index - 1]
            if word.low in ("left", "right") and owner.tag == "PRP$" and lead.tag in ("IN", "TO"):
                self.doers.covered |= {lead.index, owner.index, word.index}
                side = lexicon.LEFT if word.low == "left" else lexicon.RIGHT
                yield from self._pronominal(lead.index, owner.index, side, 2)

    # "a suitcase with a hat on it"

    def carried(self) -> Iterator[Link]:
        for word in self.words:
            if word.low in _CARRYING and self._pronoun_at(word.index + 1):
                yield from self._pronominal(word.index, word.index + 1, _CARRYING[word.low])

    def _pronoun_at(self, at: int) -> bool:
        return at < len(self.words) and self.words[at].tag in ("PRP", "WDT", "WP")

    def _pronominal(self, start: int, at: int, relation: str, length: int = 1) -> Iterator[Link]:
        """A relation whose object is the pronoun at a word: it speaks of an earlier thing."""
        pronoun = self.words[at]
        before = [i for i in sorted(self.scene.owner) if i < start]
        after = [i for i in self.scene.owner if i > at]
        if not before:
            return
        last = self.scene.owner[before[-1]]
        leads = pronoun.sentence != self.words[before[-1]].sentence
        leads |= self.doers.leads(start, at + length)
        if leads or pronoun.tag in ("WDT", "WP"):
            # "There is a house. Behind it is a tree", "a house, behind which stands a tree"
            if not after:
                return
            subject, obj = self.scene.owner[min(after)], self.doers.antecedents.get(last, last)
        else:
            others = [self.scene.owner[i] for i in before if self.scene.owner[i] != last]
            if not others:
                return
            subject, obj = last, self.doers.antecedents.get(others[-1], others[-1])
        if subject != obj:
            self.doers.antecedents[subject] = obj
            yield (subject, relation, obj)

    # "a dog on the left and a cat on the right"

    def absolute(self) -> Iterator[Link]:
        spots: dict[str, list[tuple[int, int]]] = {"x": [], "y": []}
        for word in self.words:
            axis, rank = _ABSOLUTE.get(word.low, ("", 0))
            centre = word.low in _CENTRE
            if word.index in self.doers.covered or not (axis or centre):
                continue
            before = {w.low for w in self.words[max(0, word.index - 3) : word.index]}
            following = self.words[word.index + 1].low if word.index + 1 < len(self.words) else ""
            picture = following in ("of",) and self.doers.object_at(word.index + 2) is None
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
            if len(ranked) == 1 and ranked[0][0] != 1:
                rank, mention = ranked[0]
                other = self._opposite(mention, relation)
                if other is not None:
                    yield (mention, relation, other) if rank == 0 else (other, relation, mention)

    def _opposite(self, mention: int, relation: str) -> int | None:
        """What the only thing "on the right" is right of: the other thing, or of what another is
        left ("the pillow is on the left side of the sofa, the lamp on the right")."""
        axis = PLANAR[relation][0]
        for hit in self.hits:
            if hit.relation in PLANAR and PLANAR[hit.relation][0] == axis:
                obj = self.doers.object_at(hit.end)
                if obj is not None and obj != mention:
                    return obj
        return 1 - mention if len(self.scene.mentions) == 2 else None

    def _spotted(self, at: int) -> int | None:
        """The mention that "on the left" speaks of: the one before, or the next if it leads."""
        start = at
        while start > 0 and self.words[start - 1].low in ("the", "on", "at", "in", "to", "far"):
            start -= 1
        following = self.words[at + 1] if at + 1 < len(self.words) else None
        leading = start == 0 or self.words[start - 1].text in (".", ";")
        leading |= self.words[start - 1].low in ("and", ",") and (
            following is not None and following.low in ("is", "are", ",", "there", "a", "an")
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
                nearest = self.doers.nearest(at, -1)
                if nearest is not None and nearest > 0:
                    yield (nearest - 1, lexicon.NEAR, nearest)
