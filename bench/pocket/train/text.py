"""Text side of the pocket generators: word-level tokenizers and small, untrained text encoders.

Both tokenizers are the real classes with the pocket world's words as vocabulary: T5's Unigram,
where every word is one token and any other word becomes ``<unk>``, and CLIP's byte-pair encoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

MAX_TOKENS = 40
"""Length of every T5 sequence, padding and end mark included."""
SENTENCE_STARTS = frozenset(("a", "an", "the", "one", "two", "three", "four", "five", "six"))
T5_WIDTH = 192
T5_BUCKETS = 16
"""Buckets of T5's relative positions, half of them for tokens before, half for those behind."""
NEIGHBOURS = (-1, 1, -2, 2)
"""Relative positions at which T5's first heads look before they have learned anything."""
NEIGHBOUR_BIAS = 4.0
"""How much (added to the attention's scores)."""
CLIP_WIDTH = 64


def t5_tokenizer(words: Sequence[str]) -> T5TokenizerFast:
    """One token a word; a word that is not listed holds at least one ``<unk>``.

    A piece without the word-start mark ``▁`` exists for punctuation only, so no unknown word can be
    composed of known ones.
    """
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -100.0), ("▁", -2.0)]
    # T5 is cased and a reloaded tokenizer keeps no lower-casing: sentence starts are own tokens.
    starts = [w.capitalize() for w in words if w in SENTENCE_STARTS]
    pieces = [(w if not w[0].isalpha() else "▁" + w, -1.0) for w in [*words, *starts]]
    return T5TokenizerFast(vocab=[*special, *pieces], extra_ids=0, model_max_length=MAX_TOKENS)


def clip_tokenizer(words: Sequence[str]) -> CLIPTokenizer:
    """Byte-pair encoding with every listed word as one token; other words fall into pieces.

    Merges are learned as usual, the most frequent pair first, but ties go to the pair that comes
    first in the alphabet: the library's trainer breaks them differently each time, and token ids
    must not change between the process that caches a caption and the one that learns from it.
    """
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    letters = sorted(set("abcdefghijklmnopqrstuvwxyz") | {c for w in words for c in w})
    vocab = ["<|startoftext|>", "<|endoftext|>", *letters, *(c + "</w>" for c in letters)]
    merges: list[tuple[str, str]] = []
    while pairs := Counter(pair for parts in pieces.values() for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        vocab.append("".join(best))
        pieces = {word: _merged(parts, best) for word, parts in pieces.items()}
    numbers = {piece: k for k, piece in enumerate(dict.fromkeys(vocab))}
    return CLIPTokenizer(vocab=numbers, merges=merges, model_max_length=MAX_TOKENS + 8)


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """A word's pieces after one merge, from left to right."""
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def t5_encoder(tokenizer: T5TokenizerFast) -> T5EncoderModel:
    """An untrained two-layer T5 encoder, 192 wide, whose first heads look at neighbours.

    Which word describes which is told by their order alone, and FLUX gives text tokens no
    positions of their own, so what T5 does not write into a token the generator cannot know.
    """
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=T5_WIDTH,
            d_kv=32,
            d_ff=512,
            num_layers=2,
            num_heads=6,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            relative_attention_num_buckets=T5_BUCKETS,
            relative_attention_max_distance=32,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    bias = encoder.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
    with torch.no_grad():
        for head, offset in enumerate(NEIGHBOURS):
            bucket = abs(offset) + (T5_BUCKETS // 2 if offset > 0 else 0)
            bias.weight[bucket, head] = NEIGHBOUR_BIAS
    return encoder


def clip_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained two-layer CLIP text encoder, 64 wide, for the pooled embedding."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=CLIP_WIDTH,
            intermediate_size=256,
            projection_dim=CLIP_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
