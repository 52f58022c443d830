"""Several processes that train one model together, each on batches of its own.

``torchrun --nproc-per-node 2 -m -- bench pocket train flux --threads 1`` starts them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Team:
    """This process's place among ``size`` processes; ``rank`` counts from 0."""

    rank: int
    size: int

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its mean over the team; a missing one counts as zero."""
        if self.size == 1:
            return
        parameters = list(parameters)
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([part.reshape(-1) for part in parts])
        distributed.all_reduce(flat)
        flat /= self.size
        sizes = [p.numel() for p in parameters]
        for parameter, mean in zip(parameters, flat.split(sizes), strict=True):
            parameter.grad = mean.view_as(parameter)

    def wait(self) -> None:
        """Until all processes of the team are here."""
        if self.size > 1:
            distributed.barrier()


ALONE = Team(0, 1)


def join_team() -> Team:
    """The team that ``torchrun`` describes in the environment; alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    if not distributed.is_initialized():
        distributed.init_process_group("gloo")
    return Team(distributed.get_rank(), size)
