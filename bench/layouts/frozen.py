"""The shipped layouts of T2I-CompBench: rows without prompt text, joined with prompts by hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.layouts.io import layout_from_row, read_rows
from bench.prompts.t2i_compbench import CATEGORIES, Prompt, read_category, text_digest
from bench.types import Layout

FOLDER = Path(__file__).parents[2] / "layouts_t2icompbench"
"""Where the shipped files lie."""
HAND = "hand"
PLANNED = "planned"
_INSTANCE = ("phrase_span", "noun", "noun_span", "attribute_spans", "box", "polygon", "depth")
_BLANK = "\u00b7"


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """One shipped layout: everything but the prompt's words."""

    id: str
    category: str
    line: int
    """Line of the official file, from 1."""
    sha256: str
    """Of the stripped prompt, UTF-8."""
    instances: tuple[Mapping[str, Any], ...]
    relations: tuple[Mapping[str, Any], ...]
    background_span: tuple[int, int] | None
    planner: str
    origin: str
    """``planned``, or ``hand`` for a row that a person has corrected: a rebuild keeps it."""

    @classmethod
    def from_layout(cls, layout: Layout, prompt: Prompt, origin: str = PLANNED) -> FrozenRow:
        """Leave the words out of a layout of an official prompt."""
        return cls(
            id=layout.id,
            category=prompt.category,
            line=prompt.line,
            sha256=prompt.sha256,
            instances=tuple({key: i.to_dict()[key] for key in _INSTANCE} for i in layout.instances),
            relations=tuple(layout.to_dict()["relations"]),
            background_span=layout.background_span,
            planner=layout.planner,
            origin=origin,
        )

    @classmethod
    def from_dict(cls, row: Any, where: str) -> FrozenRow:
        """A row of a shipped file; BenchError that says ``where`` when it is none."""
        try:
            span = row["background_span"]
            made = cls(
                id=row["id"],
                category=row["category"],
                line=int(row["line"]),
                sha256=row["sha256"],
                instances=tuple(row["instances"]),
                relations=tuple(row["relations"]),
                background_span=(int(span[0]), int(span[1])) if span else None,
                planner=row["planner"],
                origin=row["origin"],
            )
        except KeyError as error:
            raise BenchError(f"{where}: field {error.args[0]!r} is missing") from error
        except (TypeError, ValueError) as error:
            raise BenchError(f"{where}: not a frozen layout ({error})") from error
        if made.origin not in (PLANNED, HAND):
            raise BenchError(f"{where}: origin {made.origin!r} must be {PLANNED!r} or {HAND!r}")
        return made

    def to_dict(self) -> dict[str, Any]:
        span = self.background_span
        return {
            "id": self.id,
            "category": self.category,
            "line": self.line,
            "sha256": self.sha256,
            "instances": [dict(i) for i in self.instances],
            "relations": [dict(r) for r in self.relations],
            "background_span": list(span) if span else None,
            "planner": self.planner,
            "origin": self.origin,
        }

    def join(self, text: str) -> Layout:
        """The layout with its words, for the prompt that it was made for.

        Raises BenchError when the text's hash is another one: the prompt has changed.
        """
        digest = text_digest(text)
        if digest != self.sha256:
            raise changed(self, text, digest)
        return self._with_text(text)

    def blind(self) -> Layout:
        """The layout over a text of dots: its geometry can be checked without the prompt."""
        spans = [s for i in self.instances for s in (i["phrase_span"], *i["attribute_spans"])]
        spans += [self.background_span or (0, 1)]
        return self._with_text(_BLANK * max(end for _, end in spans))

    def _with_text(self, text: str) -> Layout:
        instances = [
            {
                **i,
                "phrase": text[slice(*i["phrase_span"])],
                "attributes": [text[slice(*s)].lower() for s in i["attribute_spans"]],
            }
            for i in self.instances
        ]
        row = {**self.to_dict(), "prompt": text, "instances": instances}
        return layout_from_row(row, f"frozen layout {self.id}")


def changed(row: FrozenRow, text: str, digest: str) -> BenchError:
    """The error for a prompt that is not the one a layout was made for; shows both."""
    nouns = ", ".join(dict.fromkeys(str(i["noun"]) for i in row.instances))
    return BenchError(
        f"{row.category} line {row.line}: the prompt is not the one that the layout was made for.\n"
        f"  given:    {text!r} (SHA-256 {digest[:16]}...)\n"
        f"  expected: the official prompt about {nouns} (SHA-256 {row.sha256[:16]}...)\n"
        "Get the official files with 'python -m bench data fetch t2i-compbench', or build layouts "
        "for your own prompts with 'python -m bench layouts build'"
    )


def read_frozen(path: Path) -> list[FrozenRow]:
    """The rows of one shipped file, in order."""
    return [FrozenRow.from_dict(row, f"{path}, line {n}") for n, row in read_rows(path)]


def load_layouts(data: Path, categories: Sequence[str] = (), folder: Path = FOLDER) -> list[Layout]:
    """The shipped layouts joined with the official prompts in a folder, in the prompts' order.

    Prompts find their rows by hash, so that a reordered file joins as well. Raises BenchError for
    an unknown category, a missing file, and a prompt that no layout was made for.
    """
    layouts = []
    for category in categories or CATEGORIES:
        prompts = read_category(data, category)
        layouts += join_category(prompts, read_frozen(folder / f"{category}_val.jsonl"))
    return layouts


def join_category(prompts: Iterable[Prompt], rows: Sequence[FrozenRow]) -> list[Layout]:
    """Layouts for a category's prompts. The same prompt twice takes its two rows in turn."""
    by_hash: dict[str, list[FrozenRow]] = {}
    for row in rows:
        by_hash.setdefault(row.sha256, []).append(row)
    by_line = {row.line: row for row in rows}
    layouts = []
    for prompt in prompts:
        waiting = by_hash.get(prompt.sha256)
        if waiting:
            layouts.append(waiting.pop(0).join(prompt.text))
        elif prompt.line in by_line:
            raise changed(by_line[prompt.line], prompt.text, prompt.sha256)
        else:
            raise BenchError(
                f"{prompt.category} line {prompt.line}: no layout was made for {prompt.text!r}; "
                "the official file has fewer lines, or the prompt stands there twice"
            )
    return layouts
