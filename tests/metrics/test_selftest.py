"""Start-up tests of judges: right judges pass, wrong checkpoints are named."""

import json

import numpy as np
import pytest

from bench.judges import JudgeSet, selftest
from bench.judges.selftest import golden_pictures, record, run_alarms, self_test
from bench.judges.vqa import Answer
from bench.types import Box, Detection


class RightVQA:
    """Knows the golden pictures."""

    def __init__(self, mass=0.99, flip=False, digest="d1"):
        self.identity = {"name": "right", "digest": digest}
        self.mass, self.flip = mass, flip

    def answers(self, images, questions):
        colors = {g.image.tobytes(): g.color for g in golden_pictures()}
        return [
            [
                Answer(0.9 if (colors[i.tobytes()] in q) != self.flip else 0.1, self.mass)
                for q in row
            ]
            for i, row in zip(images, questions, strict=True)
        ]

    def ask(self, images, questions):
        return [[a.yes for a in row] for row in self.answers(images, questions)]


class GivenDetector:
    identity = {"name": "given", "digest": "d"}  # noqa: RUF012

    def __init__(self, find):
        self.find = find

    def class_of(self, noun):
        return noun

    def detect(self, images, labels):
        return [self.find(names) for names in labels]


def findings(role, judge):
    return list(self_test(JudgeSet({}, given={role: judge})))


def test_golden_pictures_show_their_thing():
    for g in golden_pictures():
        assert g.image.size == (128, 128)
        assert np.ptp(np.asarray(g.image)) > 50
    assert golden_pictures() is golden_pictures()


def test_a_right_judge_passes():
    assert [f.ok for f in findings("vqa", RightVQA())] == [True]


def test_a_checkpoint_that_does_not_answer_is_named():
    (finding,) = (f for f in findings("vqa", RightVQA(mass=0.01)) if not f.ok)
    assert "wrong checkpoint" in finding.text


def test_a_checkpoint_that_answers_wrongly_is_named():
    assert any(
        not f.ok and "right from wrong" in f.text for f in findings("vqa", RightVQA(flip=True))
    )


def test_nan_is_named():
    judge = RightVQA()
    judge.answers = lambda images, questions: [
        [Answer(float("nan"), float("nan")) for _ in row] for row in questions
    ]
    assert "NaN" in findings("vqa", judge)[0].text


def test_a_random_blip_fails(blip_folder):
    found = list(self_test(JudgeSet({"vqa": str(blip_folder)})))
    assert not all(f.ok for f in found)


def test_a_random_clip_is_examined(clip_folder):
    assert list(self_test(JudgeSet({"clip": str(clip_folder)})))


def test_an_empty_detector_is_named():
    assert "finds nothing" in findings("detector", GivenDetector(lambda names: []))[0].text


def test_a_detector_that_finds_things_in_place_passes_and_one_elsewhere_fails():
    def at(*box):
        return GivenDetector(lambda names: [Detection(names[0], 0.9, Box(*box))])

    assert findings("detector", at(0.2, 0.2, 0.8, 0.8))[0].ok
    assert not findings("detector", at(0.0, 0.0, 0.2, 0.2))[0].ok


def test_a_judge_that_raises_is_a_finding():
    class Broken:
        identity = {"name": "broken"}  # noqa: RUF012

        def cosine(self, images, texts):
            raise RuntimeError("weights gone")

    (finding,) = findings("clip", Broken())
    assert not finding.ok and "weights gone" in finding.text


def test_recorded_answers_are_compared(tmp_path, monkeypatch):
    path = tmp_path / "golden.json"
    monkeypatch.setattr(selftest, "GOLDEN_FILE", path)
    judge = RightVQA()
    record(JudgeSet({}, given={"vqa": judge}), path)
    assert [f.ok for f in findings("vqa", judge)] == [True, True]
    known = json.loads(path.read_text())
    known["right"]["values"][0] -= 0.1
    path.write_text(json.dumps(known))
    (_, finding) = findings("vqa", judge)
    assert not finding.ok and "0.1000" in finding.text
    assert len(findings("vqa", RightVQA(digest="other"))) == 1, "other weights, other answers"


@pytest.mark.parametrize(
    ("score", "values", "word"),
    [
        ("present", [0.0] * 3, "found nothing"),
        ("miou", [None] * 3, "missing on all 3"),
        ("blip_vqa", [0.25] * 12, "is 0.25 on all 12"),
    ],
)
def test_alarms_of_a_run(score, values, word):
    def rows(score, values):
        return [
            {"metric": "m", "mode": "fixed", "score": score, "value": v, "reason": "why"}
            for v in values
        ]

    (alarm,) = run_alarms(rows(score, values))
    assert word in alarm
    assert run_alarms(rows(score, [0.1, 0.2, None])) == []
