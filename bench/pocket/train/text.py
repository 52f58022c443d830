"""Text side of the pocket generators: word-level tokenizers and small, untrained text encoders.

Both tokenizers are the real classes with the pocket world's words as vocabulary: T5's Unigram,
where every word is one token and any other word becomes ``<unk>``, and CLIP's byte-pair encoding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.trainers import BpeTrainer
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
    """Byte-pair encoding with every listed word as one token; other words fall into pieces."""
    trained = Tokenizer(BPE(end_of_word_suffix="</w>"))
    trained.pre_tokenizer = Whitespace()
    trained.train_from_iterator(
        [" ".join(words)],
        BpeTrainer(
            special_tokens=["<|startoftext|>", "<|endoftext|>"],
            initial_alphabet=list("abcdefghijklmnopqrstuvwxyz"),
            end_of_word_suffix="</w>",
            vocab_size=10_000,
            show_progress=False,
        ),
    )
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return CLIPTokenizer(vocab=model["vocab"], merges=merges, model_max_length=MAX_TOKENS + 8)


def t5_encoder(tokenizer: T5TokenizerFast) -> T5EncoderModel:
    """An untrained two-layer T5 encoder, 192 wide."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=T5_WIDTH,
            d_kv=32,
            d_ff=512,
            num_layers=2,
            num_heads=6,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


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
