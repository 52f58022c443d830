"""A run as one table: the interface between the store and everything that reads results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
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

_CHUNK = 50_000
"""Scores read from the store at once."""


def run_frame(run: Run, *, details: bool = True) -> pandas.DataFrame:
    """One row per (job, score name), in the order of the jobs; missing scores have rows, too.

    Every metric of the store (of each name and mode the identity used last) gives each job a row
    for each of its columns. ``value`` is NaN where there is no score, and then ``reason`` says why:
    the generation failed, is still to be made, is still to be scored, or the metric's own reason.

    ``status`` is done, failed or pending; ``image`` the path inside the run folder or None;
    ``seconds`` an image, ``passes`` of the transformer, ``peak_memory_mb``. ``protocol`` is a short
    digest of ``protocol_text``: all that must be equal for two rows to be ranked together.
    ``details`` holds a dict in every row, an empty one with ``details=False`` (faster on large
    runs). Texts that repeat are categorical columns.
    """
    import numpy as np
    import pandas as pd

    metrics = run.query(
        "SELECT id, name, mode, columns, digest, identity FROM metrics WHERE current "
        "ORDER BY name, mode"
    )
    cells = [
        (metric, name, mode, column)
        for metric, name, mode, columns, _, _ in metrics
        for column in json.loads(columns)
    ]
    images, jobs = _jobs(run, metrics)
    n, c = len(images), len(cells)
    frame = jobs.take(np.repeat(np.arange(n), c)).reset_index(drop=True)
    for at, name in ((1, "metric"), (2, "mode"), (3, "score")):
        names = pd.Categorical([cell[at] for cell in cells])
        codes = np.tile(names.codes, n)
        frame[name] = pd.Categorical.from_codes(codes, dtype=names.dtype)

    stored = _scores(run, cells, details=details)
    found = stored.places(images)  # (n, c), -1 where nothing is stored
    there = found.ravel() >= 0
    picked = found.ravel()[there]
    value = np.full(n * c, np.nan)
    value[there] = stored.values[picked]
    reason: Any = np.repeat(frame.pop("absent").to_numpy()[::c], c) if c else np.array([], object)
    reason[there] = None
    detail = _objects([{}]).to_numpy().repeat(n * c)
    index = found.ravel()
    for column, sparse in ((reason, stored.reasons), (detail, stored.details)):
        if sparse:
            have = np.flatnonzero(np.isin(index, np.fromiter(sparse, np.int64)))
            column[have] = _objects(sparse[k] for k in index[have]).to_numpy()
    frame["value"] = value
    frame["reason"] = pd.Series(reason, dtype=object)  # None stays None
    frame["details"] = pd.Series(detail, dtype=object)
    return frame[list(COLUMNS)]


@dataclass(frozen=True, slots=True)
class _Scores:
    """The stored scores of the current metrics as columns, one entry a score."""

    images: Any
    cells: Any
    """Index of the score's column."""
    values: Any
    reasons: Mapping[int, str]
    """By index of the score, for those that have one."""
    details: Mapping[int, Any]
    columns: int

    def places(self, images: Sequence[int]) -> Any:
        """For each of these images and each column the index of its score, or -1."""
        import numpy as np

        known, codes = np.unique(np.array(images, dtype=np.int64), return_inverse=True)
        table = np.full((len(known), self.columns), -1, dtype=np.int64)
        table[np.searchsorted(known, self.images), self.cells] = np.arange(len(self.images))
        return table[codes]


def _scores(run: Run, cells: list[tuple[Any, ...]], *, details: bool) -> _Scores:
    import numpy as np

    cell_of = {(metric, column): k for k, (metric, _, _, column) in enumerate(cells)}
    wanted = "nullif(s.details, '{}')" if details else "NULL"
    parts: list[list[Any]] = [[np.array([], k)] for k in (np.int64, np.int64, np.float64)]
    reasons: dict[int, str] = {}
    found: dict[int, Any] = {}
    start = 0
    rows = run.rows(
        f"SELECT s.image, s.metric, s.name, s.value, s.reason, {wanted} "
        "FROM scores s JOIN metrics m ON m.id = s.metric WHERE m.current"
    )
    while chunk := list(islice(rows, _CHUNK)):
        image, metric, name, number, why, extra = zip(*chunk, strict=True)
        parts[0].append(np.array(image, dtype=np.int64))
        parts[1].append(np.array([cell_of[key] for key in zip(metric, name, strict=True)]))
        parts[2].append(np.array(number, dtype=np.float64))  # None becomes NaN
        reasons |= {start + k: text for k, text in enumerate(why) if text is not None}
        if details:
            found |= {start + k: json.loads(t) for k, t in enumerate(extra) if t is not None}
        start += len(chunk)
    images, columns, values = map(np.concatenate, parts)
    return _Scores(images, columns, values, reasons, found, len(cells))


def _jobs(run: Run, metrics: list[tuple[Any, ...]]) -> tuple[list[int], pandas.DataFrame]:
    """The image of each job, and what the frame says of the job whatever the score."""
    import pandas as pd

    rows = run.query(
        "SELECT j.image, i.key, j.layout, l.digest, l.category, l.prompt, j.seed, j.model, "
        "j.method, j.method_label, i.status, i.error, i.seconds, i.passes, i.peak_memory_mb, "
        "j.settings, j.dtype "
        "FROM jobs j JOIN images i ON i.id = j.image JOIN layouts l ON l.id = j.layout "
        "ORDER BY j.id"
    )
    names = (
        "id", "key", "layout_id", "layout_digest", "category", "prompt", "seed", "model", "method",
        "method_label", "status", "error", "seconds", "passes", "peak_memory_mb", "settings",
        "dtype",
    )  # fmt: skip
    raw = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    instances = {name: len(layout.instances) for name, layout in run.layouts.items()}
    protocols = _protocols(run, raw, metrics)
    short = {id(p): digest(p)[:12] for p in {id(p): p for p in protocols}.values()}
    jobs = pd.DataFrame(
        {
            **{
                name: pd.Categorical(list(raw[name]))
                for name in ("key", "layout_id", "layout_digest", "category", "prompt", "model",
                             "method", "method_label")
            },
            "status": pd.Categorical([status or "pending" for status in raw["status"]]),
            "protocol": pd.Categorical([short[id(p)] for p in protocols]),
            "n_instances": pd.Series([instances[e] for e in raw["layout_id"]], dtype="int64"),
            "seed": pd.Series(raw["seed"], dtype="int64"),
            **{
                name: pd.Series(raw[name], dtype="float64")
                for name in ("seconds", "passes", "peak_memory_mb")
            },
            "image": _objects(
                f"images/{key}.png" if status == "done" else None
                for key, status in zip(raw["key"], raw["status"], strict=True)
            ),
            "protocol_text": _objects(protocols),
            "absent": _objects(map(_absent, raw["status"], raw["error"])),
        }
    )  # fmt: skip
    return list(raw["id"]), jobs


def _absent(status: str | None, error: str | None) -> str:
    """Why a job has no score at all."""
    if status is None:
        return "not generated yet"
    return f"generation failed: {error}" if status == "failed" else "not scored yet"


def _objects(values: Iterable[Any]) -> Any:
    """A series of objects: None stays None and dicts stay dicts, as pandas alone would not."""
    import numpy as np
    import pandas as pd

    listed = list(values)
    array: Any = np.empty(len(listed), dtype=object)
    array[:] = listed
    return pd.Series(array, dtype=object)


def _protocols(
    run: Run, raw: Mapping[str, Sequence[Any]], metrics: list[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """For each job what must be equal for rows to be ranked together; equal ones are one object."""
    manifest = run.manifest
    shared = {
        "suite": manifest["suite"]["name"],
        "layouts": manifest["suite"]["digest"][:12],
        "prompts": manifest["suite"]["prompts"],
        "device": manifest["environment"]["device"],
        "libraries": manifest["environment"]["libraries"],
        "metrics": {f"{name} ({mode})": key[:12] for _, name, mode, _, key, _ in metrics},
        # The official spatial scores were made with UniDet: a row names its own detector.
        "judges": {
            f"{name} ({mode})": _judge_names(json.loads(identity))
            for _, name, mode, _, _, identity in metrics
        },
    }
    seeds: dict[tuple[str, str], set[int]] = {}
    owners = list(zip(raw["model"], raw["method_label"], strict=True))
    for owner, seed in zip(owners, raw["seed"], strict=True):
        seeds.setdefault(owner, set()).add(seed)
    used = {owner: tuple(sorted(values)) for owner, values in seeds.items()}
    made: dict[tuple[str, str, tuple[int, ...]], dict[str, Any]] = {}
    protocols = []
    for owner, settings, dtype in zip(owners, raw["settings"], raw["dtype"], strict=True):
        key = settings, dtype, used[owner]
        if key not in made:
            own = {"seeds": list(used[owner]), "settings": json.loads(settings), "dtype": dtype}
            made[key] = shared | own
        protocols.append(made[key])
    return protocols


def _judge_names(identity: Mapping[str, Any]) -> dict[str, str]:
    """The judges of a metric's identity, by role."""
    judges = identity.get("judges")
    if not isinstance(judges, Mapping):
        return {}
    return {
        str(role): str(judge["name"])
        for role, judge in judges.items()
        if isinstance(judge, Mapping) and "name" in judge
    }
