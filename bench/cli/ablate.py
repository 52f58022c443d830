"""``ablate``: one run with a method and every ablation it names."""

from __future__ import annotations

import argparse
from dataclasses import replace

from bench.cli import run as run_command
from bench.engine.config import MethodChoice, RunConfig
from bench.engine.plan import make_method
from bench.errors import BenchError
from bench.models import model_spec


def configure(parser: argparse.ArgumentParser) -> None:
    run_command.configure(parser)
    parser.description = (
        "Run the ablation table of a method: the method as it is, and with each of its parts "
        "switched off, against the baseline on the same prompts, layouts and seeds. Takes the "
        "arguments of 'run'."
    )


def execute(args: argparse.Namespace) -> int:
    return run_command.execute(args, expand(run_command.config_from(args)))


def expand(config: RunConfig) -> RunConfig:
    """A run's configuration with every ablation of its methods added.

    Raises:
        BenchError: none of the methods names any ablation.
    """
    spec = model_spec(config.model)
    choices: list[MethodChoice] = []
    for choice in config.methods:
        choices.append(choice)
        full = make_method(choice.name, choice.preset, choice.overrides, spec)
        for changes in type(full).ablations.values():
            ablated = {**choice.overrides, **changes}
            if make_method(choice.name, choice.preset, ablated, spec) != full:
                choices.append(replace(choice, overrides=ablated))
    if len(choices) == len(config.methods):
        named = ", ".join(choice.name for choice in config.methods)
        raise BenchError(f"{named}: no ablation to run; a method names its own in 'ablations'")
    return replace(config, methods=tuple(choices))
