"""Training checkpoints that resume exactly: tensors in safetensors, numbers in JSON, no pickle.

A checkpoint is one file. It is written under a temporary name and then renamed, so a killed run
leaves either the old checkpoint or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from bench.errors import BenchError


def save_checkpoint(
    path: Path,
    modules: Mapping[str, torch.nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: Mapping[str, Any],
) -> None:
    """Write modules, optimizer states and a JSON-able ``state`` (step, settings) to one file."""
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, Any] = {"state": dict(state), "optimizers": {}}
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            tensors[f"module/{name}/{key}"] = value.contiguous().clone()
    for name, optimizer in optimizers.items():
        groups = optimizer.state_dict()
        numbers["optimizers"][name] = {}
        for index, entry in groups["state"].items():
            for key, value in entry.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer/{name}/{index}/{key}"] = value.contiguous().clone()
                else:
                    numbers["optimizers"][name].setdefault(str(index), {})[key] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    save_file(tensors, temporary, metadata={"numbers": json.dumps(numbers)})
    os.replace(temporary, path)


def load_checkpoint(
    path: Path,
    modules: Mapping[str, torch.nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> dict[str, Any]:
    """Restore what ``save_checkpoint`` wrote, in place; returns its ``state``.

    Raises:
        BenchError: the file is damaged, or holds another model's tensors.
    """
    try:
        with safe_open(path, framework="pt") as f:
            numbers = json.loads(f.metadata()["numbers"])
            tensors = {key: f.get_tensor(key) for key in f.keys()}  # noqa: SIM118 (not a dict)
        for name, module in modules.items():
            prefix = f"module/{name}/"
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )
    except Exception as error:
        raise BenchError(
            f"checkpoint {path.name} cannot be read ({error}); delete it to start anew"
        ) from error
    for name, optimizer in optimizers.items():
        entries: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            if key.startswith(f"optimizer/{name}/"):
                _, _, index, field = key.split("/")
                entries.setdefault(int(index), {})[field] = value
        for index, fields in numbers["optimizers"][name].items():
            entries.setdefault(int(index), {}).update(fields)
        # The groups hold settings, not learned state: a resumed run takes them from its command.
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    state: dict[str, Any] = numbers["state"]
    return state
