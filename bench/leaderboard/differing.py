"""In which fields nested records differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.leaderboard.table import Difference

_MOST = 48


def differing(records: Mapping[str, Mapping[str, Any]]) -> tuple[Difference, ...]:
    """The fields (dotted paths) whose value is not the same in all of the named records."""
    flat = {name: dict(_flatten(record)) for name, record in records.items()}
    fields = dict.fromkeys(field for record in flat.values() for field in record)
    return tuple(
        Difference(field, {name: _short(record.get(field, "-")) for name, record in flat.items()})
        for field in fields
        if len({repr(record.get(field)) for record in flat.values()}) > 1
    )


def _flatten(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [
            pair
            for name, inner in value.items()
            for pair in _flatten(inner, f"{prefix}.{name}" if prefix else str(name))
        ]
    return [(prefix, value)]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
