"""Localization from given detections and answers."""

import numpy as np
import pytest
from PIL import Image

from bench.errors import BenchError
from bench.types import Box, Detection
from metrics.base import Sample, crop
from metrics.localization import (
    InstanceResult,
    Localization,
    Thresholds,
    attribute_questions,
    leakage_questions,
)

PROMPT = "a red dog and a blue cat"
LEFT, RIGHT = (0.05, 0.2, 0.45, 0.8), (0.55, 0.2, 0.95, 0.8)


class GivenDetector:
    """Finds what it was told, in every image."""

    identity = {"name": "given"}  # noqa: RUF012

    def __init__(self, *found, classes=("dog", "cat", "bus")):
        self.found = [Detection(label, score, Box(*box)) for label, score, box in found]
        self.classes = classes

    def class_of(self, noun):
        return noun if noun in self.classes else None

    def detect(self, images, labels):
        return [list(self.found) for _ in images]


class ColorVQA:
    """Says yes to a colour in the measure in which the region's middle has it."""

    identity = {"name": "color"}  # noqa: RUF012
    colors = {"red": 0, "green": 1, "blue": 2}  # noqa: RUF012

    def ask(self, images, questions):
        out = []
        for image, texts in zip(images, questions, strict=True):
            middle = np.asarray(image)[image.height // 2, image.width // 2] / 255
            out.append([float(middle[self.colors[text.split()[1]]]) for text in texts])
        return out


@pytest.fixture
def layout(make_layout):
    return make_layout(
        PROMPT, [("a red dog", "dog", ["red"], LEFT), ("a blue cat", "cat", ["blue"], RIGHT)]
    )


def picture(left, right):
    pixels = np.full((100, 100, 3), 230, np.uint8)
    pixels[20:80, 5:45], pixels[20:80, 55:95] = left, right
    return Image.fromarray(pixels)


RED, BLUE = (255, 0, 0), (0, 0, 255)
BOTH = (("dog", 0.9, LEFT), ("cat", 0.8, RIGHT))


def values(metric, image, layout):
    return {s.name: s for s in metric.score([Sample(image, layout)])[0]}


def test_a_right_picture_is_perfect(layout):
    got = values(Localization(GivenDetector(*BOTH), ColorVQA()), picture(RED, BLUE), layout)
    perfect = dict.fromkeys(
        ("instance_success", "image_success", "miou", "miou_all", "present"), 1.0
    )
    assert {n: got[n].value for n in perfect} == pytest.approx(perfect)
    for name in ("surplus", "duplicated", "merged", "position_error", "size_error", "leakage"):
        assert got[name].value == pytest.approx(0)
    assert got["attribute_probability"].value == pytest.approx(1)


def test_swapped_attributes_fail_and_leak(layout):
    got = values(Localization(GivenDetector(*BOTH), ColorVQA()), picture(BLUE, RED), layout)
    assert got["present"].value == got["miou"].value == 1
    assert got["instance_success"].value == got["image_success"].value == 0
    assert got["miou_all"].value == 0
    assert got["leakage"].value == pytest.approx(1)


def test_a_missing_instance_halves_what_counts_it(layout):
    got = values(Localization(GivenDetector(BOTH[0]), ColorVQA()), picture(RED, BLUE), layout)
    assert got["instance_success"].value == got["present"].value == got["miou_all"].value == 0.5
    assert got["image_success"].value == 0
    assert got["miou"].value == 0.5 and got["miou_matched"].value == 1


def test_nothing_found_leaves_means_over_matches_without_a_value(layout):
    got = values(Localization(GivenDetector(), ColorVQA()), picture(RED, BLUE), layout)
    for name in ("miou_matched", "position_error", "size_error"):
        assert got[name].value is None and got[name].reason == "no instance was found"
    assert got["attribute_probability"].value is None and got["leakage"].value is None
    assert got["instance_success"].value == got["present"].value == got["miou"].value == 0


def test_detections_below_the_threshold_and_of_other_classes_do_not_count(layout):
    detector = GivenDetector(*BOTH, ("dog", 0.1, RIGHT), ("bus", 0.9, LEFT))
    got = values(Localization(detector, ColorVQA()), picture(RED, BLUE), layout)
    assert got["surplus"].value == 0
    details = got["instance_success"].details
    assert [d["label"] for d in details["detections"]] == ["dog", "cat"]
    assert details["matches"] == [[0, 0, 1.0], [1, 1, 1.0]]
    assert details["instances"][0]["success"] is True


def test_a_noun_without_a_class_gives_no_score_and_says_so(layout):
    detector = GivenDetector(*BOTH, classes=("dog",))
    got = values(Localization(detector, ColorVQA()), picture(RED, BLUE), layout)
    assert {s.value for s in got.values()} == {None}
    assert got["miou"].reason == "the detector has no class for cat"


def test_two_detectors_and_their_agreement(layout):
    metric = Localization(GivenDetector(*BOTH), ColorVQA(), GivenDetector(BOTH[1]))
    got = values(metric, picture(RED, BLUE), layout)
    assert got["detector_agreement"].value == 0.5
    assert list(got) == list(metric.columns)
    assert set(metric.identity["judges"]) == {"detector", "vqa", "detector_b"}


def test_samples_do_not_influence_each_other(layout, make_layout):
    other = make_layout("a dog", [("a dog", "dog", [], LEFT)])
    metric = Localization(GivenDetector(*BOTH), ColorVQA())
    batch = [
        Sample(picture(RED, BLUE), layout),
        Sample(picture(RED, BLUE), other),
        Sample(picture(BLUE, RED), layout),
    ]
    assert metric.score(batch) == [metric.score([s])[0] for s in batch]


def test_questions(make_layout):
    layout = make_layout(
        "an orange orange, a red dog and a cat",
        [
            ("an orange orange", "orange", ["orange"], LEFT),
            ("a red dog", "dog", ["red"], RIGHT),
            ("a cat", "cat", [], (0.4, 0.4, 0.6, 0.6)),
        ],
    )
    assert attribute_questions(layout, 0) == ["an orange orange?"]
    assert leakage_questions(layout, 0) == ["a red orange?"]
    assert leakage_questions(layout, 1) == ["an orange dog?"]
    assert leakage_questions(layout, 2) == []


def test_success_needs_place_and_every_attribute():
    t = Thresholds()
    assert InstanceResult(0.5, (), ()).success(t)
    assert not InstanceResult(0.49, (), ()).success(t)
    assert not InstanceResult(0.9, (0.9, 0.4), ()).success(t)
    assert not InstanceResult(None, (), ()).success(t)


def test_crops_stay_in_the_image_and_are_never_empty():
    image = Image.new("RGB", (10, 20))
    assert crop(image, Box(0, 0, 1, 1), 0.5).size == (10, 20)
    assert crop(image, Box(0.999, 0.999, 1, 1), 0.0).size == (1, 1)
    assert crop(image, Box(0.2, 0.2, 0.4, 0.3), 0.5).size == (4, 4)


def test_there_is_one_mode():
    with pytest.raises(BenchError, match="official"):
        Localization.create({"detector": GivenDetector(), "vqa": ColorVQA()}, "official")
