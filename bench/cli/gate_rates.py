"""``gate-rates``: false alarms and detections of the gate, measured on a run."""

from __future__ import annotations

import argparse

from bench.cli.options import add_run_folder, names
from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Repeat the gate on draws from one run with several seeds that holds a method and a "
        "weakened form of it: how often an unchanged method fails, and how often the weakened one."
    )
    add_run_folder(parser)
    parser.add_argument("--method", default="ast", metavar="LABEL", help="default: ast")
    parser.add_argument(
        "--weakened", required=True, metavar="LABEL", help="its weakened form, like 'ast[i2t=0]'"
    )
    parser.add_argument("--repeats", type=int, default=200, metavar="N", help="gates of each kind")
    parser.add_argument(
        "--each", type=int, default=1, metavar="N", help="seeds a prompt on either side of a gate"
    )
    parser.add_argument("--margin", type=float, metavar="X", help="as the gate's")
    parser.add_argument(
        "--scores", type=names, default=(), metavar="NAME,...", help="as the gate's"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the drawing")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench.engine.publish import directions
    from bench.gate import MARGIN
    from bench.gate.rates import rates
    from bench.store import Run

    run = Run.open(args.run)
    result = rates(
        run.frame(details=False),
        method=args.method,
        weakened=args.weakened,
        each=args.each,
        repeats=args.repeats,
        margin=MARGIN if args.margin is None else args.margin,
        scores=args.scores,
        higher_is_better=directions(run),
        seed=args.seed,
    )
    emit(args, result.to_json(), result.text())
    return 0
