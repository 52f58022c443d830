"""Teaches image tokens to attend to the words of the instance that they show.

The velocity loss alone leaves that to chance: a small generator first learns which words the prompt
has and paints them anywhere (``docs/decisions/0006-binding.md``). The renderer knows which image
tokens and which words belong together, so the attention of a few blocks gets a loss of its own.
"""

from __future__ import annotations

import math

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.embeddings import apply_rotary_emb
from torch import nn

OWN_SHARE = 0.3
"""Share of an image token's attention, averaged over heads, from which more goes unrewarded: heads
also have to look at the picture."""
_SMALLEST = 1e-4
"""Keeps logarithms of attention shares finite."""


class KeptNorm(nn.RMSNorm):
    """An ``RMSNorm`` that keeps its last output, also where its block is compiled (a forward hook
    would not be called there)."""

    kept: torch.Tensor | None = None

    @classmethod
    def of(cls, norm: nn.RMSNorm) -> KeptNorm:
        """With the weight of ``norm``, in whose place it is to stand."""
        own = cls(norm.normalized_shape, norm.eps, norm.elementwise_affine)
        own.weight = norm.weight
        return own

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = super().forward(x)
        return self.kept

    def take(self) -> torch.Tensor:
        """The last output; forgets it."""
        assert self.kept is not None, "the attention has not run since the last call"
        kept, self.kept = self.kept, None
        return kept


class AttentionTap:
    """Normalised queries and keys of one attention module, as its last forward computed them.

    Works for both kinds of FLUX blocks: a double-stream block normalises text (``norm_added_k``)
    and image apart, a single-stream block both at once, text first.
    """

    def __init__(self, attention: nn.Module) -> None:
        self.double = attention.added_kv_proj_dim is not None
        names = ("norm_q", "norm_k", *(["norm_added_k"] if self.double else []))
        self.norms = {name: KeptNorm.of(attention.get_submodule(name)) for name in names}
        for name, norm in self.norms.items():
            setattr(attention, name, norm)

    def image_attention(self, rotary: tuple[torch.Tensor, torch.Tensor], text: int) -> torch.Tensor:
        """Attention of image tokens to text tokens, mean over heads: (B, image, text), float32.

        ``rotary``: cosines and sines of the whole sequence; forgets what was kept.
        """
        seen = {name: norm.take() for name, norm in self.norms.items()}
        query, key = seen["norm_q"], seen["norm_k"]
        if self.double:
            key = torch.cat([seen["norm_added_k"], key], dim=1)
        else:
            query = query[:, text:]
        query = apply_rotary_emb(query, tuple(r[text:] for r in rotary), sequence_dim=1)
        key = apply_rotary_emb(key, rotary, sequence_dim=1)
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key).float() / math.sqrt(query.shape[-1])
        return scores.softmax(dim=-1)[..., :text].mean(dim=1)


def tap(
    model: FluxTransformer2DModel, double: tuple[int, ...], single: tuple[int, ...]
) -> list[AttentionTap]:
    """Taps of the attention modules of these double-stream and single-stream blocks."""
    blocks = [model.transformer_blocks[k] for k in double]
    blocks += [model.single_transformer_blocks[k] for k in single]
    return [AttentionTap(block.attn) for block in blocks]


def binding_loss(
    attention: torch.Tensor,
    mention: torch.Tensor,
    word: torch.Tensor,
    noun: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    """How far image tokens are from attending to their own instance's words; a scalar, 0 at best.

    Per image token of an instance the sum of
    - -log of the share that its own noun has of all instances' nouns,
    - the same for its attributes, if it has any: apart, for else a token whose colour can be seen
      would look at the word for it and need not know which noun that word belongs to,
    - how far the attention to its own words is below ``OWN_SHARE`` (in logs).
    Mean over such tokens.

    Args:
        attention: (B, image, text), the shares of attention that text tokens get.
        mention: (B, image), the instance group that each image token shows, -1 for none.
        word: (B, text), the instance group that each text token names or describes, -1 for none.
        noun: (B, text), whether a token is a noun.
        weight: (B,), each sample's weight.
    """
    own_words = (mention[:, :, None] == word[:, None]) & (word >= 0)[:, None]
    own = (attention * own_words).sum(dim=-1) + _SMALLEST
    loss = (math.log(OWN_SHARE) - own.log()).clamp(min=0)
    for kind in (noun, ~noun):
        named = ((word >= 0) & kind)[:, None]
        of_kind = (attention * named).sum(dim=-1) + _SMALLEST
        own_of_kind = (attention * (own_words & named)).sum(dim=-1) + _SMALLEST
        loss = loss + (of_kind.log() - own_of_kind.log()) * (own_words & named).any(dim=-1)
    shown = (mention >= 0) * weight[:, None]
    return (loss * shown).sum() / (mention >= 0).sum().clamp(min=1)
