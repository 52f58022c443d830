"""Prompts of one's own: text files, JSON lines, and columns of data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.errors import BenchError

Named = tuple[str, str, str]
"""(id, category, prompt)"""
CATEGORY = "custom"


def read_prompts(source: str) -> list[Named]:
    """Prompts from ``FILE.txt``, ``FILE.jsonl`` or ``datasets:ID[:SPLIT]:COLUMN``, in order.

    Ids are ``prompt-0001`` and so on where a row has none. Blank lines are skipped. Raises
    BenchError naming the file and line that cannot be used, and when nothing is left.
    """
    if source.startswith("datasets:"):
        id, split, column = split_dataset(source)
        texts = [str(t).strip() for t in read_column(id, split, column)]
        found = [_named(n, t) for n, t in enumerate(texts, start=1) if t]
    elif source.endswith(".jsonl"):
        found = _from_json_lines(Path(source))
    else:
        lines = _text(Path(source)).splitlines()
        found = [_named(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise BenchError(f"{source} holds no prompt")
    return found


def split_dataset(source: str) -> tuple[str, str, str]:
    """(id, split, column) of ``datasets:ID[:SPLIT]:COLUMN``; the split is ``train`` by default."""
    parts = source.removeprefix("datasets:").split(":")
    if len(parts) == 2:
        parts.insert(1, "train")
    if len(parts) != 3 or not all(parts):
        raise BenchError(f"{source!r} must have the form datasets:ID[:SPLIT]:COLUMN")
    return parts[0], parts[1], parts[2]


def read_column(id: str, split: str, column: str) -> list[Any]:
    """A column of a data set: a hub id, or a local folder that ``datasets`` can load."""
    import datasets

    try:
        data = datasets.load_dataset(id, split=split)
    except Exception as error:  # the library raises its own errors for network, id and split
        first = str(error).strip().splitlines()
        raise BenchError(
            f"data set {id!r} (split {split!r}) cannot be loaded: {first[0] if first else error}; "
            "check the id, the split and the network, or download it and give its folder"
        ) from error
    if column not in data.column_names:
        from bench.errors import unknown_name

        raise unknown_name(f"column of data set {id!r}", column, data.column_names)
    return list(data[column])


def _from_json_lines(path: Path) -> list[Named]:
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BenchError(f"{where}: not JSON ({error})") from error
        prompt = row.get("prompt") if isinstance(row, dict) else row
        if not isinstance(prompt, str) or not prompt.strip():
            raise BenchError(f"{where}: field 'prompt' must hold a text")
        id, category, text = _named(number, prompt.strip())
        if isinstance(row, dict):
            id, category = str(row.get("id", id)), str(row.get("category", category))
        found.append((id, category, text))
    return found


def _named(number: int, text: str) -> Named:
    return f"prompt-{number:04d}", CATEGORY, text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BenchError(f"{path} does not exist; check the name") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror or error}") from error
