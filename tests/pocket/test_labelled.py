"""Images labelled by eye: reading them, and the judges' agreement with the labels."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from bench.errors import BenchError
from bench.pocket.labelled import FOLDER, SUITE, Labelled, agreement, read_labelled
from bench.suites import load_suite

LAYOUT = next(e for e in load_suite(SUITE).layouts if len(e.instances) == 2)


def folder_with(tmp_path, **changes):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    row = {
        "image": "a.png",
        "layout_id": LAYOUT.id,
        "present": [True, True],
        "right": [True, False],
    }
    (tmp_path / "labels.jsonl").write_text(json.dumps({**row, **changes}) + "\n")
    return tmp_path


def judged(*pairs):
    return [{"present": p, "attribute_ok": ok} for p, ok in pairs]


def test_a_row_is_read_with_its_layout(tmp_path):
    [one] = read_labelled(folder_with(tmp_path))
    assert one == Labelled(tmp_path / "a.png", LAYOUT, (True, True), (True, False))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layout_id": "pocket-nothing-01"}, "no layout 'pocket-nothing-01'"),
        ({"image": "b.png"}, "b.png is missing"),
        ({"image": "../../../secret.png"}, "image secret.png is missing"),
        ({"present": [True]}, "2 instances"),
        ({"present": [True, False], "right": [True, True]}, "right but not present"),
    ],
)
def test_a_wrong_row_is_an_error_that_names_its_line(tmp_path, changes, said):
    with pytest.raises(BenchError, match=said) as error:
        read_labelled(folder_with(tmp_path, **changes))
    assert "line 1" in str(error.value)


@pytest.mark.parametrize(
    ("judges", "share"),
    [
        (judged((True, True), (True, False)), 1.0),
        (judged((True, True), (True, True)), 0.75),  # finds the second one right
        (judged((True, True), (False, None)), 0.75),  # misses the second one; "not right" agrees
        (judged((False, None), (False, None)), 0.25),
    ],
)
def test_agreement_counts_two_statements_an_instance(tmp_path, judges, share):
    [one] = read_labelled(folder_with(tmp_path))
    assert agreement(one, judges) == share


def test_things_of_one_phrase_are_compared_by_number(tmp_path):
    """One sofa that judges match to the second of two places is still the one sofa."""
    layout = next(
        e
        for e in load_suite(SUITE).layouts
        if len({(i.noun, i.attributes) for i in e.instances}) == 1 and len(e.instances) == 2
    )
    first = {"layout_id": layout.id, "present": [True, False], "right": [True, False]}
    [one] = read_labelled(folder_with(tmp_path, **first))
    assert agreement(one, judged((False, None), (True, True))) == 1.0
    assert agreement(one, judged((True, True), (False, None))) == 1.0
    assert agreement(one, judged((True, True), (True, True))) == 0.5
    assert agreement(one, judged((True, False), (False, None))) == 0.75
    # Things of two phrases are not exchanged.
    [other] = read_labelled(folder_with(tmp_path, present=[True, False], right=[True, False]))
    assert agreement(other, judged((False, None), (True, True))) == 0.0


def test_an_instance_without_attributes_is_right_where_it_is_present(tmp_path):
    [one] = read_labelled(folder_with(tmp_path, right=[True, True]))
    assert agreement(one, judged((True, None), (True, None))) == 1.0


def test_the_shipped_labels_can_be_read():
    if not (FOLDER / "labels.jsonl").exists():
        pytest.skip("no labelled images are shipped yet")
    labelled = read_labelled()
    assert len({e.image for e in labelled}) == len(labelled) >= 200
