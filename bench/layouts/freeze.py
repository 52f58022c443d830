"""Making the shipped layouts of T2I-CompBench from the official prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import write_json
from bench.identity import file_digest
from bench.layouts.build import build_layouts
from bench.layouts.check import faults
from bench.layouts.frozen import FOLDER, HAND, FrozenRow, read_frozen
from bench.layouts.io import write_rows
from bench.prompts.t2i_compbench import CATEGORIES, Prompt, read_category

SOURCE = {
    "repository": "https://github.com/Karine-Huang/T2I-CompBench",
    "commit": "1b70949",
    "licence": "MIT",
}
FORMAT = 1
"""Version of the row format; schema.json describes it."""


def freeze(data: Path, folder: Path = FOLDER) -> dict[str, Any]:
    """Write the layouts of all categories and the manifest; returns the manifest.

    Rows that a person has corrected are kept as they are. Raises BenchError when a layout breaks a
    rule: nothing is written then.
    """
    rows = {c: _category(read_category(data, c), _by_hand(folder, c)) for c in CATEGORIES}
    folder.mkdir(parents=True, exist_ok=True)
    for category, made in rows.items():
        write_rows(folder / f"{category}_val.jsonl", (row.to_dict() for row in made))
    manifest = make_manifest(folder)
    write_json(folder / "manifest.json", manifest)
    return manifest


def make_manifest(folder: Path) -> dict[str, Any]:
    """What the files of a folder hold: a digest and row counts for each."""
    files: dict[str, Any] = {}
    planners: set[str] = set()
    for category in CATEGORIES:
        path = folder / f"{category}_val.jsonl"
        rows = read_frozen(path)
        planners |= {row.planner for row in rows}
        files[path.name] = {
            "sha256": file_digest(path),
            "rows": len(rows),
            "by_hand": sum(row.origin == HAND for row in rows),
        }
    return {
        "format": FORMAT,
        "planners": sorted(planners),
        "prompts": SOURCE,
        "rows": sum(f["rows"] for f in files.values()),
        "files": files,
    }


def verify_manifest(folder: Path = FOLDER) -> None:
    """Raise BenchError naming the first file whose digest is not the manifest's."""
    path = folder / "manifest.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise BenchError(f"{path} cannot be read ({error}); restore it from git") from error
    for name, entry in listed.items():
        if file_digest(folder / name) != entry["sha256"]:
            raise BenchError(
                f"{folder / name} differs from its digest in {path}; restore it from git, or run "
                "'python -m bench layouts freeze' after a correction by hand"
            )


def _category(
    prompts: Sequence[Prompt], by_hand: dict[tuple[int, str], FrozenRow]
) -> list[FrozenRow]:
    named = [(f"{p.category}-{p.line:03d}", p.category, p.text) for p in prompts]
    made = []
    for prompt, layout in zip(prompts, build_layouts(named), strict=True):
        row = by_hand.get((prompt.line, prompt.sha256))
        if row is None:
            row = FrozenRow.from_layout(layout, prompt)
        broken = faults(row.join(prompt.text))
        if broken:
            raise BenchError(f"layout {row.id}: {broken[0].rule}: {broken[0].text}")
        made.append(row)
    return made


def _by_hand(folder: Path, category: str) -> dict[tuple[int, str], FrozenRow]:
    path = folder / f"{category}_val.jsonl"
    rows = read_frozen(path) if path.exists() else []
    return {(row.line, row.sha256): row for row in rows if row.origin == HAND}
