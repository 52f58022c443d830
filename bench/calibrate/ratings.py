"""The same against people: images with prompts and ratings from a CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.calibrate.measures import RESAMPLES, bootstrap, kendall, spearman
from bench.calibrate.run import make_metric
from bench.errors import BenchError
from bench.images import open_rgb
from bench.judges import JudgeSet
from bench.models import OPEN_JUDGES
from bench.types import Layout
from metrics.base import Sample

RATING_METRICS = ("blip_vqa@official", "blip_vqa@fixed", "clip_score", "localization")
COLUMNS = ("image", "prompt", "rating")


@dataclass(frozen=True, slots=True)
class Rated:
    """One line of a ratings file."""

    image: Path
    prompt: str
    rating: float
    """Higher is better; any scale."""


def read_ratings(path: Path) -> list[Rated]:
    """Read ``image, prompt, rating`` lines; image paths are relative to the file.

    Raises BenchError naming the line for a missing column, a rating that is no number, and an image
    that is not there or leaves the file's folder.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as f:
            table = csv.DictReader(f)
            lacking = [c for c in COLUMNS if c not in (table.fieldnames or ())]
            if lacking:
                raise BenchError(
                    f"{path} has no column {', '.join(lacking)}; its first line must name "
                    "image, prompt and rating"
                )
            rows = [_rated(path, number, row) for number, row in enumerate(table, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path} cannot be read as CSV ({error})") from error
    if len(rows) < 3:
        raise BenchError(f"{path} has {len(rows)} ratings; a correlation needs at least 3")
    return rows


def _rated(path: Path, number: int, row: Mapping[str, str | None]) -> Rated:
    where = f"{path}, line {number}"
    image, prompt, text = (row[c] or "" for c in COLUMNS)
    try:
        rating = float(text)
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise BenchError(f"{where}: rating {text!r} is not a number")
    if not prompt.strip():
        raise BenchError(f"{where}: the prompt is empty")
    folder = path.resolve().parent
    file = (folder / image).resolve()
    if not file.is_relative_to(folder):
        raise BenchError(f"{where}: image {image!r} leaves the folder of the ratings file")
    if not file.is_file():
        raise BenchError(f"{where}: image {image!r} is not there (looked for {file})")
    return Rated(file, prompt.strip(), rating)


def calibrate_ratings(
    path: Path,
    *,
    metrics: Sequence[str] = RATING_METRICS,
    judges: Mapping[str, str] = OPEN_JUDGES,
    device: str = "cpu",
    resamples: int = RESAMPLES,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Kendall tau and Spearman rho of every score with the ratings, resampled by prompt.

    Layouts are planned from the prompts. Returns a JSON document with ``rows`` and ``left_out``
    (prompts that cannot be planned, with the reason). Raises BenchError for a bad file.
    """
    rated, layouts, left_out = [], [], []
    for row, layout in _with_layouts(read_ratings(path)):
        if isinstance(layout, str):
            left_out.append({"prompt": row.prompt, "reason": layout})
        else:
            rated.append(row)
            layouts.append(layout)
    if len(rated) < 3:
        raise BenchError(f"{path}: only {len(rated)} prompts could be planned; 3 are needed")
    shared = JudgeSet(judges, device=device)
    prompts = np.unique([r.prompt for r in rated], return_inverse=True)[1].astype(np.int64)
    ratings = np.array([r.rating for r in rated])
    rows: list[dict[str, Any]] = []
    for text in metrics:
        metric = make_metric(text, shared)
        progress(f"{metric.name} ({metric.mode})")
        samples = [_sample(r, e) for r, e in zip(rated, layouts, strict=True)]
        scores = metric.score(samples)
        for k, (name, column) in enumerate(metric.columns.items()):
            values = np.array([math.nan if s[k].value is None else s[k].value for s in scores])
            known = ~np.isnan(values)
            head = {"metric": metric.name, "mode": metric.mode, "score": name}
            sign = 1 if column.higher_is_better else -1
            rows.append(
                head
                | _correlations(sign * values[known], ratings[known], prompts[known], resamples)
                | {"n": int(known.sum()), "unscored": int((~known).sum())}
            )
    return {"ratings": len(rated), "rows": rows, "left_out": left_out}


def _correlations(
    values: np.ndarray[Any, Any],
    ratings: np.ndarray[Any, Any],
    prompts: np.ndarray[Any, Any],
    resamples: int,
) -> dict[str, Any]:
    return {
        "kendall": bootstrap(
            prompts, lambda w: kendall(values, ratings, w), resamples=resamples
        ).to_dict(),
        "spearman": bootstrap(
            prompts, lambda w: spearman(values, ratings, w), resamples=resamples
        ).to_dict(),
    }


def _with_layouts(rated: Sequence[Rated]) -> list[tuple[Rated, Layout | str]]:
    """Each rating with its prompt's layout, or why there is none."""
    from bench.layouts import build_layouts

    made: dict[str, Layout | str] = {}
    for row in rated:
        if row.prompt not in made:
            try:
                made[row.prompt] = build_layouts([row.prompt])[0]
            except BenchError as error:
                made[row.prompt] = str(error)
    return [(row, made[row.prompt]) for row in rated]


def _sample(rated: Rated, layout: Layout) -> Sample:
    try:
        return Sample(open_rgb(rated.image), layout)
    except OSError as error:
        raise BenchError(f"{rated.image} is no image that can be read ({error})") from error
