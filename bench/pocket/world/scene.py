"""What a scene is: instances with boxes, relations, and a caption that knows its own spans."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[int, int]
"""Half-open character offsets into a caption."""
BoxT = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the image; x runs right, y runs down."""

RELATIONS: tuple[str, ...] = (
    "left_of",
    "right_of",
    "above",
    "below",
    "near",
    "in_front_of",
    "behind",
    "hidden_by",
)
"""Closed list of relations; "next to" and "on side of" are wordings of ``near``."""


@dataclass(frozen=True, slots=True)
class SceneInstance:
    """One thing in the picture."""

    noun: str
    color: str | None
    texture: str | None
    box: BoxT
    """The whole sprite's extents, occluded parts included."""
    flip: bool
    """Mirrored left to right."""
    depth: int
    """0 is nearest to the camera; nearer things cover farther ones."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Colour and texture, in the order in which captions name them."""
        return tuple(a for a in (self.color, self.texture) if a is not None)


@dataclass(frozen=True, slots=True)
class Mention:
    """Where the caption speaks of an instance; instances of one plural share a mention."""

    phrase: Span
    noun: Span
    attributes: tuple[Span, ...]
    """One span for each of the instance's attributes, in the same order."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture before it is drawn."""

    instances: tuple[SceneInstance, ...]
    mentions: tuple[Mention, ...]
    """One for each instance."""
    background: str | None
    """Key of ``vocabulary.BACKGROUNDS``."""
    background_span: Span | None
    relations: tuple[tuple[int, str, int], ...]
    """(subject index, relation, object index)."""
    caption: str
    category: str

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Instance indices that share a mention, in the caption's order."""
        found: dict[Span, list[int]] = {}
        for k, mention in enumerate(self.mentions):
            found.setdefault(mention.phrase, []).append(k)
        return tuple(tuple(ks) for _, ks in sorted(found.items()))
