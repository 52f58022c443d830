"""Prompts to layouts, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import BenchError
from bench.layouts.parse import parse_many
from bench.layouts.plan import plan
from bench.types import Layout

PromptT = str | tuple[str, str, str]
"""A prompt, or (id, category, prompt)."""
OWN = "custom"
"""Category of prompts that come without one."""


def build_layouts(prompts: Sequence[PromptT]) -> list[Layout]:
    """A layout for each prompt, in order; white space around a prompt does not count.

    Prompts without an id get ``prompt-0001`` and so on. Relations that cannot hold together are
    left out with a LayoutWarning. Raises BenchError naming the id where a prompt has no noun or
    asks for more instances than fit, and where an id repeats.
    """
    named = [_named(number, prompt) for number, prompt in enumerate(prompts, start=1)]
    seen: set[str] = set()
    for id, _, _ in named:
        if id in seen:
            raise BenchError(f"id {id!r} is given to two prompts; every prompt needs its own")
        seen.add(id)
    layouts = []
    for (id, category, _), parsed in zip(named, parse_many(p for _, _, p in named), strict=True):
        try:
            layouts.append(plan(parsed, id=id, category=category))
        except BenchError as error:
            raise BenchError(f"{id}: {error}") from error
    return layouts


def _named(number: int, prompt: PromptT) -> tuple[str, str, str]:
    if isinstance(prompt, str):
        return f"prompt-{number:04d}", OWN, prompt.strip()
    id, category, text = prompt
    return id, category, text.strip()
