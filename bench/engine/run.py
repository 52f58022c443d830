"""The main job: plan, generate what is missing, score what is not scored."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.engine.config import RunConfig
from bench.engine.environment import changes, environment, resolve_device
from bench.engine.generate import Generation, generate_missing
from bench.engine.plan import Plan, make_plan, resolve_spec, resolve_suite, without_unknown_words
from bench.errors import BenchError
from bench.store import Run, lock
from bench.types import ModelSpec

if TYPE_CHECKING:
    from bench.scoring import Scoring

RUNS = Path("runs")
"""Where runs without a folder of their own go, under the working folder."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that has been gone through, and what was done this time."""

    run: Run
    plan: Plan
    generation: Generation
    scoring: Scoring


def run(config: RunConfig) -> Outcome:
    """Do a run, or what is missing of it when its folder is there already.

    Raises BenchError for everything in the configuration that does not exist or does not fit, and
    for a judge that fails its self-test, before the first image is made.
    """
    from bench.backends import load_backend, model_digest
    from bench.judges import JudgeSet
    from bench.judges.selftest import ensure_sound
    from bench.scoring import DEFAULT_METRICS, make_metrics, score_run

    spec = resolve_spec(config)
    suite = resolve_suite(config)
    device = resolve_device(config.device)
    backend = cache(lambda: load_backend(spec, device=device))
    suite, left_out = without_unknown_words(suite, spec.name, backend().unknown_words)
    plan = make_plan(
        config,
        spec=spec,
        suite=suite,
        left_out=left_out,
        model_digest=model_digest(spec),
        device=device,
    )
    judges = JudgeSet(spec.judges, device=device)
    metrics = make_metrics(config.metrics or DEFAULT_METRICS, judges)
    path = config.out or RUNS / plan.default_name
    ensure_sound(judges)
    with lock(path):
        record = create_or_continue(path, plan, environment(device))
        announce(plan, path)
        generation = generate_missing(record, backend, plan.methods)
        scoring = score_run(record, metrics)
    return Outcome(record, plan, generation, scoring)


def create_or_continue(path: Path, plan: Plan, where: dict[str, Any]) -> Run:
    """The run folder of a plan, new or as it was left. The caller holds its lock.

    Raises BenchError when the folder holds another run; warns when it was begun elsewhere.
    """
    if not (path / "manifest.json").exists():
        return Run.create(path, manifest(plan, where), plan.jobs)
    found = Run.open(path)
    differing = [
        name
        for name in sorted({*plan.identity, *found.manifest["identity"]})
        if plan.identity.get(name) != found.manifest["identity"].get(name)
    ]
    if differing:
        raise BenchError(
            f"{path} holds another run (different {', '.join(differing)}); give another --out, or "
            "delete the folder"
        )
    found.check()
    moved = changes(found.manifest["environment"], where)
    if moved:
        print(
            f"warning: {path} was begun with another environment ({'; '.join(moved)}); new images "
            "may differ in their last bits from what an undisturbed run gives",
            file=sys.stderr,
        )
    return found


def manifest(plan: Plan, where: dict[str, Any]) -> dict[str, Any]:
    """What stands in ``manifest.json``."""
    spec: ModelSpec = plan.spec
    return {
        "identity": dict(plan.identity),
        "model": {
            "name": spec.name,
            "family": spec.family,
            "source": spec.source,
            "revision": spec.revision,
            "judges": dict(spec.judges),
        },
        "suite": {
            "name": plan.suite.name,
            "digest": plan.suite.digest,
            "prompts": len(plan.suite.layouts),
            "left_out": [
                {"id": e.layout.id, "category": e.layout.category, "words": list(e.words)}
                for e in plan.left_out
            ],
        },
        "seeds": plan.identity["seeds"],
        "environment": where,
    }


def announce(plan: Plan, path: Path) -> None:
    """Say on standard error what will be run, and which prompts are left out and why."""
    if plan.left_out:
        print(left_out_text(plan), file=sys.stderr)
    print(
        f"{plan.spec.name}, suite {plan.suite.name}: {len(plan.suite.layouts)} prompts x "
        f"{len(plan.identity['seeds'])} seeds x {len(plan.methods)} methods "
        f"({', '.join(plan.methods)}) in {path}",
        file=sys.stderr,
    )


def left_out_text(plan: Plan) -> str:
    """How many prompts are in the vocabulary, and the words that keep the others out."""
    counts: dict[str, int] = {}
    for entry in plan.left_out:
        for word in dict.fromkeys(entry.words):
            counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts, key=lambda w: (-counts[w], w))
    words = ", ".join(f"{word} ({counts[word]})" for word in ranked[:20])
    more = f", and {len(ranked) - 20} more words" if len(ranked) > 20 else ""
    known, left_out = plan.in_vocabulary, len(plan.left_out)
    return (
        f"{known} of {known + left_out} prompts are in the vocabulary of {plan.spec.name}; "
        f"{left_out} are left out for words that it does not know: {words}{more}"
    )
