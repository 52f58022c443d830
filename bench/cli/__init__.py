"""The command line: flags to config objects, one module per command group.

A command's module is imported only when that command is given, and offers two functions:

``configure(parser: argparse.ArgumentParser) -> None``
    adds the arguments (without importing torch: ``--help`` calls it);
``execute(args: argparse.Namespace) -> int``
    does the work and returns the exit status.

A command that prints figures calls ``bench.cli.output.add_json(parser)`` and ends with
``bench.cli.output.emit(args, document, text)``. Whatever else is printed while ``--json`` is given
goes to standard error, so that standard output holds the one JSON document.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Sequence

from bench.errors import BenchError, unknown_name

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("bench.cli.run", "generate images, score them, print the leaderboard"),
    "score": ("bench.cli.score", "score a run again, or other people's images"),
    "report": ("bench.cli.report", "write the HTML report of one run or several"),
    "compare": ("bench.cli.compare", "what differs between two runs, paired"),
    "gate": ("bench.cli.gate", "pass or fail a run against a recorded baseline, for CI"),
    "gate-rates": ("bench.cli.gate_rates", "measure false alarms and detections of the gate"),
    "list": ("bench.cli.listing", "list models, methods, metrics or suites"),
    "doctor": ("bench.cli.doctor", "check versions, weights and a tiny run on this machine"),
    "layouts": ("bench.cli.layouts", "build, check, render, import and diff sketch layouts"),
    "data": ("bench.cli.data", "fetch and verify prompt sets"),
    "pocket": ("bench.cli.pocket", "render, train and evaluate the pocket world and its models"),
    "analyze": ("bench.cli.analyze", "record attention by token class, layer and step"),
    "ablate": ("bench.cli.ablate", "run the ablation table of a method"),
    "calibrate": ("bench.cli.calibrate", "test the metrics against known faults or human ratings"),
    "perf": ("bench.cli.perf", "time attention, generation and scoring side by side"),
    "check-method": ("bench.cli.check_method", "check that a method keeps its contract"),
    "check-metric": ("bench.cli.check_metric", "check that a metric keeps its contract"),
    "push": ("bench.cli.push", "export a run as a data set"),
}
"""Command name to its module and its one-line help."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 failed, 2 wrong use, 130 Ctrl-C)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(argv)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what is finished is kept: the same command goes on from there",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED


def _dispatch(argv: list[str]) -> int:
    commands = available()
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Evaluation harness for multi-instance synthesis with diffusion transformers.",
        epilog="'python -m bench COMMAND --help' explains one command.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = argv[0] if argv else ""
    if chosen and not chosen.startswith("-") and chosen not in commands:
        raise unknown_name("command", chosen, commands)
    for name, (module, summary) in commands.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary.capitalize())
        if name == chosen:
            command = importlib.import_module(module)
            command.configure(subparser)
    args = parser.parse_args(argv)
    if not getattr(args, "json", False):
        return int(command.execute(args))
    args.json_stream = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        return int(command.execute(args))


def available() -> dict[str, tuple[str, str]]:
    """The commands whose module is there (looked up, not imported)."""
    return {
        name: entry
        for name, entry in COMMANDS.items()
        if importlib.util.find_spec(entry[0]) is not None
    }
