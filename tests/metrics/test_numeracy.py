"""The official numeracy score against a second implementation, and its repairs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.errors import BenchError
from bench.judges import load_judge
from bench.types import Box, Detection
from metrics.base import Sample
from metrics.frames import PixelBox
from metrics.numeracy import (
    FIXED,
    OFFICIAL,
    Numeracy,
    UnreadablePrompt,
    count_score,
    official_counts,
    official_score,
    official_unique,
)

OBJECTS = (
    ("dog", "dogs"), ("cat", "cats"), ("traffic light", "traffic lights"), ("ship", "ships"),
    ("sheep", "sheep"), ("boy", "boys"), ("girl", "girls"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("two dogs and a cat", [("dog", 2), ("cat", 1)]),
        ("three traffic lights and one dog", [("traffic light", 3), ("dog", 1)]),
        ("a traffic light", [("traffic light", 1)]),
        ("two sheep", [("sheep", 2)]),
        ("eight ships , five apples", [("ship", 8)]),
    ],
)
def test_counts_are_read_as_published(prompt, expected):
    assert official_counts(prompt.split(), OBJECTS) == expected


@pytest.mark.parametrize(
    "prompt", ["dogs", "two dog", "a dogs and two cats", "dog two", "nine dogs"]
)
def test_prompts_on_which_the_script_stops(prompt):
    with pytest.raises(UnreadablePrompt):
        official_counts(prompt.split(), OBJECTS)


def second_score(labels, counts):
    """Independent form: a table of names that grows with each renaming."""
    same = {"boy": "person", "girl": "person", "man": "person", "woman": "person", "ship": "boat",
            "telivision": "tv", "goldfish": "fish", "painting": "picture"}  # fmt: skip
    names, total = list(labels), 0.0
    for noun, wanted in counts:
        noun = same.get(noun, noun)
        if not any(n == noun for n in names):
            for k, n in enumerate(names):
                if noun in n:
                    names[k] = noun
        there = sum(n == noun for n in names)
        if there:
            total += 0.5 / len(counts) + (0.5 / len(counts) if there == wanted else 0)
    return total


@given(
    st.lists(st.sampled_from(["dog", "hot dog", "cat", "person", "boat", "fish"]), max_size=8),
    st.lists(
        st.tuples(
            st.sampled_from(["dog", "cat", "boy", "girl", "ship", "goldfish"]), st.integers(1, 4)
        ),
        min_size=1,
        max_size=3,
    ),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_official_score_equals_a_second_implementation(labels, counts):
    assert official_score(labels, counts) == pytest.approx(second_score(labels, counts))


def test_official_duplicates_are_nearly_equal_or_inside():
    big, inner, far = PixelBox(0, 0, 100, 100), PixelBox(10, 10, 30, 30), PixelBox(0, 200, 50, 250)
    kept = official_unique(["dog", "dog", "cat", "dog"], [big, inner, inner, far])
    assert [label for label, _ in kept] == ["dog", "cat", "dog"]


class Given:
    identity = {"name": "given"}  # noqa: RUF012

    def __init__(self, *found):
        self.found = [Detection(label, score, Box(*box)) for label, score, box in found]

    def class_of(self, noun):
        return noun if noun in ("dog", "cat", "person", "boat") else None

    def detect(self, images, labels):
        return [list(self.found) for _ in images]


LEFT, RIGHT, INNER = (0.0, 0.0, 0.45, 0.9), (0.55, 0.0, 1.0, 0.9), (0.1, 0.1, 0.2, 0.2)


def test_fixed_form_counts_the_layout(make_layout):
    layout = make_layout(
        "two dogs and a cat",
        [
            ("two dogs", "dog", [], LEFT),
            ("two dogs", "dog", [], RIGHT),
            ("a cat", "cat", [], INNER),
        ],
        category="numeracy",
    )
    sample = Sample(Image.new("RGB", (64, 64)), layout)

    def score(*found):
        return Numeracy(Given(*found), None, None, FIXED).score([sample])[0][0].value

    dogs = (("dog", 0.9, LEFT), ("dog", 0.8, RIGHT))
    assert score(*dogs, ("cat", 0.9, INNER)) == 1
    assert score(*dogs) == 0.5
    assert score(dogs[0], ("cat", 0.9, INNER)) == 0.75
    assert score(*dogs, ("dog", 0.9, INNER), ("cat", 0.9, INNER)) == 0.75, "the inner dog counts"
    assert score() == 0


def test_official_form_end_to_end(make_layout, tmp_path):
    (tmp_path / "objects.txt").write_text("dog - dogs\r\nboy - boys\nship - ships")
    objects = load_judge("objects", str(tmp_path / "objects.txt"))
    parser = load_judge("parser", "en_core_web_sm")
    image = Image.new("RGB", (64, 64))

    def score(prompt, *found):
        layout = make_layout(prompt, [(prompt, prompt, [], LEFT)], category="numeracy")
        return Numeracy(Given(*found), parser, objects).score([Sample(image, layout)])[0][0]

    assert score("two dogs", ("dog", 0.9, LEFT), ("dog", 0.8, RIGHT)).value == 1
    assert score("two dogs", ("dog", 0.9, LEFT), ("dog", 0.8, INNER)).value == 0.5
    assert score("two boys", ("person", 0.9, LEFT), ("person", 0.8, RIGHT)).value == 1
    assert score("two ships", ("boat", 0.9, LEFT)).value == 0.5
    assert "no number word" in score("some zebras").reason


def test_without_a_noun_list_the_official_form_says_what_it_needs():
    with pytest.raises(BenchError, match="objects"):
        Numeracy.create({"detector": Given(), "parser": None}, "official")


def test_a_broken_noun_list_names_the_line(tmp_path):
    (tmp_path / "objects.txt").write_text("dog - dogs\ncat\n")
    with pytest.raises(BenchError, match="line 2"):
        load_judge("objects", str(tmp_path / "objects.txt"))


@given(
    st.lists(st.sampled_from(["dog", "hot dog", "cat"]), max_size=6),
    st.dictionaries(st.sampled_from(["dog", "cat"]), st.integers(1, 3), min_size=1),
)
def test_fixed_score_is_a_share(labels, counts):
    assert 0 <= count_score(labels, list(counts.items()), FIXED) <= 1


@pytest.mark.parametrize(
    ("switch", "found", "official", "repaired"),
    [
        ("layout_counts", [("dog", LEFT), ("dog", RIGHT)], None, 1.0),
        ("exact_labels", [("dog", LEFT), ("hot dog", RIGHT)], 0.5, 0.5),
        ("exact_labels", [("hot dog", LEFT), ("hot dog", RIGHT)], 1.0, 0.0),
        ("keep_inner", [("dog", LEFT), ("dog", INNER)], 0.5, 1.0),
    ],
)
def test_each_switch_removes_its_defect_alone(
    make_layout, tmp_path, switch, found, official, repaired
):
    (tmp_path / "objects.txt").write_text("dog - dogs")
    objects = load_judge("objects", str(tmp_path / "objects.txt"))
    prompt = "dogs, a pair of them" if switch == "layout_counts" else "two dogs"
    things = [("dogs", "dog", [], LEFT), ("dogs", "dog", [], RIGHT)]
    sample = Sample(Image.new("RGB", (64, 64)), make_layout(prompt, things, category="numeracy"))
    judges = {
        "detector": Given(*((label, 0.9, box) for label, box in found)),
        "parser": load_judge("parser", "en_core_web_sm"),
        "objects": objects,
    }
    for fixes, expected in ((OFFICIAL, official), (replace(OFFICIAL, **{switch: True}), repaired)):
        assert Numeracy.with_fixes(judges, fixes).score([sample])[0][0].value == expected
