"""From character spans of a prompt to positions in the joint text sequence.

Positions come from the tokenizers' own offsets, never from a search for token ids, so repeated
words, sub-word pieces and plural phrases need no special care.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.types import Layout

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TokenRange:
    """One token of a text: its position in the joint sequence and the characters it covers."""

    position: int
    start: int
    end: int
    known: bool = True
    """False where the tokenizer had no entry for these characters."""

    def within(self, span: Span) -> bool:
        """Whether the token covers a part of the span.

        A token of no characters (a lone word-start mark) belongs to the word it starts.
        """
        if self.start == self.end:
            return span[0] <= self.start < span[1]
        return self.start < span[1] and span[0] < self.end


@dataclass(frozen=True, slots=True)
class TextSegment:
    """One text encoder's stretch of the joint text sequence."""

    tokenizer: Any
    """A fast tokenizer of transformers, padding and truncating on the right."""
    start: int
    """Position of its first token in the text sequence."""
    length: int
    """Its tokens, padding included; longer prompts are cut."""

    def __post_init__(self) -> None:
        name = type(self.tokenizer).__name__
        if not getattr(self.tokenizer, "is_fast", False):
            raise BenchError(f"tokenizer {name} gives no character offsets; a fast one is needed")
        if self.tokenizer.padding_side != "right" or self.tokenizer.truncation_side != "right":
            raise BenchError(f"tokenizer {name} must pad and truncate on the right")

    def ranges(self, text: str) -> tuple[list[TokenRange], int]:
        """All tokens of a text without special ones, and the first position that is cut off."""
        encoded = self.tokenizer(
            text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False
        )
        special = encoded["special_tokens_mask"]
        closing = next((n for n, s in enumerate(reversed(special)) if not s), len(special))
        unknown = self.tokenizer.unk_token_id
        found = []
        for i, (start, end) in enumerate(encoded["offset_mapping"]):
            if special[i]:
                continue
            # SentencePiece pieces carry the space before their word; it belongs to no word.
            while start < end and text[start].isspace():
                start += 1
            known = unknown is None or encoded["input_ids"][i] != unknown
            found.append(TokenRange(self.start + i, start, end, known))
        return found, self.start + self.length - closing


@dataclass(frozen=True, slots=True)
class TextSequence:
    """The joint text sequence: the segments of its encoders, one after another.

    FLUX has T5's alone; SD3 has CLIP's 77 tokens before T5's.
    """

    segments: tuple[TextSegment, ...]
    padding: int = 0
    """Further positions without any token (SD3 without its T5)."""

    @property
    def length(self) -> int:
        return sum(s.length for s in self.segments) + self.padding

    def positions(self, prompt: str, span: Span) -> tuple[int, ...]:
        """Positions of the tokens that cover ``prompt[start:end]``, over all encoders.

        An encoder whose limit cuts the span is left out as long as another one holds it whole.

        Raises:
            BenchError: no encoder holds the span whole, or none has a token for it.
        """
        phrase = prompt[span[0] : span[1]]
        whole: list[int] = []
        for segment in self.segments:
            ranges, cut = segment.ranges(prompt)
            mine = [r.position for r in ranges if r.within(span)]
            if mine and mine[-1] < cut:
                whole += mine
        if whole:
            return tuple(whole)
        limit = max(s.length for s in self.segments)
        raise BenchError(
            f"phrase {phrase!r} at {span[0]}:{span[1]} of the prompt {prompt!r} has no place in "
            f"the text encoder's {limit} tokens; shorten the prompt or raise max_sequence_length"
        )

    def align(self, prompt: str, span: Span) -> list[tuple[int, int]]:
        """Pairs (position in the prompt, position in the phrase encoded alone).

        Each token of the phrase inside the prompt is matched with the token of the phrase alone
        that covers most of its characters, the first of equals. Where the encoder splits both
        alike, which is the rule, that is the same token.
        """
        phrase = prompt[span[0] : span[1]]
        pairs = []
        for segment in self.segments:
            inside, cut = segment.ranges(prompt)
            mine = [r for r in inside if r.within(span)]
            alone, _ = segment.ranges(phrase)
            if not mine or not alone or mine[-1].position >= cut:
                continue
            for token in mine:
                start, end = token.start - span[0], token.end - span[0]
                best = max(alone, key=lambda r: (_shared(r, start, end), -r.position))
                pairs.append((token.position, best.position))
        return pairs

    def unknown_words(self, prompt: str) -> list[str]:
        """Words that the last encoder's tokenizer maps to its unknown token, in order."""
        ranges, _ = self.segments[-1].ranges(prompt)
        unknown = [r for r in ranges if not r.known]
        words = [m for m in re.finditer(r"[^\W_]+(?:['’-][^\W_]+)*", prompt)]
        found = [m.group() for m in words if any(r.within(m.span()) for r in unknown)]
        return list(dict.fromkeys(found))


def _shared(token: TokenRange, start: int, end: int) -> float:
    """How many characters two ranges share; an exact match wins over any overlap."""
    if (token.start, token.end) == (start, end):
        return float("inf")
    return min(token.end, end) - max(token.start, start)


@dataclass(frozen=True, slots=True)
class InstanceTokens:
    """Positions of one instance's words in the joint text sequence."""

    attribute: tuple[int, ...]
    """Its attribute words, wherever they stand."""
    instance: tuple[int, ...]
    """The remaining words of its phrase."""

    @property
    def all(self) -> tuple[int, ...]:
        return tuple(sorted({*self.attribute, *self.instance}))


@dataclass(frozen=True, slots=True)
class LayoutTokens:
    """Token classes of one layout's prompt; positions in no class are other text or padding."""

    instances: tuple[InstanceTokens, ...]
    background: tuple[int, ...]
    """Empty when the prompt has no background phrase."""


def layout_tokens(sequence: TextSequence, layout: Layout) -> LayoutTokens:
    """Positions of every phrase of a layout.

    Raises:
        BenchError: a phrase fell off the end of the text encoder; the message names it.
    """

    def union(spans: Sequence[Span]) -> set[int]:
        return {p for span in spans for p in sequence.positions(layout.prompt, span)}

    instances = []
    for one in layout.instances:
        phrase = union([one.phrase_span, one.noun_span])  # first: an error names the phrase
        attribute = union(one.attribute_spans)
        words = phrase - attribute
        instances.append(InstanceTokens(tuple(sorted(attribute)), tuple(sorted(words))))
    background = union([layout.background_span]) if layout.background_span else set()
    return LayoutTokens(tuple(instances), tuple(sorted(background)))
