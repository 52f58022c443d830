"""``score``: a run folder again, or other people's images."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import add_scoring, judges
from bench.cli.output import add_json, emit
from bench.cli.problems import say_alarms, say_lines, say_problems
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.store import Run
    from bench.suites import Suite


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score a run folder with (more) metrics, or score images that were made elsewhere: "
        "'score --images DIR --layouts FILE --method NAME'. Files are found by name, "
        "<layout id>_<seed>.png, or <prompt>_<number>.png as T2I-CompBench writes them. The same "
        "command again takes up what is new and scores only that."
    )
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="run folder")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of images")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--layouts", type=Path, metavar="FILE", help="their layouts, JSONL")
    source.add_argument("--suite", help="or the suite that they were made for (list suites)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the suite's files")
    parser.add_argument(
        "--category", action="append", default=[], help="only this category; repeatable"
    )
    parser.add_argument(
        "--mapping", type=Path, metavar="CSV", help="columns file,layout_id,seed, in place of names"
    )
    parser.add_argument(
        "--model", default="unknown", help="what made them; a known model's judges are the default"
    )
    parser.add_argument(
        "--method", help="their row in the leaderboard (default: the name of their folder)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="run folder for the images, new or existing (default: runs/<layouts>-<digest>)",
    )
    add_scoring(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    if (args.run is None) == (args.images is None):
        raise BenchError("give either a RUN folder or --images DIR")
    return _score_images(args) if args.images else _score_again(args)


def _score_again(args: argparse.Namespace) -> int:
    from bench.store import Run, lock

    run = Run.open(args.run)
    with lock(run.path):
        run.check()
        return _score(args, run, adopted=None)


def _score_images(args: argparse.Namespace) -> int:
    method = args.method or _name_of(args.images)
    for name in (args.model, method):
        if not re.fullmatch(r"[\w.@=+\[\],-]{1,80}", name):
            raise BenchError(f"name {name!r} may hold letters, digits and . _ - @ = + only")
    from bench import registry
    from bench.engine.adopt import adopt, imported_manifest
    from bench.engine.environment import environment, resolve_device
    from bench.engine.run import RUNS
    from bench.images import take_inventory
    from bench.models import OPEN_JUDGES, model_spec
    from bench.store import Run, lock

    for text in args.metrics:  # a mistyped one is said before anything is taken up
        registry.resolve("metric", text.partition("@")[0])
    suite = _suite(args)
    inventory = take_inventory(args.images, suite.layouts, args.mapping)
    if not inventory.found:
        raise BenchError(
            f"no file in {args.images} belongs to a layout of {suite.name}; files are named "
            "<layout id>_<seed>.png or <prompt>_<number>.png, or give --mapping CSV"
        )
    known = args.model in registry.entries("model")
    default = model_spec(args.model).judges if known else OPEN_JUDGES
    out = args.out or RUNS / f"{suite.name}-images-{suite.digest[:8]}"
    with lock(out):
        if (out / "manifest.json").exists():
            run = Run.open(out)
            run.check()
        else:
            where = environment(resolve_device(args.device))
            run = Run.create(out, imported_manifest(suite, args.model, default, where), [])
        adoption = adopt(run, inventory, model=args.model, method=method)
        say_lines(
            [f"ignored: {path} belongs to no layout" for path in inventory.strangers],
            rest="--json lists all",
        )
        say_lines(
            f"failed image: {job.layout.id}, seed {job.seed}: {why}" for job, why in adoption.failed
        )
        print(
            f"{adoption.adopted} images taken up, {adoption.kept} there already, "
            f"{len(adoption.failed)} failed, {len(inventory.strangers)} files ignored",
            file=sys.stderr,
        )
        document = {
            "adopted": adoption.adopted,
            "kept": adoption.kept,
            "failed": [
                {"layout": job.layout.id, "seed": job.seed, "reason": why}
                for job, why in adoption.failed
            ],
            "ignored": [str(path) for path in inventory.strangers],
        }
        return _score(args, run, adopted=document)


def _name_of(folder: Path) -> str:
    """What a folder of images is called; of T2I-CompBench's ``samples`` what holds it."""
    path = folder.resolve()
    name = path.parent.name if path.name == "samples" else path.name
    return re.sub(r"[^\w.@=+-]+", "-", name)[:80] or "images"


def _suite(args: argparse.Namespace) -> Suite:
    """What the images were made for; BenchError when nothing says it."""
    from bench.suites import layouts_suite, load_suite

    if args.suite is not None:
        return load_suite(args.suite, data=args.data, categories=args.category)
    if args.layouts is None:
        raise BenchError("--images needs --layouts FILE, or the --suite that they were made for")
    if args.data is not None:
        raise BenchError("--layouts FILE has its prompts in it; leave --data away")
    return layouts_suite(args.layouts).select(args.category)


def _score(args: argparse.Namespace, run: Run, adopted: dict[str, Any] | None) -> int:
    from bench.engine.environment import resolve_device
    from bench.engine.publish import files, publish
    from bench.judges import JudgeSet
    from bench.judges.selftest import ensure_sound
    from bench.scoring import DEFAULT_METRICS, make_metrics, score_run

    roles = {**run.manifest["model"]["judges"], **judges(args.judge)}
    chosen = JudgeSet(roles, device=resolve_device(args.device))
    metrics = make_metrics(args.metrics or DEFAULT_METRICS, chosen)
    ensure_sound(chosen)
    scoring = score_run(run, metrics)
    problems = say_problems(scoring)
    alarms = say_alarms(run)
    board = publish(run)
    found = files(run.path)
    emit(
        args,
        {
            "leaderboard": board.to_json(),
            "sentence": board.sentence(),
            "scored": scoring.scored,
            "alarms": alarms,
            **({"images": adopted} if adopted is not None else {}),
            "files": found,
        },
        f"\n{board.text()}\n\n{board.sentence()}\n"
        f"Run folder: {found['run']}\nReport: {found['report']}",
    )
    return 1 if problems or (adopted and adopted["failed"]) else 0
