"""Word lists of the parser: closed classes, and open ones as far as prompts have needed them."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


COLORS = _set(
    """red orange yellow green blue purple pink brown black white gray grey beige tan gold golden
    silver maroon turquoise teal violet magenta cyan navy crimson scarlet lavender ivory
    cream bronze colorful multicolored turquoise amber olive whitish"""
)
MATERIALS = _set(
    """wood wooden metal metallic glass plastic leather rubber fabric paper cardboard stone marble
    brick ceramic porcelain steel iron copper brass aluminum tin chrome concrete clay cotton
    silk satin velvet wool woolen denim linen burlap fur bamboo wicker straw crystal diamond
    granite stainless nylon suede tile"""
)
SHAPES = _set(
    """round square rectangular triangular circular oval oblong spherical cubic cylindrical conical
    pyramidal pentagonal hexagonal octagonal diamond teardrop crescent heart-shaped
    star-shaped curved angular flat"""
)
LOOKS = _set(
    """fluffy striped checkered spotted dotted polka-dot plaid floral patterned fuzzy shiny fiery
    gooey prickly slimy crunchy crispy spiky bumpy silky velvety furry hairy glossy matte
    rusty dusty dirty muddy icy snowy rocky sandy leafy wavy curly puffy chubby tiny huge
    giant small large big tall short long wide narrow old new young soft hard smooth rough
    bright dark wet dry empty full round sleek juicy ripe fresh vintage antique rustic
    wrinkled cracked broken clean warm cool crisp thick thin heavy delicate fragrant
    colorful elegant cozy sharp damp spicy greasy reedy tender iridescent silky golden
    glowing sparkling shimmering translucent transparent opaque sunny cloudy foggy rainy
    stormy starry rugged rusted polished painted wild cute happy sad angry sleepy hungry
    lazy tired scary funny pretty ugly lovely beautiful cuddly tasty sweet sour bitter salty
    yummy creamy chewy sticky slippery flaky bushy grassy mossy woody stony misty chilly
    frosty noisy quiet messy tidy neat fancy plain simple pale vivid vibrant glittering neon
    pastel jagged pointed pointy blunt fierce gentle brave strong weak fast slow deep
    shallow steep low high lush barren woolly ornate majestic ancient modern tropical exotic
    rare"""
)
MODIFIERS = COLORS | MATERIALS | SHAPES | LOOKS
"""Words that describe the noun after them even where spaCy takes them for a noun."""
THING_MODIFIERS = _set("orange glass diamond crystal cream tile paper stone brick fur straw")

_NUMBER_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen
        fourteen         fifteen sixteen seventeen eighteen nineteen twenty"""
NUMBERS = {word: value for value, word in enumerate(_NUMBER_WORDS.split())}
PAIRS = {"couple": 2, "pair": 2, "trio": 3, "dozen": 12}
"""Nouns that count: "a pair of shoes" is two."""
PAIRED_GARMENTS = _set(
    """scissors pants jeans trousers shorts glasses sunglasses headphones tongs chaps chopsticks
    goggles tights"""
)
"""One thing with a plural name: "a pair of scissors" is one."""

GROUPS = _set(
    """group bunch flock herd set lot lots crowd team series variety collection row line pile stack
    cluster swarm pack school number handful assortment array school range bundle batch
    plenty"""
)
"""Nouns that give way to what they hold; one region stands for all of it."""
ARRANGED = _set("row line circle queue group pile stack pair formation column cluster heap")
"""How things stand, after "in": "six people in a row"."""
PORTIONS = _set(
    """piece slice chunk bit loaf bar scoop sheet strip block blade coat drop lump wedge stick
    stalk ball work head ear clove sprig spoonful"""
)
"""Measures of a stuff: "a slice of bread" is bread; two slices are two."""
ASPECTS = _set(
    """surface texture shape design lines line pattern patterns finish color colors colour tone
    tones touch comfort silhouette contrast appearance look body fabric strokes brushstrokes
    beauty hues hue shade exterior interior form sight kind type sort style"""
)
"""Sides of a thing that stand for the thing: "the polished surface of the table"."""
PICTURES = _set(
    """photo photograph picture image shot drawing illustration rendering render scene view
    close-up closeup snapshot portrait depiction"""
)
"""Words for the whole picture, when "of" follows."""
PLACED = _set(
    """top bottom left right side front back middle center centre edge end corner foot base
    background foreground distance air mid-air sides"""
)
"""Parts of space, not things."""

ROOMS = _set(
    """bathroom kitchen bedroom room restroom hallway classroom office garage studio laboratory lab
    library gallery museum restaurant cafe shop store gym stadium arena theater hospital
    school church station airport market supermarket attic basement workshop pantry foyer
    ballroom hall lobby cave tunnel barn stable aquarium gymnasium circus warehouse factory
    house-interior study bar workplace shelter nursery playroom greenhouse"""
)
"""Places that enclose a scene."""
OUTDOORS = _set(
    """park field garden yard backyard schoolyard beach street road city town village forest jungle
    woods wood desert meadow pasture savannah savanna countryside farm zoo playground stage
    course sandbox mountains mountain hill hills hillside sky horizon ocean sea lake river
    pool pond driveway sidewalk lawn valley wilderness trail path canyon shore shoreline
    seashore coast island canal harbor marsh swamp rink reserve landscape terrain range
    track skyline plaza square rooftop intersection corner alley alleyway highway freeway
    campsite fairground carnival parade snow rain fog mist sunset sunrise moonlight sunlight
    sunshine night space underwater water waves breeze wind dusk dawn crowd runway court
    neighborhood vineyard orchard habitat crosswalk tracks"""
)
"""Places and weather that a scene is out in, when a preposition of place leads to them."""
SCENIC = _set("beach desert farm island coast shore playground seashore savanna meadow")
"""Outdoor places that are the background even with a colour ("on a sunny beach")."""
AMBIENT = _set("busy crowded sunny rainy snowy foggy misty stormy quiet empty deserted")
"""How a place is, without making it a thing of its own ("on a busy street")."""
INTO = _set("in at inside within into through throughout around of outside")
"""Prepositions that lead into a room."""
PLACE_PREPOSITIONS = INTO | _set(
    """on across over along under down up by onto beneath past during amid against toward towards"""
)
"""Prepositions that lead to an outdoor place."""

NOT_PARTICIPLES = _set(
    """evening morning spring string wing ring king sling thing pudding building painting earring
    clothing railing flooring bedding stuffing swing viking sibling duckling lightning
    seedling sapling awning ping-pong"""
)
"""Nouns in -ing that may stand before another noun."""

BODY = _set(
    """tail hand hands finger fingers leg legs arm arms head face faces hair eye eyes ear ears nose
    mouth neck necks foot feet paw paws wing wings skin fur back waist knee knees shoulder
    shoulders trunk trunks muscle muscles breath body belly beak"""
)
"""Parts of a body: not things of their own where their owner is named."""

STATES = _set(
    """be is are was were am been being look looks looked seem seems seemed appear appears appeared
    become becomes became feel feels felt turn turns turned remain remains remained stay
    stays stayed sit sits sat stand stands stood lie lies lay keep keeps kept 's 're"""
)
"""Verbs after which an adjective describes the subject."""
COLORED = _set("painted colored coloured dyed tinted")

QUANTIFIERS = _set(
    """several many some other same own only single few various different more most such next last
    final main much little both all every each certain numerous multiple additional extra
    whole first second third fourth another no any less fewer favorite good best possible
    personal local historic special social left right top bottom front back middle upper
    lower full next nearby beloved loved unlikely imaginary potential latest precious able
    worth ready visible useful necessary perfect similar
    close adjacent identical"""
)
"""Adjectives that do not show in a picture of the one thing."""
VAGUE = _set(
    """thing things one ones someone something somebody everyone everything anyone nothing anything
    nobody other others looking half"""
)

_NAMES = """
    french-horn french-fry teddy-bear hot-dog polar-bear grizzly-bear fire-hydrant high-heel
    remote-control sweet-potato french-fries bald-eagle solar-panel mobile-phone guinea-pig
    golden-retriever christmas-tree easter-egg stuffed-animal mashed-potatoes swiss-army hot-air
    cotton-candy square-dance gold-fish wind-mill orange-juice orange-tree orange-slice
    orange-peel paper-clip paper-towel silver-ware wine-glass stained-glass black-board
    white-board wild-flowers wild-flower roller-coaster ice-cream light-bulb hula-hoop
    sleeping-bag running-shoe running-track walking-stick swimming-pool playing-card
    reading-lamp reading-glass racing-car riding-boot climbing-frame climbing-wall skating-rink
    writing-desk jumping-jack knitting-needle swimming-trunk"""
NAMED_BY_ADJECTIVE = frozenset(tuple(pair.split("-")) for pair in _NAMES.split())
"""Modifier and noun that name a thing together."""
GERUNDS = _set(
    """dining rocking baking magnifying cutting washing sewing steering watering parking soldering
    punching bowling ironing frying fishing rolling hiking shopping drinking serving
    measuring mixing living changing filing chewing wedding cooking building shaving welding
    boxing skiing vending filling tanning training cleaning ceiling paving mailing camping
    wrapping clothing lighting sailing rowing loading printing drying"""
)
"""-ing words that belong to the name of a thing ("dining table") and are no attribute."""
ENDING_NOUNS = _set("can set saw fly rose watch stand press drum cut bat")
"""Nouns that end a phrase though spaCy takes them for verbs ("a soda can")."""
ENDING_VERBS = _set(
    """hold perch rest beat mix bake attract sit hang cook boil pound write stir swam sank sat flew
    swim sleep stood lay spun sang swing"""
)
"""Verbs after a plural or coordinated subject that spaCy takes for the end of its name."""

ABSTRACT = _set(
    """accessory accommodation advantage adventure adventurous affection afternoon agreement
    ambiance ambition amount appearance applause archery architecture area aroma arrangement
    art artistry atmosphere attempt attention attraction autumn awe awestruck badminton
    balance ballet barbecue batting beauty bedtime behavior benefit birth birthday bite
    blast bliss breakfast breath brilliance bungee business bustle calligraphy calm care
    career celebration centerpiece century ceremony challenge chance change chaos chess
    choice combination comfort command communication companion company competition concert
    conference construction content contents contest contrast control conversation cooking
    cost course crack craft craftwork creation creativity crosscountry culture cycling dance
    dancing darkness day death dedication degree delight depth desire destination destiny
    detail dinner direction disagreement discussion display distance dream duet duty ease
    eating economy elegance embrace emotion energy engineering entertainment error escape
    essence evening event evidence excitement exhibit experience experiment explosion
    expression fairytale fashion fate favorite fear feature feeling festival fetch fidelity
    fishing flavor flicker focus footstep form formation formula fragrance freedom
    friendship fun fury gain game gathering geometry gibberish gloom glory golf grace
    grandeur growth happiness harmony health heat height help highlight hiking home hope hue
    hustle idea imagination impression individuality industry influence ingenuity innovation
    injury inspiration intensity invention job joy juggling jump landmark language laughter
    leisure length lesson level life lifestyle literature location look loss love luck
    lullaby lyric lunch luxury majesty mapping marathon marvel marveling massage masterpiece
    match maths meal meaning media meditation medley meeting melding melody memory midnight
    mind mistake mixture moment morning motion mouthwatering move movement movie music
    mystery nature navigating neuroscience night noise noon nostalgia novel oasis object
    occasion occupation opportunity option order ownership parade party passage passion past
    peace perfection performance personality photography photoshoot picnic place plan play
    pleasure poem point pointe poker portrait pose position possibility power practice
    precision presence presentation price privacy problem process profit program project
    promise property protection protest purpose quantity race range rate reach reading
    reality reason recipe reflection refuge relaxation relief report research rest retreat
    rhyme rhythm ride ritual role romance routine running safety scent science script season
    seating security sensation sense senses serenity service setting setup shade shadow shot
    show sight silence singing size skill slogan smell soccer softness solution song
    sophistication soul sound spectrum speech speed spirit splendor sport spot standing
    stargazing state stealth step story storytelling strength stress stretch structure study
    style success summer sunbathing supper support survival sweat swimming symbol system
    talk task taste team temperature temptation tennis tension term testament testimony
    thing thought thrill time today tomorrow tone touch tour tournament tradition training
    tranquility treat treatment trick trip triumph trouble truth tug-of-war tune
    understanding use user value variety view vision visit voice wait wake walk war wares
    warmth way wealth wear wearer weather wedding week weekend weight width will winter
    wind breeze witness wonder wonderland word workout world worth writing year yesterday yoga
    youth"""
)
"""Nouns that no region of a picture can hold."""
ABSTRACT_ENDINGS = ("ness", "ity", "ship", "ism", "tion", "sion", "ance", "ence", "hood", "acy")
CONCRETE = _set(
    """accordion airship ambulance appliance audience battlefield battleship carnation city cushion
    dandelion decoration entrance extension fence fireplace foundation harness hood
    illustration installation invitation lion lotion mansion medallion neighborhood onion
    ornament pavilion pension pigeon pincushion plantation plate potion residence scorpion
    ship spaceship stallion starship station steamship stuffing television university
    vegetation warship wilderness witness"""
)
"""Things whose names end like ideas."""

LEFT, RIGHT, ABOVE, BELOW = "left_of", "right_of", "above", "below"
NEAR, FRONT, BEHIND = "near", "in_front_of", "behind"
HIDDEN, INSIDE, ACTION = "hidden_by", "inside", "action"
RELATION_PHRASES: tuple[tuple[str, str], ...] = tuple(
    (phrase, relation)
    for relation, phrases in {
        LEFT: """on the left side of| to the left side of| on the left of| to the left of| on the
            left hand side of| on the left-hand side of| to the left-hand side of| at the
            left of| on left of| to left of| left of| on the left from""",
        RIGHT: """on the right side of| to the right side of| on the right of| to the right of| on
            the right hand side of| on the right-hand side of| to the right-hand side of| at
            the right of| on right of| to right of| right of""",
        ABOVE: """on the top of| on top of| at the top of| to the top of| over the top of| atop
            of| atop| above| higher than""",
        BELOW: """on the bottom of| at the bottom of| below| underneath| beneath| under| lower
            than| to the bottom of""",
        NEAR: """on either side of| on both sides of| on the side of| on side of| at the side of|
            by the side of| to the side of| next to| close to| adjacent to| near to| near|
            beside| alongside| besides| nearby to| in close proximity to| against| among|
            between| amid| around| surrounded by| flanked by| side by side with""",
        FRONT: "in front of|in the front of|before",
        HIDDEN: """hidden by| hidden behind| hidden from view by| hidden under| partially hidden
            by| obscured by| partly hidden by| concealed by| concealed behind| blocked by|
            covered by| occluded by""",
        BEHIND: "behind|at the back of|in back of|in the back of",
        INSIDE: "inside of|inside|within|into the inside of",
    }.items()
    for phrase in " ".join(phrases.split()).replace("| ", "|").split("|")
)
"""Wording to relation; longer wordings win over the shorter ones in them."""
HANDLED = _set("phone telephone leash")
"""What one is "on" without standing on it."""
UPRIGHT = _set(
    """wall door ceiling window mirror screen board fridge refrigerator hook hanger shirt"""
)
"""What hangs on these lies in front of them rather than above them."""
HOLLOW = _set(
    """box bowl basket cup mug glass vase jar bottle bag backpack suitcase purse wallet pocket sink
    bathtub tub bucket pot pan drawer cage crate oven refrigerator fridge microwave
    container can bin cabinet car bus truck van train boat ship helicopter airplane plane
    tent hammock nest bed chair armchair sofa couch seat wheelchair stroller cart wagon tank
    aquarium terrarium dish plate tray frame case holder envelope shell window cone toaster
    hat shoe boot swing puddle hole carton crib stroller pouch trunk house cabin cottage
    barn castle"""
)
"""What "in" leads into without being the place of the scene."""
GARMENTS = _set(
    """shirt dress suit coat jacket hat helmet cap gown uniform jeans pants shorts skirt sweater
    hoodie glove shoe boot sock scarf tie belt costume robe kimono glasses sunglasses
    lifejacket vest apron blouse tuxedo t-shirt mask crown jersey swimsuit bikini
    raincoat jumpsuit wetsuit overalls pajamas trousers sandal hood headscarf turban"""
)
"""What a person is "in" by wearing it."""
