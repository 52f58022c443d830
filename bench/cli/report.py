"""``report``: the static page of one run or of several together."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.output import add_json, emit

if TYPE_CHECKING:
    import pandas

    from bench.store import Run


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (default: RUN/report; needed for several)"
    )
    parser.add_argument(
        "--effect", type=float, metavar="X", help="say how many prompts a difference of X takes"
    )
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench.engine.publish import directions
    from bench.errors import BenchError
    from bench.leaderboard import build
    from bench.leaderboard.files import write_files
    from bench.leaderboard.sizes import needed, needed_text
    from bench.report import write
    from bench.store import Run

    runs = [Run.open(path.resolve()) for path in args.runs]
    if args.out is None and len(runs) > 1:
        raise BenchError("several runs need --out DIR: the page belongs to none of them alone")
    out = (args.out or args.runs[0] / "report").resolve()
    frame, root = together(runs)
    higher: dict[str, bool] = {}
    for run in runs:
        higher |= directions(run)
    board = build(frame, higher_is_better=higher)
    sizes = [] if args.effect is None else needed(board, args.effect)
    page = write(frame, root, out, higher_is_better=higher)
    write_files(board, out)
    wished = "" if args.effect is None else f"\n{needed_text(sizes, args.effect)}"
    emit(
        args,
        {
            "leaderboard": board.to_json(),
            "sentence": board.sentence(),
            "report": str(page),
            "prompts_needed": sizes,
        },
        f"{board.text()}\n\n{board.sentence()}{wished}\nReport: {page}\n"
        f"Tables: {out / 'leaderboard'}.md, .csv, .json, .tex, .parquet",
    )
    return 0


def together(runs: list[Run]) -> tuple[pandas.DataFrame, Path]:
    """One frame of several runs and the folder that its image paths start from."""
    import pandas as pd

    root = Path(os.path.commonpath([run.path for run in runs]))
    frames = []
    for run in runs:
        frame = run.frame()
        prefix = run.path.relative_to(root)
        frame["image"] = [str(prefix / p) if p else None for p in frame["image"]]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True), root
