"""Recorded attention against maps in full, and the windows that follow from a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bench.analysis import plots
from bench.analysis.additive import additive_distance
from bench.analysis.placing import as_drawn, drawn_layouts
from bench.analysis.record import Recorder, Sums
from bench.analysis.run import analyze
from bench.analysis.windows import binding, derive_windows, peaks, write_windows
from bench.errors import BenchError
from bench.methods.ast import AST, MEASURED
from bench.methods.baseline import Baseline
from bench.types import Box, Layout


@pytest.fixture(params=["flux", "sd3"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def cell(table: pd.DataFrame, layer: int, step: int, query: str, key: str) -> float:
    rows = table[
        (table.layer == layer) & (table.step == step) & (table["query"] == query)
        & (table.key == key)
    ]  # fmt: skip
    assert len(rows) == 1
    return float(rows["mean"].iloc[0])


def test_the_record_is_the_mean_of_the_maps(backend: Any, layouts: list[Layout]) -> None:
    """Layout "pair": an apple on the left, a bench on the right, a background phrase."""
    settings = backend.spec.settings
    recorder = Recorder()
    calls: list[Any] = []
    record = recorder._record

    def spy(call: Any, groups: Any) -> None:
        if call.site.order != "image_only":
            calls.append((call, groups))
        record(call, groups)

    object.__setattr__(recorder, "_record", spy)
    backend.generate(layouts[:1], [0], recorder, settings)
    table = recorder.frame()
    batch = backend.batch(layouts[:1], settings)
    words = batch.tokens[0]
    regions = batch.regions[0].reshape(2, -1)

    call = calls[-1][0]
    maps = torch.softmax(
        call.query[0].double() @ call.key[0].double().transpose(-1, -2)
        / call.query.shape[-1] ** 0.5,
        -1,
    ).mean(0).numpy()  # fmt: skip
    text = np.arange(call.text.start, call.text.stop)
    image = np.arange(call.image.start, call.image.stop)

    def share(rows: np.ndarray, columns: Any) -> float:
        return float(maps[np.ix_(rows, np.asarray(columns))].sum(1).mean())

    apple, bench = words.instances
    at = (call.site.layer, call.step)
    own = [share(image[regions[k]], text[list(i.attribute)]) for k, i in enumerate(words.instances)]
    assert cell(table, *at, "instance", "own_attribute") == pytest.approx(np.mean(own), abs=1e-5)
    other = [
        share(image[regions[0]], text[list(bench.instance)]),
        share(image[regions[1]], text[list(apple.instance)]),
    ]
    assert cell(table, *at, "instance", "other_instance") == pytest.approx(np.mean(other), abs=1e-5)
    outside = image[~regions.any(0)]
    assert cell(table, *at, "background", "background") == pytest.approx(
        share(outside, text[list(words.background)]), abs=1e-5
    )
    phrases = [share(text[list(i.all)], text[list(i.all)]) for i in words.instances]
    assert cell(table, *at, "text", "own_phrase") == pytest.approx(np.mean(phrases), abs=1e-5)
    regional = [share(image[r], image[r]) for r in regions]
    assert cell(table, *at, "instance", "own_region") == pytest.approx(np.mean(regional), abs=1e-5)
    assert len(calls) == settings.steps * sum(s.order != "image_only" for s in batch.sites)


def test_recording_changes_nothing(flux: Any, layouts: list[Layout]) -> None:
    settings = flux.spec.settings
    base = flux.generate(layouts, [0, 1], Baseline(), settings)
    seen = flux.generate(layouts, [0, 1], Recorder(), settings)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(base, seen, strict=True))


def test_an_analysis_covers_every_layer_and_step(
    flux: Any, layouts: list[Layout], tmp_path: Path
) -> None:
    done: list[int] = []
    placed = [(layout, seed) for seed in (0, 1) for layout in layouts]
    found = analyze(flux, placed, batch_size=3, on_batch=done.append)
    table = found.table
    assert done == [3, 1]
    assert set(table.layer) == set(range(1, 6)) and set(table.step) == set(range(4))
    assert set(table[table.layer <= 2].stream) == {"double"}
    assert table["mean"].between(0, 1).all() and not table.timestep.isna().any()
    own = table[(table["query"] == "instance") & (table.key == "own_instance")]
    assert set(own.n) == {8}  # two layouts of two instances, two seeds
    other = table[(table["query"] == "instance") & (table.key == "other_instance")]
    assert set(other.n) == {4}  # "two cats" has no other phrase
    assert set(peaks(table)) == {"instance", "attribute", "background", "other_text"}
    assert found.overlay.maps.shape == (5, 2, 8, 8) and (found.overlay.maps > 0).all()
    plots.heat_map(table, tmp_path / "a.png")
    plots.curves(table, tmp_path / "b.png")
    plots.overlays(found.overlay, found.image, [1, 5], tmp_path / "c.png")
    assert all((tmp_path / f"{n}.png").stat().st_size > 1000 for n in "abc")


def test_layouts_move_to_where_things_were_drawn(layouts: list[Layout]) -> None:
    apple, bench = layouts[0].instances
    details = {
        "detections": [{"box": [0.5, 0.5, 0.9, 0.9]}, {"box": [0.0, 0.1, 0.2, 0.4]}],
        "matches": [[1, 0, 0.2], [0, 1, 0.0]],
        "instances": [{"attribute_ok": True}, {"attribute_ok": None}],
    }
    drawn = as_drawn(layouts[0], details)
    assert drawn is not None
    assert [i.box for i in drawn.instances] == [Box(0.0, 0.1, 0.2, 0.4), Box(0.5, 0.5, 0.9, 0.9)]
    assert [i.noun for i in drawn.instances] == [apple.noun, bench.noun]
    assert drawn.prompt == layouts[0].prompt
    # A thing that is not found has words and no place: it is hidden behind the one that is.
    half = as_drawn(layouts[0], {**details, "matches": [[1, 0, 0.2]]})
    assert half is not None and half.instances[0].box == half.instances[1].box
    assert half.instances[0].depth > half.instances[1].depth
    # A thing in another's colour attends to the other's words, and so does not count either.
    swapped = {**details, "instances": [{"attribute_ok": False}, {"attribute_ok": True}]}
    assert as_drawn(layouts[0], swapped) == half
    cats = next(e for e in layouts if len({i.phrase_span for i in e.instances}) == 1)
    assert as_drawn(cats, details) is None
    assert as_drawn(layouts[0], {}) is None


def test_a_model_that_draws_nothing_is_named_as_the_fault(flux: Any, layouts: list[Layout]) -> None:
    done: list[int] = []
    with pytest.raises(BenchError, match="in none of 2 images an instance"):
        drawn_layouts(flux, layouts, [0], on_batch=done.append)
    assert sum(done) == 2


def made_up(
    own: dict[int, float],
    other: float = 0.01,
    attribute: float = 0.0,
    background: dict[int, float] | None = None,
) -> pd.DataFrame:
    """Four layers; instance words attended as given, attribute words in layer 2 alone."""
    sums = Sums(4, 2)
    for layer in range(1, 5):
        for step in range(2):
            sums.add(
                layer,
                step,
                [
                    {
                        ("instance", "own_instance"): own.get(layer, other),
                        ("instance", "other_instance"): other,
                        ("instance", "own_attribute"): attribute if layer == 2 else other,
                        ("instance", "other_attribute"): other,
                    }
                    | (
                        {
                            ("background", "background"): background[layer],
                            ("instance", "background"): other,
                        }
                        if background
                        else {}
                    )
                ],
            )
    return sums.frame(["double"] * 4)


def test_windows_are_where_words_bind() -> None:
    table = made_up({3: 0.5, 4: 0.05}, attribute=0.3)
    both = ("i2i", "t2t")
    assert derive_windows(table) == ((), (*both, "attribute"), (*both, "instance"), ())
    assert derive_windows(table, share=0.05)[3] == (*both, "instance")
    bound = binding(table)
    assert bound.instance.round(3).tolist() == [0.0, 0.0, 0.49, 0.04]
    assert bound.background.isna().all()


def test_the_background_is_tuned_where_it_is_attended_to_most() -> None:
    """Other layers bind it too, and by more than the share that instances' words would need."""
    table = made_up({3: 0.5}, attribute=0.3, background={1: 0.05, 2: 0.06, 3: 0.09, 4: 0.08})
    windows = derive_windows(table)
    assert ["background" in w for w in windows] == [False, False, True, False]
    assert windows[3] == ()
    # Not even there where instances attend to it nearly as much.
    faint = made_up({3: 0.5}, attribute=0.3, background=dict.fromkeys(range(1, 5), 0.012))
    assert not any("background" in w for w in derive_windows(faint))


def test_a_model_that_binds_nothing_has_no_windows() -> None:
    with pytest.raises(BenchError, match="does not bind words to places"):
        derive_windows(made_up({}, attribute=0.01))


def test_written_windows_are_arguments_of_ast(tmp_path: Path) -> None:
    import json

    windows = derive_windows(made_up({3: 0.5}, attribute=0.3))
    write_windows(tmp_path / "w.json", windows, {"model": "made-up"})
    document = json.loads((tmp_path / "w.json").read_text())
    assert AST.create(None, {"windows": document["windows"]}).layer_windows(4) == windows
    assert document["measured"] == {"model": "made-up"}


def test_sums_keep_mean_and_spread() -> None:
    sums = Sums(1, 1)
    key = ("instance", "own_instance")
    sums.add(1, 0, [{key: 0.1}, {key: 0.3}, {}])
    row = sums.frame(["double"]).iloc[0]
    assert (row["n"], row["mean"], row["std"]) == (2, pytest.approx(0.2), pytest.approx(0.1))


def test_additive_ast_nears_exact_ast_as_maps_spread(flux: Any, layouts: list[Layout]) -> None:
    """The term that it drops is c A, which is small where every weight is small."""
    found = additive_distance(flux, layouts, [0, 1], AST(windows="all"))
    assert found["by_step"].keys() == {0, 1} and found["attentions"] == 2 * 2 * 5
    assert 0 < found["distance"] < 0.5
    assert 0 < found["pixels"] < found["pixels_baseline"]


def test_measured_presets_belong_to_the_shipped_weights() -> None:
    """A preset of a shipped model is stale as soon as its weights change."""
    import json

    from bench.backends import model_digest
    from bench.models import POCKET_FLUX, POCKET_MODELS

    shipped = {POCKET_FLUX.name: POCKET_FLUX}
    assert (POCKET_MODELS / POCKET_FLUX.name).is_dir()
    preset = POCKET_FLUX.method_presets["ast"]
    assert preset in AST.presets
    for path in MEASURED.glob("*.json"):
        measured = json.loads(path.read_text())["measured"]
        assert path.stem == measured["model"] and path.stem in AST.presets
        if path.stem in shipped:
            assert measured["model_digest"] == model_digest(shipped[path.stem])
            assert measured["suite"] == "pocket-tune"
