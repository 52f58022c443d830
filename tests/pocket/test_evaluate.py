"""``pocket evaluate``: rows of figures with intervals, on the shipped models."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.pocket import evaluate as module
from bench.pocket.evaluate import (
    TARGETS,
    ast_ratio,
    evaluate,
    held_out_layouts,
    interval,
    share,
    table,
)
from bench.pocket.world.splits import pair_split


def test_unknown_row_and_too_few_images_are_refused_by_name():
    with pytest.raises(BenchError, match="vae-psnr"):
        evaluate(["vae-psnr"])
    with pytest.raises(BenchError, match="--count 1"):
        evaluate(count=1)


def test_interval_holds_the_mean_and_narrows_with_more_values():
    few, many = interval([0.0, 1.0] * 8), interval([0.0, 1.0] * 200)
    assert few["value"] == many["value"] == 0.5
    assert few["low"] < many["low"] < 0.5 < many["high"] < few["high"]
    assert many["n"] == 400


def test_shares_keep_a_width_when_all_answers_are_alike():
    row = share([True] * 64)
    assert row["value"] == row["high"] == 1.0 and row["n"] == 64
    assert row["low"] == pytest.approx(0.025 ** (1 / 64))  # all right with a chance of 2.5 %
    mixed = share([True, False, False, True])
    assert mixed["low"] < mixed["value"] == 0.5 < mixed["high"]


def test_held_out_layouts_ask_for_colours_that_training_never_combined():
    layouts = held_out_layouts("color", 2, 12)
    assert len({layout.id for layout in layouts}) == 12
    for layout in layouts:
        assert len(layout.instances) == 2
        assert all(len(i.attributes) == 1 for i in layout.instances)
    alone = held_out_layouts("single", 1, 12)
    assert {pair_split(i.noun, a) for e in alone for i in e.instances for a in i.attributes} == {
        "test"
    }


def test_ast_ratio_pairs_prompts_and_resamples_them(monkeypatch):
    rows = [
        {
            "score": score,
            "mode": mode,
            "layout_id": f"p{k}",
            "seed": seed,
            "method": method,
            "value": value if score == "instance_success" and mode == "fixed" else 9.0,
        }
        for score in ("instance_success", "blip_vqa")
        for mode in ("fixed", "official")
        for k in range(6)
        for seed in (42, 43)
        for method, value in (("baseline", 0.2 + 0.1 * k), ("ast", 0.3 + 0.15 * k))
    ]
    monkeypatch.setattr(module, "_ast_frame", lambda: pd.DataFrame(rows))
    found = ast_ratio("instance_success")
    assert found["value"] == pytest.approx(1.5)
    assert found["low"] == pytest.approx(1.5) and found["high"] == pytest.approx(1.5)
    assert found["n"] == 6


def test_command_prints_a_row_for_each_name_with_its_details(capsys):
    only = ["vae-psnr-db", "clip-retrieval-top1"]
    flags = [part for name in only for part in ("--only", name)]
    assert main(["pocket", "evaluate", *flags, "--count", "4", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["targets"]
    assert [r["name"] for r in rows] == only
    for row in rows:
        assert row["target"] == TARGETS[row["name"]][0]
        assert row["low"] <= row["value"] <= row["high"]
        assert row["n"] == 4
    assert rows[0]["value"] > 28  # decibels: the shipped VAE's, on any few renders
    named = {d["name"]: d for d in rows[1]["details"]}
    assert 0 <= named["against_wrong_caption"]["value"] <= 1
    text = table(rows)
    assert "against_wrong_caption" in text and all(math.isfinite(r["value"]) for r in rows)
