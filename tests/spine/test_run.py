"""The main job on a tiny random FLUX: resume after kill -9, batches, failures, continuing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.engine.config import MethodChoice, RunConfig, changes_from
from bench.engine.run import run
from bench.errors import BenchError
from bench.layouts.io import write_layouts
from bench.store import Run


@pytest.fixture(autouse=True)
def metric_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture(scope="module")
def layouts_file(tmp_path_factory, pair_layout):
    colors = ("red", "blue", "green")
    layouts = [
        pair_layout(f"p{i}", (colors[i % 3], "apple"), (colors[(i + 1) % 3], noun), category)
        for i, (noun, category) in enumerate(
            [("bench", "color"), ("cat", "color"), ("dog", "spatial"), ("cat", "spatial"),
             ("dog", "color")]
        )
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("layouts") / "tiny.jsonl"
    write_layouts(path, layouts)
    return path


@pytest.fixture
def config(tiny_flux_dir, layouts_file, tmp_path):
    return RunConfig(
        model=str(tiny_flux_dir),
        layouts=layouts_file,
        metrics=("tiny_metric:Brightness",),
        device="cpu",
        out=tmp_path / "run",
    )


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("images/*")}


def scores(folder):
    frame = Run.open(folder).frame()
    return frame[["key", "score", "value"]].to_dict("records")


@pytest.fixture(scope="module")
def undisturbed(tiny_flux_dir, layouts_file, tmp_path_factory):
    """The run that every interrupted one must end like."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        out = tmp_path_factory.mktemp("undisturbed") / "run"
        outcome = run(
            RunConfig(
                model=str(tiny_flux_dir),
                layouts=layouts_file,
                metrics=("tiny_metric:Brightness",),
                device="cpu",
                out=out,
            )
        )
    finally:
        sys.path.remove(str(Path(__file__).parent))
    assert outcome.generation.made == 10
    assert not outcome.generation.failed
    return out


def test_run_makes_every_pair_and_scores_it(undisturbed):
    record = Run.open(undisturbed)
    images = record.images()
    assert [i.method_label for i in images] == [
        *["baseline"] * 2, *["ast"] * 2, *["baseline"] * 2, *["ast"] * 2, "baseline", "ast",
    ]  # fmt: skip
    assert len(set(hashes(undisturbed).values())) == 10  # AST changes every image
    frame = record.frame()
    assert frame["value"].notna().all()
    assert list(frame["layout_id"].unique()) == ["p0", "p1", "p2", "p3", "p4"]
    assert frame["passes"].eq(4).all()  # two steps with guidance


def test_same_command_again_does_nothing_and_changes_nothing(undisturbed, config):
    before = hashes(undisturbed), scores(undisturbed)
    outcome = run(replace(config, out=undisturbed))
    assert (outcome.generation.made, outcome.generation.kept) == (0, 10)
    assert outcome.scoring.scored == {}
    assert (hashes(undisturbed), scores(undisturbed)) == before


def test_kill_9_at_any_moment_then_run_again_gives_the_same(
    undisturbed, config, tiny_flux_dir, layouts_file
):
    command = [
        sys.executable, "-m", "bench", "run", "--model", str(tiny_flux_dir), "--layouts",
        str(layouts_file), "--metrics", "tiny_metric:Brightness", "--device", "cpu", "--out",
        str(config.out),
    ]  # fmt: skip
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root}:{Path(__file__).parent}"}
    for images in (1, 5):  # the first kill in the middle of the first saving
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 300
        while len(list(config.out.glob("images/*.png"))) < images:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        made = {k: v for k, v in hashes(config.out).items() if k.endswith(".png")}
        assert made.items() <= hashes(undisturbed).items()
    outcome = run(config)
    assert outcome.generation.made < 10
    assert not outcome.generation.drifted
    assert hashes(config.out) == hashes(undisturbed)
    assert scores(config.out) == scores(undisturbed)


def test_lost_and_damaged_images_are_made_again_with_their_whole_batch(config, undisturbed):
    run(config)
    images = Run.open(config.out).images()
    Run.open(config.out).image_path(images[0].key).unlink()
    damaged = Run.open(config.out).image_path(images[9].key)
    damaged.write_bytes(damaged.read_bytes()[:100])
    outcome = run(config)
    assert outcome.generation.made == 2
    assert not outcome.generation.drifted
    assert outcome.scoring.scored == {"brightness": 2}
    assert hashes(config.out) == hashes(undisturbed)
    assert scores(config.out) == scores(undisturbed)


def test_folder_of_another_run_is_refused_with_the_difference(config):
    run(replace(config, limit=1))
    with pytest.raises(BenchError, match=r"another run \(different layouts, seeds\).*--out"):
        run(replace(config, limit=2, seeds=(1,)))


def test_limit_takes_categories_in_turn_and_the_name_is_stable(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = replace(config, limit=2, methods=(MethodChoice("baseline"),), out=None)
    first = run(small)
    assert {e.category for e in first.plan.suite.layouts} == {"color", "spatial"}
    assert first.run.path.parent == Path("runs")
    assert run(small).generation.kept == 2
    assert len(list(Path("runs").iterdir())) == 1


def test_one_bad_prompt_does_not_take_its_batch_with_it(config, pair_layout, tmp_path):
    good = pair_layout("good")
    words = " ".join(["and a dog"] * 9)  # 27 words more: does not fit into 16 tokens
    shift = len(words) + 1
    moved = tuple(
        replace(
            i,
            phrase_span=tuple(x + shift for x in i.phrase_span),
            noun_span=tuple(x + shift for x in i.noun_span),
            attribute_spans=tuple(tuple(x + shift for x in s) for s in i.attribute_spans),
        )
        for i in good.instances
    )
    path = tmp_path / "two.jsonl"
    bad = replace(good, id="bad", prompt=f"{words} {good.prompt}", instances=moved)
    write_layouts(path, [good, bad])
    outcome = run(replace(config, layouts=path))
    assert [image.layout.id for image, _ in outcome.generation.failed] == ["bad"]
    assert "a red apple" in outcome.generation.failed[0][1]
    frame = outcome.run.frame()
    failed = frame[frame["status"] == "failed"]
    assert failed["value"].isna().all()
    assert failed["reason"].str.startswith("generation failed: ").all()
    again = run(replace(config, layouts=path))
    assert (again.generation.made, len(again.generation.failed)) == (0, 1)


def test_fault_of_every_image_stops_the_run(config):
    windows = MethodChoice("ast", overrides={"windows": [["i2t"]]})
    with pytest.raises(BenchError):
        run(replace(config, methods=(windows,)))


def test_unknown_words_are_named(config, pair_layout, tmp_path):
    path = tmp_path / "odd.jsonl"
    write_layouts(path, [pair_layout("odd", ("purple", "giraffe"))])
    with pytest.raises(BenchError, match="does not know 'purple', 'giraffe' in prompt 'a purple"):
        run(replace(config, layouts=path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "pocket-flix"}, "unknown model 'pocket-flix'; did you mean 'pocket-flux'"),
        ({"methods": (MethodChoice("asd"),)}, "unknown method 'asd'; did you mean 'ast'"),
        ({"layouts": None, "suite": "pockett"}, "unknown suite 'pockett'; did you mean 'pocket'"),
        ({"metrics": ("blip_vqq",)}, "unknown metric 'blip_vqq'; did you mean 'blip_vqa'"),
        ({"categories": ("colour",)}, "unknown category of suite tiny 'colour'; did you mean"),
        ({"settings": {"stepz": 3}}, "unknown setting 'stepz'; did you mean 'steps'"),
        ({"methods": (MethodChoice("ast", overrides={"i2x": 1}),)}, "i2x"),
        ({"methods": (MethodChoice("ast", "nope"),)}, "nope"),
        ({"judges": {"vqqa": "x"}}, "vqqa"),
        ({"dtype": "float31"}, "unknown dtype 'float31'; did you mean 'float32'"),
        ({"device": "cudda"}, "device 'cudda' cannot be used here"),
    ],
)
def test_bad_names_stop_before_anything_is_made(config, changes, message):
    with pytest.raises(BenchError) as caught:
        run(replace(config, **changes))
    assert message in str(caught.value)
    assert not (config.out / "manifest.json").exists()


def test_config_checks_itself():
    for changes in ({"seeds": ()}, {"seeds": (1, 1)}, {"limit": 0}, {"methods": ()},
                    {"seeds": (-1,)}, {"batch_size": 0},
                    {"methods": (MethodChoice("ast"), MethodChoice("ast"))}):  # fmt: skip
        with pytest.raises(BenchError):
            RunConfig(**changes)
    assert [c.label for c in RunConfig().all_methods] == ["baseline", "ast"]
    with pytest.raises(BenchError, match="METHOD.NAME=VALUE"):
        changes_from(["ast.i2t"])


def test_a_method_can_be_given_as_its_label_with_constants_of_its_own():
    changes, _ = changes_from(["ast.i2t=4.0", "ast.i2i=2"])
    for text, label, overrides in (
        ("ast", "ast[i2i=2,i2t=4.0]", {"i2t": 4.0, "i2i": 2}),
        ("ast@scaled[i2t=1.5]", "ast@scaled[i2i=2,i2t=1.5]", {"i2t": 1.5, "i2i": 2}),
        ("my.module:M[name=a b,more=[1, 2]]", "my.module:M[more=[1, 2],name=a b]",
         {"name": "a b", "more": [1, 2]}),
    ):  # fmt: skip
        choice = MethodChoice.parse(text, changes)
        assert (choice.label, choice.overrides) == (label, overrides)
    for text in ("ast[i2t=1", "ast[]", "ast[i2t]", "ast[=1]"):
        with pytest.raises(BenchError, match="CONSTANT=VALUE"):
            MethodChoice.parse(text, {})


def test_manifest_says_what_made_the_run(undisturbed):
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["identity"]["methods"]["ast"]["i2t"] == 5.0
    assert manifest["environment"]["libraries"]["torch"]
    assert manifest["environment"]["device"] == "cpu"
    assert manifest["suite"]["prompts"] == 5
