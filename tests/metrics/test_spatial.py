"""The official spatial scores against a second implementation of their description."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.judges import load_judge
from bench.types import Box, Detection, Relation
from metrics import spatial_2d, spatial_3d
from metrics.base import Sample
from metrics.frames import PixelBox, first_and_last_noun, frame_of, to_pixels
from metrics.spatial_2d import Spatial2D, complex_objects
from metrics.spatial_3d import (
    Spatial3D,
    mean_depth,
    official_depth_map,
    official_pair,
    own_depth,
)


@pytest.fixture(scope="module")
def parser():
    return load_judge("parser", "en_core_web_sm")


class Given:
    """A detector and depth estimator that gives what it was told."""

    identity = {"name": "given"}  # noqa: RUF012

    def __init__(self, found, depth=None, classes=("dog", "cat", "person", "tv")):
        self.found, self.map, self.classes = found, depth, classes

    def class_of(self, noun):
        noun = {"television": "tv"}.get(noun, noun)
        return noun if noun in self.classes else None

    def detect(self, images, labels):
        return [list(self.found) for _ in images]

    def depth(self, images):
        return [self.map for _ in images]


# An independent form of the description, on tuples of pixels.


def overlap(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    size = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return common / (sum(size) - common)


def place_2d(phrase, a, b):
    dx = (b[0] + b[2]) / 2 - (a[0] + a[2]) / 2
    dy = (b[1] + b[3]) / 2 - (a[1] + a[3]) / 2
    if phrase in ("next to", "on side of", "near"):
        if abs(dx) < 150 or abs(dy) < 150:
            return 1
        return 150 / max(abs(dx), abs(dy))
    right_way = {
        "on the right of": dx < 0 and abs(dx) > abs(dy),
        "on the left of": dx > 0 and abs(dx) > abs(dy),
        "on the bottom of": dy < 0 and abs(dy) > abs(dx),
        "on the top of": dy > 0 and abs(dy) > abs(dx),
    }.get(phrase, False)
    if not right_way:
        return 0
    iou = overlap(a, b)
    return 1 if iou < 0.1 else 0.1 / iou


def score_2d(found, first, second, phrase):
    """``found``: (label, confidence, pixels) with falling confidence, none below 0.5."""
    a = [f for f in found if f[0] == first][:1]
    b = [f for f in found if f[0] == second][:1]
    total = sum(f[1] for f in a + b) / 4
    if a and b:
        total += place_2d(phrase, a[0][2], b[0][2]) / 2
    return total if total >= 0.5 else 0


def score_3d(found, first, second, phrase, depth):
    at = [None, None]
    for k, (label, _, _) in enumerate(found):
        for n, noun in enumerate((first, second)):
            if noun in label:
                at[n] = k
        if None not in at:
            break
    if None in at:
        hits = [[k for k, f in enumerate(found) if noun in f[0]] for noun in (first, second)]
        one = hits[0] or hits[1]
        return found[one[0]][1] / 4 if one else 0
    total = sum(found[k][1] for k in at) / 4
    a, b = (found[k][2] for k in at)

    def mean(box):
        x0, y0, x1, y1 = map(int, box)
        part = depth[x0:x1, y0:y1]
        return part.mean() if part.size else np.nan

    difference = mean(a) - mean(b)
    if phrase != "in front of":
        difference = -difference
    iou = overlap(a, b)
    if difference > 0:
        if iou > 0.5:
            total += 0.5
        elif 0 < iou < 0.5:
            total += iou / 0.5 / 2
    return total


@st.composite
def boxes(draw):
    x0, y0 = draw(st.integers(0, 18)), draw(st.integers(0, 18))
    return Box(
        x0 / 20,
        y0 / 20,
        draw(st.integers(x0 + 1, 20)) / 20,
        draw(st.integers(y0 + 1, 20)) / 20,
    )


found_lists = st.lists(
    st.builds(
        Detection, st.sampled_from(["dog", "cat", "hot dog", "bus"]), st.floats(0.5, 1), boxes()
    ),
    max_size=6,
).map(lambda ds: sorted(ds, key=lambda d: -d.score))


def pixels(detections, frame):
    w, h = frame
    return [
        (d.label, d.score, (d.box.x0 * w, d.box.y0 * h, d.box.x1 * w, d.box.y1 * h))
        for d in detections
    ]


@given(found_lists, st.sampled_from([*spatial_2d.PHRASES, None]))
@settings(max_examples=300, deadline=None)
def test_official_2d_equals_a_second_implementation(found, phrase):
    frame = frame_of(512, 512)
    given_score = spatial_2d.official_score(found, ("dog", "cat"), phrase, frame)
    assert given_score == pytest.approx(score_2d(pixels(found, frame), "dog", "cat", phrase))


@given(found_lists, st.sampled_from(spatial_3d.PHRASES), st.integers(0, 5))
@example([], "behind", 0)
@settings(max_examples=300, deadline=None)
def test_official_3d_equals_a_second_implementation(found, phrase, seed):
    frame = (48, 40)
    depth = np.random.default_rng(seed).random((40, 48)).astype(np.float32)
    score = spatial_3d.official_score(found, ("dog", "cat"), phrase, depth, frame)
    assert score == pytest.approx(score_3d(pixels(found, frame), "dog", "cat", phrase, depth))


def test_frame_is_torchvisions_resize():
    from torchvision.transforms import Resize

    for size in [(512, 512), (1024, 512), (300, 500), (500, 300), (128, 128), (1000, 999)]:
        resized = Resize(size=479, max_size=480)(Image.new("RGB", size))
        assert frame_of(*size) == resized.size


def sample(make_layout, prompt, things, relations=(), size=(100, 100)):
    layout = make_layout(prompt, things, relations, category="spatial")
    return Sample(Image.new("RGB", size), layout)


DOG, CAT = Box(0.05, 0.3, 0.35, 0.7), Box(0.6, 0.3, 0.95, 0.7)
SURE = [Detection("dog", 0.9, DOG), Detection("cat", 0.8, CAT)]
STACKED = [
    Detection("dog", 0.9, Box(0.3, 0.05, 0.7, 0.4)),
    Detection("cat", 0.8, Box(0.3, 0.6, 0.7, 0.95)),
]
DECOY = Detection("dog", 0.95, Box(0.7, 0.8, 0.8, 0.9))
THINGS = [("a dog", "dog", [], DOG.to_list()), ("a cat", "cat", [], CAT.to_list())]


def test_official_2d_end_to_end_with_its_defects(make_layout, parser):
    def score(prompt, found=SURE, things=THINGS):
        metric = Spatial2D(Given(found), parser)
        return metric.score([sample(make_layout, prompt, things)])[0][0]

    assert score("a dog on the left of a cat").value == pytest.approx(0.25 * 1.7 + 0.5)
    assert score("a dog on the right of a cat").value == 0, "0.425 is below the floor"
    assert score("a dog on top of a cat").value == 0, "no place score for 'on top of'"
    assert score("a dog on the left of a cat", SURE[:1]).value == 0
    assert "relation" in score("a dog and a cat").reason
    girl = [("a girl", "girl", [], DOG.to_list()), THINGS[1]]
    persons = [Detection("person", 0.9, DOG), SURE[1]]
    assert score("a girl on the left of a cat", persons, girl).value == pytest.approx(0.925)
    bus = [("a bus", "bus", [], DOG.to_list()), THINGS[1]]
    assert score("a bus near a cat", SURE, bus).reason == "the detector has no class for bus"


def test_a_detectors_own_name_for_a_noun_is_found(make_layout, parser):
    things = [("a television", "television", [], DOG.to_list()), THINGS[1]]
    found = [Detection("tv", 0.9, DOG), SURE[1]]
    s = sample(
        make_layout, "a television on the left of a cat", things, [Relation(0, "left_of", 1)]
    )
    for metric in (
        Spatial2D(Given(found), parser),
        Spatial2D(Given(found), None, spatial_2d.FIXED),
    ):
        assert metric.score([s])[0][0].value > 0.9


def test_fixed_2d_knows_every_relation_and_needs_no_confidence(make_layout):
    def score(relation, found=SURE, fixes=spatial_2d.FIXED, words="on top of"):
        s = sample(make_layout, f"a dog {words} a cat", THINGS, [Relation(0, relation, 1)])
        return Spatial2D(Given(found), None, fixes).score([s])[0][0].value

    assert score("left_of") == 1
    assert score("right_of") == score("above") == 0.5
    assert score("left_of", SURE[:1]) == 0.25
    assert score("left_of", []) == 0
    decoy = [DECOY, *SURE]
    assert score("left_of", decoy) == 1
    assert score("left_of", decoy, replace(spatial_2d.FIXED, best_pair=False)) < 1
    apart = [
        Detection("dog", 0.9, Box(0, 0.4, 0.1, 0.5)),
        Detection("cat", 0.9, Box(0.9, 0.4, 1, 0.5)),
    ]
    assert score("near", apart) < score(
        "near", apart, replace(spatial_2d.FIXED, near_in_both=False)
    )


def test_fixed_2d_without_a_relation_of_places_gives_a_reason(make_layout):
    s = sample(make_layout, "a dog behind a cat", THINGS, [Relation(0, "behind", 1)])
    (score,) = Spatial2D(Given(SURE), None, spatial_2d.FIXED).score([s])[0]
    assert score.value is None and "no relation of places" in score.reason


ENDS = [Detection("dog", 0.9, Box(0, 0.4, 0.1, 0.5)), Detection("cat", 0.8, Box(0.9, 0.4, 1, 0.5))]


@pytest.mark.parametrize(
    ("switch", "prompt", "found", "official", "repaired"),
    [
        ("layout_objects", "a dog on the left of a cat and a dog", SURE, 0.0, 0.925),
        ("on_top_of", "a dog on top of a cat", STACKED, 0.0, 0.925),
        ("best_pair", "a dog on the left of a cat", [DECOY, *SURE], 0.0, 0.925),
        ("near_in_both", "a dog near a cat", ENDS, 0.925, 0.425 + 75 / (0.9 * 479)),
        ("no_floor", "a dog on the right of a cat", SURE, 0.0, 0.425),
        ("no_confidence", "a dog on the left of a cat", SURE, 0.925, 1.0),
    ],
)
def test_each_2d_switch_removes_its_defect_alone(
    make_layout, parser, switch, prompt, found, official, repaired
):
    relation = "near" if "near" in prompt else "above" if "top" in prompt else "left_of"
    s = sample(make_layout, prompt, THINGS, [Relation(0, relation, 1)])
    judges = {"detector": Given(found), "parser": parser}
    one = replace(spatial_2d.OFFICIAL, **{switch: True})
    for fixes, expected in ((spatial_2d.OFFICIAL, official), (one, repaired)):
        metric = Spatial2D.with_fixes(judges, fixes)
        assert metric.score([s])[0][0].value == pytest.approx(expected, abs=1e-3)
        assert metric.mode == ("official" if fixes == spatial_2d.OFFICIAL else "fixed")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("The fluffy cat is on the left of the soft pillow.", ("cat", "pillow")),
        ("The girl sat next to the tall green trees.", ("person", "trees")),
        ("The red hat is on top of the rack and near the wall.", None),
        ("The dog is red.", None),
    ],
)
def test_objects_of_the_complex_form(parser, prompt, expected):
    assert complex_objects(parser.parse(prompt)) == expected


def test_objects_of_the_plain_form(parser):
    assert first_and_last_noun(parser.parse("a man next to a lamp")) == ("person", "lamp")
    assert first_and_last_noun(parser.parse("and of")) is None


def test_official_search_takes_the_last_match_before_both_are_found():
    labels = ["dog", "hot dog", "cat", "dog"]
    assert official_pair(labels, ("dog", "cat")) == (1, 2)
    assert official_pair(labels, ("dog", "bus")) == (0, None)
    assert official_pair([], ("dog", "bus")) == (None, None)


def depth_ramp():
    """Nearest at the bottom."""
    return np.tile(np.linspace(0, 1, 100, dtype=np.float32)[:, None], (1, 100))


def test_mean_depth_is_transposed_officially_and_not_when_fixed():
    low = PixelBox(10, 80, 20, 100)
    assert mean_depth(depth_ramp(), low, rows_first=True) > 0.8
    assert mean_depth(depth_ramp(), low, rows_first=False) < 0.2
    assert np.isnan(mean_depth(depth_ramp(), PixelBox(5, 5, 5.5, 9), rows_first=True))


def test_a_things_own_pixels_are_those_without_the_other():
    depth = np.zeros((10, 10), np.float32)
    depth[:, 5:] = 1
    left, right = PixelBox(0, 0, 8, 10), PixelBox(5, 0, 10, 10)
    assert own_depth(depth, left, right, rows_first=True) == 0
    assert own_depth(depth, left, left, rows_first=True) == 1
    assert own_depth(depth, right, left, rows_first=True) == 1


def test_official_map_is_stretched_to_8_bits():
    made = official_depth_map(depth_ramp() * 7 + 3, (50, 50))
    assert made.shape == (50, 50)
    assert 0 <= made.min() < 0.05 and 0.95 < made.max() <= 1
    assert official_depth_map(np.ones((4, 4), np.float32), (4, 4)).max() == 0


def test_3d_defect_and_its_repair_on_two_things_apart(make_layout, parser):
    boxes = [Box(0.1, 0.6, 0.4, 0.95), Box(0.6, 0.1, 0.9, 0.45)]
    found = [Detection("dog", 0.9, boxes[0]), Detection("cat", 0.8, boxes[1])]
    things = [
        ("a dog", "dog", [], boxes[0].to_list()),
        ("a cat", "cat", [], boxes[1].to_list()),
    ]
    judge = Given(found, depth_ramp())
    s = sample(make_layout, "a dog in front of a cat", things, [Relation(0, "in_front_of", 1)])
    assert Spatial3D(judge, judge, parser).score([s])[0][0].value == pytest.approx(0.425)
    assert Spatial3D(judge, judge, None, spatial_3d.FIXED).score([s])[0][0].value == 1
    s = sample(make_layout, "a dog behind a cat", things, [Relation(0, "behind", 1)])
    assert Spatial3D(judge, judge, None, spatial_3d.FIXED).score([s])[0][0].value == 0.5
    s = sample(make_layout, "a dog and a cat", things)
    assert Spatial3D(judge, judge, parser).score([s])[0][0].value is None
    assert Spatial3D(judge, judge, None, spatial_3d.FIXED).score([s])[0][0].value is None


def dog_and_cat(dog, cat):
    return [Detection("dog", 0.9, Box(*dog)), Detection("cat", 0.8, Box(*cat))]


APART = dog_and_cat((0.1, 0.6, 0.4, 0.95), (0.6, 0.1, 0.9, 0.45))
LOWER = dog_and_cat((0.2, 0.35, 0.8, 0.95), (0.2, 0.2, 0.8, 0.8))
TO_THE_RIGHT = dog_and_cat((0.35, 0.2, 0.95, 0.8), (0.2, 0.2, 0.8, 0.8))
TO_THE_LEFT = dog_and_cat((0.2, 0.2, 0.8, 0.8), (0.38, 0.2, 0.98, 0.8))
HOT_DOG = [APART[0], Detection("hot dog", 0.85, Box(0.5, 0.5, 0.6, 0.6)), APART[1]]


def nearly_flat():
    """Nearer to the bottom, by less than 8 bits can hold between the corners' 0 and 1."""
    depth = 0.5 + depth_ramp() / 2000
    depth[0, 0], depth[-1, -1] = 0, 1
    return depth


def thin_dog():
    """A near thing that fills a third of what its box does not share, transposed as it is read."""
    depth = np.zeros((100, 100), np.float32)
    depth[20:26], depth[80:98] = 1, 0.5
    return depth


@pytest.mark.parametrize(
    ("switch", "prompt", "found", "depth", "official", "repaired"),
    [
        ("layout_objects", "a dog in front of a cat and a dog", TO_THE_RIGHT, depth_ramp(),
         0.45, 0.925),
        ("exact_labels", "a dog in front of a cat", HOT_DOG, depth_ramp(), 0.4125, 0.425),
        ("rows_first", "a dog in front of a cat", LOWER, depth_ramp(), 0.425, 0.925),
        ("full_depth", "a dog in front of a cat", TO_THE_RIGHT, nearly_flat(), 0.425, 0.925),
        ("no_overlap_needed", "a dog behind a cat", APART, depth_ramp(), 0.425, 0.925),
        ("own_pixels", "a dog in front of a cat", TO_THE_LEFT, thin_dog(), 0.425, 0.925),
        ("no_confidence", "a dog in front of a cat", APART, depth_ramp(), 0.425, 0.5),
    ],
)  # fmt: skip
def test_each_3d_switch_removes_its_defect_alone(
    make_layout, parser, switch, prompt, found, depth, official, repaired
):
    s = sample(make_layout, prompt, THINGS, [Relation(0, "in_front_of", 1)])
    judge = Given(found, depth)
    judges = {"detector": judge, "depth": judge, "parser": parser}
    one = replace(spatial_3d.OFFICIAL, **{switch: True})
    for fixes, expected in ((spatial_3d.OFFICIAL, official), (one, repaired)):
        value = Spatial3D.with_fixes(judges, fixes).score([s])[0][0].value
        assert value == pytest.approx(expected, abs=1e-3)


@given(boxes(), boxes(), st.sampled_from([*spatial_2d.PLANAR, None]), st.booleans())
@settings(deadline=None)
def test_place_scores_are_bounded_and_mirror(a, b, relation, strict):
    pa, pb = to_pixels(a, (479, 479)), to_pixels(b, (479, 479))
    score = spatial_2d.position_score(relation, pa, pb, near_in_both=strict)
    assert 0 <= score <= 1
    opposite = {"left_of": "right_of", "right_of": "left_of", "above": "below", "below": "above"}
    other = opposite.get(relation, relation)
    mirrored = spatial_2d.position_score(other, pb, pa, near_in_both=strict)
    assert score == pytest.approx(mirrored)
