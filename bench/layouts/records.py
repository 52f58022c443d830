"""What a prompt says, before anything has a place (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import BenchError
from bench.types import RELATIONS

Span = tuple[int, int]
"""Half-open character offsets into the prompt."""


@dataclass(frozen=True, slots=True)
class ParsedInstance:
    """One phrase of the prompt; ``count`` above 1 stands for that many instances."""

    phrase_span: Span
    noun: str
    """Singular, lower case."""
    noun_span: Span
    attributes: tuple[str, ...] = ()
    """Single words, lower case."""
    attribute_spans: tuple[Span, ...] = ()
    count: int = 1
    count_span: Span | None = None
    """Where the number word stands, if there is one."""


@dataclass(frozen=True, slots=True)
class ParsedRelation:
    """``subject`` stands in ``relation`` to ``object``; indices into the parsed instances."""

    subject: int
    relation: str
    object: int

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise BenchError(f"relation {self.relation!r} is not one of {', '.join(RELATIONS)}")


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """Instances, relations and background of a prompt, as spans of its text."""

    prompt: str
    instances: tuple[ParsedInstance, ...]
    relations: tuple[ParsedRelation, ...] = ()
    background_span: Span | None = None
    parser: str = ""
    """Name and version of what read the prompt."""

    @property
    def total(self) -> int:
        """Number of instances, plural phrases counted in full."""
        return sum(i.count for i in self.instances)
