"""The gate: what it catches, what it lets pass, what it will not say."""

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bench.errors import BenchError
from bench.gate import Verdict, gate, record
from bench.stats import prompts_needed


def changed(frame, by, rng=None, scores=("instance_success",), method="ast"):
    """The frame with a method's scores moved by a mean of ``by``, with noise of 0.1 a prompt."""
    rng = rng or np.random.default_rng(3)
    frame = frame.copy()
    moved = frame.score.isin(scores) & (frame.method == method)
    noise = {p: rng.normal(by, 0.1) for p in frame.prompt.unique()}
    frame.loc[moved, "value"] += frame.prompt[moved].map(noise)
    return frame


def verdicts(result):
    return {(c.label, c.score): c.verdict for c in result.checks}


@pytest.fixture(scope="module")
def before(frame_of):
    return frame_of(prompts=40)


@pytest.fixture(scope="module")
def recorded(before):
    return json.loads(json.dumps(record(before, name="main"), allow_nan=False))


def test_an_unchanged_run_passes_at_once(before, recorded):
    result = gate(before, recorded)
    assert result.verdict is Verdict.PASS and result.exit_code(strict=True) == 0
    assert len(result.checks) == 6 and result.notes == ()
    assert all(c.reason == "equal on every image" for c in result.checks)


def test_a_clear_fall_fails_and_names_the_score(before, recorded):
    result = gate(changed(before, -0.15), recorded)
    assert result.exit_code() == 1
    found = verdicts(result)
    assert found.pop(("ast", "instance_success")) is Verdict.FAIL
    assert set(found.values()) == {Verdict.PASS}
    assert (
        "ast instance_success" in result.text()
        and "Gate failed: 5 passed, 1 failed" in result.text()
    )


def test_a_fall_within_the_margin_passes(before, recorded):
    worse = changed(before, -0.05)
    assert gate(worse, recorded, margins={"instance_success": 0.12}).verdict is Verdict.PASS
    assert gate(worse, recorded, margin=0).verdict is Verdict.FAIL
    assert gate(changed(before, +0.2), recorded, margin=0).verdict is Verdict.PASS


def test_too_small_a_run_is_undecided_and_says_what_it_needs(before, recorded):
    layouts = [f"layout-{i}" for i in range(8)]
    few = changed(before, -0.02)
    few = few[few.layout_id.isin(layouts)]
    result = gate(few, recorded, margin=0.05)
    check = next(c for c in result.checks if (c.label, c.score) == ("ast", "instance_success"))
    assert check.verdict is Verdict.UNDECIDED
    assert (result.exit_code(), result.exit_code(strict=True)) == (0, 2)
    assert check.needed > check.prompts == 8
    assert f"about {check.needed} needed" in check.reason
    assert "64 of 80 recorded images are not part of this run" in " ".join(result.notes)
    values = few[(few.method == "ast") & (few.score == "instance_success")]
    assert check.measured == pytest.approx(values.value.mean())


def test_lower_can_be_better(before):
    up = {"instance_success": False}
    old = record(before, name="main", higher_is_better=up)
    found = verdicts(gate(changed(before, +0.15), old))
    assert found["ast", "instance_success"] is Verdict.FAIL
    assert verdicts(gate(changed(before, -0.15), old))["ast", "instance_success"] is Verdict.PASS


def test_lost_scores_fail_instead_of_vanishing(before, recorded):
    broken = before.copy()
    gone = (broken.method == "ast") & (broken.layout_id == "layout-2")
    broken.loc[gone, ["value", "status", "reason"]] = [np.nan, "failed", "out of memory"]
    result = gate(broken, recorded)
    assert result.exit_code() == 1
    check = next(c for c in result.checks if c.verdict is Verdict.FAIL)
    assert check.reason == "2 images have no score any more: out of memory (2)"
    everything = before.assign(value=np.nan, reason="not scored yet")
    assert gate(everything, recorded).exit_code() == 1
    json.dumps(gate(everything, recorded).to_json(), allow_nan=False)
    assert gate(everything, recorded).text() and gate(everything, recorded).junit()


def test_a_score_that_is_not_computed_any_more_fails(before, recorded):
    result = gate(before[before.score != "blip_vqa"], recorded)
    assert verdicts(result)["ast", "blip_vqa"] is Verdict.FAIL
    assert gate(before, recorded, scores=["instance_success"]).verdict is Verdict.PASS


def test_other_seeds_are_paired_by_layout(before, recorded):
    other = before.assign(seed=before.seed + 100)
    result = gate(other, recorded)
    assert result.checks[0].prompts == 40 and result.checks[0].pairs == 40
    assert any("no common seeds" in note for note in result.notes)
    assert result.checks[0].change == pytest.approx(0)


def test_what_changed_in_the_protocol_is_noted_and_judges_must_be_the_same(frame_of):
    text = {"settings": {"steps": 24}, "libraries": {"torch": "2.15"}, "metrics": {"vqa": "ab"}}
    old = record(frame_of(protocol_text=text), name="main")
    newer = text | {"libraries": {"torch": "2.16"}}
    result = gate(frame_of(protocol="p2", protocol_text=newer), old)
    assert any("libraries differ: torch 2.15 -> 2.16" in note for note in result.notes)
    judged = text | {"metrics": {"vqa": "cd"}}
    with pytest.raises(BenchError, match="metric vqa is another"):
        gate(frame_of(protocol_text=judged), old)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({}, "record it again"),
        ({"schema": 99, "rows": []}, "record it again"),
        ({"schema": 1, "rows": [{"model": "m"}]}, "damaged"),
        ({"schema": 1, "rows": []}, "nothing to check"),
    ],
)
def test_a_record_that_is_none_is_refused(before, damage, message):
    with pytest.raises(BenchError, match=message):
        gate(before, damage)


def test_wrong_names_and_margins_are_refused(before, recorded):
    with pytest.raises(BenchError, match="did you mean 'blip_vqa'"):
        gate(before, recorded, scores=["blip_vq"])
    with pytest.raises(BenchError, match="unknown recorded score 'fid'"):
        gate(before, recorded, margins={"fid": 0.1})
    with pytest.raises(BenchError, match="negative"):
        gate(before, recorded, margin=-0.1)
    with pytest.raises(BenchError, match="nothing to check.*pocket-flux other"):
        other = before[before.method == "ast"].assign(method="other", method_label="other")
        gate(other, recorded)


def test_junit_and_markdown_hold_every_check(before, recorded):
    result = gate(changed(before, -0.3), recorded)
    suite = ElementTree.fromstring(result.junit()).find("testsuite")
    cases = suite.findall("testcase")
    assert (len(cases), suite.get("failures")) == (6, "1")
    failed = next(case for case in cases if case.find("failure") is not None)
    assert (failed.get("classname"), failed.get("name")) == ("pocket-flux.ast", "instance_success")
    assert "fell by more than 0.020" in failed.find("failure").get("message")
    lines = [line for line in result.markdown().splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + 6 and "✗" in result.markdown()
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["verdict"] == "fail" and len(document["checks"]) == 6


def test_hostile_names_stay_text_in_xml(frame_of):
    label = 'ast<&"\x00]]>|\n'
    frame = frame_of(prompts=8)
    frame["method_label"] = frame.method.map({"ast": label, "baseline": "baseline"})
    result = gate(frame, record(frame, name="main"))
    names = {c.get("classname") for c in ElementTree.fromstring(result.junit()).iter("testcase")}
    assert any('ast<&"\ufffd]]>|' in name for name in names)
    assert len({line.count(" | ") for line in result.markdown().splitlines()[2:6]}) == 1


def null_frames(before, rng, spread):
    """The same method again, as other seeds would give it: noise by prompt and by image."""
    again = before.copy()
    noise = {p: rng.normal(0, spread) for p in before.prompt.unique()}
    again["value"] += before.prompt.map(noise) + rng.normal(0, spread / 2, len(before))
    return again


def test_false_alarms_of_the_whole_gate_stay_below_five_percent(frame_of):
    """With a margin of 0, where alarms are easiest, and six checks a gate."""
    before = frame_of(prompts=12)
    old = record(before, name="main")
    rng = np.random.default_rng(5)
    alarms = [gate(null_frames(before, rng, 0.1), old, margin=0).exit_code() for _ in range(120)]
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 120)


def test_the_needed_size_is_enough_four_times_in_five(frame_of):
    rng = np.random.default_rng(9)
    fall, spread, margin = -0.08, 0.12, 0.02
    needed = prompts_needed(fall + margin, spread / np.sqrt(50), 50, alpha=0.1)
    frame = frame_of(prompts=needed, seeds=1)
    frame = frame[(frame.method == "ast") & (frame.score == "instance_success")]
    old = record(frame, name="main")
    found = []
    for _ in range(60):
        worse = frame.assign(value=frame.value + rng.normal(fall, spread, len(frame)))
        found.append(gate(worse, old, margin=margin).exit_code())
    assert np.mean(found) == pytest.approx(0.8, abs=0.13)


def test_a_record_of_several_protocols_is_refused(frame_of):
    both = pd.concat([frame_of(), frame_of(protocol="p2")])
    with pytest.raises(BenchError, match="several protocols"):
        record(both, name="main")


def test_a_score_that_is_not_defined_for_an_image_is_no_failure(before):
    """As the mean IoU of the instances that were found, where none was."""
    rng = np.random.default_rng(1)
    here = (before.score == "blip_vqa") & (before.method == "ast")

    def undefined(share):
        frame = before.copy()
        gone = here & (rng.random(len(frame)) < share)
        frame.loc[gone, ["value", "reason"]] = [np.nan, "no instance was found"]
        return frame, int(gone.sum())

    frame, count = undefined(0.2)
    old = json.loads(json.dumps(record(frame, name="main"), allow_nan=False))
    for row in old["rows"]:
        values = [image[3] for image in row["scores"]["blip_vqa"]["images"]]
        assert len(values) == 80 and values.count(None) == (count if row["label"] == "ast" else 0)
    assert gate(frame, old).exit_code(strict=True) == 0
    same, _ = undefined(0.2)
    result = gate(same, old, margin=0.15)
    share = next(c for c in result.checks if c.score == "blip_vqa: images with a value")
    value = next(c for c in result.checks if (c.label, c.score) == ("ast", "blip_vqa"))
    assert result.exit_code() == 0 and value.change == 0
    assert value.pairs == (frame.value.notna() & same.value.notna() & here).sum()
    assert share.recorded == pytest.approx(1 - count / 80)
    most, _ = undefined(0.7)
    assert verdicts(gate(most, old))["ast", "blip_vqa: images with a value"] is Verdict.FAIL
    none = before.assign(
        value=before.value.mask(here), reason=before.reason.mask(here, "no instance was found")
    )
    found = verdicts(gate(none, old))
    assert found["ast", "blip_vqa"] is Verdict.UNDECIDED
    assert found["ast", "blip_vqa: images with a value"] is Verdict.FAIL
    for seed in (0, 100):  # the same and other seeds
        raised = before.assign(seed=before.seed + seed)
        broken = here & (raised.layout_id == "layout-7")
        raised.loc[broken, ["value", "reason"]] = [np.nan, "blip_vqa failed: ValueError"]
        assert "2 images have no score any more: blip_vqa failed" in gate(raised, old).text()


def test_a_recorded_method_that_is_missing_is_not_passed_over(before, recorded):
    result = gate(before[before.method == "baseline"], recorded)
    assert (result.exit_code(), result.exit_code(strict=True)) == (0, 2)
    check = next(c for c in result.checks if c.label == "ast")
    assert check.reason == "recorded, but not part of this run"
    assert "ast all scores" in result.text() and 'skipped="1"' in result.junit()
    json.dumps(result.to_json(), allow_nan=False)


def test_a_method_with_other_constants_is_held_against_its_record(before, recorded):
    weak = changed(before, -0.2)
    weak["method_label"] = weak.method.replace({"ast": "ast[i2t=0]"})
    result = gate(weak, recorded)
    assert verdicts(result)["ast", "instance_success"] is Verdict.FAIL
    assert "ast[i2t=0] of this run is held against the recorded ast" in result.notes
    two = pd.concat([weak, weak[weak.method == "ast"].assign(method_label="ast[i2t=1.0]")])
    assert verdicts(gate(two, recorded))["ast", "all scores"] is Verdict.UNDECIDED
    both = pd.concat([weak[weak.method == "ast"], before])
    assert gate(both, recorded).exit_code(strict=True) == 0
