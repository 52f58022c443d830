"""``run``: the main job, from prompts to a leaderboard and a report."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli.options import add_scoring, integers, judges
from bench.cli.output import add_json, emit
from bench.cli.problems import say_alarms, say_problems
from bench.engine.config import FIRST_SEED, MethodChoice, RunConfig, changes_from
from bench.errors import BenchError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Generate images with the baseline and the methods on the same prompts, layouts and "
        "seeds, score them, and print the leaderboard. The same command continues a run that was "
        "interrupted."
    )
    parser.add_argument("--model", default="pocket-flux", help="name, or a diffusers folder")
    parser.add_argument(
        "--method",
        action="append",
        default=[],
        metavar="NAME[@PRESET]",
        help="method beside the baseline, or module:Class; repeatable, also with other constants "
        "like 'ast[i2t=4.0]' (default: ast)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.NAME=VALUE",
        help="a method's constant, like ast.i2t=4.0, or settings.NAME=VALUE for sampling",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--suite", default="pocket", help="prompts with layouts (list suites)")
    source.add_argument("--layouts", type=Path, metavar="FILE", help="your own layouts, JSONL")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the suite's files")
    parser.add_argument(
        "--category", action="append", default=[], help="only this category; repeatable"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most N prompts, from all categories in turn"
    )
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=integers, metavar="N,...", help=f"default: {FIRST_SEED}")
    seeds.add_argument("--n-seeds", type=int, metavar="N", help=f"N seeds from {FIRST_SEED} on")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--batch-size", type=int, help="images at once (default: the model's)")
    parser.add_argument("--dtype", help="float32, bfloat16, float16 (default: the model's)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder (default: runs/<name>-<digest>)"
    )
    add_scoring(parser)
    add_json(parser)


def config_from(args: argparse.Namespace) -> RunConfig:
    """The configuration that the flags describe; BenchError when they do not fit together."""
    changes, settings = changes_from(args.set)
    methods = tuple(MethodChoice.parse(text, changes) for text in args.method or ["ast"])
    for name in changes:
        if name not in {choice.name for choice in methods}:
            raise BenchError(f"--set {name}.…: method {name!r} is not part of this run")
    if args.steps is not None:
        settings["steps"] = args.steps
    seeds = args.seeds or (FIRST_SEED,)
    if args.n_seeds is not None:
        seeds = tuple(range(FIRST_SEED, FIRST_SEED + args.n_seeds))
    return RunConfig(
        model=args.model,
        methods=methods,
        suite=args.suite,
        data=args.data,
        layouts=args.layouts,
        categories=tuple(args.category),
        limit=args.limit,
        seeds=seeds,
        settings=settings,
        metrics=args.metrics,
        judges=judges(args.judge),
        device=args.device,
        dtype=args.dtype,
        batch_size=args.batch_size,
        out=args.out,
    )


def execute(args: argparse.Namespace, config: RunConfig | None = None) -> int:
    """Do the run that the flags describe, or ``config`` in its place (for kindred commands)."""
    config = config or config_from(args)
    from bench.engine.publish import files, publish
    from bench.engine.run import run

    outcome = run(config)
    board = publish(outcome.run)
    found = files(outcome.run.path)
    problems = say_problems(outcome.scoring, outcome.generation)
    alarms = say_alarms(outcome.run)
    emit(
        args,
        {
            "leaderboard": board.to_json(),
            "sentence": board.sentence(),
            "images": {
                "made": outcome.generation.made,
                "kept": outcome.generation.kept,
                "failed": len(outcome.generation.failed),
            },
            "alarms": alarms,
            "files": found,
        },
        f"\n{board.text()}\n\n{board.sentence()}\n"
        f"Run folder: {found['run']}\nReport: {found['report']}"
        + (f"\nSide by side: {found['pairs']}" if "pairs" in found else ""),
    )
    return 1 if problems else 0
