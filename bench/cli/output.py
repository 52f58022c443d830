"""How commands print: a text for people, or one JSON document for programs."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from typing import Any


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the ``--json`` flag that every command with figures has."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document on standard output and nothing else there",
    )


def emit(args: argparse.Namespace, document: Mapping[str, Any], text: str) -> None:
    """Print ``document`` as JSON when ``--json`` was given, else ``text``.

    NaN and infinities become null: JSON has no word for them.
    """
    if getattr(args, "json", False):
        stream = args.json_stream
        json.dump(_plain(document), stream, indent=2, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
        stream.flush()
    else:
        print(text)


def _plain(value: Any) -> Any:
    """Mappings, sequences and numpy scalars as plain JSON values."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
