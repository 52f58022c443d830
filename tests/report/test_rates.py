"""Measured rates of the gate: right on a pool whose truth is known."""

import json

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.gate.rates import rates

SKILLS = (("baseline", 0.4), ("ast", 0.8), ("ast[i2t=1.0]", 0.35))


@pytest.fixture(scope="module")
def pool(frame_of):
    made = frame_of(prompts=30, seeds=4, skills=SKILLS)
    more = made[made.score == "blip_vqa"].assign(score="leakage")  # explains; never gated
    return pd.concat([made, more], ignore_index=True)


def by_name(result):
    return {rate.name: rate for rate in result.rates}


def test_a_weakened_method_is_seen_and_an_unchanged_one_is_not(pool):
    result = rates(pool, method="ast", weakened="ast[i2t=1.0]", repeats=25)
    found = by_name(result)
    assert [r.gates for r in result.rates] == [25] * 3
    assert found["unchanged, other seeds"].failed <= 3
    assert found["weakened, the record's seeds"].failed >= 23
    assert found["weakened, other seeds"].failed >= 22
    for rate in result.rates:
        assert rate.failed + rate.undecided + rate.passed == 25
        assert rate.failed_interval.low <= rate.share <= rate.failed_interval.high
        checks = {
            f"{m} {s}" for m in ("ast", "baseline") for s in pool.score.unique() if s != "leakage"
        }
        assert set(rate.by_score) <= checks
    change = result.changes["instance_success"]
    values = pool[pool.score == "instance_success"].groupby("method").value.mean()
    assert change.difference == pytest.approx(values["ast[i2t=1.0]"] - values["ast"])
    assert change.pairs == 120


def test_an_equal_method_fails_no_more_often_than_an_unchanged_one(pool):
    """The gate reads the images, not the name: a twin in the weakened place is no weakened one."""
    twin = pool[pool.method == "ast"].assign(method_label="twin", key=lambda f: f.key.str[::-1])
    both = pd.concat([pool[pool.method == "ast"], twin], ignore_index=True)
    result = rates(both, method="ast", weakened="twin", repeats=15)
    found = by_name(result)
    assert found["weakened, the record's seeds"].passed == 15
    assert found["weakened, other seeds"].failed <= 3
    assert result.changes["instance_success"].note == "equal on every image"


def test_the_drawing_is_repeatable_and_its_seed_matters(frame_of):
    close = frame_of(prompts=10, seeds=4, skills=(("ast", 0.6), ("weak", 0.4)))

    def counts(seed):
        found = rates(close, method="ast", weakened="weak", repeats=12, seed=seed, margin=0)
        return json.dumps(found.to_json()["rates"], allow_nan=False)

    assert counts(1) == counts(1)
    assert len({counts(seed) for seed in range(3)}) > 1


def test_a_pool_that_is_too_small_or_wrong_is_refused(pool, frame_of):
    with pytest.raises(BenchError, match="did you mean 'ast'"):
        rates(pool, method="asd", weakened="baseline")
    with pytest.raises(BenchError, match="did you mean 'blip_vqa'"):
        rates(pool, method="ast", weakened="baseline", scores=["blip_vq"])
    with pytest.raises(BenchError, match="its own weakened form"):
        rates(pool, method="ast", weakened="ast")
    with pytest.raises(BenchError, match="needs 6: run with --n-seeds 6"):
        rates(pool, method="ast", weakened="baseline", each=3)
    with pytest.raises(BenchError, match="both must be at least 1"):
        rates(pool, method="ast", weakened="baseline", repeats=0)
    uneven = pool[(pool.layout_id != "layout-3") | (pool.seed != 43)]
    with pytest.raises(BenchError, match="do not all have the same seeds"):
        rates(uneven, method="ast", weakened="baseline")
