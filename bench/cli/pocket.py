"""``pocket``: draw the pocket world, train its models, evaluate what is shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli.output import add_json, emit

RECIPES = ("vae", "flux", "detector", "blip", "clip", "all")


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    render = actions.add_parser("render", help="write a sheet of rendered scenes with captions")
    render.add_argument("--out", type=Path, default=Path("pocket-scenes.png"), metavar="FILE.png")
    render.add_argument("--count", type=int, default=24, help="scenes (default: 24)")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--split", default="train", choices=("train", "tune", "test"))

    train = actions.add_parser("train", help="train a model from nothing, or continue its training")
    train.add_argument("recipe", choices=RECIPES)
    train.add_argument(
        "--out", type=Path, default=Path("train"), help="checkpoints and results (default: train)"
    )
    train.add_argument("--steps", type=int, help="optimizer steps in all (default: the recipe's)")
    train.add_argument("--threads", type=int, help="torch threads (default: all cores)")
    train.add_argument(
        "--start", type=Path, metavar="DIR", help="flux: a pipeline folder to train on from"
    )
    train.add_argument(
        "--keep",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="flux: share of the weights of --start in the result (default: 0)",
    )
    train.add_argument(
        "--compile", action="store_true", help="flux: compile the blocks (needs a C++ compiler)"
    )

    evaluate = actions.add_parser("evaluate", help="measure the shipped models against targets")
    evaluate.add_argument("--only", action="append", default=[], metavar="ROW", help="repeatable")
    evaluate.add_argument("--count", type=int, default=200, help="images or scenes a row")
    add_json(evaluate)


def execute(args: argparse.Namespace) -> int:
    if args.action == "render":
        from bench.pocket.sheet import scene_sheet

        scene_sheet(args.out, args.count, seed=args.seed, split=args.split)
        print(f"{args.count} scenes of the {args.split} split: {args.out}")
        return 0
    if args.action == "train":
        from bench.pocket.train.recipes import train

        done = train(
            args.recipe,
            args.out,
            steps=args.steps,
            threads=args.threads,
            start=args.start,
            keep=args.keep,
            compile_blocks=args.compile,
        )
        for folder in done:
            print(f"trained: {folder}")
        return 0
    from bench.pocket.evaluate import evaluate, table

    rows = evaluate(args.only, count=args.count)
    emit(args, {"targets": rows}, table(rows))
    return 0
