"""Teaches the words of a question to look at the patches of the thing that they ask about.

Answers alone teach that slowly: whether a colour is anywhere in the picture is learned long before
whether it is on the thing (docs/decisions/0005-judges-eyes.md). The renderer knows the patches, so
the question encoder's cross-attention gets a loss of its own, as the generator's attention does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from bench.pocket.judges import tokens
from bench.pocket.judges.data import Sample
from bench.pocket.world.vocabulary import COLORS, NOUNS, PLURALS, TEXTURES

OWN_SHARE = 0.5
"""Share of a word's attention, averaged over heads, from which more goes unrewarded."""
_SMALLEST = 1e-4
"""Keeps logarithms of attention shares finite."""


class Looks:
    """The cross-attention of a question encoder's layers, as its last forward computed it."""

    def __init__(self, encoder: Any) -> None:
        self.seen: list[torch.Tensor] = []
        for layer in encoder.encoder.layer:
            layer.crossattention.self.register_forward_hook(self._keep)

    def _keep(self, _module: Any, _args: Any, output: tuple[torch.Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            self.seen.append(output[1])

    def take(self) -> list[torch.Tensor]:
        """(B, words, patches) of each layer, mean over heads; forgets them."""
        found = [probabilities.float().mean(dim=1)[..., 1:] for probabilities in self.seen]
        self.seen.clear()
        return found


def looking_loss(
    looks: Sequence[torch.Tensor], ids: torch.Tensor, samples: Sequence[Sample]
) -> torch.Tensor:
    """How far nouns and attributes are from looking at the noun's patches; a scalar, 0 at best.

    Counts the words of questions whose noun can be seen: an attribute of a false question looks at
    the thing as well, to find that it is otherwise.

    Args:
        looks: (B, Q * S, patches) for each layer: the share of its attention that a word gives to
            every patch, the class token left out.
        ids: (B, Q, S) tokens of the questions.
        samples: the B pictures.
    """
    nouns, describes = _tables()
    named = nouns[ids]  # (B, Q, S): noun index or -1
    asked = named.amax(dim=-1)  # (B, Q)
    shown = torch.from_numpy(np.stack([s.truth.nouns.reshape(-1) for s in samples]))
    own = (shown[:, None] == asked[..., None]) & (asked >= 0)[..., None]  # (B, Q, patches)
    counts = ((named >= 0) | describes[ids]) & own.any(dim=-1)[..., None]  # (B, Q, S)
    if not counts.any():
        return looks[0].new_zeros(())
    total = looks[0].new_zeros(())
    for look in looks:
        share = (look.view(*ids.shape, -1) * own[:, :, None]).sum(dim=-1)
        short = math.log(OWN_SHARE) - (share + _SMALLEST).log()
        total = total + short.clamp(min=0)[counts].mean()
    return total / len(looks)


@cache
def _tables() -> tuple[torch.Tensor, torch.Tensor]:
    """For each token of the vocabulary: its noun's index or -1, and whether it is an attribute."""
    vocabulary = tokens.vocabulary()
    place = {word: k for k, word in enumerate(vocabulary)}
    nouns = torch.full((len(vocabulary),), -1)
    for k, noun in enumerate(NOUNS):
        nouns[place[noun]] = nouns[place[PLURALS[noun]]] = k
    describes = torch.zeros(len(vocabulary), dtype=torch.bool)
    describes[[place[word] for word in (*COLORS, *TEXTURES)]] = True
    return nouns, describes
