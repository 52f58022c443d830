"""``doctor``: is this machine fit for a run?"""

from __future__ import annotations

import argparse
import dataclasses
import sys

from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="pocket-flux", help="the model to try")
    parser.add_argument(
        "--record-judges",
        action="store_true",
        help="first record what the shipped judges answer now, after new ones were trained",
    )
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench.doctor import examine

    if args.record_judges:
        from bench.judges import JudgeSet
        from bench.judges.selftest import record
        from bench.models import POCKET_JUDGES

        record(JudgeSet(POCKET_JUDGES))
    findings = []
    for finding in examine(args.model):
        findings.append(finding)
        print(f"{finding.status:<8} {finding.name}: {finding.text}", file=sys.stderr)
    bad = [finding.name for finding in findings if finding.status == "failed"]
    verdict = f"not fit: {', '.join(bad)}" if bad else "fit for a run"
    document = {"fit": not bad, "findings": [dataclasses.asdict(f) for f in findings]}
    emit(args, document, verdict)
    return 1 if bad else 0
