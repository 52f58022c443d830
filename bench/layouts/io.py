"""Layouts as JSON lines: one ``Layout.to_dict()`` a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import write_atomic
from bench.types import Layout


def read_layouts(path: Path) -> list[Layout]:
    """All layouts of a JSONL file, in order.

    Raises BenchError naming the file and the line where it cannot be read, where a row is not a
    layout, or where an id repeats.
    """
    layouts: list[Layout] = []
    seen: dict[str, int] = {}
    for number, row in read_rows(path):
        layout = layout_from_row(row, f"{path}, line {number}")
        if layout.id in seen:
            raise BenchError(
                f"{path}, line {number}: id {layout.id!r} stands in line {seen[layout.id]} "
                "already; every layout needs an id of its own"
            )
        seen[layout.id] = number
        layouts.append(layout)
    return layouts


def write_layouts(path: Path, layouts: Iterable[Layout]) -> None:
    """Write layouts as JSON lines, all or nothing."""
    write_rows(path, (layout.to_dict() for layout in layouts))


def layout_from_row(row: Any, where: str) -> Layout:
    """One layout from a parsed JSON value; every fault becomes a BenchError that says ``where``."""
    try:
        return Layout.from_dict(row)
    except BenchError as error:
        raise BenchError(f"{where}: {error}") from error
    except KeyError as error:
        raise BenchError(f"{where}: field {error.args[0]!r} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BenchError(f"{where}: not a layout ({error})") from error


def read_rows(path: Path) -> list[tuple[int, Any]]:
    """(line number from 1, parsed JSON value) of every line that is not blank."""
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, json.loads(line)))
        except ValueError as error:
            raise BenchError(f"{path}, line {number}: not JSON ({error})") from error
    return rows


def write_rows(path: Path, rows: Iterable[Any]) -> None:
    """Write JSON values one a line, with a final newline, all or nothing."""
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    write_atomic(path, "".join(lines).encode())


def read_text(path: Path) -> str:
    """A UTF-8 text file; a byte-order mark is dropped. Raises BenchError naming the file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BenchError(f"{path} does not exist; check the name") from error
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror or error}") from error
