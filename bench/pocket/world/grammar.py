"""Scenes with captions in the manner of T2I-CompBench's categories.

A scene is sampled in three steps: which things with which attributes (the step that obeys the
splits), how the caption words them, and where they stand.
"""

from __future__ import annotations

import numpy as np

from bench.errors import BenchError, unknown_name
from bench.pocket.world import vocabulary as vocab
from bench.pocket.world.captions import Caption, Thing, write
from bench.pocket.world.dice import Dice
from bench.pocket.world.placement import place
from bench.pocket.world.scene import Scene, SceneInstance
from bench.pocket.world.splits import SPLITS, Split, belongs, nouns_split, pair_split
from bench.pocket.world.sprites import aspects

CATEGORIES: tuple[str, ...] = (
    "single",
    "color",
    "texture",
    "spatial",
    "3d_spatial",
    "numeracy",
    "complex",
)
MIX: tuple[tuple[str, float], ...] = (
    ("single", 0.25),
    ("color", 0.18),
    ("texture", 0.13),
    ("spatial", 0.14),
    ("3d_spatial", 0.09),
    ("numeracy", 0.10),
    ("complex", 0.11),
)
"""Category weights of a training stream."""
COUNTS: dict[str, tuple[tuple[int, float], ...]] = {
    "single": ((1, 1.0),),
    "color": ((2, 0.75), (3, 0.2), (4, 0.05)),
    "texture": ((2, 0.75), (3, 0.2), (4, 0.05)),
    "spatial": ((2, 1.0),),
    "3d_spatial": ((2, 1.0),),
    "numeracy": ((1, 0.08), (2, 0.24), (3, 0.24), (4, 0.2), (5, 0.13), (6, 0.11)),
    "complex": ((2, 0.35), (3, 0.35), (4, 0.18), (5, 0.07), (6, 0.05)),
}
"""How many instances each category shows, with weights; also the counts that it allows."""
BACKGROUND_SHARE = 0.35
"""Share of scenes whose caption names a background."""
PLANAR: tuple[str, ...] = ("left_of", "right_of", "above", "below", "near")
IN_DEPTH: tuple[str, ...] = ("in_front_of", "behind", "hidden_by")
_TRIES = 2000
"""Draws before a held-out combination counts as impossible; about one draw in six succeeds."""

_ALLOWED = {
    noun: {
        kind: tuple(a for a in words if a != noun and pair_split(noun, a) == "train")
        for kind, words in (("color", vocab.COLORS), ("texture", vocab.TEXTURES))
    }
    for noun in vocab.NOUNS
}
"""Attributes that a noun may carry in training."""


def sample_scene(
    rng: np.random.Generator,
    *,
    split: Split = "train",
    category: str | None = None,
    instances: int | None = None,
) -> Scene:
    """Draw one scene.

    ``category`` is one of CATEGORIES (default: drawn by MIX). ``instances`` fixes their number,
    1 to 6. For the held-out splits, draws repeat until one holds a pair of that split and none
    of the other.
    The same generator state gives the same scene. Raises BenchError for an unknown split or
    category and for a number of instances that the category cannot show.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if category is not None and category not in CATEGORIES:
        raise unknown_name("category", category, CATEGORIES)
    dice = Dice(rng)
    for _ in range(_TRIES):
        kind = category or _category(dice, instances)
        things, relations = _content(dice, split, kind, _count(dice, kind, instances))
        if split == "train" or belongs([(t.noun, t.attributes) for t in things], split):
            break
    else:
        raise BenchError(
            f"no {split} scene found in category {category!r} with {instances} instances; "
            "ask for more instances or another category"
        )
    background = None
    if dice.chance(BACKGROUND_SHARE):
        background = dice.pick(tuple(vocab.BACKGROUNDS))
    caption = write(dice, kind, things, relations, background)
    return _assemble(dice, kind, things, relations, background, caption)


def _category(dice: Dice, instances: int | None) -> str:
    fits = [(c, w) for c, w in MIX if instances is None or instances in dict(COUNTS[c])]
    if not fits:
        raise BenchError(f"a scene cannot show {instances} instances; give 1 to 6")
    return dice.weighted(fits)


def _count(dice: Dice, category: str, instances: int | None) -> int:
    counts = COUNTS[category]
    if instances is None:
        return dice.weighted(counts)
    if instances not in dict(counts):
        known = ", ".join(str(n) for n, _ in counts)
        raise BenchError(
            f"category {category!r} cannot show {instances} instances; it shows {known}"
        )
    return instances


def _content(
    dice: Dice, split: Split, category: str, count: int
) -> tuple[list[Thing], list[tuple[int, str, int]]]:
    """The things (one for each mention) and the relations between them (mention indices)."""
    if category == "numeracy":
        numbers = _numbers(dice, count)
        nouns = _nouns(dice, split, len(numbers))
        chance = 0.0 if split == "train" and dice.chance(0.6) else 0.5
        return [
            _thing(dice, split, noun, color=chance, texture=chance / 4, number=number)
            for noun, number in zip(nouns, numbers, strict=True)
        ], []
    nouns = _nouns(dice, split, count)
    color, texture = {
        "single": (0.5, 0.4),
        "color": (1.0, 0.06),
        "texture": (0.1, 1.0),
        "spatial": (0.3, 0.12),
        "3d_spatial": (0.3, 0.12),
        "complex": (0.55, 0.4),
    }[category]
    things = [_thing(dice, split, noun, color=color, texture=texture) for noun in nouns]
    if category == "spatial":
        return things, [(0, dice.pick(PLANAR), 1)]
    if category == "3d_spatial":
        return things, [(0, dice.pick(IN_DEPTH), 1)]
    if category == "complex":
        # Every pair needs a part of the image of its own, so at most two of them.
        pairs = min(2, count // 2) if dice.chance(0.35) else 1
        if count > 2 and dice.chance(0.35):
            pairs = 0
        kinds = PLANAR + IN_DEPTH
        return things, [(2 * k, dice.pick(kinds), 2 * k + 1) for k in range(pairs)]
    return things, []


def _numbers(dice: Dice, total: int) -> list[int]:
    """Split a number of instances into one to three groups."""
    groups = min(total, dice.weighted(((1, 0.45), (2, 0.4), (3, 0.15))))
    cuts = sorted(dice.shuffled(range(1, total))[: groups - 1])
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


def _nouns(dice: Dice, split: Split, count: int) -> list[str]:
    """Different nouns; in training every two of them form a training pair."""
    chosen: list[str] = []
    while len(chosen) < count:
        noun = dice.pick(vocab.NOUNS)
        if noun in chosen:
            continue
        if split == "train" and any(nouns_split(noun, other) != "train" for other in chosen):
            continue
        chosen.append(noun)
    return chosen


def _thing(
    dice: Dice, split: Split, noun: str, *, color: float, texture: float, number: int = 0
) -> Thing:
    """A noun with a colour and a texture with these probabilities; ``number`` 0 means "a"."""

    def attribute(kind: str, every: tuple[str, ...], chance: float) -> str | None:
        if not dice.chance(chance):
            return None
        words = _ALLOWED[noun][kind] if split == "train" else [w for w in every if w != noun]
        return dice.pick(words)

    return Thing(
        noun=noun,
        color=attribute("color", vocab.COLORS, color),
        texture=attribute("texture", vocab.TEXTURES, texture),
        number=number,
    )


def _assemble(
    dice: Dice,
    category: str,
    things: list[Thing],
    relations: list[tuple[int, str, int]],
    background: str | None,
    caption: Caption,
) -> Scene:
    """Give every instance a box and put the scene together."""
    owners = [k for k, thing in enumerate(things) for _ in range(max(1, thing.number))]
    first = [owners.index(k) for k in range(len(things))]
    links = tuple((first[s], name, first[o]) for s, name, o in relations)
    shapes = aspects()
    placed = place(dice, [shapes[things[k].noun] for k in owners], links)
    ranks = sorted(range(len(owners)), key=lambda k: placed[k].order)
    depth = {k: rank for rank, k in enumerate(ranks)}
    return Scene(
        instances=tuple(
            SceneInstance(
                noun=things[owner].noun,
                color=things[owner].color,
                texture=things[owner].texture,
                box=placed[k].box,
                flip=dice.chance(0.5),
                depth=depth[k],
            )
            for k, owner in enumerate(owners)
        ),
        mentions=tuple(caption.mentions[k] for k in owners),
        background=background,
        background_span=caption.background,
        relations=links,
        caption=caption.text,
        category=category,
    )
