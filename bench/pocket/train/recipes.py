"""All recipes by name, in the order in which they build on each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.errors import BenchError

VAE_STEPS, VAE_ENCODER_STEPS, VAE_DECAY = 2000, 1600, 400
FLUX_STEPS, FLUX_DECAY = 17_500, 1600  # as many samples as the shipped weights saw
JUDGES = ("detector", "blip", "clip")


def train(
    recipe: str,
    out: Path,
    *,
    steps: int | None,
    threads: int | None,
    start: Path | None = None,
    keep: float = 0.0,
    compile_blocks: bool = False,
) -> Iterator[Path]:
    """Run a recipe (or all of them) in ``out``; yields each folder when it is done.

    Args:
        steps: optimizer steps in all instead of the recipe's own; its phases keep their shares.
        threads: torch threads; None leaves torch's choice.
        start: a pipeline folder from whose weights and VAE the recipe ``flux`` goes on.
        keep: share of that folder's weights in the result, 0..1.
        compile_blocks: whether ``flux`` compiles its blocks.
    """
    import torch

    if start is not None and recipe != "flux":
        raise BenchError(f"--start belongs to the recipe 'flux', not to {recipe!r}; leave it away")
    if keep and start is None:
        raise BenchError(f"--keep {keep} is a share of the weights of --start; give both")
    if not 0 <= keep <= 1:
        raise BenchError(f"--keep {keep} is no share; take one of 0 to 1")
    if steps is not None and steps < 10:
        raise BenchError(f"--steps {steps} is too few for a recipe's phases; take 10 or more")
    if steps is not None and recipe == "all":
        raise BenchError("--steps belongs to one recipe; name it instead of 'all'")
    if threads is not None:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    if recipe in ("vae", "all"):
        from bench.pocket.train import vae

        total = steps or VAE_STEPS
        encoder, decay = total * VAE_ENCODER_STEPS // VAE_STEPS, total * VAE_DECAY // VAE_STEPS
        yield vae.train(out, steps=total, encoder_steps=encoder, decay_steps=decay)
    if recipe in ("flux", "all"):
        from bench.pocket.train import flux

        total = steps or FLUX_STEPS
        decay = total * FLUX_DECAY // FLUX_STEPS
        yield flux.train(
            out,
            (start or out) / "vae",
            steps=total,
            decay_steps=decay,
            start=start,
            keep=keep,
            compile_blocks=compile_blocks,
        )
    for name in JUDGES:
        if recipe in (name, "all"):
            yield _judge(name, out / name, steps)


def _judge(name: str, out: Path, steps: int | None) -> Path:
    from importlib import import_module

    module = import_module(f"bench.pocket.judges.{name}")
    phases = module.PHASES
    if steps is not None:
        whole = sum(phase.steps for phase in phases.values())
        phases = {k: replace(p, steps=steps * p.steps // whole) for k, p in phases.items()}
    module.train(out, **phases)
    return out
