"""What the parser reads in prompts of every manner; none of them is a prompt of T2I-CompBench.

Written as ``count attributes noun; ... | subject relation object, ... | background``.
"""

from __future__ import annotations

import random

import pytest

from bench.layouts.nouns import singular
from bench.layouts.parse import parse, parse_many
from bench.layouts.records import ParsedPrompt
from bench.pocket.world import vocabulary as vocab
from bench.types import RELATIONS

COUNTS = """
Both the apple and the pear are green.
    green apple; green pear
two cats but no dogs
    2 cat
three dogs and two cats
    3 dog; 2 cat
seven white sheep in the snow
    7 white sheep | - | the snow
Eight candles and four plates.
    8 candle; 4 plate
nine men and ten women
    9 man; 10 woman
two benches, three dining tables and a traffic light
    2 bench; 3 dining table; traffic light
five mice, one mouse and six geese
    5 mouse; mouse; 6 goose
a dozen eggs in a basket
    12 egg; basket | 0 inside 1
a pair of blue shoes next to a couple of green bottles
    2 blue shoe; 2 green bottle | 0 near 1
There are three people and a teddy bear in the room
    3 person; teddy bear | - | the room
12 yellow ducks in a pond
    12 yellow duck | - | a pond
half a dozen eggs
    6 egg
twenty-four candles
    24 candle
eleven red apples on a wooden table
    11 red apple; wooden table | 0 above 1
a group of five children in a classroom
    5 child | - | a classroom
a bowl of three apples
    bowl; 3 apple | 1 inside 0
a pair of scissors on top of a sheet of paper
    scissors; sheet | 0 above 1
ten cows and eleven chickens in a farm
    10 cow; 11 chicken | - | a farm
"""
NAMES = """
a fire hydrant and a stop sign
    fire hydrant; stop sign
a teddy bear on a rocking chair
    teddy bear; rocking chair | 0 above 1
a coffee cup, a wine glass and a baseball bat
    coffee cup; wine glass; baseball bat
a hot dog on a paper plate
    hot dog; paper plate | 0 above 1
an ice cream cone and a birthday cake
    ice cream cone; birthday cake
a kitchen knife and a cutting board
    kitchen knife; cutting board
an orange orange and a purple grape
    orange orange; purple grape
a chef cooking pasta in a kitchen
    chef; pasta | - | a kitchen
in a snowy forest, a red fox chases a white rabbit
    red fox; white rabbit | - | a snowy forest
a plane high above a city
    plane; city | 0 above 1
six people standing in a row
    6 person
"""
ATTRIBUTES = """
the apple was red and the banana was green
    red apple; green banana
The chair, the lamp and the desk are brown.
    brown chair; brown lamp; brown desk
a cat that is black and a dog that is white
    black cat; white dog
the table is made of wood and the vase is made of glass
    wood table; glass vase
A bowl, which is blue, sits next to a plate which is red.
    blue bowl; red plate | 0 near 1
a ball, red and shiny, beside a cube, blue and matte
    red shiny ball; blue matte cube | 0 near 1
a small round red wooden ball
    small round red wooden ball
a tall, thin, blue bottle and a short, fat green vase
    tall thin blue bottle; short fat green vase
a red and white striped umbrella
    red white striped umbrella
a boy in blue and a girl in pink
    blue boy; pink girl
The car is blue. The bus is yellow. The bike is black.
    blue car; yellow bus; black bike
"""
ELLIPSIS = """
two birds, one red and the other blue
    red bird; blue bird
There are two cars. One is red and the other is black.
    red car; black car
three balls, one red, one green and one blue
    red ball; green ball; blue ball
There are three cats. One is black and the others are orange.
    black cat; 2 orange cat
There are two cats. One cat is black and the other cat is orange.
    black cat; orange cat
One cat is black and the other cat is orange.
    black cat; orange cat
two dogs, a black one and a white one
    black dog; white dog
two dogs and a white one
    2 dog; white dog
a red apple and a green one
    red apple; green apple
three red balloons and two blue ones
    3 red balloon; 2 blue balloon
Two red and three blue balloons
    2 red balloon; 3 blue balloon
a red, a green and a blue ball
    red ball; green ball; blue ball
the dog on the left is black and the dog on the right is white
    black dog; white dog | 0 left_of 1
the first car is red, the second car is blue
    red car; blue car
two women, one in a red dress and the other in a blue dress
    woman; woman; red dress; blue dress | 0 action 2, 1 action 3
"""
WORDINGS = """
There is a green apple. There is a red bowl to the left of the apple.
    green apple; red bowl | 1 left_of 0
a dog on the left of a cat
    dog; cat | 0 left_of 1
a dog on the left-hand side of a cat
    dog; cat | 0 left_of 1
the red ball is right of the blue cube
    red ball; blue cube | 0 right_of 1
A dog stands to the right of a horse.
    dog; horse | 0 right_of 1
two dogs on the left of three cats
    2 dog; 3 cat | 0 left_of 1
a cat below a shelf
    cat; shelf | 0 below 1
a cat underneath a table
    cat; table | 0 below 1
a cat beneath a bench
    cat; bench | 0 below 1
a cat under a table
    cat; table | 0 below 1
a key on the bottom of a box
    key; box | 0 below 1
a book on a table
    book; table | 0 above 1
a vase atop a pedestal
    vase; pedestal | 0 above 1
a bird on the top of a giraffe
    bird; giraffe | 0 above 1
a clock hanging over a sofa
    clock; sofa | 0 above 1
a dog in front of a house
    dog; house | 0 in_front_of 1
a dog right behind a car
    dog; car | 0 behind 1
a rabbit hidden behind a tree
    rabbit; tree | 0 hidden_by 1
a mouse hidden by a key
    mouse; key | 0 hidden_by 1
a lamp beside a bed
    lamp; bed | 0 near 1
a cup on side of a plate
    cup; plate | 0 near 1
a dog by a tree
    dog; tree | 0 near 1
a chair close to a desk
    chair; desk | 0 near 1
"""
INVERSIONS = """
a lion, to the right of which is a zebra
    lion; zebra | 1 right_of 0
At the center, a clock; to its left, a vase.
    clock; vase | 1 left_of 0
on the left of a cat is a dog
    cat; dog | 1 left_of 0
beneath the tree is a bench
    tree; bench | 1 below 0
hidden by a red curtain is a white cat
    red curtain; white cat | 1 hidden_by 0
in front of the house there is a dog
    house; dog | 1 in_front_of 0
Next to the cat is a dog, and behind the dog is a tree.
    cat; dog; tree | 1 near 0, 2 behind 1
On the left there is a dog, on the right there is a cat.
    dog; cat | 0 left_of 1
a dog on the left and a cat on the right
    dog; cat | 0 left_of 1
a cup in the middle, a plate on the left and a fork on the right
    cup; plate; fork | 1 left_of 0, 0 left_of 2
a bird at the top and a fish at the bottom
    bird; fish | 0 above 1
a cat with a dog to its right and a bird to its left
    cat; dog; bird | 1 right_of 0, 2 left_of 0
a table with a vase on top of it
    table; vase | 1 above 0
a house with a tree behind it and a car in front of it
    house; tree; car | 1 behind 0, 2 in_front_of 0
a suitcase with a hat on it
    suitcase; hat | 1 above 0
a train to the right of which stands a bus
    train; bus | 1 right_of 0
There is a house. Behind it is a tree.
    house; tree | 1 behind 0
a clock to the left of a window and a painting to the right of it
    clock; window; painting | 0 left_of 1, 2 right_of 1
"""
SEVERAL = """
The book, the pen and the cup are on the desk.
    book; pen; cup; desk | 0 above 3, 1 above 3, 2 above 3
a red car and a blue car, with the red car in front of the blue car
    red car; blue car | 0 in_front_of 1
a wooden table, a red apple on top of the table and a black cat
    wooden table; red apple; black cat | 1 above 0
a lamp to the left of a bed and a chair to the right of the bed
    lamp; bed; chair | 0 left_of 1, 2 right_of 1
The pillow is on the left side of the sofa, while the lamp is on the right side.
    pillow; sofa; lamp | 0 left_of 1, 1 left_of 2
a red cube on top of a blue cube on top of a green sphere
    red cube; blue cube; green sphere | 0 above 1, 1 above 2
The umbrella is above the bench, the dog is beneath it, and the lamp is to the right of the bench.
    umbrella; bench; dog; lamp | 0 above 1, 2 below 1, 3 right_of 1
The red apple and the yellow banana are on the wooden table next to the blue cup.
    red apple; yellow banana; wooden table; blue cup | 0 near 3, 1 near 3, 0 above 2, 1 above 2
a sofa and a lamp on a table
    sofa; lamp; table | 1 above 2
a plate, a fork and a spoon on a table
    plate; fork; spoon; table | 0 above 3, 1 above 3, 2 above 3
a boy with a red backpack standing next to a green bicycle
    boy; red backpack; green bicycle | 0 near 2, 0 near 1
a young boy and an old man sitting on a bench beside a lake
    young boy; old man; bench; lake | 0 near 3, 1 near 3, 0 above 2, 1 above 2
a clear glass vase filled with five red tulips
    clear glass vase; 5 red tulip | 1 inside 0
"""
PLACES = """
a yellow taxi and two red buses on a busy street
    yellow taxi; 2 red bus | - | a busy street
A photograph showing two blue cars
    2 blue car
A close-up of three yellow bananas in a brown bowl.
    3 yellow banana; brown bowl | 0 inside 1
a dog in front of a shop
    dog; shop | 0 in_front_of 1
a picture on a wall
    picture; wall | 0 inside 1
a black cat sits on a brick wall
    black cat; brick wall | 0 above 1
On a sunny beach, two children are building a sandcastle.
    2 child; sandcastle | 0 action 1 | a sunny beach
a desk and a chair in an office
    desk; chair | - | an office
a living room with a gray sofa, a lamp and a television
    gray sofa; lamp; television | - | a living room
an astronaut riding a horse on the moon
    astronaut; horse | 0 action 1 | the moon
a red car on a street at night
    red car | - | a street
In the kitchen, a yellow banana lies on a white plate.
    yellow banana; white plate | 0 above 1 | the kitchen
a woman in a garden surrounded by flowers
    woman; flower | 0 near 1 | a garden
A woman and her dog on a beach.
    woman; dog | - | a beach
an elephant standing in the desert under a night sky
    elephant | - | the desert
"""


def cases() -> list[tuple[str, str]]:
    lines = "".join(
        [COUNTS, NAMES, ATTRIBUTES, ELLIPSIS, WORDINGS, INVERSIONS, SEVERAL, PLACES]
    ).splitlines()
    lines = [line for line in lines if line]
    return [(p, expected.strip()) for p, expected in zip(lines[::2], lines[1::2], strict=True)]


def say(parsed: ParsedPrompt) -> str:
    things = "; ".join(
        " ".join([*([str(i.count)] if i.count > 1 else []), *i.attributes, i.noun])
        for i in parsed.instances
    )
    relations = ", ".join(f"{r.subject} {r.relation} {r.object}" for r in parsed.relations)
    background = parsed.prompt[slice(*parsed.background_span)] if parsed.background_span else ""
    parts = (things, relations or ("-" if background else ""), background)
    return " | ".join(part for part in parts if part)


@pytest.mark.parametrize(("prompt", "expected"), cases())
def test_reading(prompt: str, expected: str) -> None:
    assert say(parse(prompt)) == expected


def test_spans_point_at_the_words() -> None:
    for parsed in parse_many(prompt for prompt, _ in cases()):
        text = parsed.prompt
        for i in parsed.instances:
            start, end = i.phrase_span
            assert start <= i.noun_span[0] < i.noun_span[1] <= end
            written = text[slice(*i.noun_span)].lower()
            leans = written in ("one", "ones", *i.attributes)  # "two red and three ..."
            assert leans or i.noun in (written, singular(written, i.count > 1))
            assert [text[slice(*s)].lower() for s in i.attribute_spans] == list(i.attributes)
            assert all(word and " " not in word for word in i.attributes)
            assert i.count_span is None or text[slice(*i.count_span)]


def test_plural_nouns_come_back_singular() -> None:
    assert {plural: singular(plural) for plural in vocab.PLURALS.values()} == {
        plural: noun for noun, plural in vocab.PLURALS.items()
    }
    for noun in vocab.NOUNS:
        assert singular(noun) == noun
    odd = {
        "knives": "knife",
        "geese": "goose",
        "taxis": "taxi",
        "children": "child",
        "boxes": "box",
    }
    assert {plural: singular(plural) for plural in odd} == odd


WORDED = {
    "left_of": ("on the left of", "to the left of", "on the left side of", "left of"),
    "right_of": ("on the right of", "to the right of", "on the right side of"),
    "above": ("above", "on top of", "on the top of"),
    "below": ("below", "under", "beneath", "underneath", "on the bottom of"),
    "near": ("near", "next to", "beside", "on side of", "close to"),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
    "hidden_by": ("hidden by",),
}
NUMBERS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def drawn(rng: random.Random) -> tuple[str, str]:
    """A prompt about known things in one of four manners, and what it says."""

    def phrase(noun: str, count: int, attributes: list[str]) -> str:
        if count > 1:
            return " ".join([NUMBERS[count - 1], *attributes, vocab.PLURALS[noun]])
        body = " ".join([*attributes, noun])
        return f"{rng.choice([vocab.article(body), 'one', 'the'])} {body}"

    nouns = rng.sample(vocab.NOUNS, 2)
    counts = [rng.choice((1, 1, 2, 5, 12)) for _ in nouns]
    attributes = [rng.sample(vocab.ATTRIBUTES, rng.choice((0, 1, 2))) for _ in nouns]
    relation = rng.choice(list(WORDED))
    wording = rng.choice(WORDED[relation])
    manner = rng.choice(("list", "fragment", "sentence", "inverted"))
    a, b = (phrase(*t) for t in zip(nouns, counts, attributes, strict=True))
    verb = "is" if counts[0] == 1 else "are"
    things = [
        " ".join([*([str(c)] if c > 1 else []), *w, n])
        for n, c, w in zip(nouns, counts, attributes, strict=True)
    ]
    if manner == "list":
        return f"{a} and {b}", "; ".join(things)
    if manner == "inverted":
        return f"{wording} {b} {verb} {a}", f"{things[1]}; {things[0]} | 1 {relation} 0"
    said = (
        f"{a} {wording} {b}" if manner == "fragment" else f"{a.capitalize()} {verb} {wording} {b}."
    )
    return said, f"{things[0]}; {things[1]} | 0 {relation} 1"


def test_known_things_counts_attributes_and_positions() -> None:
    """At least 98 of 100 of prompts drawn from known parts are read without any fault."""
    rng = random.Random(7)
    prompts = [drawn(rng) for _ in range(400)]
    read = parse_many(prompt for prompt, _ in prompts)
    wrong = [
        (prompt, expected, say(parsed))
        for (prompt, expected), parsed in zip(prompts, read, strict=True)
        if say(parsed) != expected
    ]
    assert len(wrong) <= 8, wrong


def test_every_relation_has_a_prompt() -> None:
    used = {word for _, expected in cases() for word in expected.replace(",", " ").split()}
    assert set(RELATIONS) <= used


def test_text_without_a_noun_has_no_instance() -> None:
    assert parse("very quickly").instances == ()
    assert parse("").instances == ()
