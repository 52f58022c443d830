"""Phrases to token positions, by offsets."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from bench.attention.tokens import TextSegment, TextSequence, layout_tokens
from bench.errors import BenchError
from bench.types import Box, Instance, Layout

WORDS = ["a red refrigerator and a fluffy umbrella", "two cats near a wooden bench in the rain"]


@pytest.fixture(scope="module")
def unigram() -> Any:
    """In T5's manner; the vocabulary is small, so words split into several pieces."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(WORDS * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture(scope="module")
def clip() -> Any:
    letters = "abcdefghijklmnopqrstuvwxyz,"
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=[], model_max_length=20)


def pieces(tokenizer: Any, prompt: str, positions: tuple[int, ...], start: int = 0) -> str:
    ids = tokenizer(prompt)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens([ids[p - start] for p in positions])
    return "".join(tokens).replace("▁", " ").replace("</w>", " ").strip()


@pytest.mark.parametrize("phrase", ["a red refrigerator", "refrigerator", "umbrella", "red", "and"])
def test_a_span_gets_exactly_its_pieces(unigram: Any, phrase: str) -> None:
    prompt = WORDS[0]
    start = prompt.index(phrase)
    sequence = TextSequence((TextSegment(unigram, 0, 64),))
    found = sequence.positions(prompt, (start, start + len(phrase)))
    assert pieces(unigram, prompt, found) == phrase
    if phrase == "refrigerator":
        assert len(found) > 1  # the case is worth its name


def test_repeated_words_are_told_apart(unigram: Any) -> None:
    prompt = "a red bench and a red umbrella"
    sequence = TextSequence((TextSegment(unigram, 0, 64),))
    first, second = sequence.positions(prompt, (2, 5)), sequence.positions(prompt, (18, 21))
    assert max(first) < min(second)
    assert pieces(unigram, prompt, first) == pieces(unigram, prompt, second) == "red"


def test_clip_then_t5(unigram: Any, clip: Any) -> None:
    prompt = "a red bench"
    sequence = TextSequence((TextSegment(clip, 0, 20), TextSegment(unigram, 20, 30)))
    found = sequence.positions(prompt, (2, 5))
    assert sequence.length == 50
    assert pieces(clip, prompt, tuple(p for p in found if p < 20)) == "red"
    assert found[:3] == (2, 3, 4)  # after <|startoftext|> and "a"
    assert pieces(unigram, prompt, tuple(p for p in found if p >= 20), 20) == "red"


def test_an_encoder_that_cuts_the_phrase_is_left_out(unigram: Any, clip: Any) -> None:
    prompt = "a fluffy umbrella and a red bench"
    sequence = TextSequence((TextSegment(clip, 0, 20), TextSegment(unigram, 20, 60)))
    start = prompt.index("bench")
    assert all(p >= 20 for p in sequence.positions(prompt, (start, start + 5)))
    assert any(p < 20 for p in sequence.positions(prompt, (0, 8)))


def test_positions_are_those_that_the_encoder_sees(unigram: Any) -> None:
    """The last position that truncation keeps is found, the next is an error."""
    prompt = " ".join(["red"] * 12)
    for length in range(4, 40):
        sequence = TextSequence((TextSegment(unigram, 0, length),))
        ids = unigram(prompt, truncation=True, max_length=length, padding="max_length")["input_ids"]
        full = unigram(prompt)["input_ids"]
        for word in range(12):
            span = (4 * word, 4 * word + 3)
            whole = TextSequence((TextSegment(unigram, 0, 99),)).positions(prompt, span)
            kept = all(p < length and ids[p] == full[p] for p in whole)
            if kept:
                assert sequence.positions(prompt, span) == whole
            else:
                with pytest.raises(BenchError, match="phrase 'red'"):
                    sequence.positions(prompt, span)


def test_alignment_with_the_phrase_alone(unigram: Any) -> None:
    prompt, span = WORDS[0], (23, 40)
    assert prompt[slice(*span)] == "a fluffy umbrella"
    sequence = TextSequence((TextSegment(unigram, 0, 64),))
    pairs = sequence.align(prompt, span)
    inside = unigram(prompt)["input_ids"]
    alone = unigram("a fluffy umbrella")["input_ids"]
    assert [here for here, _ in pairs] == list(sequence.positions(prompt, span))
    assert [inside[here] for here, _ in pairs] == [alone[there] for _, there in pairs]
    assert [there for _, there in pairs] == list(range(len(pairs)))


def test_classes_of_a_layout(unigram: Any) -> None:
    prompt = "two cats near a bench that is red"
    box = Box(0, 0, 0.5, 1)
    cats = Instance("two cats", (0, 8), "cat", (4, 8), (), (), box)
    bench = Instance("a bench", (14, 21), "bench", (16, 21), ("red",), ((30, 33),), box)
    layout = Layout("x", prompt, "color", (cats, cats, bench))
    sequence = TextSequence((TextSegment(unigram, 0, 64),))
    tokens = layout_tokens(sequence, layout)
    assert tokens.instances[0] == tokens.instances[1]
    assert pieces(unigram, prompt, tokens.instances[0].instance) == "two cats"
    assert pieces(unigram, prompt, tokens.instances[2].attribute) == "red"
    assert pieces(unigram, prompt, tokens.instances[2].instance) == "a bench"
    assert tokens.background == ()


def test_a_phrase_that_fell_off_is_named(unigram: Any) -> None:
    prompt = "a red refrigerator and a fluffy umbrella"
    box = Box(0, 0, 0.5, 1)
    first = Instance("a red refrigerator", (0, 18), "refrigerator", (6, 18), (), (), box)
    last = Instance("a fluffy umbrella", (23, 40), "umbrella", (32, 40), (), (), box)
    sequence = TextSequence((TextSegment(unigram, 0, 16),))
    with pytest.raises(BenchError, match="'a fluffy umbrella' at 23:40 .*16 tokens"):
        layout_tokens(sequence, Layout("x", prompt, "color", (first, last)))


def test_unknown_words(unigram: Any) -> None:
    sequence = TextSequence((TextSegment(unigram, 0, 64),))
    assert sequence.unknown_words("a red Zebra, two 猫 near a Zebra") == ["Zebra", "猫"]
    assert sequence.unknown_words("two cats") == []


def test_left_padding_is_refused(unigram: Any) -> None:
    import copy

    other = copy.deepcopy(unigram)
    other.padding_side = "left"
    with pytest.raises(BenchError, match="pad and truncate on the right"):
        TextSegment(other, 0, 10)
