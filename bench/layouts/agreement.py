"""How far the parser agrees with hand labels, instance by instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.layouts.io import read_rows
from bench.layouts.parse import parse_many
from bench.layouts.records import ParsedInstance
from bench.prompts.t2i_compbench import Prompt, read_category


@dataclass(slots=True)
class Agreement:
    """Counts over the labelled instances of one category."""

    category: str
    prompts: int = 0
    instances: int = 0
    """Labelled ones."""
    noun: int = 0
    """Found where the label has it, with the same singular noun."""
    attributes: int = 0
    """Found, with the same attribute words and no others."""
    count: int = 0
    """Found, with the same count."""
    extra: int = 0
    """Found by the parser alone; in no other figure."""


def agreement(labels: Path, data: Path) -> tuple[list[Agreement], list[str]]:
    """Compare a JSONL file of labels with the parse of the official prompts in a folder.

    A row holds ``category``, ``line``, ``sha256`` and ``instances`` [{``noun``, ``noun_span``,
    ``attribute_spans``, ``count``}]. An instance is found when its noun ends where the label's
    does. Returns the counts by category in order of appearance, and a line for every difference.
    Raises BenchError for rows that are no labels and for prompts that have changed.
    """
    rows = read_rows(labels)
    official: dict[str, dict[int, Prompt]] = {}
    prompts = []
    for number, row in rows:
        where = f"{labels}, line {number}"
        try:
            category, line, sha256 = row["category"], row["line"], row["sha256"]
        except (KeyError, TypeError) as error:
            raise BenchError(f"{where}: not a labelled prompt ({error} is missing)") from error
        if category not in official:
            official[category] = {p.line: p for p in read_category(data, category)}
        prompt = official[category].get(line)
        if prompt is None or prompt.sha256 != sha256:
            given = f"{prompt.text!r}" if prompt else "nothing"
            raise BenchError(
                f"{where}: {category} line {line} is {given}, not the prompt that was labelled "
                f"(SHA-256 {sha256[:16]}...); get the official files with "
                "'python -m bench data fetch t2i-compbench'"
            )
        prompts.append(prompt)
    found: dict[str, Agreement] = {}
    differences = []
    for (_, row), prompt, parsed in zip(
        rows, prompts, parse_many(p.text for p in prompts), strict=True
    ):
        total = found.setdefault(prompt.category, Agreement(prompt.category))
        about = f"{prompt.category} {prompt.line}"
        differences += [
            f"{about}: {d}" for d in _compare(total, row["instances"], parsed.instances)
        ]
    return list(found.values()), differences


def _compare(
    total: Agreement, labels: Sequence[Mapping[str, Any]], parsed: Sequence[ParsedInstance]
) -> list[str]:
    """Count one prompt into ``total``; returns what differs."""
    total.prompts += 1
    left = {i.noun_span[1]: i for i in parsed}
    out = []
    for label in labels:
        total.instances += 1
        here = left.pop(label["noun_span"][1], None)
        if here is None:
            out.append(f"{label['noun']!r} is not found")
            continue
        noun = here.noun == label["noun"]
        spans = sorted(list(s) for s in here.attribute_spans)
        attributes = spans == sorted(label["attribute_spans"])
        count = here.count == label["count"]
        total.noun += noun
        total.attributes += attributes
        total.count += count
        if not (noun and attributes and count):
            out.append(
                f"{label['noun']!r} is read as {here.count} x {here.noun!r} with "
                f"{list(here.attributes)}"
            )
    total.extra += len(left)
    return out + [f"{i.noun!r} is no labelled instance" for i in left.values()]
