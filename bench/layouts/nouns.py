"""Singular forms of English nouns."""

from __future__ import annotations

_IRREGULAR = {
    "people": "person",
    "persons": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "kids": "kid",
    "mice": "mouse",
    "lice": "louse",
    "geese": "goose",
    "teeth": "tooth",
    "feet": "foot",
    "oxen": "ox",
    "knives": "knife",
    "wives": "wife",
    "lives": "life",
    "leaves": "leaf",
    "loaves": "loaf",
    "wolves": "wolf",
    "shelves": "shelf",
    "halves": "half",
    "scarves": "scarf",
    "calves": "calf",
    "elves": "elf",
    "thieves": "thief",
    "hooves": "hoof",
    "cacti": "cactus",
    "fungi": "fungus",
    "octopi": "octopus",
    "dice": "dice",
    "tomatoes": "tomato",
    "potatoes": "potato",
    "mangoes": "mango",
    "heroes": "hero",
    "volcanoes": "volcano",
    "buffaloes": "buffalo",
    "mosquitoes": "mosquito",
    "echoes": "echo",
    "shoes": "shoe",
    "toes": "toe",
    "canoes": "canoe",
    "hoes": "hoe",
    "cookies": "cookie",
    "movies": "movie",
    "pies": "pie",
    "ties": "tie",
    "bowties": "bowtie",
    "brownies": "brownie",
    "hoodies": "hoodie",
    "smoothies": "smoothie",
    "zombies": "zombie",
    "axes": "axe",
    "buses": "bus",
    "quizzes": "quiz",
    "lenses": "lens",
    "gases": "gas",
    "caches": "cache",
    "headaches": "headache",
    "moustaches": "moustache",
    "taxis": "taxi",
    "kiwis": "kiwi",
    "skis": "ski",
    "bikinis": "bikini",
    "zucchinis": "zucchini",
    "corgis": "corgi",
    "passersby": "passerby",
    "firemen": "fireman",
    "policemen": "policeman",
    "snowmen": "snowman",
}
_UNCHANGED = """
    sheep fish deer moose shrimp goldfish jellyfish starfish salmon trout bison aircraft
    spacecraft hovercraft scissors pants jeans trousers shorts sunglasses binoculars clothes
    headphones chaps goggles tongs pajamas pyjamas tights leggings overalls glasses chopsticks
    stairs series species news headquarters bus gas lens cactus octopus iris virus walrus campus
    hippopotamus rhinoceros canvas atlas compass grass glass dress brass mattress waitress
    actress princess moss cross boss chess tennis bass pass class hourglass eyeglass wineglass
    lettuce asparagus hibiscus citrus circus christmas trellis"""
_SAME = frozenset(_UNCHANGED.split())
"""Same in singular and plural, things with a plural name only, and singulars that end in s."""
_PLURAL_NAMES = {"glasses": "glass", "chopsticks": "chopstick", "stairs": "stair"}
"""With a number these are plurals after all ("two glasses")."""


def singular(word: str, counted: bool = False) -> str:
    """The singular of a lower-case noun; a word that is singular already comes back as it is.

    ``counted`` says that a number above one stands before it.

    >>> singular("knives"), singular("bushes"), singular("sheep"), singular("bus")
    ('knife', 'bush', 'sheep', 'bus')
    >>> singular("glasses"), singular("glasses", counted=True)
    ('glasses', 'glass')
    """
    head, blank, last = word.rpartition(" ")
    return head + blank + _singular(last, counted)


def _singular(word: str, counted: bool) -> str:
    if counted and word in _PLURAL_NAMES:
        return _PLURAL_NAMES[word]
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("women") or (word.endswith("men") and word not in ("specimen", "abdomen")):
        return word[:-2] + "an"
    if (
        word in _SAME
        or len(word) < 4
        or not word.endswith("s")
        or word.endswith(("ss", "us", "is"))
    ):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes", "uses")) and not word.endswith(
        ("houses", "blouses", "mouses", "causes", "roses", "cruses", "fuses")
    ):
        return word[:-2]
    return word[:-1]
