"""``check-method``: does a method keep its contract?"""

from __future__ import annotations

import argparse
from typing import Any

from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a method on a small model: it is deterministic, leaves the model as it was, gives "
        "in a batch what it gives alone, is the baseline at zero strength, and declares its needs."
    )
    parser.add_argument("method", help="name, NAME@PRESET, or my_module:MyMethod")
    parser.add_argument("--model", default="pocket-flux", help="name, or a diffusers folder")
    parser.add_argument("--steps", type=int, default=4, help="denoising steps (default: 4)")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    from bench import registry
    from bench.backends import load_backend
    from bench.methods.check import check_method
    from bench.models import model_spec, with_settings
    from bench.suites import load_suite

    spec = with_settings(model_spec(args.model), {"steps": args.steps})
    name, _, preset = args.method.partition("@")
    target = registry.resolve("method", name)
    backend: Any = load_backend(spec)
    layouts = [e for e in load_suite("pocket-tune").layouts if len(e.instances) > 1]
    checks = check_method(
        target, backend, layouts[:3], preset=preset or spec.method_presets.get(name)
    )
    failed = [c for c in checks if c.passed is False]
    words = {True: "ok", False: "FAILED", None: "n/a"}
    lines = [f"{words[c.passed]:<7} {c.name}: {c.detail}" for c in checks]
    verdict = f"{args.method}: " + (f"{len(failed)} checks failed" if failed else "all is well")
    rows = [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks]
    document = {"method": args.method, "model": spec.name, "ok": not failed, "checks": rows}
    emit(args, document, "\n".join([*lines, verdict]))
    return 1 if failed else 0
