"""Calibration: the faults are what they say, and the measures are right."""

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from bench.calibrate import FAULTS, make_cases, tables
from bench.calibrate.measures import (
    auc,
    bootstrap,
    kendall,
    paired_share,
    sensitivity,
    spearman,
    weighted_auc,
)
from bench.calibrate.ratings import calibrate_ratings, read_ratings
from bench.calibrate.run import TARGETS, TrueDepth, calibrate
from bench.calibrate.switches import switches, switches_text
from bench.calibrate.tables import plots
from bench.errors import BenchError
from bench.models import POCKET_MODELS
from bench.pocket.world.splits import belongs
from bench.types import Detection
from metrics import spatial_2d


@pytest.fixture(scope="module")
def cases():
    return {fault: make_cases(fault, 4, seed=3) for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS)
def test_cases_are_graded_and_held_out(cases, fault):
    group = cases[fault]
    for number in range(4):
        severities = [c.severity for c in group if c.scene == number]
        assert severities[0] == 0 and len(severities) >= 2
        assert all(0 < s <= 1 for s in severities[1:])
        own = [c for c in group if c.scene == number]
        assert len({c.layout.digest for c in own}) == 1, "the layout asks for the clean scene"
        clean = np.asarray(own[0].image, float)
        for c in own[1:]:
            assert np.abs(np.asarray(c.image, float) - clean).mean() > 0.5
        things = [(i.noun, i.attributes) for i in own[0].layout.instances]
        assert belongs(things, "test")


def test_cases_are_the_same_every_time(cases):
    again = make_cases("instance moved", 4, seed=3)
    for a, b in zip(cases["instance moved"], again, strict=True):
        assert a.severity == b.severity
        assert a.image.tobytes() == b.image.tobytes()


def test_depth_inversion_changes_what_is_in_front(cases):
    for number in range(4):
        clean, wrong = (c for c in cases["depth inverted"] if c.scene == number)
        assert clean.depth.max() == wrong.depth.max() == 1
        assert (clean.depth != wrong.depth).any()


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_auc_is_the_mann_whitney_statistic(a, b):
    u = stats.mannwhitneyu(a, b).statistic
    assert auc(np.array(a, float), np.array(b, float)) == pytest.approx(u / (len(a) * len(b)))


def test_measures_of_a_perfect_a_blind_and_an_inverted_score():
    severity = np.tile([0, 0.5, 1.0], 20)
    scene = np.repeat(np.arange(20), 3)
    perfect = sensitivity(1 - severity, severity, scene, resamples=50)
    assert perfect.auc.value == perfect.auc.low == perfect.pairs.value == 1
    assert perfect.spearman.value == pytest.approx(1)
    assert perfect.by_severity == {0.5: 1.0, 1.0: 1.0}
    inverted = sensitivity(severity, severity, scene, higher_is_better=False, resamples=50)
    assert inverted.auc.value == 1
    noise = np.random.default_rng(0).random(60)
    blind = sensitivity(noise, severity, scene, resamples=200)
    assert blind.auc.low < 0.5 < blind.auc.high
    constant = sensitivity(np.ones(60), severity, scene, resamples=50)
    assert constant.auc.value == 0.5 and np.isnan(constant.kendall.value)
    assert constant.to_dict()["kendall"]["value"] is None


def test_missing_scores_are_counted_and_too_few_give_nothing():
    severity = np.tile([0, 1.0], 10)
    scene = np.repeat(np.arange(10), 2)
    values = np.where(scene < 5, 1 - severity, np.nan)
    some = sensitivity(values, severity, scene, resamples=20)
    assert (some.n, some.unscored) == (10, 10)
    assert sensitivity(np.full(20, np.nan), severity, scene, resamples=20) is None


def test_bootstrap_resamples_whole_groups():
    groups = np.repeat(np.arange(8), 10)
    values = groups.astype(float)

    def mean(weights):
        return weights @ values / weights.sum(axis=1)

    wide = bootstrap(groups, mean, resamples=400)
    narrow = bootstrap(np.arange(80), mean, resamples=400)
    assert wide.low <= 3.5 <= wide.high
    assert (wide.high - wide.low) > 2 * (narrow.high - narrow.low)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1))
@settings(max_examples=50)
def test_paired_share_and_its_opposite_make_one(pairs):
    a, b = np.array(pairs).T
    once = np.ones((1, len(a)))
    assert paired_share(a, b, once)[0] + paired_share(b, a, once)[0] == pytest.approx(1)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=3),
    st.integers(0, 99),
)
@settings(max_examples=60)
def test_statistics_with_weights_are_scipys_on_repeated_rows(rows, seed):
    a, b, clean = (np.array(column) for column in zip(*rows, strict=True))
    drawn = np.random.default_rng(seed).integers(0, len(a), (3, len(a)))
    weights = np.stack([np.bincount(d, minlength=len(a)) for d in drawn]).astype(float)
    x, y = a.astype(float), b.astype(float)
    ours = {
        "kendall": kendall(x, y, weights),
        "spearman": spearman(x, y, weights),
        "auc": weighted_auc(x, clean, weights),
    }
    for k, d in enumerate(drawn):
        if np.ptp(a[d]) and np.ptp(b[d]):
            assert ours["kendall"][k] == pytest.approx(stats.kendalltau(a[d], b[d]).statistic)
            assert ours["spearman"][k] == pytest.approx(stats.spearmanr(a[d], b[d]).statistic)
        else:
            assert np.isnan(ours["kendall"][k]) and np.isnan(ours["spearman"][k])
        if clean[d].any() and not clean[d].all():
            u = stats.mannwhitneyu(a[d][clean[d]], a[d][~clean[d]]).statistic
            pairs = clean[d].sum() * (~clean[d]).sum()
            assert ours["auc"][k] == pytest.approx(u / pairs)
        else:
            assert np.isnan(ours["auc"][k])


class TrueDetector:
    """Finds in each picture what a look-up table says."""

    identity = {"name": "truth"}  # noqa: RUF012

    def __init__(self, found):
        self.found = found

    def class_of(self, noun):
        return noun

    def detect(self, images, labels):
        return [self.found.get(i.tobytes(), []) for i in images]


def test_a_run_measures_every_score_of_a_metric(tmp_path):
    """With a detector that knows the clean places and loses one thing where one is missing."""
    group = make_cases("instance missing", 3)
    found = {}
    for case in group:
        kept = case.layout.instances
        gone = round(case.severity * len(kept))
        found[case.image.tobytes()] = [
            Detection(i.noun, 0.9, i.box) for i in kept[: len(kept) - gone]
        ]
    result = calibrate(
        scenes=3,
        faults=["instance missing"],
        metrics=["numeracy@fixed", "spatial_2d@fixed"],
        judges={},
        given={"detector": TrueDetector(found)},
        resamples=20,
    )
    (row,) = result["rows"]
    assert (row["score"], row["mode"], row["fault"]) == ("numeracy", "fixed", "instance missing")
    assert row["auc"]["value"] == 1
    assert json.loads(json.dumps(result)) == result
    text = tables(result)
    assert "instance missing" in text and "numeracy" in text and "images/s" in text
    (path,) = plots(result, tmp_path / "plots")
    with Image.open(path) as image:
        assert image.size[0] > 300


def test_switches_are_measured_one_at_a_time():
    """With a detector that finds the asked things in their places in every picture."""
    cases = make_cases("relation inverted", 3)
    found = {
        case.image.tobytes(): [Detection(i.noun, 0.9, i.box) for i in case.layout.instances]
        for case in cases
    }
    rows = switches({}, scenes=3, metrics=["spatial_2d"], given={"detector": TrueDetector(found)})
    names = [row["switch"] for row in rows]
    assert names == ["official", *(f.name for f in fields(spatial_2d.Fixes)), "fixed"]
    by_name = {row["switch"]: row for row in rows}
    assert by_name["official"]["differs"] == 0
    assert by_name["fixed"]["clean"] == by_name["fixed"]["spoilt"] == 1
    assert by_name["no_confidence"]["differs"] > 0
    assert json.loads(json.dumps(rows)) == rows
    text = switches_text(rows)
    assert "spatial_2d: relation inverted" in text and "no_floor" in text
    with pytest.raises(BenchError, match="did you mean 'numeracy'"):
        switches({}, metrics=["numeracie"])


def test_true_depth_knows_its_pictures(cases):
    group = cases["depth inverted"]
    judge = TrueDepth(group)
    assert judge.depth([group[0].image])[0] is group[0].depth


def test_bad_requests():
    with pytest.raises(BenchError, match="did you mean 'instance moved'"):
        calibrate(faults=["instance move"])
    with pytest.raises(BenchError, match="at least 2"):
        calibrate(scenes=1)


def ratings_file(folder, lines, head="image,prompt,rating"):
    for k in range(4):
        Image.new("RGB", (32, 32), (60 * k, 0, 0)).save(folder / f"{k}.png")
    path = folder / "ratings.csv"
    path.write_text("\n".join([head, *lines]))
    return path


@pytest.mark.parametrize(
    ("lines", "head", "message"),
    [
        (["0.png,a dog,1"] * 3, "image,prompt", "no column rating"),
        (["0.png,a dog,good"] * 3, "image,prompt,rating", "line 2: rating 'good'"),
        (["0.png,a dog,nan"] * 3, "image,prompt,rating", "rating 'nan'"),
        (["9.png,a dog,1"] * 3, "image,prompt,rating", "'9.png' is not there"),
        (["../x.png,a dog,1"] * 3, "image,prompt,rating", "leaves the folder"),
        (["0.png, ,1"] * 3, "image,prompt,rating", "prompt is empty"),
        (["0.png,a dog,1"], "image,prompt,rating", "at least 3"),
    ],
)
def test_bad_ratings_name_the_line(tmp_path, lines, head, message):
    with pytest.raises(BenchError, match=message):
        read_ratings(ratings_file(tmp_path, lines, head))


def test_ratings_are_correlated_with_scores(tmp_path, clip_folder):
    from bench.judges import load_clip

    lines = [f"{k}.png,a red dog,0" for k in range(4)]
    path = ratings_file(tmp_path, lines)
    judge = load_clip(str(clip_folder))
    images = [Image.open(tmp_path / f"{k}.png").convert("RGB") for k in range(4)]
    cosines = judge.cosine(images, ["a red dog"] * 4)
    path.write_text(
        "image,prompt,rating\n" + "\n".join(f"{k}.png,a red dog,{c}" for k, c in enumerate(cosines))
    )
    result = calibrate_ratings(
        path, metrics=["clip_score"], judges={"clip": str(clip_folder)}, resamples=20
    )
    assert result["rows"][0]["spearman"]["value"] == pytest.approx(1)
    assert result["left_out"] == []
    assert "clip_score" in tables(result)


def test_the_shipped_judges_reach_their_targets_on_a_few_held_out_scenes():
    if not (POCKET_MODELS / "blip").is_dir():
        pytest.skip("the pocket BLIP is not there")
    result = calibrate(
        scenes=12,
        faults=["attributes swapped", "instance missing", "instance moved"],
        metrics=["blip_vqa@fixed", "localization"],
        seed=5,
        resamples=20,
    )
    assert len(result["targets"]) == len(TARGETS)
    assert [t for t in result["targets"] if not t["reached"]] == []
