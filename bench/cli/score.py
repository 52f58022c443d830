"""``score``: a run folder again, or other people's images."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import add_scoring, judges
from bench.cli.output import add_json, emit
from bench.cli.problems import say_problems
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.store import Run


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score a run folder with (more) metrics, or score images that were made elsewhere: "
        "'score --images DIR --layouts FILE --method NAME --out RUN'. Files are found by name, "
        "<layout id>_<seed>.png, or <prompt>_<number>.png as T2I-CompBench writes them."
    )
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="run folder")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of images")
    parser.add_argument("--layouts", type=Path, metavar="FILE", help="their layouts, JSONL")
    parser.add_argument(
        "--mapping", type=Path, metavar="CSV", help="columns file,layout_id,seed, in place of names"
    )
    parser.add_argument(
        "--model", default="unknown", help="what made them; a known model's judges are the default"
    )
    parser.add_argument("--method", default="images", help="their row in the leaderboard")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder for the images, new or existing"
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
    if args.layouts is None or args.out is None:
        raise BenchError("--images needs --layouts FILE and --out DIR")
    for name in (args.model, args.method):
        if not re.fullmatch(r"[\w.@=+\[\],-]{1,80}", name):
            raise BenchError(f"name {name!r} may hold letters, digits and . _ - @ = + only")
    from bench import registry
    from bench.engine.adopt import adopt, imported_manifest
    from bench.engine.environment import environment, resolve_device
    from bench.images import take_inventory
    from bench.layouts.io import read_layouts
    from bench.models import OPEN_JUDGES, model_spec
    from bench.store import Run, lock

    layouts = read_layouts(args.layouts)
    inventory = take_inventory(args.images, layouts, args.mapping)
    if not inventory.found:
        raise BenchError(
            f"no file in {args.images} belongs to a layout of {args.layouts}; files are named "
            "<layout id>_<seed>.png, or give --mapping CSV"
        )
    known = args.model in registry.entries("model")
    default = model_spec(args.model).judges if known else OPEN_JUDGES
    with lock(args.out):
        if (args.out / "manifest.json").exists():
            run = Run.open(args.out)
            run.check()
        else:
            where = environment(resolve_device(args.device))
            manifest = imported_manifest(layouts, args.layouts.stem, args.model, default, where)
            run = Run.create(args.out, manifest, [])
        adoption = adopt(run, inventory, model=args.model, method=args.method)
        for path in inventory.strangers:
            print(f"ignored: {path} belongs to no layout", file=sys.stderr)
        for job, why in adoption.failed:
            print(f"failed image: {job.layout.id}, seed {job.seed}: {why}", file=sys.stderr)
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


def _score(args: argparse.Namespace, run: Run, adopted: dict[str, Any] | None) -> int:
    from bench.engine.environment import resolve_device
    from bench.engine.publish import files, publish
    from bench.scoring import DEFAULT_METRICS, make_metrics, score_run

    roles = {**run.manifest["model"]["judges"], **judges(args.judge)}
    metrics = make_metrics(
        args.metrics or DEFAULT_METRICS, roles, device=resolve_device(args.device)
    )
    scoring = score_run(run, metrics)
    problems = say_problems(scoring)
    board = publish(run)
    found = files(run.path)
    emit(
        args,
        {
            "leaderboard": board.to_json(),
            "sentence": board.sentence(),
            "scored": scoring.scored,
            **({"images": adopted} if adopted is not None else {}),
            "files": found,
        },
        f"\n{board.text()}\n\n{board.sentence()}\n"
        f"Run folder: {found['run']}\nReport: {found['report']}",
    )
    return 1 if problems or (adopted and adopted["failed"]) else 0
