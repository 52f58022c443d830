"""``push``: a run as a data set with images, in a folder or on the hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli.options import add_run_folder
from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    add_run_folder(parser)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--folder", type=Path, metavar="DIR", help="a new folder (Parquet)")
    target.add_argument("--hub", metavar="OWNER/NAME", help="a data set of the Hugging Face hub")
    parser.add_argument("--public", action="store_true", help="hub: visible to everybody")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench import push
    from bench.store import Run

    run = Run.open(args.run)
    frame = run.frame()
    if args.folder:
        where = str(push.to_folder(frame, run.path, args.folder))
    else:
        where = push.to_hub(frame, run.path, args.hub, private=not args.public)
    images = int((frame["status"] == "done").groupby(frame["key"]).first().sum())
    emit(args, {"where": where, "images": images}, f"{images} images: {where}")
    return 0
