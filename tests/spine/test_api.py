"""The Python API does what the command line does."""

import hashlib
from pathlib import Path

import pytest

import bench
from bench.layouts.io import write_layouts
from bench.store import encode_png


@pytest.fixture(scope="module")
def model(tiny_flux_dir):
    return bench.load_model(tiny_flux_dir, device="cpu")


def test_generate_repeats_itself_and_records_what_it_did(model, pair_layout):
    layout = pair_layout("one")
    image, record = bench.generate(model, layout, seed=3)
    again, _ = bench.generate(model, layout, seed=3)
    assert image.size == (32, 32)
    assert encode_png(image) == encode_png(again)
    assert record.status == "done"
    assert record.image_sha256 == hashlib.sha256(encode_png(image)).hexdigest()
    assert record.seconds > 0
    tuned, other = bench.generate(model, layout, method="ast", seed=3, i2t=4.0)
    assert other.key != record.key
    assert encode_png(tuned) != encode_png(image)


def test_generate_with_zero_strengths_is_the_baseline(model, pair_layout):
    layout = pair_layout("one")
    plain, _ = bench.generate(model, layout)
    zero, _ = bench.generate(
        model, layout, method="ast", i2t=0, i2i=0, t2t=0, phrase_embeddings=False
    )
    assert encode_png(zero) == encode_png(plain)


def test_generate_names_what_it_does_not_know(model, pair_layout):
    with pytest.raises(bench.BenchError, match="'giraffe'"):
        bench.generate(model, pair_layout("odd", ("red", "giraffe")))
    with pytest.raises(bench.BenchError, match="unknown method 'asd'"):
        bench.generate(model, pair_layout("one"), method="asd")
    with pytest.raises(bench.BenchError, match="i3t"):
        bench.generate(model, pair_layout("one"), method="ast", i3t=1)


def test_run_writes_leaderboard_and_report(tiny_flux_dir, pair_layout, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    write_layouts(tmp_path / "l.jsonl", [pair_layout("one"), pair_layout("two", ("green", "dog"))])
    record = bench.run(
        model=str(tiny_flux_dir),
        layouts=tmp_path / "l.jsonl",
        metrics=("tiny_metric:Brightness",),
        device="cpu",
        out=tmp_path / "run",
    )
    assert record.frame()["value"].notna().all()
    for name in (
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard.json",
        "report/index.html",
        "pairs.png",
    ):
        assert (tmp_path / "run" / name).stat().st_size > 100
