"""``check-metric``: does a metric keep its contract?"""

from __future__ import annotations

import argparse
import dataclasses

from bench.cli.options import judges as judges_from
from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a metric on a few pocket scenes: it gives a score or a reason for every column and "
        "image, is deterministic, gives in a batch what it gives alone, and has an identity."
    )
    parser.add_argument("metric", help="name, NAME@MODE, or my_module:MyMetric")
    parser.add_argument(
        "--judge", action="append", default=[], metavar="ROLE=NAME", help="another judge"
    )
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench import registry
    from bench.calibrate.faults import make_cases
    from bench.calibrate.run import pocket_judges
    from bench.metric_check import check_metric
    from bench.models import POCKET_JUDGES
    from metrics.base import Sample

    name, _, mode = args.metric.partition("@")
    target = registry.resolve("metric", name)
    cases = [
        case
        for fault in ("attributes swapped", "relation inverted", "depth inverted", "wrong count")
        for case in make_cases(fault, 2)[:2]
    ]
    names = {**POCKET_JUDGES, **judges_from(args.judge)}
    samples = [Sample(case.image, case.layout) for case in cases]
    checks = check_metric(target, lambda: pocket_judges(cases, names), samples, mode=mode or None)
    failed = [c for c in checks if not c.passed]
    lines = [f"{'ok' if c.passed else 'FAILED':<7} {c.name}: {c.detail}" for c in checks]
    verdict = f"{args.metric}: " + (f"{len(failed)} checks failed" if failed else "all is well")
    document = {
        "metric": args.metric,
        "ok": not failed,
        "checks": [dataclasses.asdict(c) for c in checks],
    }
    emit(args, document, "\n".join([*lines, verdict]))
    return 1 if failed else 0
