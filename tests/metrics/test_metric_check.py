"""The conformance check: own metrics pass, broken ones are told what is wrong."""

import pytest
from PIL import Image

from bench.metric_check import check_metric
from bench.types import Score
from metrics.base import Column, Sample
from metrics.blip_vqa import BlipVQA
from metrics.clip_score import CLIPScore


@pytest.fixture
def samples(make_layout):
    things = [
        ("a red dog", ["red"]), ("a blue cat", ["blue"]), ("a green bus", ["green"])
    ]  # fmt: skip
    return [
        Sample(
            Image.new("RGB", (40, 30 + k), attributes[0]),
            make_layout(phrase, [(phrase, phrase.split()[-1], attributes, (0.1, 0.1, 0.9, 0.9))]),
        )
        for k, (phrase, attributes) in enumerate(things)
    ]


class Brightness:
    """Mean grey value of the image."""

    name = "brightness"
    mode = "fixed"
    columns = {"brightness": Column(True, "mean grey value")}  # noqa: RUF012
    identity = {"version": 1}  # noqa: RUF012

    @classmethod
    def create(cls, judges, mode=None):
        return cls()

    def value(self, sample):
        small = sample.image.convert("L").resize((1, 1))
        return small.getpixel((0, 0)) / 255

    def score(self, samples):
        return [[Score("brightness", self.value(s))] for s in samples]


def verdicts(target, samples, judges=None, mode=None):
    return {c.name: c for c in check_metric(target, judges or dict, samples, mode=mode)}


def failed(target, samples):
    return [c for c in verdicts(target, samples).values() if not c.passed]


def test_own_metrics_pass(samples, blip_folder, clip_folder, blind_detector):
    from bench.judges import JudgeSet

    def judges():
        names = {"vqa": str(blip_folder), "clip": str(clip_folder)}
        return JudgeSet(names, given={"detector": blind_detector})

    for target, mode in ((BlipVQA, "official"), (BlipVQA, "fixed"), (CLIPScore, None)):
        found = verdicts(target, samples, judges, mode)
        assert [c.detail for c in found.values() if not c.passed] == []
        assert len(found) == 9


def test_a_small_metric_passes(samples):
    assert failed(Brightness, samples) == []


def broken(**changes):
    return type("Broken", (Brightness,), changes)


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (broken(score=lambda self, samples: [[Score("brightness", 0.5)]]), "1 lists of scores"),
        (broken(score=lambda self, samples: [[Score("other", 0.5)] for _ in samples]), "other"),
        (broken(score=lambda self, samples: [[] for _ in samples]), "columns"),
        (broken(value=lambda self, sample: 7.0), "outside"),
        (broken(value=lambda self, sample: sample.image.width / 0), "ZeroDivisionError"),
        (broken(columns={}), "columns is empty"),
        (broken(mode="mine"), "'mine'"),
        (broken(name="a b"), "name 'a b'"),
        (broken(identity=property(lambda self: {"at": id(self)})), "two identities"),
        (broken(create=classmethod(lambda cls, judges, mode=None: judges["vqa"])), "KeyError"),
    ],
)
def test_what_is_wrong_is_said(samples, target, word):
    assert any(word in c.detail for c in failed(target, samples))


def test_a_score_that_depends_on_its_company_is_found(samples):
    def score(self, samples):
        return [[Score("brightness", 1 / len(samples))] for _ in samples]

    names = [c.name for c in failed(broken(score=score), samples)]
    assert names == ["in a batch what it gives alone"]


class Forgetful:
    """A judge that counts how many images it was shown together, and remembers what it said."""

    identity = {"name": "forgetful"}  # noqa: RUF012

    def __init__(self):
        self.said = {}

    def ask(self, images, questions):
        for image in images:
            self.said.setdefault(image.tobytes(), 1 / len(images))
        return [[self.said[i.tobytes()] for _ in q] for i, q in zip(images, questions, strict=True)]


def test_a_judge_whose_answers_depend_on_company_is_found_though_it_remembers(samples):
    class Asking(Brightness):
        def __init__(self, vqa):
            self.vqa = vqa

        @classmethod
        def create(cls, judges, mode=None):
            return cls(judges["vqa"])

        def score(self, samples):
            answers = self.vqa.ask([s.image for s in samples], [["a dog?"]] * len(samples))
            return [[Score("brightness", row[0])] for row in answers]

    found = verdicts(Asking, samples, lambda: {"vqa": Forgetful()})
    assert [name for name, c in found.items() if not c.passed] == ["in a batch what it gives alone"]


def test_a_changed_image_is_found(samples):
    def value(self, sample):
        sample.image.putpixel((0, 0), (1, 2, 3))
        return 0.5

    assert any("changes the images" in c.detail for c in failed(broken(value=value), samples))


def test_the_template_of_the_documentation_passes(samples, blip_folder):
    import re
    from pathlib import Path

    from bench.judges import JudgeSet

    text = (Path(__file__).parents[2] / "docs" / "own-metric.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.S)[1]
    space = {}
    exec(code, space)
    found = verdicts(space["WorstThing"], samples, lambda: JudgeSet({"vqa": str(blip_folder)}))
    assert [c.detail for c in found.values() if not c.passed] == []
