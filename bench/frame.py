"""A run as one table: the interface between the store and everything that reads results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.identity import digest

if TYPE_CHECKING:
    import pandas

    from bench.store import Run

COLUMNS = (
    "key", "layout_id", "layout_digest", "category", "prompt", "n_instances", "seed", "model",
    "method", "method_label", "metric", "mode", "score", "value", "reason", "details", "image",
    "status", "seconds", "passes", "peak_memory_mb", "protocol", "protocol_text",
)  # fmt: skip
"""Columns of the frame."""


def run_frame(run: Run, *, details: bool = True) -> pandas.DataFrame:
    """One row per (job, score name), in the order of the jobs; missing scores have rows, too.

    Every metric of the store (of each name and mode the identity used last) gives each job a row
    for each of its columns. ``value`` is NaN where there is no score, and then ``reason`` says why:
    the generation failed, is still to be made, is still to be scored, or the metric's own reason.

    ``status`` is done, failed or pending; ``image`` the path inside the run folder or None;
    ``seconds`` an image, ``passes`` of the transformer, ``peak_memory_mb``. ``protocol`` is a short
    digest of ``protocol_text``: all that must be equal for two rows to be ranked together.
    ``details`` holds a dict in every row, or is left empty with ``details=False`` (much faster on
    large runs).
    """
    import numpy as np
    import pandas as pd

    jobs = run.query(
        "SELECT j.image, i.key, j.layout, l.digest, l.category, l.prompt, j.seed, j.model, "
        "j.model_digest, j.method, j.method_label, j.settings, j.dtype, i.status, i.error, "
        "i.seconds, i.passes, i.peak_memory_mb "
        "FROM jobs j JOIN images i ON i.id = j.image JOIN layouts l ON l.id = j.layout "
        "ORDER BY j.id"
    )
    metrics = run.query(
        "SELECT id, name, mode, columns, digest FROM metrics WHERE current ORDER BY name, mode"
    )
    cells = [
        (metric, name, mode, column)
        for metric, name, mode, columns, _ in metrics
        for column in json.loads(columns)
    ]
    cell_index = {(metric, column): c for c, (metric, _, _, column) in enumerate(cells)}
    n_instances = {name: len(layout.instances) for name, layout in run.layouts.items()}
    protocols = _protocols(run, jobs, metrics)

    n, c = len(jobs), len(cells)
    value = np.full(n * c, np.nan)
    reason: Any = np.empty(n * c, dtype=object)
    detail: Any = np.empty(n * c, dtype=object)
    reason.reshape(n, c)[:] = np.array([_absent(job[13], job[14]) for job in jobs], dtype=object)[
        :, None
    ]
    jobs_of: dict[int, list[int]] = {}
    for j, job in enumerate(jobs):
        jobs_of.setdefault(job[0], []).append(j)
    wanted = "s.details" if details else "NULL"
    for image, metric, name, number, why, extra in run.query(
        f"SELECT s.image, s.metric, s.name, s.value, s.reason, {wanted} "
        "FROM scores s JOIN metrics m ON m.id = s.metric WHERE m.current"
    ):
        cell = cell_index[metric, name]
        for j in jobs_of[image]:
            at = j * c + cell
            value[at] = np.nan if number is None else number
            reason[at] = why
            detail[at] = extra

    per_job: dict[str, list[Any]] = {
        "key": [j[1] for j in jobs],
        "layout_id": [j[2] for j in jobs],
        "layout_digest": [j[3] for j in jobs],
        "category": [j[4] for j in jobs],
        "prompt": [j[5] for j in jobs],
        "n_instances": [n_instances[j[2]] for j in jobs],
        "seed": [j[6] for j in jobs],
        "model": [j[7] for j in jobs],
        "method": [j[9] for j in jobs],
        "method_label": [j[10] for j in jobs],
        "image": [f"images/{j[1]}.png" if j[13] == "done" else None for j in jobs],
        "status": [j[13] or "pending" for j in jobs],
        "seconds": [j[15] for j in jobs],
        "passes": [j[16] for j in jobs],
        "peak_memory_mb": [j[17] for j in jobs],
        "protocol": [digest(p)[:12] for p in protocols],
        "protocol_text": protocols,
    }
    columns: dict[str, Any] = {
        name: np.repeat(_array(name, values), c) for name, values in per_job.items()
    }
    for at, name in ((1, "metric"), (2, "mode"), (3, "score")):
        columns[name] = np.tile(np.array([cell[at] for cell in cells], dtype=object), n)
    columns["value"] = value
    columns["reason"] = reason
    columns["details"] = _array("details", [json.loads(d) if d else {} for d in detail])
    for name in ("reason", "image", "details", "protocol_text"):
        columns[name] = pd.Series(columns[name], dtype=object)  # None stays None, dicts dicts
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def _absent(status: str | None, error: str | None) -> str:
    """Why a job has no score at all."""
    if status is None:
        return "not generated yet"
    return f"generation failed: {error}" if status == "failed" else "not scored yet"


def _array(name: str, values: list[Any]) -> Any:
    """Numbers as a numeric array, everything else as objects (dicts stay dicts)."""
    import numpy as np

    if name in ("seconds", "passes", "peak_memory_mb"):
        return np.array([np.nan if v is None else v for v in values], dtype=float)
    if name in ("seed", "n_instances"):
        return np.array(values, dtype=np.int64)
    array: Any = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _protocols(
    run: Run, jobs: list[tuple[Any, ...]], metrics: list[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """For each job what must be equal for rows to be ranked together; equal ones are one object."""
    manifest = run.manifest
    shared = {
        "suite": manifest["suite"]["name"],
        "layouts": manifest["suite"]["digest"][:12],
        "prompts": manifest["suite"]["prompts"],
        "device": manifest["environment"]["device"],
        "libraries": manifest["environment"]["libraries"],
        "metrics": {f"{name} ({mode})": key[:12] for _, name, mode, _, key in metrics},
    }
    seeds: dict[tuple[str, str], set[int]] = {}
    for job in jobs:
        seeds.setdefault((job[7], job[10]), set()).add(job[6])
    made: dict[tuple[str, str, tuple[int, ...]], dict[str, Any]] = {}
    protocols = []
    for job in jobs:
        key = job[11], job[12], tuple(sorted(seeds[job[7], job[10]]))
        if key not in made:
            settings, dtype, used = key
            made[key] = {**shared, "seeds": used, "settings": json.loads(settings), "dtype": dtype}
        protocols.append(made[key])
    return protocols
