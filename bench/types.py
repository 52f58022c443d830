"""The frozen records that travel between the stages (standard library only).

Coordinates are fractions of the image: x runs right and y runs down, both in 0..1.
Character spans are half-open ``[start, end)`` offsets into the layout's prompt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.errors import BenchError
from bench.identity import digest

RELATIONS = (
    "left_of",
    "right_of",
    "above",
    "below",
    "near",
    "in_front_of",
    "behind",
    "hidden_by",
    "inside",
    "action",
)
"""Closed list of relations. ``action`` is any verb that does not fix a place (holding, wearing)."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box ``x0 < x1``, ``y0 < y1``, each in 0..1 (fractions of the image)."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        values = (self.x0, self.y0, self.x1, self.y1)
        if not all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in values):
            raise BenchError(f"box {list(values)} leaves the image; every edge must lie in 0..1")
        if self.x0 >= self.x1 or self.y0 >= self.y1:
            raise BenchError(f"box {list(values)} is empty; it must hold x0 < x1 and y0 < y1")

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def center(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1.

        >>> Box(0, 0, 0.5, 1).iou(Box(0, 0, 1, 1))
        0.5
        """
        w = min(self.x1, other.x1) - max(self.x0, other.x0)
        h = min(self.y1, other.y1) - max(self.y0, other.y0)
        if w <= 0 or h <= 0:
            return 0.0
        return w * h / (self.area + other.area - w * h)

    def to_list(self) -> list[float]:
        return [self.x0, self.y0, self.x1, self.y1]


@dataclass(frozen=True, slots=True)
class Instance:
    """One thing that the prompt asks for, and where it belongs."""

    phrase: str
    """Verbatim part of the prompt; instances of one plural phrase share it."""
    phrase_span: tuple[int, int]
    """Where the phrase stands in the prompt."""
    noun: str
    """Head noun in the singular, lower case ("dining table", "person")."""
    noun_span: tuple[int, int]
    """Where the noun (as written, perhaps plural) stands in the prompt."""
    attributes: tuple[str, ...]
    """Attribute words, lower case, one word each ("red", "wooden")."""
    attribute_spans: tuple[tuple[int, int], ...]
    """Where each attribute stands in the prompt; need not be next to the noun."""
    box: Box
    """Target box."""
    polygon: tuple[tuple[float, float], ...] = ()
    """Painted region as a closed polygon inside the box; empty means the whole box."""
    depth: int = 0
    """Drawing order: 0 is nearest to the camera; of overlapping regions the nearer one wins."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "phrase": self.phrase,
            "phrase_span": list(self.phrase_span),
            "noun": self.noun,
            "noun_span": list(self.noun_span),
            "attributes": list(self.attributes),
            "attribute_spans": [list(s) for s in self.attribute_spans],
            "box": self.box.to_list(),
            "polygon": [list(p) for p in self.polygon],
            "depth": self.depth,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Instance:
        return cls(
            phrase=row["phrase"],
            phrase_span=_span(row["phrase_span"]),
            noun=row["noun"],
            noun_span=_span(row["noun_span"]),
            attributes=tuple(row["attributes"]),
            attribute_spans=tuple(_span(s) for s in row["attribute_spans"]),
            box=Box(*(float(v) for v in row["box"])),
            polygon=tuple((float(x), float(y)) for x, y in row.get("polygon", ())),
            depth=int(row.get("depth", 0)),
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """``subject`` stands in ``relation`` to ``object``; both are indices into the instances."""

    subject: int
    relation: str
    object: int

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise BenchError(f"relation {self.relation!r} is not one of {', '.join(RELATIONS)}")


@dataclass(frozen=True, slots=True)
class Layout:
    """A prompt with a place for every instance: what a method is given and a metric checks."""

    id: str
    """Unique within a suite; letters, digits, ``-`` and ``_`` only, so it can name a file."""
    prompt: str
    category: str
    """T2I-CompBench category (color, shape, texture, spatial, ...) or a suite's own."""
    instances: tuple[Instance, ...]
    relations: tuple[Relation, ...] = ()
    background_span: tuple[int, int] | None = None
    """Where the background phrase stands in the prompt, if it has one."""
    planner: str = ""
    """Name and version of what made the layout (planner, parser model), or who painted it."""

    def __post_init__(self) -> None:
        if not self.id or not all(c.isalnum() and c.isascii() or c in "-_" for c in self.id):
            raise BenchError(f"layout id {self.id!r} may hold only letters, digits, '-' and '_'")
        if not self.instances:
            raise BenchError(f"layout {self.id}: no instance; at least one is needed")
        for k, inst in enumerate(self.instances):
            where = f"layout {self.id}, instance {k} ({inst.phrase!r})"
            start, end = inst.phrase_span
            if self.prompt[start:end] != inst.phrase:
                raise BenchError(
                    f"{where}: the phrase is not in the prompt {self.prompt!r} at {start}:{end}"
                )
            for span in (inst.noun_span, *inst.attribute_spans):
                if not 0 <= span[0] < span[1] <= len(self.prompt):
                    raise BenchError(f"{where}: span {span} leaves the prompt {self.prompt!r}")
            if len(inst.attributes) != len(inst.attribute_spans):
                raise BenchError(f"{where}: every attribute needs a span")
        for rel in self.relations:
            if not all(0 <= i < len(self.instances) for i in (rel.subject, rel.object)):
                raise BenchError(f"layout {self.id}: {rel} names an instance that does not exist")

    @property
    def background(self) -> str | None:
        """The background phrase, verbatim."""
        if self.background_span is None:
            return None
        return self.prompt[self.background_span[0] : self.background_span[1]]

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "prompt": self.prompt,
            "category": self.category,
            "instances": [i.to_dict() for i in self.instances],
            "relations": [
                {"subject": r.subject, "relation": r.relation, "object": r.object}
                for r in self.relations
            ],
            "background": self.background,
            "background_span": list(self.background_span) if self.background_span else None,
            "planner": self.planner,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Layout:
        return cls(
            id=row["id"],
            prompt=row["prompt"],
            category=row["category"],
            instances=tuple(Instance.from_dict(i) for i in row["instances"]),
            relations=tuple(
                Relation(int(r["subject"]), r["relation"], int(r["object"]))
                for r in row.get("relations", ())
            ),
            background_span=_span(row["background_span"]) if row.get("background_span") else None,
            planner=row.get("planner", ""),
        )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that a method or a metric reads; not the id or planner."""
        row = self.to_dict()
        return digest({k: v for k, v in row.items() if k not in ("id", "planner", "background")})


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How a model is sampled. Part of a job's identity."""

    steps: int
    """Denoising steps."""
    height: int
    """Pixels."""
    width: int
    """Pixels."""
    guidance_scale: float = 3.5
    """Distilled guidance for FLUX.1-dev; classifier-free guidance scale for SD3."""
    true_cfg_scale: float = 1.0
    """FLUX: classifier-free guidance in two passes when above 1."""
    negative_prompt: str = ""
    max_sequence_length: int = 512
    """Text tokens of the T5 encoder."""

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A generator as data: everything the harness needs to know before it loads the weights."""

    name: str
    family: str
    """Which backend loads it: ``flux``, ``sd3``."""
    source: str
    """Folder or hub id, in diffusers format."""
    settings: GenerationSettings
    """Sampling defaults."""
    judges: Mapping[str, str] = field(default_factory=dict)
    """Default judges by role: ``vqa``, ``clip``, ``detector``."""
    method_presets: Mapping[str, str] = field(default_factory=dict)
    """Default preset of a method on this model, for example ``{"ast": "flux-published"}``."""
    revision: str | None = None
    batch_size: int = 1
    dtype: str = "float32"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a method asks for beyond a prompt; shown in the table beside its scores."""

    boxes: bool = False
    masks: bool = False
    extra_passes: int = 0
    """Transformer passes per step beyond the baseline's."""


@dataclass(frozen=True, slots=True)
class Job:
    """One image to make. Two jobs with the same key make the same image."""

    layout: Layout
    seed: int
    model: str
    """Model name."""
    model_digest: str
    """SHA-256 over the weight files or the hub revision."""
    method: str
    method_args: Mapping[str, Any]
    """Every constant of the method, defaults included."""
    settings: GenerationSettings
    dtype: str = "float32"

    @property
    def key(self) -> str:
        """SHA-256 (hex) over everything that can change the image."""
        return digest(
            {
                "prompt": self.layout.prompt,
                "layout": self.layout.digest,
                "seed": self.seed,
                "model_digest": self.model_digest,
                "method": self.method,
                "method_args": dict(self.method_args),
                "settings": self.settings.to_dict(),
                "dtype": self.dtype,
            }
        )


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """What is known of one finished or failed job."""

    key: str
    status: Literal["done", "failed"]
    image_sha256: str | None = None
    """Over the PNG file."""
    seconds: float | None = None
    """Wall time of its batch divided by the batch's images."""
    passes: int | None = None
    """Transformer calls for one image."""
    peak_memory_mb: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """One box that a detector found."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Score:
    """One number about one image, or the reason why there is none."""

    name: str
    """Column of the leaderboard, for example ``blip_vqa``."""
    value: float | None
    reason: str | None = None
    """Why the value is missing; None exactly when the value is there."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for the report: questions and probabilities, matched boxes."""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"score {self.name} is {self.value}; give None and a reason instead")
        if (self.value is None) != (self.reason is not None):
            raise ValueError(f"score {self.name}: a value or a reason, not both and not neither")


def _span(pair: Iterable[int]) -> tuple[int, int]:
    start, end = pair
    return int(start), int(end)
