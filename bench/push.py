"""A run as a ``datasets`` data set: images, prompts, layouts, scores."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, describe
from bench.files import write_atomic
from bench.leaderboard import build
from bench.report.samples import Sample, Shot, samples, script_json

if TYPE_CHECKING:
    import datasets
    import pandas as pd

SHARD = 400_000_000
"""Bytes of images in one Parquet file, about."""


def to_folder(frame: pd.DataFrame, run_dir: Path, folder: Path) -> Path:
    """Write a folder that ``datasets.load_dataset(folder)`` reads; returns it.

    ``data/*.parquet`` with the images inside, and ``README.md`` with the leaderboard. The folder
    must be new or empty: nothing of anybody else's is overwritten.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BenchError(f"{folder} is not empty; give a new folder")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        data = _dataset(frame, run_dir, Path(cache))
        shards = max(1, -(-_size(frame, run_dir) // SHARD))
        for i in range(shards):
            name = f"train-{i:05d}-of-{shards:05d}.parquet"
            data.shard(shards, i, contiguous=True).to_parquet(folder / "data" / name)
    card = f"# Run {run_dir.resolve().name}\n\n{build(frame).markdown()}"
    write_atomic(folder / "README.md", card.encode())
    return folder


def to_hub(frame: pd.DataFrame, run_dir: Path, name: str, *, private: bool = True) -> str:
    """Upload to the hub as ``owner/name`` with the token that is logged in; returns its address.

    Raises BenchError for a name of another form, and when the hub cannot be reached or refuses.
    """
    from huggingface_hub.errors import HfHubHTTPError

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise BenchError(f"hub name {name!r} must have the form OWNER/NAME")
    with tempfile.TemporaryDirectory() as cache:
        data = _dataset(frame, run_dir, Path(cache))
        try:
            data.push_to_hub(name, private=private)
        except (HfHubHTTPError, OSError) as error:
            raise BenchError(
                f"cannot push to {name} ({describe(error)}); log in with 'hf auth login' as "
                "somebody who may write there, or give --folder and upload that"
            ) from error
    return f"https://huggingface.co/datasets/{name}"


def _dataset(frame: pd.DataFrame, run_dir: Path, cache: Path) -> datasets.Dataset:
    import datasets

    board = build(frame)
    keys = [c.key for c in board.columns]
    text, real = datasets.Value("string"), datasets.Value("float64")
    features = datasets.Features(
        {
            "key": text,
            "image": datasets.Image(),
            "prompt": text,
            "category": text,
            "layout_id": text,
            "instances": datasets.Value("int64"),
            "seed": datasets.Value("int64"),
            "model": text,
            "method": text,
            "status": text,
            **{f"score_{key}": real for key in keys},
            "seconds": real,
            "passes": real,
            "peak_memory_mb": real,
            "targets": text,
            "details": text,
            "reasons": text,
        }
    )

    def rows() -> Iterator[dict[str, Any]]:
        for sample in samples(frame, board, run_dir):
            for shot in sample.shots:
                row = board.rows[shot.entry]
                yield _row(sample, shot, row.model, row.label, keys)

    made = datasets.Dataset.from_generator(rows, features=features, cache_dir=str(cache))
    return made


def _row(sample: Sample, shot: Shot, model: str, label: str, keys: list[str]) -> dict[str, Any]:
    image = None
    if shot.image is not None and shot.image.is_file():
        image = {"bytes": shot.image.read_bytes(), "path": f"{shot.key}.png"}
    return {
        "key": shot.key,
        "image": image,
        "prompt": sample.prompt,
        "category": sample.category,
        "layout_id": sample.layout,
        "instances": sample.instances,
        "seed": sample.seed,
        "model": model,
        "method": label,
        "status": shot.status,
        **{f"score_{key}": shot.scores.get(key) for key in keys},
        "seconds": shot.seconds,
        "passes": shot.passes,
        "peak_memory_mb": shot.memory,
        "targets": script_json(sample.targets),
        "details": script_json({**shot.places, **shot.details}),
        "reasons": json.dumps(shot.reasons, ensure_ascii=False),
    }


def _size(frame: pd.DataFrame, run_dir: Path) -> int:
    paths = {run_dir / p for p in frame["image"] if isinstance(p, str)}
    return sum(path.stat().st_size for path in paths if path.is_file())
