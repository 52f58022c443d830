"""Every word of the pocket world. Orders are class indices of shipped models: append only."""

from __future__ import annotations

import re

NOUNS: tuple[str, ...] = (
    "person",
    "man",
    "woman",
    "boy",
    "girl",
    "dog",
    "cat",
    "horse",
    "cow",
    "sheep",
    "pig",
    "rabbit",
    "mouse",
    "giraffe",
    "elephant",
    "bear",
    "bird",
    "chicken",
    "duck",
    "frog",
    "turtle",
    "fish",
    "bee",
    "butterfly",
    "car",
    "bus",
    "train",
    "airplane",
    "bicycle",
    "boat",
    "chair",
    "table",
    "desk",
    "bench",
    "sofa",
    "couch",
    "lamp",
    "candle",
    "clock",
    "television",
    "computer",
    "phone",
    "microwave",
    "refrigerator",
    "sink",
    "toilet",
    "vase",
    "bowl",
    "cup",
    "plate",
    "bottle",
    "book",
    "painting",
    "key",
    "bag",
    "backpack",
    "suitcase",
    "wallet",
    "apple",
    "orange",
    "banana",
    "cake",
    "balloon",
    "umbrella",
    "ball",
    "hat",
    "shoe",
    "flower",
    "tree",
    "pillow",
)
"""The 70 things, singular."""

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "mouse": "mice",
    "sheep": "sheep",
    "fish": "fish",
    "butterfly": "butterflies",
    "bus": "buses",
    "couch": "couches",
    "bench": "benches",
}
PLURALS: dict[str, str] = {noun: _IRREGULAR.get(noun, noun + "s") for noun in NOUNS}
"""Singular to plural, every noun."""

COLORS: tuple[str, ...] = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
)
TEXTURES: tuple[str, ...] = (
    "wooden",
    "metallic",
    "fluffy",
    "glass",
    "fabric",
    "plastic",
    "leather",
    "rubber",
)
ATTRIBUTES: tuple[str, ...] = COLORS + TEXTURES

BACKGROUNDS: dict[str, str] = {
    "park": "in a park",
    "beach": "on a beach",
    "snow": "in the snow",
    "kitchen": "in a kitchen",
    "bathroom": "in a bathroom",
    "desert": "in a desert",
    "night": "under a night sky",
    "forest": "in a forest",
    "room": "in a plain room",
    "street": "on a street",
    "water": "under water",
    "mountains": "in the mountains",
}
"""Background to its phrase; scenes without a phrase stand before a plain light gradient."""

NUMBER_WORDS: tuple[str, ...] = ("one", "two", "three", "four", "five", "six")
"""``NUMBER_WORDS[n - 1]`` names n things."""

RELATION_PHRASES: dict[str, tuple[str, ...]] = {
    "left_of": ("on the left of",),
    "right_of": ("on the right of",),
    "above": ("on the top of", "on top of"),
    "below": ("on the bottom of",),
    "near": ("near", "next to", "on side of"),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
    "hidden_by": ("hidden by",),
}
"""Relation to its wordings, the official one of T2I-CompBench first."""

FUNCTION_WORDS: tuple[str, ...] = (
    "a",
    "an",
    "the",
    "and",
    "is",
    "are",
    "was",
    "were",
    "with",
)
PUNCTUATION: tuple[str, ...] = (",", ".")

_TOKEN = re.compile(r"[a-z]+|[^a-z\s]")


def tokens(text: str) -> list[str]:
    """Lower-case words and single punctuation marks of a prompt, in order.

    >>> tokens("A red apple, and a bus.")
    ['a', 'red', 'apple', ',', 'and', 'a', 'bus', '.']
    """
    return _TOKEN.findall(text.lower())


def words() -> list[str]:
    """Every word and mark that a caption can hold, sorted: the text encoders' vocabulary."""
    phrases = [*BACKGROUNDS.values(), *(p for ps in RELATION_PHRASES.values() for p in ps)]
    every = {*NOUNS, *PLURALS.values(), *ATTRIBUTES, *NUMBER_WORDS, *FUNCTION_WORDS, *PUNCTUATION}
    every.update(token for phrase in phrases for token in tokens(phrase))
    return sorted(every)


def article(word: str) -> str:
    """``a`` or ``an`` before a word of this vocabulary.

    >>> article("apple"), article("umbrella"), article("bus")
    ('an', 'an', 'a')
    """
    return "an" if word[0] in "aeiou" else "a"
