"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from bench.errors import BenchError


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old one or the new one, never a part.

    Raises BenchError (disk full, no permission) after removing what was begun.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise BenchError(
            f"cannot write {path}: {error.strerror or error}; nothing half-written was left. "
            "Make room (or choose another folder) and run the same command again"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document atomically, indented, with a final newline."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, text.encode())


def read_json_object(path: Path, advice: str) -> dict[str, Any]:
    """The JSON object in a file; BenchError with the file's name and ``advice`` if it has none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BenchError(f"{path} is missing; {advice}") from error
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read ({error}); {advice}") from error
    if not isinstance(value, dict):
        raise BenchError(f"{path} must hold a JSON object; {advice}")
    return value
