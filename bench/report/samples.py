"""From the frame of scores to the records that the page shows: one a (layout, seed)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bench.leaderboard import Column, Leaderboard

PLACES = ("targets", "detections", "matches", "instances")
"""Fields of a localization score's details; see ``metrics``."""


@dataclass(slots=True)
class Shot:
    """One image of a sample and all that is known of it."""

    entry: int
    """Index of its row in the leaderboard."""
    key: str
    status: str
    image: Path | None
    """The image file; None when there is none."""
    seconds: float | None
    passes: float | None
    memory: float | None
    scores: dict[str, float | None] = field(default_factory=dict)
    """By column key."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a score is missing, by column key."""
    places: dict[str, Any] = field(default_factory=dict)
    """``PLACES`` of the localization details, as far as they are there."""
    details: dict[str, Any] = field(default_factory=dict)
    """All other details, by column key."""


@dataclass(slots=True)
class Sample:
    """One layout with one seed, as every method drew it."""

    prompt: str
    category: str
    layout: str
    seed: int
    instances: int
    targets: list[dict[str, Any]] = field(default_factory=list)
    """phrase, noun, attributes, box; empty where no localization was scored."""
    shots: list[Shot] = field(default_factory=list)


def samples(frame: pd.DataFrame, board: Leaderboard, run_dir: Path) -> list[Sample]:
    """Samples in the order of the frame; of each, by protocol and model, the baseline's image
    first, then the others as ranked.

    Image paths are relative to ``run_dir``; one that leaves it counts as no image.
    """
    entries = {(r.protocol, r.model, r.method, r.label): i for i, r in enumerate(board.rows)}
    columns = {(c.score, c.mode): c for c in board.columns}
    found: dict[tuple[Any, ...], Sample] = {}
    shots: dict[tuple[Any, ...], Shot] = {}
    for row in frame.to_dict("records"):
        place = (row["layout_digest"], row["seed"])
        entry = entries[row["protocol"], row["model"], row["method"], row["method_label"]]
        shot = shots.get((*place, entry))
        if shot is None:
            sample = found.get(place)
            if sample is None:
                sample = found[place] = Sample(
                    prompt=str(row["prompt"]),
                    category=str(row["category"]),
                    layout=str(row["layout_id"]),
                    seed=int(row["seed"]),
                    instances=int(row["n_instances"]),
                )
            shot = shots[(*place, entry)] = Shot(
                entry=entry,
                key=str(row["key"]),
                status=str(row["status"]),
                image=_inside(run_dir, row["image"]),
                seconds=_number(row["seconds"]),
                passes=_number(row["passes"]),
                memory=_number(row["peak_memory_mb"]),
            )
            sample.shots.append(shot)
        _add_score(found[place], shot, columns[row["score"], row["mode"]], row)
    models = {row.model: i for i, row in reversed(list(enumerate(board.rows)))}
    place_of = {
        i: (row.group, models[row.model], not row.is_baseline, i)
        for i, row in enumerate(board.rows)
    }
    for sample in found.values():
        sample.shots.sort(key=lambda shot: place_of[shot.entry])
    return list(found.values())


def _add_score(sample: Sample, shot: Shot, column: Column, row: Mapping[str, Any]) -> None:
    value = _number(row["value"])
    shot.scores[column.key] = value
    if value is None:
        shot.reasons[column.key] = str(row["reason"] or "not scored")
    details = row.get("details")
    if not isinstance(details, Mapping) or not details:
        return
    if any(name in details for name in PLACES):
        for name in PLACES:
            if name in details and name not in shot.places:
                shot.places[name] = details[name]
        targets = details.get("targets")
        if not sample.targets and isinstance(targets, Sequence):
            sample.targets = [dict(t) for t in targets if _has_box(t)]
        details = {k: v for k, v in details.items() if k not in PLACES}
    if details:
        shot.details[column.key] = dict(details)


def detections(shot: Shot) -> list[dict[str, Any]]:
    """The shot's detections that have a usable box, each with the target it is matched to.

    Fields: label, score, box, target (index or None).
    """
    matched = {}
    for match in shot.places.get("matches") or ():
        if isinstance(match, Sequence) and len(match) >= 2:
            matched[int(match[1])] = int(match[0])
    return [
        {
            "label": str(found.get("label", "")),
            "score": _number(found.get("score")),
            "box": [float(v) for v in found["box"]],
            "target": matched.get(i),
        }
        for i, found in enumerate(shot.places.get("detections") or ())
        if _has_box(found)
    ]


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element: no ``<``, ``>`` or ``&``, NaN as null.

    With those three escaped no text can end the element, begin a comment or another element.
    """
    clean = json.loads(json.dumps(value, default=_item), parse_constant=lambda _: None)
    text = json.dumps(clean, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _item(value: Any) -> Any:
    """Numpy scalars as Python's, anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _inside(folder: Path, path: Any) -> Path | None:
    if not isinstance(path, str) or not path:
        return None
    root = folder.resolve()
    full = (root / path).resolve()
    return full if full.is_relative_to(root) else None


def _has_box(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("box"), Iterable):
        return False
    box = list(value["box"])
    return len(box) == 4 and all(_number(v) is not None for v in box)


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str) or pd.isna(value):
        return None
    return float(value)
