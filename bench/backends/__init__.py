"""Generators: one diffusers pipeline family each, behind one protocol. Importing loads no torch."""

from __future__ import annotations

import importlib

from bench.backends.base import Backend, Generated
from bench.backends.identity import model_digest
from bench.errors import BenchError, unknown_name
from bench.types import ModelSpec

FAMILIES = {
    "flux": "bench.backends.flux:FluxBackend",
    "sd3": "bench.backends.sd3:SD3Backend",
}
"""Family of a model to the class that loads it."""

DTYPES = ("float32", "bfloat16", "float16")


def load_backend(spec: ModelSpec, *, device: str = "cpu", dtype: str | None = None) -> Backend:
    """Loads a model's pipeline.

    Args:
        spec: the model.
        device: a torch device, for example ``cpu`` or ``cuda:0``.
        dtype: ``float32``, ``bfloat16`` or ``float16``; None takes the spec's.

    Raises:
        BenchError: the family or dtype is unknown, or the weights cannot be loaded.
    """
    dtype = dtype or spec.dtype
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    if spec.family not in FAMILIES:
        raise unknown_name(f"family of model {spec.name}", spec.family, FAMILIES)
    module, _, name = FAMILIES[spec.family].partition(":")
    backend = getattr(importlib.import_module(module), name)
    try:
        loaded: Backend = backend.load(spec, device=device, dtype=dtype)
    except (OSError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise BenchError(
            f"model {spec.name} cannot be loaded from {spec.source!r}: {reason.strip()}; "
            "give a folder in diffusers format or a hub id that this machine can reach"
        ) from error
    return loaded


__all__ = ["Backend", "Generated", "load_backend", "model_digest"]
