"""``list models|methods|metrics|suites``: what can be named, without importing any of it."""

from __future__ import annotations

import argparse

from bench import registry
from bench.cli.output import add_json, emit

_KINDS = {f"{kind}s": kind for kind in registry.GROUPS}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=sorted(_KINDS), help="what to list")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    found = registry.entries(_KINDS[args.kind]).values()
    width = max((len(e.name) for e in found), default=0)
    emit(
        args,
        {args.kind: [{"name": e.name, "summary": e.summary, "target": e.target} for e in found]},
        "\n".join(f"{e.name:<{width}}  {e.summary}" for e in found),
    )
    return 0
