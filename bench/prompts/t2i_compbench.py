"""The official T2I-CompBench validation prompts, read from a folder.

Files and line ends are those of Karine-Huang/T2I-CompBench at 1b70949: CRLF in most files, no final
newline, some prompts with a trailing full stop.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, unknown_name

CATEGORIES = (
    "color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "non_spatial", "complex",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of a category's file."""

    category: str
    line: int
    """From 1."""
    text: str
    """Without white space around it, and without the full stops at its end."""
    sha256: str
    """Of the stripped line, full stops included."""


def read_category(data: Path, category: str) -> list[Prompt]:
    """The prompts of ``<category>_val.txt`` in a folder, in order; blank lines are skipped.

    Raises BenchError for an unknown category and a file that is missing or no UTF-8 text.
    """
    if category not in CATEGORIES:
        raise unknown_name("category of T2I-CompBench", category, CATEGORIES)
    path = data / f"{category}_val.txt"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise BenchError(
            f"{path} is missing; --data must be a folder with the official *_val.txt files"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} cannot be read ({error}); get the official file again") from error
    prompts = []
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        text = stripped.rstrip(".").rstrip()
        if text:
            sha256 = hashlib.sha256(stripped.encode()).hexdigest()
            prompts.append(Prompt(category, number, text, sha256))
    return prompts
