"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.errors import BenchError


def integers(text: str) -> tuple[int, ...]:
    """``42,43`` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers like 42,43") from error


def names(text: str) -> tuple[str, ...]:
    """``a,b`` as names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def judges(assignments: list[str]) -> dict[str, str]:
    """``vqa=NAME`` texts by role."""
    chosen = {}
    for text in assignments:
        role, equals, name = text.partition("=")
        if not (role and equals and name):
            raise BenchError(f"--judge {text!r} must have the form ROLE=NAME, like vqa=pocket-blip")
        chosen[role] = name
    return chosen


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """``--metrics``, ``--judge``, ``--device``."""
    parser.add_argument(
        "--metrics",
        type=names,
        default=(),
        metavar="NAME,...",
        help="metrics, as NAME or NAME@official or NAME@fixed (default: see 'list metrics')",
    )
    parser.add_argument(
        "--judge",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="use another judge for a role (vqa, clip, detector) than the model's default",
    )
    parser.add_argument(
        "--device", default="auto", help="torch device; auto: the graphics card if there is one"
    )


def add_run_folder(parser: argparse.ArgumentParser) -> None:
    """One RUN folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
