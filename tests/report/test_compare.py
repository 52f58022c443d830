"""Two runs side by side, and a run as a data set."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.compare import Entry, Side, compare
from bench.errors import BenchError
from bench.push import to_folder, to_hub


def side(frame, folder, **identity):
    return Side(frame, identity, folder)


def test_the_second_run_is_held_against_the_first(frame_of, tmp_path):
    first = frame_of(prompts=12)
    second = first.copy()
    rise = (second.method == "ast") & (second.score == "blip_vqa")
    second.loc[rise, "value"] = np.clip(second.value[rise] + 0.1, None, 1.5)
    worst = second.index[rise][5]
    second.loc[worst, "value"] -= 0.9
    found = compare(
        side(first, tmp_path / "a", steps=24, settings={"size": 128}),
        side(
            second.sample(frac=1, random_state=0), tmp_path / "b", steps=28, settings={"size": 128}
        ),
    )
    assert found.differences == (("steps", "24", "28"),)
    rows = {(row.b.label, row.score): row.found for row in found.rows}
    assert len(rows) == 6
    moved = rows["ast", "blip_vqa"]
    assert moved.difference == pytest.approx(0.1 - 0.9 / 24) and moved.pairs == 24
    assert rows["baseline", "blip_vqa"].note == "equal on every image"
    top = found.changes[0]
    assert (top.b - top.a) == pytest.approx(-0.8)
    assert top.pictures == tuple(tmp_path / x / first.image[worst] for x in "ab")
    assert len(found.changes) == 10
    sizes = [abs(c.b - c.a) for c in found.changes]
    assert sizes == sorted(sizes, reverse=True)
    for text in (found.text(), found.markdown()):
        assert "steps" in text and "24" in text and top.prompt in text
    assert (
        json.loads(json.dumps(found.to_json(), allow_nan=False))["changes"][0]["seed"] == top.seed
    )


def test_only_common_layouts_and_seeds_count(frame_of, tmp_path):
    first = frame_of(prompts=10)
    second = first[first.layout_id.isin([f"layout-{i}" for i in range(3, 10)])]
    found = compare(side(first, tmp_path), side(second, tmp_path))
    assert {row.found.pairs for row in found.rows} == {14}
    assert any("14 images in common, of 20 and 14" in note for note in found.notes)


def test_one_method_with_two_settings_and_two_models_are_matched(frame_of, tmp_path):
    first, second = frame_of(prompts=6), frame_of(prompts=6)
    second["method_label"] = second.method_label.replace({"ast": "ast[i2t=4.0]"})
    pairs = {(r.a, r.b) for r in compare(side(first, tmp_path), side(second, tmp_path)).rows}
    assert (Entry("pocket-flux", "ast"), Entry("pocket-flux", "ast[i2t=4.0]")) in pairs
    assert len(pairs) == 2
    other = frame_of(prompts=6, model="pocket-sd3")
    pairs = {(r.a, r.b) for r in compare(side(first, tmp_path), side(other, tmp_path)).rows}
    assert (Entry("pocket-flux", "ast"), Entry("pocket-sd3", "ast")) in pairs


def test_runs_without_anything_in_common_are_refused(frame_of, tmp_path):
    first = frame_of(prompts=6)
    with pytest.raises(BenchError, match="nothing in common"):
        compare(side(first, tmp_path), side(first.assign(seed=7), tmp_path))
    unscored = first.assign(value=np.nan, reason="not scored yet")
    with pytest.raises(BenchError, match="no image has a score in both"):
        compare(side(first, tmp_path), side(unscored, tmp_path))


def test_a_pushed_folder_is_a_data_set_with_images(frame_of, tmp_path):
    datasets = pytest.importorskip("datasets")
    run = tmp_path / "run"
    frame = frame_of(prompts=4, run_dir=run)
    first = frame.key == frame.key.iloc[0]
    frame.loc[first, "image"] = None
    frame.loc[first, ["value", "status", "reason"]] = [np.nan, "failed", "no memory"]
    folder = to_folder(frame, run, tmp_path / "data")
    data = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(data) == frame.key.nunique() == 16
    rows = {row["key"]: row for row in data}
    failed = rows[frame.key.iloc[0]]
    assert failed["image"] is None and failed["score_blip_vqa"] is None
    assert json.loads(failed["reasons"])["blip_vqa"] == "no memory"
    for key, part in frame[~first].groupby("key"):
        row, scores = rows[key], part.set_index("score")
        with Image.open(run / scores.image.iloc[0]) as image:
            assert row["image"].tobytes() == image.convert("RGB").tobytes()
        assert row["score_blip_vqa"] == pytest.approx(scores.value["blip_vqa"])
        assert json.loads(row["targets"]) == scores.details["instance_success"]["targets"]
    assert "instance_success" in (folder / "README.md").read_text()
    with pytest.raises(BenchError, match="not empty"):
        to_folder(frame, run, folder)
    assert isinstance(pd.read_parquet(next((folder / "data").glob("*.parquet"))), pd.DataFrame)


def test_a_hub_that_cannot_be_reached_is_explained(frame_of, tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    frame = frame_of(prompts=2, run_dir=tmp_path)
    with pytest.raises(BenchError, match="cannot push to someone/data .*log in with"):
        to_hub(frame, tmp_path, "someone/data")
    with pytest.raises(BenchError, match="must have the form OWNER/NAME"):
        to_hub(frame, tmp_path, "data")
