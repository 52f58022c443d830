"""Start-up tests of judges: right judges pass, wrong checkpoints are named."""

import json
import shutil

import numpy as np
import pytest

from bench.errors import BenchError
from bench.judges import JudgeSet, selftest
from bench.judges.selftest import ensure_sound, golden_pictures, record, self_test
from bench.judges.vqa import Answer
from bench.models import POCKET_MODELS
from bench.scoring import alarms
from bench.store import PlannedJob, Run
from bench.types import Box, Detection, GenerationSettings, Job, Score


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
    places = {g.noun: g.box for g in golden_pictures()}

    def at(share):
        """A detector whose boxes have this share of the right width."""
        boxes = {n: Box(x0, y0, x0 + share * (x1 - x0), y1)
                 for n, (x0, y0, x1, y1) in places.items()}  # fmt: skip
        return GivenDetector(lambda names: [Detection(names[0], 0.9, boxes[names[0]])])

    assert findings("detector", at(1.0))[0].ok
    assert not findings("detector", at(0.4))[0].ok


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
    (_, finding) = findings("vqa", RightVQA(digest="other"))
    assert not finding.ok and "wrong checkpoint" in finding.text


def test_a_sound_judge_is_said_and_a_wrong_one_stops(capsys):
    ensure_sound(JudgeSet({}, given={"vqa": RightVQA()}))
    assert "judge right: ok" in capsys.readouterr().err
    with pytest.raises(BenchError, match="vqa judge right fails its self-test.*--judge vqa=NAME"):
        ensure_sound(JudgeSet({}, given={"vqa": RightVQA(flip=True)}))


def test_only_judges_that_were_asked_for_are_tested(blip_folder, capsys):
    judges = JudgeSet({"vqa": str(blip_folder), "clip": "pocket-clip"})
    ensure_sound(judges)
    assert judges.made == {} and capsys.readouterr().err == ""


def corrupted(name, folder):
    """A shipped judge of which one weight matrix has its rows in another order."""
    import torch
    from safetensors.torch import load_file, save_file

    source = POCKET_MODELS / name
    if not source.is_dir():
        pytest.skip(f"{source} is not there")
    shutil.copytree(source, folder)
    (weights,) = folder.glob("*.safetensors")
    tensors = load_file(weights)
    key = max((k for k, t in tensors.items() if t.ndim == 2), key=lambda k: tensors[k].numel())
    order = torch.randperm(len(tensors[key]), generator=torch.Generator().manual_seed(0))
    tensors[key] = tensors[key][order].contiguous()
    save_file(tensors, weights, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(("role", "name"), [("vqa", "blip"), ("clip", "clip")])
def test_a_shipped_judge_passes_and_with_other_weights_it_does_not(role, name, tmp_path):
    wrong = JudgeSet({role: str(corrupted(name, tmp_path / name))})
    right = JudgeSet({role: f"pocket-{name}"})
    assert [f.text for f in self_test(right, (role,)) if not f.ok] == []
    assert not all(f.ok for f in self_test(wrong, (role,)))


def test_the_shipped_detector_finds_the_golden_things_where_it_did():
    found = list(self_test(JudgeSet({"detector": "pocket-yolo"}), ("detector",)))
    assert [f.text for f in found if not f.ok] == []
    assert len(found) == 2, "in place, and as recorded"


def test_score_refuses_a_wrong_checkpoint(blip_folder, tmp_path, make_layout, capsys):
    from bench.cli import main
    from bench.layouts.io import write_layouts

    (tmp_path / "theirs").mkdir()
    golden_pictures()[0].image.save(tmp_path / "theirs" / "l1_0.png")
    things = [("a red apple", "apple", ["red"], (0.2, 0.2, 0.8, 0.8))]
    write_layouts(tmp_path / "l.jsonl", [make_layout("a red apple", things)])
    command = ["score", "--images", str(tmp_path / "theirs"), "--layouts",
               str(tmp_path / "l.jsonl"), "--out", str(tmp_path / "run"), "--metrics",
               "blip_vqa", "--judge", f"vqa={blip_folder}"]  # fmt: skip
    assert main(command) == 2
    assert "fails its self-test" in capsys.readouterr().err
    frame = Run.open(tmp_path / "run").frame()
    assert frame["value"].notna().sum() == 0, "nothing wrong was stored"


@pytest.mark.parametrize(
    ("score", "values", "word"),
    [
        ("present", [0.0] * 3, "found nothing"),
        ("miou", [None] * 3, "missing on all 3 images: why"),
        ("blip_vqa", [0.25] * 12, "is 0.25 on all 12"),
    ],
)
def test_alarms_of_a_run(score, values, word, make_layout, tmp_path):
    things = [("a dog", "dog", [], (0, 0, 1, 1))]
    settings = GenerationSettings(steps=1, height=8, width=8)
    jobs = [
        Job(make_layout("a dog", things), seed, "m", "d", "baseline", {}, settings)
        for seed in range(len(values))
    ]
    run = Run.create(
        tmp_path / "run",
        {"model": {"name": "m", "judges": {}}},
        [PlannedJob(job, "baseline", 0) for job in jobs],
    )
    metric = run.use_metric("m", "fixed", {}, {score: {}})

    def store(values):
        scores = [Score(score, v, None if v is not None else "why") for v in values]
        run.save_scores(metric, [(i.id, [s]) for i, s in zip(run.images(), scores, strict=True)])
        return alarms(run)

    (alarm,) = store(values)
    assert word in alarm
    assert store([0.1 * (1 + k) for k in range(len(values))]) == []


def test_doctor_shows_the_self_test_of_each_judge(blip_folder, monkeypatch):
    from dataclasses import replace

    from bench import doctor, models

    spec = replace(models.POCKET_FLUX, judges={"vqa": str(blip_folder), "detector": "pocket-yolo"})
    monkeypatch.setattr(models, "model_spec", lambda name: spec)
    for check in ("_libraries", "_machine", "_disk", "_model", "_tiny_run"):
        monkeypatch.setattr(doctor, check, lambda *args: ("ok", ""))
    found = {f.name: f for f in doctor.examine("pocket-flux")}
    assert found["vqa judge tiny-blip"].status == "failed"
    assert "wrong checkpoint" in found["vqa judge tiny-blip"].text
    assert found["detector judge pocket-yolo"].status == "ok"
