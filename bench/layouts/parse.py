"""A prompt's text to its instances, relations and background, all as character spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.layouts.mentions import find_mentions
from bench.layouts.records import ParsedInstance, ParsedPrompt, ParsedRelation, Span
from bench.layouts.relate import find_relations
from bench.layouts.scene import Mention, Scene
from bench.layouts.syntax import Word, parser_name, read

VERSION = "2"
"""Raised with every change that can read a prompt differently."""


def parse(prompt: str) -> ParsedPrompt:
    """What a prompt asks for. No instance is found in a text without a noun.

    >>> parsed = parse("two red apples on the left of a dining table")  # doctest: +SKIP
    >>> [(i.noun, i.attributes, i.count) for i in parsed.instances]  # doctest: +SKIP
    [('apple', ('red',), 2), ('dining table', (), 1)]
    """
    return next(parse_many([prompt]))


def parse_many(prompts: Iterable[str]) -> Iterator[ParsedPrompt]:
    """The same for many prompts, several times faster than one by one."""
    prompts = list(prompts)
    name = f"bench-parser {VERSION}, {parser_name()}"
    for prompt, words in zip(prompts, read(prompts), strict=True):
        yield from_words(prompt, words, name)


def from_words(prompt: str, words: Sequence[Word], parser: str) -> ParsedPrompt:
    """The parse of a prompt whose syntax is known already."""
    scene = find_mentions(words)
    links = find_relations(scene)
    order = sorted(range(len(scene.mentions)), key=lambda k: (scene.mentions[k].chunk.first, k))
    place = {k: n for n, k in enumerate(order)}
    return ParsedPrompt(
        prompt=prompt,
        instances=tuple(_instance(words, scene.mentions[k]) for k in order),
        relations=tuple(
            ParsedRelation(place[a], relation, place[b])
            for s, relation, o in links
            for a in _parts(scene, s, {x for x, r, _ in links if r == relation})
            for b in _parts(scene, o, {x for _, r, x in links if r == relation})
            if a != b
        ),
        background_span=_background(scene),
        parser=parser,
    )


def _instance(words: Sequence[Word], mention: Mention) -> ParsedInstance:
    head = mention.chunk.head or [mention.last]
    number = mention.chunk.number_at
    return ParsedInstance(
        phrase_span=_span(words, mention.first, mention.last),
        noun=mention.noun,
        noun_span=_span(words, head[0], head[-1]),
        attributes=tuple(words[i].low for i in sorted(set(mention.attributes))),
        attribute_spans=tuple(_span(words, i, i) for i in sorted(set(mention.attributes))),
        count=mention.count,
        count_span=_span(words, number, number) if number is not None else None,
    )


def _parts(scene: Scene, index: int, related: set[int]) -> list[int]:
    """All mentions of one phrase: what holds for "two birds" holds for the blue and the red one.

    Where several of them are ``related`` by themselves, each has its own ("two women, one in a red
    dress and the other in a blue dress").
    """
    chunk = scene.mentions[index].chunk
    parts = [k for k, m in enumerate(scene.mentions) if m.chunk is chunk]
    return parts if related.isdisjoint(set(parts) - {index}) else [index]


def _background(scene: Scene) -> Span | None:
    if not scene.places:
        return None
    chunk = scene.places[0]
    return _span(scene.words, chunk.first, chunk.last)


def _span(words: Sequence[Word], first: int, last: int) -> Span:
    return words[first].start, words[last].end
