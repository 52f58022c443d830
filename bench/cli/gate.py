"""``gate``: pass or fail a run against a recorded baseline."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli.options import add_run_folder, names
from bench.cli.output import add_json, emit
from bench.errors import BenchError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Hold a run against a record: exit status 1 when a score fell by more than the margin "
        "with statistical confidence, 0 when none did, and when the run is too small to tell 0, "
        "or 2 with --strict. 'gate RUN --record FILE' writes the record."
    )
    add_run_folder(parser)
    parser.add_argument("--against", type=Path, metavar="FILE", help="record to hold the run to")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write this run's record there; with --against only if it passes",
    )
    parser.add_argument(
        "--margin",
        action="append",
        default=[],
        metavar="[SCORE=]X",
        help="fall that is put up with, for all scores or one; repeatable (default: 0.02)",
    )
    parser.add_argument("--scores", type=names, metavar="NAME,...", help="check only these scores")
    parser.add_argument("--strict", action="store_true", help="exit 2 when undecided")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help="add a Markdown summary to this file"
    )
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    if not (args.against or args.record):
        raise BenchError("give --against FILE to check the run, or --record FILE to record it")
    everywhere, margins = margins_from(args.margin)
    from bench.engine.publish import directions
    from bench.files import read_json_object, write_atomic, write_json
    from bench.gate import MARGIN, gate, record
    from bench.store import Run

    run = Run.open(args.run)
    frame = run.frame(details=False)
    if not args.against:
        write_json(args.record, record(frame, name=run.path.name, higher_is_better=directions(run)))
        emit(args, {"record": str(args.record)}, f"Recorded: {args.record}")
        return 0
    against = read_json_object(args.against, "record it with 'gate RUN --record FILE'")
    margin = MARGIN if everywhere is None else everywhere
    result = gate(frame, against, margin=margin, margins=margins, scores=args.scores)
    if args.junit:
        write_atomic(args.junit, result.junit().encode())
    if args.summary:
        # Appended, because the file that CI systems offer for it may hold other steps' summaries.
        with args.summary.open("a", encoding="utf-8") as f:
            f.write(result.markdown())
    if args.record and result.exit_code(strict=True) == 0:
        write_json(args.record, record(frame, name=run.path.name, higher_is_better=directions(run)))
    code = result.exit_code(strict=args.strict)
    emit(args, {**result.to_json(), "exit_code": code}, result.text())
    return code


def margins_from(texts: list[str]) -> tuple[float | None, dict[str, float]]:
    """``0.02`` for all scores (None: not given) and ``blip_vqa=0.05`` for one.

    >>> margins_from(["0.01", "blip_vqa=0.05"])
    (0.01, {'blip_vqa': 0.05})
    """
    everywhere: float | None = None
    single: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError as error:
            raise BenchError(f"--margin {text!r} must be a number, or SCORE=NUMBER") from error
        if equals:
            single[name] = number
        else:
            everywhere = number
    return everywhere, single
