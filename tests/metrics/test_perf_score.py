"""The timing of BLIP-VQA: same scores, and far fewer image passes."""

import pytest

from bench.errors import BenchError
from bench.perf_score import compare_blip, metric_speeds, random_blip, score_text

TINY = (
    {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
     "image_size": 64, "patch_size": 8},
    {"hidden_size": 32, "encoder_hidden_size": 32, "intermediate_size": 64,
     "num_hidden_layers": 2, "num_attention_heads": 4},
)  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return compare_blip(random_blip(*TINY), images=3)


def test_both_ways_give_the_same_scores(result):
    assert result["max_difference"] <= 1e-4
    assert result["questions"] == 6
    assert result["ratio"] == result["official_seconds"] / result["our_seconds"]


def test_text_names_ratio_and_difference(result):
    row = {"metric": "blip_vqa", "mode": "fixed", "images_per_second": 12.34,
           "cpu_images_per_second": 12.34}  # fmt: skip
    text = score_text(
        {"blip_vqa": result, "blip_vqa_pocket": result, "metrics": [row], "threads": 1}
    )
    assert "times faster" in text and "12.3 images/s" in text


def test_speeds_of_each_metric_and_of_all_together(blip_folder):
    names = ["blip_vqa@fixed", "blip_vqa@official"]
    judges = {"vqa": str(blip_folder), "detector": "pocket-yolo"}
    rows = metric_speeds(names, judges, scenes=8)
    assert [(r["metric"], r["mode"]) for r in rows] == [
        ("blip_vqa", "fixed"), ("blip_vqa", "official"), ("all together", "both"),
    ]  # fmt: skip
    assert all(r["images_per_second"] > 0 and r["cpu_images_per_second"] > 0 for r in rows)


def test_the_command_prints_the_document(monkeypatch, capsys, result):
    import json

    from bench import perf_score
    from bench.cli import main

    asked = {}

    def run_score(**settings):
        asked.update(settings)
        return {"blip_vqa": result, "blip_vqa_pocket": result, "metrics": [], "threads": 1}

    monkeypatch.setattr(perf_score, "run_score", run_score)
    assert main(["perf", "score", "--images", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blip_vqa"]["ratio"] == result["ratio"]
    assert asked["images"] == 2


def test_nothing_to_time():
    with pytest.raises(BenchError, match="at least 1"):
        compare_blip(random_blip(*TINY), images=0)
