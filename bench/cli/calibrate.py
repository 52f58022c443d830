"""``calibrate``: do the metrics see known faults, and do they agree with people?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.cli.options import judges as judges_from
from bench.cli.options import names
from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score pocket scenes with known faults (or images that people rated) by every metric, and "
        "say how well each score tells wrong from right."
    )
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument(
        "--ratings", type=Path, metavar="FILE", help="CSV with the columns image, prompt, rating"
    )
    alone.add_argument(
        "--sweep", action="store_true", help="localization only, over detection and IoU thresholds"
    )
    alone.add_argument(
        "--switches",
        action="store_true",
        help="the official scores, each repair alone, and all repairs",
    )
    parser.add_argument("--scenes", type=int, default=60, metavar="N", help="scenes a fault")
    parser.add_argument("--faults", type=names, default=(), metavar="NAME,...", help="default: all")
    parser.add_argument(
        "--metrics", type=names, default=(), metavar="NAME,...", help="as NAME or NAME@MODE"
    )
    parser.add_argument(
        "--judge", action="append", default=[], metavar="ROLE=NAME", help="another judge"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write a PNG for each fault")
    parser.add_argument("--device", default="cpu", help="torch device of the judges")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench.calibrate import FAULTS, calibrate, calibrate_ratings, tables
    from bench.calibrate.ratings import RATING_METRICS
    from bench.calibrate.run import METRICS
    from bench.calibrate.sweep import sweep, sweep_text
    from bench.calibrate.switches import REPAIRED, switches, switches_text
    from bench.calibrate.tables import plots
    from bench.models import OPEN_JUDGES, POCKET_JUDGES

    chosen = judges_from(args.judge)

    def progress(text: str) -> None:
        print(text, file=sys.stderr)

    pocket = {**POCKET_JUDGES, **chosen}
    if args.sweep:
        rows = sweep(pocket, scenes=args.scenes, device=args.device, seed=args.seed)
        emit(args, {"scenes": args.scenes, "rows": rows}, sweep_text(rows))
        return 0
    if args.switches:
        rows = switches(
            pocket,
            scenes=args.scenes,
            metrics=args.metrics or tuple(REPAIRED),
            device=args.device,
            seed=args.seed,
            progress=progress,
        )
        emit(args, {"scenes": args.scenes, "rows": rows}, switches_text(rows))
        return 0
    if args.ratings:
        result = calibrate_ratings(
            args.ratings,
            metrics=args.metrics or RATING_METRICS,
            judges={**OPEN_JUDGES, **chosen},
            device=args.device,
            progress=progress,
        )
    else:
        result = calibrate(
            scenes=args.scenes,
            faults=args.faults or tuple(FAULTS),
            metrics=args.metrics or METRICS,
            judges=pocket,
            device=args.device,
            seed=args.seed,
            progress=progress,
        )
        if args.plots:
            result["plots"] = [str(path) for path in plots(result, args.plots)]
    emit(args, result, tables(result))
    return 0
