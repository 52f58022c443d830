"""The word pieces of the pocket judges: every word of the world, the answers, special tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.pocket.world.vocabulary import PUNCTUATION, words

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]")
"""BERT's, and BLIP's two: [DEC] starts an answer, [ENC] starts a question."""
PAD, UNK, CLS, SEP, _, DEC, ENC = range(len(SPECIAL))
YES, NO = len(SPECIAL), len(SPECIAL) + 1


def vocabulary() -> list[str]:
    """All tokens; the position is the id."""
    rest = [w for w in words() if w not in ("yes", "no", *PUNCTUATION)]
    return [*SPECIAL, "yes", "no", *PUNCTUATION, "?", *rest]


def save_tokenizer(folder: Path) -> None:
    """Write a BERT tokenizer (``vocab.txt``, ``tokenizer.json`` and its configuration)."""
    tokenizer().save_pretrained(folder)


def tokenizer() -> Any:
    """A ``transformers.BertTokenizer`` over ``vocabulary()``; unknown words become [UNK]."""
    from transformers import BertTokenizer

    ids = {token: k for k, token in enumerate(vocabulary())}
    made = BertTokenizer(vocab=ids, do_lower_case=True, model_max_length=40)
    made.add_special_tokens({"additional_special_tokens": ["[DEC]", "[ENC]"]})
    return made
