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


IN_CHECKOUT = Path("examples/dataset")
"""Where the official repository keeps the files."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of a category's file."""

    category: str
    line: int
    """From 1."""
    text: str
    """Without white space around it; a full stop at its end belongs to it."""
    sha256: str
    """Of the text as UTF-8, in hex."""


def read_category(data: Path, category: str) -> list[Prompt]:
    """The prompts of ``<category>_val.txt``, in order; blank lines are skipped.

    ``data`` is the folder with the files, or a checkout of the official repository. Raises
    BenchError for an unknown category and a file that is missing or no UTF-8 text.
    """
    if category not in CATEGORIES:
        raise unknown_name("category of T2I-CompBench", category, CATEGORIES)
    path = data / f"{category}_val.txt"
    if not path.exists() and (data / IN_CHECKOUT).is_dir():
        path = data / IN_CHECKOUT / path.name
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise BenchError(
            f"{path} is missing; --data must be a folder with the official *_val.txt files "
            "('python -m bench data fetch t2i-compbench' makes one)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} cannot be read ({error}); get the official file again") from error
    prompts = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text:
            prompts.append(Prompt(category, number, text, text_digest(text)))
    return prompts


def text_digest(text: str) -> str:
    """SHA-256 (hex) of a prompt without the white space around it."""
    return hashlib.sha256(text.strip().encode()).hexdigest()
