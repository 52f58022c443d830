"""Intervals, tests, ranks and sizes: equal to references, right in simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, false_discovery_control, ttest_1samp
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from bench.stats import (
    cluster,
    compare,
    holm,
    intervals,
    minimum_detectable_effect,
    prompts_needed,
    rank_intervals,
    sign_flip_p,
)
from bench.stats.paired import Comparison

RNG = np.random.default_rng


def repeats(draw, prompts, seeds, count, seed):
    """(prompts * seeds, count) independent data sets, and the prompt of each row."""
    rng = RNG(seed)
    table = np.stack([draw(rng, prompts, seeds).ravel() for _ in range(count)], axis=1)
    return table, np.repeat(np.arange(prompts), seeds)


def normal(rng, g, s):
    return rng.normal(size=(g, 1)) + rng.normal(size=(g, s))


def shares(rng, g, s):
    """Differences of two counts out of three, as of two methods on one prompt."""
    p = np.broadcast_to(rng.beta(1, 1, size=(g, 1)), (g, s))
    return (rng.binomial(3, p) - rng.binomial(3, p)) / 3


def yes_or_no(rng, g, s):
    p = rng.beta(0.5, 0.5, size=(g, 1))
    return (rng.random((g, s)) < p).astype(float) - (rng.random((g, s)) < p)


def skewed(rng, g, s):
    return rng.exponential(size=(g, 1)) - 1 + 0.3 * rng.normal(size=(g, s))


@pytest.mark.parametrize("draw", [normal, shares, yes_or_no, skewed])
@pytest.mark.parametrize("prompts", [24, 60])
def test_interval_covers_the_true_mean_under_clustering(draw, prompts):
    table, labels = repeats(draw, prompts, 2, 2500, seed=prompts)
    found = intervals(cluster(table, labels), resamples=1500)
    covered = np.mean([i is not None and i.low <= 0 <= i.high for i in found])
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("draw", [normal, shares, yes_or_no])
@pytest.mark.parametrize("prompts", [8, 30])
def test_false_alarms_stay_at_five_percent_under_clustering(draw, prompts):
    table, labels = repeats(draw, prompts, 4, 2500, seed=7)
    alarms = np.mean(sign_flip_p(cluster(table, labels), resamples=1000) < 0.05)
    assert alarms <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 2500)


def test_ignoring_prompts_would_give_false_alarms():
    """The simulation above has teeth: counting images as independent fails it."""
    table, labels = repeats(normal, 30, 4, 800, seed=7)
    alone = np.arange(len(labels))
    assert np.mean(sign_flip_p(cluster(table, alone), resamples=500) < 0.05) > 0.12


def test_interval_is_the_bca_of_scipy_apart_from_the_wider_quantiles():
    values = RNG(3).exponential(size=200)
    ours = intervals(cluster(values, np.arange(200)), resamples=20_000)[0]
    scipys = bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=RNG(1))
    wide = scipys.confidence_interval
    assert ours is not None
    assert ours.low == pytest.approx(wide.low, abs=0.01)
    assert ours.high == pytest.approx(wide.high, abs=0.015)
    assert ours.high - values.mean() > values.mean() - ours.low  # skewed to the right


def test_a_mean_over_images_weighs_prompts_by_their_images():
    data = cluster([1.0, 1.0, 1.0, 0.0, np.nan], ["a", "a", "a", "b", "c"])
    assert data.means[0] == 0.75
    assert data.prompts[0] == 2


def test_standard_error_matches_the_plain_one_for_one_image_a_prompt():
    values = RNG(0).normal(size=40)
    error = cluster(values, np.arange(40)).standard_errors[0]
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(40))


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=9))
@settings(max_examples=30, deadline=None)
def test_exact_p_counts_all_sign_patterns(differences):
    sums = np.array(differences)
    bar = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    signs = np.array(list(itertools.product([1, -1], repeat=len(sums))))
    expected = np.mean(np.abs(signs @ sums) >= bar)
    assert sign_flip_p(cluster(sums, np.arange(len(sums))))[0] == pytest.approx(expected)


def test_random_p_is_near_the_t_test_and_never_zero():
    rng = RNG(5)
    values = rng.normal(0.35, 1, size=60)
    p = sign_flip_p(cluster(values, np.arange(60)), resamples=20_000)[0]
    assert p == pytest.approx(ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip_p(cluster(values + 9, np.arange(60)))[0] == pytest.approx(1 / 10_001)


def test_results_do_not_depend_on_order_or_on_company():
    rng = RNG(2)
    a, b = rng.random((80, 2)), rng.random((80, 2))
    prompts = np.repeat(np.arange(40), 2)
    together = compare(a, b, prompts)
    alone = compare(a[:, :1], b[:, :1], prompts)
    assert together[0].interval == pytest.approx(alone[0].interval)
    shuffle = rng.permutation(80)
    again = compare(a[shuffle], b[shuffle], prompts[shuffle])
    assert again[1].interval == pytest.approx(together[1].interval)
    assert again[1].p == together[1].p


def test_swapping_the_methods_mirrors_the_comparison():
    rng = RNG(8)
    a, b = rng.random((60, 1)), rng.random((60, 1)) ** 2
    prompts = np.arange(60)
    one, other = compare(a, b, prompts)[0], compare(b, a, prompts)[0]
    assert one.difference == pytest.approx(-other.difference)
    assert one.p == other.p
    assert (one.wins, one.losses) == (other.losses, other.wins)
    assert one.interval[0] == pytest.approx(-other.interval[1], abs=0.02)


def test_only_pairs_count_and_lower_can_be_better():
    values = np.array([[1.0], [2.0], [np.nan], [0.0]])
    references = np.array([[2.0], [2.0], [5.0], [1.0]])
    found = compare(values, references, list("abcd"), higher_is_better=[False])[0]
    assert (found.pairs, found.wins, found.ties, found.losses) == (3, 2, 1, 0)
    assert found.difference == pytest.approx(-2 / 3)


def test_too_few_prompts_give_a_reason_instead_of_an_interval():
    found = compare(np.ones((10, 1)), np.zeros((10, 1)), list("aabbccddee"))[0]
    assert found.interval is None and found.p is None and found.mde is None
    assert found.note == "5 prompts: an interval needs 6"
    assert compare(np.full((3, 1), np.nan), np.zeros((3, 1)), list("abc")) == [None]


def test_no_spread_gives_a_reason_instead_of_a_zero_width():
    same = compare(np.ones((8, 1)), np.ones((8, 1)), list("abcdefgh"))[0]
    assert same.interval is None and same.p == 1.0
    assert same.note == "equal on every image"
    moved = compare(np.ones((8, 1)), np.zeros((8, 1)), list("abcdefgh"))[0]
    assert moved.interval is None and "no spread" in moved.note
    assert moved.p == pytest.approx(2 / 2**8)


def comparison(p):
    return Comparison(1, 0, 1, None, p, None, 1, 0, 0, 1, 1, None, None)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_holm_is_the_step_down_rule(ps):
    found = holm([comparison(p) for p in ps])
    assert [c.p_holm for c in found] == pytest.approx(multipletests(ps, method="holm")[1])
    fdr = false_discovery_control(ps)
    assert all(c.p_holm >= q - 1e-12 for c, q in zip(found, fdr, strict=True))


def test_holm_passes_over_what_was_not_tested():
    found = holm([None, comparison(0.01), comparison(None)])
    assert found[0] is None and found[2].p_holm is None and found[1].p_holm == 0.01


def test_ranks_separate_clear_winners_and_join_equals():
    rng = RNG(4)
    hard = rng.normal(size=(50, 1))  # differs far more between prompts than methods do
    scores = hard + np.array([0.0, 0.0, 1.0]) + 0.1 * rng.normal(size=(50, 3))
    data = cluster(scores, np.arange(50))
    ranks = rank_intervals(data)[0]
    assert ranks[2] == (1, 1, 1)
    assert {ranks[0][1:], ranks[1][1:]} == {(2, 3)}
    assert rank_intervals(data, higher_is_better=[False])[0][2] == (3, 3, 3)
    few = cluster(scores[:4], np.arange(4))
    assert [r[1:] for r in rank_intervals(few)[0]] == [(1, 3)] * 3


def test_each_table_is_ranked_by_itself():
    scores = RNG(1).random((30, 4)) + np.array([0, 5, 5, 0])
    scores[:10, 2:] = np.nan  # the second table has fewer prompts
    data = cluster(scores, np.arange(30))
    both = rank_intervals(data, [np.array([0, 1]), np.array([2, 3])])
    assert both == [[(2, 2, 2), (1, 1, 1)], [(1, 1, 1), (2, 2, 2)]]


def test_identical_methods_share_the_first_rank():
    scores = np.repeat(RNG(0).random((20, 1)), 2, axis=1)
    assert rank_intervals(cluster(scores, np.arange(20))) == [[(1, 1, 1), (1, 1, 1)]]


def test_size_agrees_with_statsmodels_and_with_itself():
    error, prompts = 0.05, 48
    mde = minimum_detectable_effect(error, prompts)
    deviation = error * math.sqrt(prompts)
    power = TTestPower().power(mde / deviation, nobs=prompts, alpha=0.05)
    assert power == pytest.approx(0.8, abs=1e-6)
    assert prompts_needed(mde, error, prompts) in (48, 49)
    assert prompts_needed(mde / 2, error, prompts) > 3.8 * 48
    assert prompts_needed(100.0, error, prompts) == 6
    assert prompts_needed(0.3, 1e-17, prompts) == prompts_needed(0.3, 0.0, prompts) == 6
    assert prompts_needed(1e-6, error, prompts) is None
    with pytest.raises(ValueError, match="difference of 0"):
        prompts_needed(0.0, error, prompts)


def test_a_difference_of_the_minimum_size_is_found_four_times_in_five():
    rng, prompts = RNG(11), 30
    mde = minimum_detectable_effect(1 / math.sqrt(prompts), prompts)
    table = rng.normal(mde, 1, size=(prompts, 2000))
    found = np.mean(sign_flip_p(cluster(table, np.arange(prompts)), resamples=1000) < 0.05)
    assert found == pytest.approx(0.8, abs=0.03)
