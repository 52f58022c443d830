"""How large things are and how they are built, so that a sketch looks like what it stands for.

Source of the figures: our own estimates of typical adult or household specimens, rounded to one
or two digits. The planner compresses sizes to about 1:2 (a mouse beside a car must still be
seen), so only their rough order matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

SMALLEST, LARGEST = 0.05, 4.0
"""Metres; sizes beyond are treated as these."""

# Outline: then "noun longest-side-in-metres width/height" for each noun, separated by commas.
_TABLE: dict[str, str] = {
    "person": """
        person 1.7 .5, man 1.8 .5, woman 1.65 .5, boy 1.3 .5, girl 1.3 .5, child 1.1 .5, baby .7
        .7, toddler .8 .55, kid 1.2 .5, snowman 1.5 .6, statue 2 .5, doll .4 .5, robot 1.5 .6,
        dancer 1.7 .5, bride 1.7 .5, player 1.8 .5, skeleton 1.7 .5, dress 1.2 .6, gown 1.5 .6,
        coat 1.1 .6, penguin .7 .5, jockey 1.6 .5, wizard 1.8 .5""",
    "group": """
        people 1.8 1.6, crowd 4 2, team 4 1.8, group 3 1.6, couple 1.8 .9, family 2.5 1.4, friend
        1.7 .5, audience 4 2, band 3 1.6, class 4 1.8, choir 4 1.8""",
    "animal": """
        dog .8 1.3, cat .5 1.2, horse 2.2 1.2, cow 2.3 1.4, sheep 1.2 1.3, pig 1.3 1.5, rabbit .4
        1, mouse .1 1.5, rat .2 1.6, elephant 4 1.3, bear 2 1.2, goat 1.2 1.2, deer 1.8 1.1, camel
        3 1.1, lion 2 1.4, tiger 2 1.6, kitten .3 1.2, puppy .4 1.2, hippopotamus 3.5 1.7, squirrel
        .3 1, zebra 2.3 1.2, fox .9 1.5, wolf 1.4 1.4, dinosaur 4 1.5, turtle .6 1.5, frog .1 1.3,
        lizard .3 1.9, animal 1 1.3, monkey .7 .9, gorilla 1.6 .9, donkey 1.8 1.2, kangaroo 1.6 .7,
        hamster .12 1.3, panda 1.5 1.1, crocodile 4 2, dolphin 2.5 1.9, whale 4 2, seal 1.6 1.7,
        dragon 4 1.4, hedgehog .25 1.4, koala .7 .9, raccoon .6 1.4, beaver .8 1.5,
        otter .9 1.7, bull 2.4 1.4, ox 2.4 1.4, pony 1.6 1.2, lamb .7 1.2, calf 1.2 1.2, leopard 1.8
        1.7, cheetah 1.6 1.6, buffalo 2.8 1.4, moose 2.8 1.2, rhinoceros 3.5 1.7, alligator 3 2""",
    "giraffe": """
        giraffe 4 .6, llama 1.8 .7, ostrich 2.4 .6, flamingo 1.3 .5, swan 1.4 1""",
    "bird": """
        bird .25 1.3, chicken .45 1, duck .5 1.2, parrot .4 .9, owl .5 .7, eagle .9 1.5, crow .45
        1.4, pigeon .33 1.3, dove .3 1.3, seagull .5 1.6, goose .9 1.2, rooster .5 1, canary .13
        1.2, jay .3 1.3, bluebird .18 1.3, hen .45 1, peacock 1.5 1.3""",
    "fish": """
        fish .4 1.8, goldfish .12 1.7, shark 4 2, shrimp .12 1.5, salmon .8 1.9, trout .5 1.9""",
    "wings": """
        butterfly .1 1.3, bee .03 1.3, dragonfly .1 1.4, ant .01 1.6, beetle .02 1.3, moth .05
        1.3, fly .02 1.3, ladybug .02 1.2, airplane 4 2, plane 4 2, jet 4 2, kite 1 1, helicopter
        4 1.8, drone .4 1.6, bat .3 1.7, bow .1 1.5, bowtie .12 1.7""",
    "vehicle": """
        car 4 1.9, taxi 4 1.9, bus 4 1.8, truck 4 1.7, van 4 1.7, train 4 2, tram 4 2, motorcycle
        2.1 1.6, bicycle 1.7 1.6, bike 1.7 1.6, scooter 1.8 1.4, boat 4 1.8, ship 4 1.8, sailboat 4
        .9, canoe 4 2, kayak 3.5 2, skateboard .8 2, sled 1.2 1.9, wagon 1.5 1.5, tractor 3.5 1.4,
        wheelchair 1 1, stroller 1 .9, ambulance 4 1.7, carriage 3 1.3, yacht 4 1.6, shoe .3 1.6,
        boot .35 .9, sneaker .3 1.7, slipper .28 1.8, high-heel .25 1.3, sandal .28 1.8, sofa 2
        1.8, couch 2 1.8, loveseat 1.5 1.5, bathtub 1.7 1.9, piano 1.5 1.3""",
    "table": """
        table 1.5 1.6, desk 1.4 1.5, bench 1.5 1.9, dining-table 1.8 1.8, counter 2 1.8, workbench
        1.6 1.6, nightstand .6 .9, stool .5 .8, ottoman .6 1.3, bed 2 1.6, bridge 4 2, shelf 1 1.8,
        crib 1.3 1.3, stage 4 2, playground 4 1.8, grill 1 .9""",
    "chair": """
        chair .9 .65, armchair 1 .9, seat .9 .8, throne 1.5 .6, rocking-chair 1.1 .8,
        toilet .8 .65""",
    "tree": """
        tree 4 .75, bush 1 1.3, plant .6 .7, palm-tree 4 .6, shrub 1 1.2, oak 4 .9, flower .3 .6,
        rose .3 .6, tulip .3 .5, sunflower .6 .55, daisy .2 .6, dandelion .2 .6, carnation .25 .6,
        cactus 1 .6, bouquet .4 .8, mushroom .1 .9, broccoli .2 .9, sapling 1 .6, succulent .2 1,
        umbrella 1 .9, parasol 2 .9, lamp .6 .6, lampshade .35 1.1, microphone .2 .5, trophy .4
        .6, lollipop .15 .5, wine-glass .2 .5, goblet .2 .5, ice-cream .2 .6, balloon .4 .75,
        traffic-light 2 .5, street-light 4 .5, lamppost 4 .5, stop-sign 2 .5, sign 1 .8, fountain
        2 1, spoon .18 .5, racket .7 .5, guitar 1 .5, violin .6 .5, ladle .3 .5, light .3 .8,
        torch .3 .5, feather .2 .5, branch 1.5 1.6, swing 2 .8, sculpture 1.5 .7, carving .4 .9,
        monument 4 .6, column 3 .5, campfire 1 1, vegetable .2 .9, pepper .1 .8, eggplant .2 .6""",
    "bottle": """
        bottle .3 .5, vase .35 .6, jar .18 .7, flask .25 .5, perfume .1 .7, pitcher .3 .7, jug .3
        .7, urn .4 .6, teapot .25 1.3, kettle .28 1, pear .1 .75, lightbulb .1 .7, bell .2 .9,
        fire-hydrant .8 .5, hydrant .8 .5, bowling-pin .38 .5, pawn .08 .5, dispenser .25 .5,
        watering-can .4 1.2""",
    "cup": """
        cup .1 1, mug .11 1.1, glass .15 .65, bowl .18 1.6, bucket .35 .9, pot .3 1.2, pan .4 1.8,
        basket .4 1.2, sink .6 1.4, tub .5 1.3, flower-pot .3 .9, bin .5 .8, trash-can .7 .7,
        planter .4 1.1, saucer .15 1.9, drum .4 1, dish .25 1.8, cauldron .5 1.1""",
    "cone": """
        cone .4 .7, pyramid 2 1.2, tent 2.5 1.4, mountain 4 1.8, hill 4 2, volcano 4 1.7, funnel .2
        .8, triangle .3 1.1, party-hat .25 .7, hat .3 1.4, helmet .3 1.2, roof 4 2, skirt .6 .9,
        christmas-tree 2 .65, lighthouse 4 .5, tower 4 .5, obelisk 4 .5, house 4 1.1, cottage 4
        1.3, cabin 4 1.3, birdhouse .3 .8, castle 4 1.2, temple 4 1.3, church 4 .9, barn 4 1.3,
        tetrahedron .3 1.1, pyramidal .3 1.1, sandcastle .5 1.2, haystack 1.5 1.4, strawberry .04
        .9, carrot .2 .5, pizza-slice .2 .9, iceberg 4 1.4, candy-corn .02 .8, teepee 3 .9""",
    "slab": """
        book .25 .8, notebook .22 .8, phone .15 .5, cellphone .15 .5, microwave .5 1.6, television
        1.1 1.6, tv 1.1 1.6, computer .6 1.3, laptop .35 1.4, refrigerator 1.8 .5, fridge 1.8 .5,
        wallet .11 1.3, suitcase .7 .75, painting .8 1.2, picture .5 1.2, frame .5 1, mirror .8
        .7, door 2 .5, window 1.3 .85, box .4 1.2, container .3 1.2, cube .3 1, block .1 1.1,
        brick .22 1.9, pillow .5 1.4, cushion .45 1.2, blanket 1.5 1.4, rug 2 1.9, carpet 2 1.9,
        mat 1 1.8, towel .8 .9, curtain 2 .7, bookshelf 1.8 .7, shelves 1.8 .8, cabinet 1.2 .8,
        dresser 1.2 1.2, wardrobe 2 .6, printer .45 1.4, toaster .3 1.4, oven .7 1, stove .8 1,
        camera .14 1.3, radio .3 1.5, clipboard .3 .7, envelope .22 1.7, card .09 1.5, paper .3
        .75, newspaper .4 1, map .6 1.3, skyscraper 4 .5, building 4 .8, wall 4 1.8, fence 3 2,
        floor 4 2, pencil .18 .5, pen .15 .5, candle .2 .5, knife .25 .5, fork .2 .5, toothbrush
        .18 .5, key .06 .5, eraser .05 1.7, ruler .3 2, belt 1 2, scarf 1.5 1.6, ladder 3 .5, flag
        1.2 1.4, cheese .15 1.4, bread .3 1.5, toast .12 1, sandwich .15 1.3, cake .3 1.3, tile .3
        1, keyboard .45 2, chopsticks .24 .5, candlestick .3 .5, bookend .2 .8, bench-press 1.5
        1.5, ticket .1 1.8, backpack .5 .75, bag .4 .9, handbag .35 1.1, purse .3 1.2, pouch .2 1,
        shirt .7 1, jacket .8 .9, sweater .7 1, t-shirt .7 1, pants 1 .6, jeans 1 .6, shorts .5 1,
        glove .25 .7, sock .3 .7, sky 4 2, lake 4 2, river 4 2, sea 4 2, pond 4 1.9, pool 4 1.8,
        field 4 2, road 4 2, beach 4 2, hammock 2.5 2, canvas .8 1.1, easel 1.7 .6, poster .8 .75,
        banner 1.5 1.9, board 1 1.5, paddle .3 .5, phone-case .15 .55, keychain .1 .6, paperweight
        .1 1.2, telescope 1 1.8, sidewalk 4 2, trail 4 2, street 4 2, hallway 4 1.2, grass 4 2,
        ground 4 2, snow 4 2, sand 4 2, water 4 2, soil 4 2, pavement 4 2, floor-tile .3 1,
        ceiling 4 2, windowsill 1.2 2, countertop 2 2, counter-top 2 2, hanger .4 1.8, log 1 2,
        tube .2 .5, cylinder .3 .6, prism .3 .8, rectangle .3 1.6, dice .02 1, briefcase .45 1.4,
        menu .3 .75, notepad .2 .8, note .1 1, journal .22 .8, document .3 .75, tablecloth 1.8
        1.6, placemat .45 1.4, napkin .3 1.1, lipstick .08 .5, badge .07 1.1, rolling-pin .45 2,
        hammer .3 .6, rope 1 1.8, mattress 2 1.9, cupboard 1.2 1, cobblestone .2 1.2, surfboard 2
        .5, snowboard 1.5 .5, remote-control .18 .5, saw .5 1.9, crate .5 1.2, barrel .9 .75, tie
        1 .5, vending-machine 1.8 .5, washing-machine .85 .9, fireplace 1.5 1.2, tray .4 1.6,
        stapler .15 1.8, fish-tank .6 1.5, tapestry 1.5 1.2, city 4 2, cliff 4 1.2, waterfall 4
        .6, toilet-stall 2 .6, rainbow 4 2, flashlight .2 .5, stamp .03 .9, diploma .3 1.4, pole 3
        .5, candle-holder .2 .6, pencil-holder .12 .7, salt-shaker .1 .6, pencil-sharpener .05
        1.3""",
    "disc": """
        ball .22 1, apple .08 1, orange .08 1, lemon .08 1.2, tomato .08 1.1, peach .08 1, plum
        .05 1, grape .02 1, kiwi .07 1.1, melon .2 1.2, watermelon .35 1.3, pumpkin .35 1.2, egg
        .06 .8, potato .1 1.3, onion .08 1, coconut .15 1, basketball .24 1, football .28 1.5,
        soccer-ball .22 1, tennis-ball .07 1, globe .35 .95, sphere .3 1, bead .01 1, marble .02
        1, clock .3 1, plate .26 1.3, coin .03 1, button .02 1, wheel .65 1, tire .65 1, pizza .35
        1.2, cookie .08 1.1, pancake .15 1.4, donut .09 1.1, doughnut .09 1.1, bagel .1 1.1, ring
        .03 1, bracelet .07 1.2, necklace .3 1, medal .06 .9, wreath .4 1, watch .2 1, hamburger
        .12 1.1, burger .12 1.1, muffin .08 1, cupcake .08 .9, moon 4 1, sun 4 1, planet 4 1, star
        .5 1, snowball .08 1, cloud 4 1.8, leaf .1 1.2, frisbee .27 1.5, drumhead .4 1, compass .1
        1, banana .2 1.7, croissant .15 1.7, cucumber .2 1.9, potato-chip .05 1.2, balloon-animal
        .4 1, pebble .04 1.3, ornament .08 1, stone .2 1.3, rock .5 1.3, boulder 2 1.2, acorn .03
        .8, teddy-bear .4 .8, toy .3 1, spider .05 1.4, crab .2 1.6, octopus .6 1, snail .04 1.4,
        nest .3 1.6, heart .3 1, pendant .04 .9, earring .03 .8, door-knob .07 1, lid .25 1.4,
        coaster .1 1.1, bubble .1 1, hook .1 .7, squash .3 1.3, marshmallow .03 1, cherry .02 1,
        apricot .05 1, nut .03 1.1, oval .3 1.4, hula-hoop .9 1, rubber-band .08 1.2, pretzel .12
        1.2, yo-yo .06 1, cotton-candy .3 .9, wave 4 1.8, lettuce .25 1.2, platter .4 1.5,
        button-badge .05 1, mineral .1 1.2, treadmill 1.8 1.3, trampoline 3 1.8, fan .5 .9,
        hair-dryer .25 1.2, pineapple .3 .6, windmill 4 .7, rocket 4 .5, submarine 4 2, trumpet .5
        1.8, saxophone .7 .6, lobster .5 1.5, snake 1.5 1.8""",
    "diamond": """
        crystal .1 .8""",
    "hexagon": """
        hexagon .3 1.1""",
}

_PEOPLE = """
    artist athlete chef cook coach teacher student doctor nurse farmer gardener painter
    musician singer writer scientist mechanic firefighter policeman officer soldier fisherman
    customer hiker skier skater surfer runner cyclist rider driver worker waiter waitress barista
    baker barber owner mother father parent son daughter sister brother grandmother grandfather
    lady gentleman king queen prince princess knight pirate clown tourist traveler photographer
    model actor actress performer magician therapist judge lawyer engineer astronaut cowboy
    monk groom partner guy human adult teenager teen figure trainer hairdresser carpenter
    plumber referee swimmer boxer golfer guest lifeguard climber speaker player visitor detective
    florist bartender gymnast calligrapher biker volunteer colleague puppeteer zookeeper woodcarver
    activist shepherd sailor tailor butcher dentist"""

_ALIVE = """
    person man woman boy girl child baby toddler kid people crowd team couple family friend
    penguin jockey wizard bride dancer player bee butterfly spider crab octopus"""

_HIGH = ("sky", "ceiling", "sun", "moon", "cloud", "rainbow", "star", "roof")
_LOW = (
    "floor", "flooring", "ground", "grass", "pavement", "road", "sidewalk", "rug", "carpet", "mat",
    "sand", "snow", "soil", "lawn", "street", "sea", "lake", "river", "water",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Build:
    """What a kind of thing looks like in a sketch."""

    metres: float
    """Longest side."""
    aspect: float
    """Width / height as usually seen, kept within 1:2 and 2:1."""
    outline: str
    """Name of an outline in ``bench.layouts.shapes``."""

    @property
    def relative(self) -> float:
        """Linear size between 1 (SMALLEST) and 2 (LARGEST), logarithmic in metres."""
        at = min(max(self.metres, SMALLEST), LARGEST)
        return 1.0 + math.log(at / SMALLEST) / math.log(LARGEST / SMALLEST)


DEFAULT = Build(0.4, 1.1, "disc")
"""For nouns that the table lacks."""


@cache
def builds() -> dict[str, Build]:
    """The whole table: singular noun to its build."""
    table = {}
    for outline, text in _TABLE.items():
        for entry in text.split(","):
            noun, metres, aspect = entry.split()
            table[noun.replace("-", " ")] = Build(float(metres), float(aspect), outline)
    return table


def build_of(noun: str) -> Build:
    """The build of a noun; a compound falls back to its head ("coffee table" to "table")."""
    table = builds()
    words = noun.split()
    for start in range(len(words)):
        found = table.get(" ".join(words[start:]))
        if found:
            return found
    if words and words[-1] in _PEOPLE.split():
        return table["person"]
    return DEFAULT


def usual_level(noun: str) -> int:
    """Where a thing usually is: -1 over the others (sky, ceiling), 1 below them (floor), else 0."""
    last = noun.split()[-1] if noun else ""
    return (last in _LOW) - (last in _HIGH)


def is_living(noun: str) -> bool:
    """Is a noun (singular) a person or an animal, as far as the table knows?"""
    last = noun.split()[-1] if noun else ""
    if last in _PEOPLE.split():
        return True
    build = builds().get(last)
    return (
        build is not None
        and build.outline in ("animal", "giraffe", "bird", "fish")
        or (last in _ALIVE.split())
    )
