"""gate, compare and push on a run folder, and the workflow files of the docs."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.cli import main
from bench.cli.gate import margins_from
from bench.errors import BenchError
from bench.store import PlannedJob, Run, encode_png
from bench.types import (
    Box,
    GenerationRecord,
    GenerationSettings,
    Instance,
    Job,
    Layout,
    Score,
)

DOCS = Path(__file__).parents[2] / "docs" / "ci"
SETTINGS = GenerationSettings(steps=4, height=16, width=16)
COLUMN = {"higher_is_better": True, "description": "share", "range": [0, 1]}


def layout(i):
    prompt = f"a red cat {i}"
    cat = Instance("a red cat", (0, 9), "cat", (6, 9), ("red",), ((2, 5),), Box(0.1, 0.1, 0.9, 0.9))
    return Layout(f"color-{i}", prompt, "color", (cat,))


def make_run(path, *, fall=0.0, prompts=20, failed=0):
    """A finished run of two methods whose scores are made up; the store and the files are real."""
    rng = np.random.default_rng(0)
    jobs = [
        PlannedJob(Job(layout(i), 42, "pocket-flux", "0" * 64, method, {}, SETTINGS), method, i)
        for i in range(prompts)
        for method in ("baseline", "ast")
    ]
    where = {"device": "cpu", "libraries": {"torch": "2.15"}}
    identity = {"model": "pocket-flux", "layouts": "d" * 64, "seeds": [42], "fall": fall}
    suite = {"name": "pocket", "digest": "d" * 64, "prompts": prompts, "left_out": []}
    run = Run.create(
        path, {"identity": identity, "suite": suite, "seeds": [42], "environment": where}, jobs
    )
    png = encode_png(Image.new("RGB", (16, 16), "red"))
    broken = {job.job.key for job in jobs[1 : 2 * failed : 2]}
    records = []
    for job in jobs:
        key = job.job.key
        if key in broken:
            records.append((GenerationRecord(key, "failed", error="out of memory"), None))
        else:
            records.append((GenerationRecord(key, "done", "0" * 64, 1.0, 8, 100.0), png))
    run.save_images(records)
    metric = run.use_metric("localization", "fixed", {"judge": "x"}, {"instance_success": COLUMN})
    scores = []
    for image in run.images():
        value = rng.uniform(0.4, 0.8) - (fall if image.method_label == "ast" else 0)
        if image.record.status == "done":
            scores.append((image.id, [Score("instance_success", value, None, {})]))
    run.save_scores(metric, scores)
    run.close()
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "good")


@pytest.fixture(scope="module")
def recorded(good, tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "baseline.json"
    assert main(["gate", str(good), "--record", str(path)]) == 0
    return path


def test_gate_passes_the_run_it_recorded(good, recorded, capsys):
    assert main(["gate", str(good), "--against", str(recorded), "--strict"]) == 0
    assert "Gate passed: 2 passed" in capsys.readouterr().out
    assert "a red cat" not in recorded.read_text()


def test_gate_fails_a_fallen_method_and_writes_its_files(recorded, tmp_path, capsys):
    fallen = make_run(tmp_path / "fallen", fall=0.2)
    args = ["gate", str(fallen), "--against", str(recorded), "--json"]
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    files = ["--junit", str(tmp_path / "gate.xml"), "--summary", str(summary)]
    renewed = tmp_path / "renewed.json"
    assert main([*args, *files, "--record", str(renewed)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["exit_code"]) == ("fail", 1)
    assert 'failures="1"' in (tmp_path / "gate.xml").read_text()
    assert summary.read_text().startswith("# before\n### Gate failed")
    assert not renewed.exists()
    assert main(["gate", str(fallen), "--against", str(recorded), "--margin", "0.5"]) == 0


def test_gate_is_undecided_on_a_small_run(recorded, tmp_path, capsys):
    small = make_run(tmp_path / "small", fall=0.01, prompts=4)
    args = ["gate", str(small), "--against", str(recorded)]
    assert (main(args), main([*args, "--strict"])) == (0, 2)
    assert "Gate undecided" in capsys.readouterr().out


def test_gate_fails_when_images_fail(recorded, tmp_path, capsys):
    broken = make_run(tmp_path / "broken", failed=2)
    assert main(["gate", str(broken), "--against", str(recorded)]) == 1
    assert "generation failed: out of memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "give --against FILE"),
        (["--against", "nowhere.json"], "nowhere.json is missing; record it"),
        (["--against", "{record}", "--margin", "x=y"], "must be a number"),
        (["--against", "{record}", "--scores", "fid"], "unknown recorded score 'fid'"),
    ],
)
def test_wrong_use_of_gate_is_explained(good, recorded, capsys, extra, message):
    args = [text.replace("{record}", str(recorded)) for text in extra]
    assert main(["gate", str(good), *args]) == 2
    assert message in capsys.readouterr().err


def test_margins_are_read_for_all_and_for_single_scores():
    assert margins_from([]) == (None, {})
    assert margins_from(["0.1", "a=0.2", "b=0"]) == (0.1, {"a": 0.2, "b": 0.0})
    with pytest.raises(BenchError, match="SCORE=NUMBER"):
        margins_from(["a="])


def test_compare_prints_what_changed(good, tmp_path, capsys):
    fallen = make_run(tmp_path / "fallen", fall=0.2)
    table = tmp_path / "tables" / "compare.md"
    table.parent.mkdir()
    assert main(["compare", str(good), str(fallen), "--markdown", str(table), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"field": "fall", "first": "0.0", "second": "0.2"} in document["differences"]
    moved = {row["second"]["label"]: row["difference"] for row in document["scores"]}
    assert moved["ast"] == pytest.approx(-0.2) and moved["baseline"] == 0
    assert len(document["changes"]) == 10
    assert all(Path(p).is_file() for c in document["changes"] for p in c["pictures"])
    text = table.read_text()
    links = re.findall(r"\]\(<(.+?)>\)", text)
    assert "−0.200" in text and len(links) == 20
    assert all((table.parent / link).is_file() for link in links)


def test_push_writes_a_folder(good, tmp_path, capsys):
    assert main(["push", str(good), "--folder", str(tmp_path / "data"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 40
    assert list((tmp_path / "data" / "data").glob("*.parquet"))


def gate_commands(text):
    """The gate commands of a workflow file, as argument lists."""

    def texts(node):
        if isinstance(node, dict):
            node = list(node.values())
        if isinstance(node, list):
            return [t for inner in node for t in texts(inner)]
        return [node] if isinstance(node, str) else []

    commands = [shlex.split(t) for t in texts(yaml.safe_load(text)) if "bench gate" in t]
    assert all(c[:4] == ["python", "-m", "bench", "gate"] for c in commands)
    return [c[4:] for c in commands]


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_workflow_files_use_the_commands_as_they_are(name, good, recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    commands = gate_commands((DOCS / name).read_text())
    assert len(commands) >= 2 and any("--record" in c for c in commands)
    make_run(tmp_path / "fallen", fall=0.2)
    for command in commands:
        for run, expected in ((good, 0), (tmp_path / "fallen", 1)):
            places = {"runs/ci": str(run), "ci/baseline.json": str(recorded)}
            args = [places.get(a, a.replace("$GITHUB_STEP_SUMMARY", "summary.md")) for a in command]
            assert main(["gate", *args]) == (expected if "--against" in args else 0)


def test_gate_rates_reads_a_run_and_names_what_is_missing(good, capsys):
    assert main(["gate-rates", str(good), "--weakened", "ast[i2t=1.0]"]) == 2
    assert "unknown method of this run 'ast[i2t=1.0]'" in capsys.readouterr().err
    assert main(["gate-rates", str(good), "--weakened", "baseline"]) == 2
    assert "run with --n-seeds 2 or more" in capsys.readouterr().err


def test_report_of_several_runs_is_written_with_every_form_of_the_table(good, tmp_path, capsys):
    assert main(["report", str(good), str(good)]) == 2
    assert "need --out" in capsys.readouterr().err
    other = make_run(tmp_path / "other", prompts=8)
    out = tmp_path / "page"
    assert main(["report", str(good), str(other), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["group"] for row in document["leaderboard"]["rows"]] == ["A", "A", "B", "B"]
    assert {"field": "prompts", "values": {"A": "20", "B": "8"}} in document["leaderboard"][
        "differences"
    ]
    assert Path(document["report"]) == out / "index.html"
    kinds = {path.suffix for path in out.glob("leaderboard.*")}
    assert kinds == {".md", ".csv", ".json", ".tex", ".parquet"}
    assert json.loads((out / "leaderboard.json").read_text()) == document["leaderboard"]
    assert len(list((out / "media").glob("*.png"))) == 40


def test_report_says_how_many_prompts_a_wished_effect_takes(good, tmp_path, capsys):
    rng = np.random.default_rng(2)
    run = Run.open(make_run(tmp_path / "noisy", prompts=12))
    with run._transaction() as db:
        for (image,) in db.execute("SELECT image FROM scores").fetchall():
            db.execute("UPDATE scores SET value = ? WHERE image = ?", (rng.random(), image))
    run.close()
    args = ["report", str(run.path), "--out", str(tmp_path / "page"), "--json"]
    sizes = []
    for effect in ("0.2", "0.1"):
        assert main([*args, "--effect", effect]) == 0
        [row] = json.loads(capsys.readouterr().out)["prompts_needed"]
        assert (row["label"], row["score"], row["now"]) == ("ast", "instance_success", 12)
        sizes.append(row["prompts"])
    assert sizes[0] > 12 and sizes[1] == pytest.approx(4 * sizes[0], rel=0.2)
    assert main([*args, "--effect", "0"]) == 2
    assert "must be above 0" in capsys.readouterr().err
    assert main([*args[:-1], "--effect", "0.1"]) == 0
    assert f"ast instance_success: {sizes[1]} (12)" in capsys.readouterr().out
