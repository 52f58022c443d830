"""``compare``: what differs between two runs, paired."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.output import add_json, emit

if TYPE_CHECKING:
    from bench.compare import Side
    from bench.store import Run


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compare the second run with the first on the layouts and seeds that both have: what "
        "differs in identity, paired differences of every score, and the images that changed most."
    )
    parser.add_argument("a", type=Path, metavar="RUN_A", help="run folder")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="run folder")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench.compare import compare
    from bench.engine.publish import directions
    from bench.files import write_atomic
    from bench.store import Run

    a, b = Run.open(args.a), Run.open(args.b)
    result = compare(_side(a), _side(b), higher_is_better=directions(a) | directions(b))
    if args.markdown:
        write_atomic(args.markdown, result.markdown(args.markdown.parent).encode())
    emit(args, result.to_json(), result.text())
    return 0


def _side(run: Run) -> Side:
    from bench.compare import Side

    frame = run.frame(details=False)
    protocol = frame["protocol_text"].iloc[0] if len(frame) else {}
    identity = {
        **run.manifest["identity"],
        "metrics": protocol.get("metrics", {}),
        "environment": run.manifest["environment"],
    }
    return Side(frame, identity, run.path)
