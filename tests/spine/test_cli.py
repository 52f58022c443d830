"""The command line as a user meets it: fast, clean, with errors that help."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cli import available, main
from bench.layouts.io import write_layouts

ROOT = Path(__file__).parents[2]
QUICK = [["--help"], *(["list", kind] for kind in ("models", "methods", "metrics", "suites"))]


def bench(*arguments, **options):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        **options,
    )


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_quick_commands_answer_in_half_a_second(arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert bench(*arguments).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # processor time, because waiting for other work on the machine is not this command's fault
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 0.5


@pytest.mark.parametrize("arguments", [*QUICK, *([name, "--help"] for name in available())],
                         ids=" ".join)  # fmt: skip
def test_quick_commands_and_all_helps_import_nothing_heavy(arguments):
    code = (
        "import sys; from bench.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'PIL', 'diffusers', 'spacy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_importing_the_package_is_light_and_its_names_are_there():
    code = (
        "import sys, bench\n"
        "assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)\n"
        "for name in bench.__all__: assert getattr(bench, name) is not None\n"
        "assert 'torch' not in sys.modules\n"
        "try: bench.nothing\n"
        "except AttributeError: print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "ok\n", done.stderr


def test_list_json_is_one_document(capsys):
    assert main(["list", "methods", "--json"]) == 0
    out = capsys.readouterr().out
    names = [row["name"] for row in json.loads(out)["methods"]]
    assert {"ast", "baseline"} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'? Known: "),
        (["run", "--model", "pocket-flx"], "unknown model 'pocket-flx'; did you mean"),
        (["run", "--set", "ast.i2t"], "METHOD.NAME=VALUE"),
        (["run", "--set", "tst.i2t=1"], "method 'tst' is not part of this run"),
        (["run", "--judge", "pocket"], "ROLE=NAME"),
        (["run", "--suite", "t2i-compbench"], "needs --data DIR"),
        (["score"], "either a RUN folder or --images"),
        (["score", "nowhere"], "nowhere is not a run folder"),
        (["report", "nowhere"], "is not a run folder"),
    ],
)
def test_user_errors_are_one_line_and_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.fixture
def small_run(tiny_flux_dir, pair_layout, tmp_path):
    layouts = tmp_path / "two.jsonl"
    write_layouts(layouts, [pair_layout("one"), pair_layout("two", ("green", "cat"))])
    return [
        "run", "--model", str(tiny_flux_dir), "--layouts", str(layouts), "--metrics",
        "tiny_metric:Brightness", "--device", "cpu", "--out", str(tmp_path / "run"),
    ]  # fmt: skip


def test_run_json_is_all_that_stands_on_standard_output(small_run, tmp_path):
    done = bench(*small_run, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["images"] == {"made": 4, "kept": 0, "failed": 0}
    for path in document["files"].values():
        assert Path(path).exists(), path
    assert document["sentence"]
    again = bench("score", str(tmp_path / "run"), "--metrics", "tiny_metric:Brightness", "--json")
    assert json.loads(again.stdout)["scored"] == {}
    text = bench(*small_run)
    assert document["sentence"] in text.stdout
    last = [line.split(":")[0] for line in text.stdout.splitlines()[-3:]]
    assert last == ["Run folder", "Report", "Side by side"]


def test_ctrl_c_keeps_what_is_done_and_exits_130(small_run, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *small_run, "--set", "settings.steps=400"],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    store = tmp_path / "run" / "manifest.json"
    deadline = time.monotonic() + 300
    while not store.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted; what is finished is kept" in err
    assert not list((tmp_path / "run" / "images").glob(".*"))
