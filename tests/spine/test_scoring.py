"""Scoring: what a metric may do wrong, and what becomes of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bench
from bench.errors import BenchError
from bench.scoring import complete, make_metrics, score_samples
from bench.types import Score
from metrics.base import Column, Sample


class Fussy:
    """Raises on dark images, forgets a column on bright ones."""

    name, mode, identity = "fussy", "fixed", {}
    columns = {"a": Column(True, ""), "b": Column(True, "")}

    def score(self, samples):
        means = [float(np.asarray(s.image).mean()) for s in samples]
        if min(means) < 50:
            raise ValueError("too dark")
        both = [[Score("a", m / 255), Score("b", 1.0)] for m in means]
        return [scores[:1] if m > 200 else scores for m, scores in zip(means, both, strict=True)]


@pytest.fixture
def samples(pair_layout):
    return [Sample(Image.new("RGB", (4, 4), (v,) * 3), pair_layout(f"l{v}")) for v in (102, 0, 255)]


def test_one_bad_image_does_not_take_its_batch_with_it(samples):
    metric = Fussy()
    results = score_samples(metric, samples)
    assert results[1] == "fussy failed: ValueError: too dark"
    assert [complete(metric, r)[0].value for r in results] == [0.4, None, 1.0]
    bright = complete(metric, results[2])[1]
    assert (bright.value, bright.reason) == (None, "fussy gave no such score")


def test_undeclared_scores_and_wrong_counts_are_faults(samples):
    class Chatty(Fussy):
        def score(self, samples):
            return [[Score("c", 1.0)] for _ in samples]

    class Short(Fussy):
        def score(self, samples):
            return []

    assert "do not declare the score 'c'" in score_samples(Chatty(), samples[:1])[0]
    assert "0 results for 1 images" in score_samples(Short(), samples[:1])[0]


def test_score_function_gives_a_table(samples, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    samples[0].image.save(tmp_path / "x.png")
    image = Image.effect_noise((8, 8), 50)
    frame = bench.score([image], [samples[0].layout], ["tiny_metric:Brightness"], device="cpu")
    assert list(frame["score"]) == ["brightness"]
    assert frame["value"][0] == pytest.approx(np.asarray(image).mean() / 255)
    with pytest.raises(BenchError, match="blank"):
        bench.score([tmp_path / "x.png"], [samples[0].layout], ["tiny_metric:Brightness"])
    with pytest.raises(BenchError, match="1 images and 0 layouts"):
        bench.score([image], [])


def test_a_metric_given_twice_is_refused(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with pytest.raises(BenchError, match="given twice"):
        make_metrics(["tiny_metric:Brightness", "tiny_metric:Brightness@fixed"], {})
    both = make_metrics(["tiny_metric:Brightness", "tiny_metric:Brightness@official"], {})
    assert [m.mode for m in both] == ["fixed", "official"]
