"""Captions that are almost right: a word of the true caption in the wrong place, or replaced."""

from __future__ import annotations

import numpy as np

from bench.pocket.world.scene import Scene, Span
from bench.pocket.world.splits import nouns_split, pair_split
from bench.pocket.world.vocabulary import COLORS, NOUNS, PLURALS, TEXTURES, article

TRIES = 6
"""Draws before a scene is left without a wrong caption."""
ASYMMETRIC = frozenset(
    ("left_of", "right_of", "above", "below", "in_front_of", "behind", "hidden_by")
)


def wrong_caption(scene: Scene, rng: np.random.Generator) -> str | None:
    """A caption of training words and pairs that the scene makes false, or None.

    Either two instances swap an attribute, or two swap their nouns, or one word is replaced.
    """
    for _ in range(TRIES):
        dice = rng.random()
        make = swap_attributes if dice < 0.45 else _swap_nouns if dice < 0.7 else _replace
        found = make(scene, rng)
        if found is not None:
            return found
    return None


def swap_attributes(scene: Scene, rng: np.random.Generator) -> str | None:
    """The caption after two instances' colours, or textures, have changed places; None if not."""
    groups = scene.groups
    if len(groups) < 2:
        return None
    a, b = (groups[int(g)][0] for g in rng.permutation(len(groups))[:2])
    first, second = scene.instances[a], scene.instances[b]
    for kind in rng.permutation(["color", "texture"]):
        x, y = getattr(first, kind), getattr(second, kind)
        if x is None or y is None or x == y:
            continue
        if not (_fits(first.noun, y) and _fits(second.noun, x)):
            continue
        places = (_place(scene, a, x), _place(scene, b, y))
        return _rewrite(scene.caption, {places[0]: y, places[1]: x})
    return None


def _swap_nouns(scene: Scene, rng: np.random.Generator) -> str | None:
    groups = scene.groups
    if len(groups) < 2:
        return None
    g, h = (groups[int(k)] for k in rng.permutation(len(groups))[:2])
    first, second = scene.instances[g[0]], scene.instances[h[0]]
    ordered = any({s, o} == {g[0], h[0]} and name in ASYMMETRIC for s, name, o in scene.relations)
    # Without an order, a count or different attributes the caption would stay true.
    if not ordered and first.attributes == second.attributes and len(g) == len(h):
        return None
    if not all(_fits(first.noun, x) for x in second.attributes):
        return None
    if not all(_fits(second.noun, x) for x in first.attributes):
        return None
    return _rewrite(
        scene.caption,
        {
            scene.mentions[g[0]].noun: _number(second.noun, len(g)),
            scene.mentions[h[0]].noun: _number(first.noun, len(h)),
        },
    )


def _replace(scene: Scene, rng: np.random.Generator) -> str | None:
    k = int(rng.integers(len(scene.instances)))
    thing, mention = scene.instances[k], scene.mentions[k]
    count = sum(m.phrase == mention.phrase for m in scene.mentions)
    if thing.attributes and rng.random() < 0.5:
        at = int(rng.integers(len(thing.attributes)))
        family = COLORS if thing.attributes[at] in COLORS else TEXTURES
        word = str(rng.choice(family))
        if word == thing.attributes[at] or not _fits(thing.noun, word):
            return None
        return _rewrite(scene.caption, {mention.attributes[at]: word})
    noun = str(rng.choice(NOUNS))
    others = {t.noun for t in scene.instances}
    if noun in others or not all(_fits(noun, a) for a in thing.attributes):
        return None
    if any(nouns_split(noun, o) != "train" for o in others - {thing.noun}):
        return None
    return _rewrite(scene.caption, {mention.noun: _number(noun, count)})


def _fits(noun: str, attribute: str) -> bool:
    return noun != attribute and pair_split(noun, attribute) == "train"


def _place(scene: Scene, k: int, word: str) -> Span:
    return scene.mentions[k].attributes[scene.instances[k].attributes.index(word)]


def _number(noun: str, count: int) -> str:
    return PLURALS[noun] if count > 1 else noun


def _rewrite(caption: str, changes: dict[Span, str]) -> str:
    """Replace spans by words, from the back, and mend the articles before them."""
    out = caption
    for (start, end), word in sorted(changes.items(), reverse=True):
        head = out[:start]
        for wrong in ("a ", "an "):
            if head.lower() == wrong or head.lower().endswith(" " + wrong):
                stem = head[: len(head) - len(wrong)]
                lead = article(word)
                head = stem + (lead.capitalize() if head[len(stem)].isupper() else lead) + " "
                break
        out = head + word + out[end:]
    return out
