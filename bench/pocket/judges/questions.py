"""Yes-or-no questions about a picture, in the words that a prompt's noun chunks produce.

The hard ones are those where the right words stand in the picture at the wrong thing: an
attribute swapped between two instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.pocket.judges.data import HIDDEN, SEEN, Sample
from bench.pocket.world.scene import SceneInstance
from bench.pocket.world.splits import Split, pair_split
from bench.pocket.world.sprites import RAMPS, ramp_table, sprite
from bench.pocket.world.vocabulary import (
    BACKGROUNDS,
    COLORS,
    NOUNS,
    NUMBER_WORDS,
    PLURALS,
    TEXTURES,
    article,
)

ALIKE: tuple[frozenset[str], ...] = (
    *(frozenset(("person", who)) for who in ("man", "woman", "boy", "girl")),
    frozenset(("sofa", "couch")),
)
"""Pairs of nouns of which one picture may rightly bear both names."""

OWN_TEXTURE: dict[str, tuple[str, ...]] = {
    "wooden": ("chair", "table", "desk", "bench", "painting", "boat", "tree"),
    "metallic": ("key", "sink", "refrigerator", "microwave", "bicycle", "clock", "airplane"),
    "fluffy": ("sheep", "rabbit", "cat", "dog", "bear", "pillow", "chicken", "mouse"),
    "glass": ("bottle", "vase"),
    "fabric": ("sofa", "couch", "pillow", "backpack", "bag", "hat", "shoe", "umbrella"),
    "plastic": ("bowl", "bottle", "phone", "ball", "cup", "toilet"),
    "leather": ("bag", "wallet", "suitcase", "sofa", "couch", "ball", "shoe"),
    "rubber": ("balloon", "ball", "duck"),
}
"""Things whose plain sprite may rightly be said to have the texture: nobody asks about those."""

FILLERS = ("front", "side", "the bottom", "top")
"""Noun chunks of relation phrases. They name nothing, so their answer is yes: in a product of
answers that is no vote."""

KINDS: tuple[tuple[str, float], ...] = (
    ("present", 0.28),
    ("swapped", 0.30),
    ("wrong attribute", 0.12),
    ("wrong noun", 0.08),
    ("absent", 0.06),
    ("count", 0.05),
    ("background", 0.02),
    ("filler", 0.01),
)
"""Kinds of questions with their shares; a kind that a picture does not allow is drawn again."""
_UPTO = np.cumsum([share for _, share in KINDS])


@dataclass(frozen=True)
class Question:
    text: str
    """Lower case, with its question mark: "a red apple?"."""
    answer: bool
    kind: str


def holds(sample: Sample, noun: str, attributes: Sequence[str]) -> bool | None:
    """Whether a thing with this noun and these attributes is in the picture; None: debatable."""
    verdicts = [
        _matches(thing, seen, noun, attributes)
        for thing, seen in zip(sample.scene.instances, sample.visible, strict=True)
    ]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def ask(
    sample: Sample, rng: np.random.Generator, count: int, *, split: Split = "train"
) -> list[Question]:
    """Draw questions about a picture; in training none names a held-out pair."""
    found: list[Question] = []
    while len(found) < count:
        kind, _ = KINDS[int(np.searchsorted(_UPTO, rng.random() * _UPTO[-1]))]
        question = _draw(sample, rng, kind, split)
        if question is not None:
            found.append(question)
    return found


def swapped_pair(
    sample: Sample, rng: np.random.Generator, *, split: Split
) -> tuple[Question, Question] | None:
    """A true phrase of the picture and the same noun with another instance's attribute."""
    order = rng.permutation(len(sample.scene.instances))
    for i in order:
        thing = sample.scene.instances[i]
        if sample.visible[i] < SEEN or not thing.attributes:
            continue
        changed = [
            attrs
            for j in order
            if sample.visible[j] >= SEEN
            for attrs in _swaps(thing, sample.scene.instances[j])
            if _allowed(thing.noun, attrs, split) and holds(sample, thing.noun, attrs) is False
        ]
        if changed:
            wrong = changed[int(rng.integers(len(changed)))]
            return (
                Question(_text(thing.noun, thing.attributes), True, "present"),
                Question(_text(thing.noun, wrong), False, "swapped"),
            )
    return None


def background_chunk(key: str) -> str:
    """The noun chunk of a background's phrase, for example "a park"."""
    return BACKGROUNDS[key].split(" ", 1)[1]


@cache
def own_color_shares(noun: str, texture: str | None) -> dict[str, float]:
    """For each colour the share of an uncoloured sprite's pixels that its ramp comes nearest to."""
    pixels = np.asarray(sprite(noun, None, texture).paint, np.float32)[::4, ::4].reshape(-1, 4)
    pixels = pixels[pixels[:, 3] > 40]
    plain = pixels[:, :3] / pixels[:, 3:]
    ramps = np.stack([ramp_table(RAMPS[c])[::32] for c in COLORS])
    distance = ((plain[:, None, None] - ramps[None]) ** 2).sum(axis=-1).min(axis=2)
    counts = np.bincount(distance.argmin(axis=1), minlength=len(COLORS))
    return dict(zip(COLORS, (counts / max(1, len(plain))).tolist(), strict=True))


def _matches(
    thing: SceneInstance, seen: float, noun: str, attributes: Sequence[str]
) -> bool | None:
    alike = frozenset((thing.noun, noun)) in ALIKE
    if (thing.noun != noun and not alike) or seen < HIDDEN:
        return False
    sure = not alike and seen >= SEEN
    for attribute in attributes:
        if attribute in thing.attributes:
            continue
        if attribute in COLORS:
            # A thing in its natural colours: red apples are red, but is a bus's window blue?
            if thing.color or own_color_shares(thing.noun, thing.texture)[attribute] < 0.05:
                return False
        elif thing.texture or thing.noun not in OWN_TEXTURE[attribute]:
            return False
        sure = False
    return True if sure else None


def _draw(sample: Sample, rng: np.random.Generator, kind: str, split: Split) -> Question | None:
    things = sample.scene.instances
    thing = things[int(rng.integers(len(things)))]
    noun, attributes = thing.noun, thing.attributes
    if kind == "filler":
        return Question(_pick(rng, FILLERS) + "?", True, kind)
    if kind == "background" and sample.cut:
        return None  # what is left of the background may not show what it is
    if kind == "background":
        true = sample.scene.background
        key = true if true and rng.random() < 0.5 else _pick(rng, tuple(BACKGROUNDS))
        return Question(background_chunk(key) + "?", key == true, kind)
    if kind == "count":
        return _count_question(sample, rng, noun, split)
    if kind == "present":
        attributes = tuple(a for a in attributes if rng.random() < 0.8)
    elif kind == "swapped":
        other = things[int(rng.integers(len(things)))]
        swaps = _swaps(thing, other)
        if not swaps:
            return None
        attributes = swaps[int(rng.integers(len(swaps)))]
    elif kind == "wrong attribute":
        family = COLORS if rng.random() < 0.6 else TEXTURES
        kept = tuple(a for a in attributes if a not in family and rng.random() < 0.5)
        attributes = _ordered((*kept, _pick(rng, family)))
    elif kind == "wrong noun":
        noun = _pick(rng, NOUNS)
    elif sample.fragments and rng.random() < 0.7:
        noun, *look = sample.fragments[int(rng.integers(len(sample.fragments)))]
        attributes = tuple(a for a in look if a and rng.random() < 0.5)
    else:
        noun, attributes = _pick(rng, NOUNS), ()
    answer = holds(sample, noun, attributes)
    if answer is None or not _allowed(noun, attributes, split):
        return None
    return Question(_text(noun, attributes, rng), answer, kind)


def _count_question(
    sample: Sample, rng: np.random.Generator, noun: str, split: Split
) -> Question | None:
    looks = [t.attributes for t in sample.scene.instances if t.noun == noun]
    attributes = looks[0] if rng.random() < 0.5 else ()
    verdicts = [
        _matches(t, v, noun, attributes)
        for t, v in zip(sample.scene.instances, sample.visible, strict=True)
    ]
    if None in verdicts or not _allowed(noun, attributes, split):
        return None
    true = sum(v is True for v in verdicts)
    asked = true if rng.random() < 0.5 else int(rng.integers(1, 7))
    if not 1 <= asked <= len(NUMBER_WORDS):
        return None
    words = (NUMBER_WORDS[asked - 1], *attributes, PLURALS[noun] if asked > 1 else noun)
    return Question(" ".join(words) + "?", asked == true, "count")


def _swaps(thing: SceneInstance, other: SceneInstance) -> list[tuple[str, ...]]:
    """The thing's attributes with one of them taken from (or added by) the other."""
    found = []
    if other.color and other.color != thing.color and other.color != thing.noun:
        found.append(_ordered((other.color, thing.texture)))
    if other.texture and other.texture != thing.texture:
        found.append(_ordered((thing.color, other.texture)))
    return found


def _ordered(attributes: Sequence[str | None]) -> tuple[str, ...]:
    """Colour first, as captions have it."""
    return tuple(sorted((a for a in attributes if a), key=lambda a: a in TEXTURES))


def _allowed(noun: str, attributes: Sequence[str], split: Split) -> bool:
    if noun in attributes:  # "an orange orange"
        return False
    return split != "train" or all(pair_split(noun, a) == "train" for a in attributes)


def _text(noun: str, attributes: Sequence[str], rng: np.random.Generator | None = None) -> str:
    """ "a red apple?"; with ``rng`` also "the red apple?", "red apple?", "one red apple?"."""
    words = [*attributes, noun]
    dice = rng.random() if rng is not None else 0.0
    if dice < 0.78:
        words.insert(0, article(words[0]))
    elif dice < 0.92:
        words.insert(0, "the")
    return " ".join(words) + "?"


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]
