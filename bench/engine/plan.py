"""From a configuration to the full list of jobs, partitioned into batches once and for all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.engine.config import RunConfig
from bench.errors import BenchError
from bench.identity import digest
from bench.models import model_spec, with_settings
from bench.store import PlannedJob
from bench.suites import Suite, layouts_suite, load_suite
from bench.types import Job, Layout, ModelSpec

if TYPE_CHECKING:
    from bench.methods.base import Method


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A prompt of the suite that this model cannot be asked for."""

    layout: Layout
    words: tuple[str, ...]
    """Words that its text encoder does not know."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run will do, known before the first image."""

    spec: ModelSpec
    suite: Suite
    left_out: tuple[LeftOut, ...]
    in_vocabulary: int
    """Prompts that the model can be asked for, before the limit."""
    methods: Mapping[str, Method]
    """By label, the baseline first."""
    jobs: tuple[PlannedJob, ...]
    identity: Mapping[str, Any]
    """JSON; two plans with equal identities make the same images."""

    @property
    def default_name(self) -> str:
        """Readable name of the run folder, unique to the identity."""
        others = [label for label in self.methods if label != "baseline"] or ["baseline"]
        words = [self.spec.name, self.suite.name, *others]
        name = re.sub(r"[^A-Za-z0-9.=@_+-]+", "-", "-".join(words)).strip("-")
        return f"{name[:80]}-{digest(dict(self.identity))[:8]}"


def make_methods(config: RunConfig, spec: ModelSpec) -> dict[str, Method]:
    """The methods of a run by label; BenchError for unknown names, presets and constants."""
    return {
        choice.label: make_method(choice.name, choice.preset, choice.overrides, spec)
        for choice in config.all_methods
    }


def make_method(
    name: str, preset: str | None, overrides: Mapping[str, Any], spec: ModelSpec
) -> Method:
    """One method with the preset that is given, else the model's default preset for it."""
    target = registry.resolve("method", name)
    if not hasattr(target, "create"):
        raise BenchError(f"method {name!r} ({target!r}) has no create(preset, overrides)")
    method: Method = target.create(preset or spec.method_presets.get(name), overrides)
    return method


def resolve_spec(config: RunConfig) -> ModelSpec:
    """The model with the run's own settings, dtype and batch size."""
    spec = with_settings(model_spec(config.model), config.settings)
    return replace(
        spec,
        dtype=config.dtype or spec.dtype,
        batch_size=config.batch_size or spec.batch_size,
        judges={**spec.judges, **config.judges},
    )


def resolve_suite(config: RunConfig) -> Suite:
    """The suite cut to the run's categories, before anything is left out."""
    if config.layouts is None:
        return load_suite(config.suite, data=config.data, categories=config.categories)
    if config.data is not None:
        raise BenchError("--layouts FILE has its prompts in it; leave --data away")
    return layouts_suite(Path(config.layouts)).select(config.categories)


def without_unknown_words(
    suite: Suite, model: str, unknown_words: Callable[[str], Sequence[str]]
) -> tuple[Suite, tuple[LeftOut, ...]]:
    """The part of a suite whose words the model knows, and what is left out.

    Raises BenchError when the suite does not allow that, or when nothing remains.
    """
    found = {layout.id: tuple(unknown_words(layout.prompt)) for layout in suite.layouts}
    left_out = tuple(LeftOut(e, found[e.id]) for e in suite.layouts if found[e.id])
    if left_out and not suite.skip_unknown_words:
        first = left_out[0]
        more = f" (and {len(left_out) - 1} more prompts)" if len(left_out) > 1 else ""
        raise BenchError(
            f"model {model} does not know {', '.join(map(repr, first.words))} in prompt "
            f"{first.layout.prompt!r}{more}; use words of its vocabulary or another model"
        )
    kept = tuple(layout for layout in suite.layouts if not found[layout.id])
    if not kept:
        raise BenchError(
            f"model {model} knows all the words of none of the {len(suite.layouts)} prompts of "
            f"suite {suite.name}; choose another model or suite"
        )
    return replace(suite, layouts=kept), left_out


def make_plan(
    config: RunConfig,
    *,
    spec: ModelSpec,
    suite: Suite,
    left_out: tuple[LeftOut, ...],
    model_digest: str,
    device: str,
) -> Plan:
    """All jobs in order: (layout, seed) pairs in chunks of the batch size, each for every method.

    So a run that is stopped early has the same pairs for all methods. The partition is fixed by the
    whole list, whatever is done of it later: an image's batch, and with it the last bit of its
    pixels, does not depend on where a run was interrupted.
    """
    in_vocabulary = len(suite.layouts)
    suite = suite.select(limit=config.limit)
    methods = make_methods(config, spec)
    pairs = [(layout, seed) for layout in suite.layouts for seed in config.seeds]
    jobs: list[PlannedJob] = []
    batch = 0
    names = {choice.label: choice.name for choice in config.all_methods}
    for start in range(0, len(pairs), spec.batch_size):
        for label, method in methods.items():
            for layout, seed in pairs[start : start + spec.batch_size]:
                job = Job(
                    layout=layout,
                    seed=seed,
                    model=spec.name,
                    model_digest=model_digest,
                    method=names[label],
                    method_args=method.args,
                    settings=spec.settings,
                    dtype=spec.dtype,
                )
                jobs.append(PlannedJob(job, label, batch))
            batch += 1
    identity = {
        "model": spec.name,
        "model_digest": model_digest,
        "settings": spec.settings.to_dict(),
        "dtype": spec.dtype,
        "device": device.partition(":")[0],
        "batch_size": spec.batch_size,
        "methods": {label: dict(method.args) for label, method in methods.items()},
        "suite": suite.name,
        "layouts": suite.digest,
        "seeds": list(config.seeds),
    }
    return Plan(spec, suite, left_out, in_vocabulary, methods, tuple(jobs), identity)
