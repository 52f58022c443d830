"""``data fetch``: bring a prompt set to this machine and verify it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.cli.output import add_json, emit

SETS = ("t2i-compbench",)
DEFAULT = Path("data")


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = commands.add_parser("fetch", help="download a prompt set and verify its SHA-256")
    fetch.add_argument("name", choices=SETS)
    fetch.add_argument("--out", type=Path, help="folder (default: data/NAME)")
    fetch.add_argument(
        "--from",
        dest="source",
        metavar="datasets:ID[:SPLIT]:COLUMN",
        help="take the prompts from a data set's column instead; they are found by their hash",
    )
    add_json(fetch)


def execute(args: argparse.Namespace) -> int:
    out = args.out or DEFAULT / args.name
    if args.source:
        return _from_dataset(args, out)
    from bench.prompts.fetch import Fetched, fetch

    def say(file: Fetched) -> None:
        state = "downloaded, verified" if file.downloaded else "there already, verified"
        print(f"{file.name}: {state}", file=sys.stderr)

    files = fetch(out, on_file=say)
    emit(
        args,
        {"out": str(out), "files": [f.name for f in files],
         "downloaded": sum(f.downloaded for f in files)},
        f"{len(files)} files in {out}; run them with --suite t2i-compbench --data {out}",
    )  # fmt: skip
    return 0


def _from_dataset(args: argparse.Namespace, out: Path) -> int:
    from bench.prompts.fetch import fill_from_texts
    from bench.prompts.sources import read_column, split_dataset

    found = fill_from_texts(read_column(*split_dataset(args.source)), out)
    lines = [f"{category}: {n} of 300 prompts" for category, n in found.items()]
    emit(
        args,
        {"out": str(out), "found": found},
        "\n".join([*lines, f"complete categories written: {out}"]),
    )
    return 0
