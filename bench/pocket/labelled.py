"""Generated images labelled by eye, and how far the judges agree with the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.layouts.io import read_rows
from bench.suites import load_suite
from bench.types import Layout

FOLDER = Path(__file__).parent / "labelled"
"""``labels.jsonl`` and the images it speaks of (README.md there says how they were labelled)."""
SUITE = "pocket-tune"
"""The suite whose layouts the images were made for."""


Statements = tuple[bool, bool]
"""Of an instance: it is present; it is present with all its attributes."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One generated image with what the labellers see in it."""

    image: Path
    layout: Layout
    present: tuple[bool, ...]
    """For each instance: whether a thing of its noun can be recognised, wherever it stands."""
    right: tuple[bool, ...]
    """For each instance: whether such a thing also has all its attributes."""


def read_labelled(folder: Path = FOLDER) -> list[Labelled]:
    """The labelled images of a folder.

    Raises BenchError when a row names an unknown layout or an image that is not there, labels
    another number of instances than the layout has, or calls something right that is not present.
    """
    layouts = {layout.id: layout for layout in load_suite(SUITE).layouts}
    found = []
    for line, row in read_rows(folder / "labels.jsonl"):
        where = f"labels.jsonl, line {line}"
        layout = layouts.get(str(row.get("layout_id")))
        if layout is None:
            raise BenchError(f"{where}: suite {SUITE} has no layout {row.get('layout_id')!r}")
        image = folder / Path(str(row.get("image"))).name
        if not image.is_file():
            raise BenchError(f"{where}: image {image.name} is missing beside the labels")
        one = Labelled(image, layout, tuple(row["present"]), tuple(row["right"]))
        count = len(layout.instances)
        if len(one.present) != count or len(one.right) != count:
            raise BenchError(f"{where}: {layout.id} has {count} instances; label each of them")
        if any(r and not p for r, p in zip(one.right, one.present, strict=True)):
            raise BenchError(f"{where}: an instance is labelled right but not present")
        found.append(one)
    return found


def agreement(one: Labelled, judged: Sequence[Mapping[str, Any]]) -> float:
    """Share of statements about one image on which judges and labels agree, 0..1.

    Two statements an instance: it is present; it is present with all its attributes. Instances of
    one phrase ("two black sofas") are interchangeable: the labels say how many there are, the
    judges in addition which place each stands nearest to, so only the numbers are compared.

    Args:
        judged: what the localization metric says of each instance (``instances`` of its details).
    """
    groups: dict[tuple[str, tuple[str, ...]], tuple[list[Statements], list[Statements]]] = {}
    for thing, present, right, judge in zip(
        one.layout.instances, one.present, one.right, judged, strict=True
    ):
        there = bool(judge["present"])
        labels, judges = groups.setdefault((thing.noun, thing.attributes), ([], []))
        labels.append((present, right))
        judges.append((there, there and judge["attribute_ok"] is not False))
    same = 0
    for labels, judges in groups.values():
        for a, b in zip(sorted(labels), sorted(judges), strict=True):
            same += (a[0] == b[0]) + (a[1] == b[1])
    return same / (2 * len(one.present))
