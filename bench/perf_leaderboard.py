"""How long a large store takes to become a leaderboard, and how much memory."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store import PlannedJob, Run
from bench.types import Box, GenerationSettings, Instance, Job, Layout

METHODS = 5
SEEDS = 10
SCORES = 20
"""Columns of a run with the default metrics in both modes, about."""
CATEGORIES = ("color", "shape", "texture", "spatial", "numeracy", "complex")


def run_leaderboard(scores: int) -> dict[str, Any]:
    """Time a made-up store of so many scores; a process of its own shows the memory.

    Raises BenchError for fewer scores than one prompt has.
    """
    prompts = scores // (METHODS * SEEDS * SCORES)
    if prompts < 1:
        raise BenchError(f"{scores} scores; at least {METHODS * SEEDS * SCORES} are needed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        made_up_store(path, prompts)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            measured = pool.apply(_measure, (path,))
    return {"prompts": prompts, "seeds": SEEDS, "methods": METHODS, **measured}


def leaderboard_text(result: dict[str, Any]) -> str:
    return (
        f"{result['scores']} scores ({result['prompts']} prompts x {result['seeds']} seeds x "
        f"{result['methods']} methods): {result['read_seconds']:.1f} s to read the store, "
        f"{result['build_seconds']:.1f} s to build the leaderboard with its intervals, tests and "
        f"ranks, {result['seconds']:.1f} s in all ({result['cpu_seconds']:.1f} s of CPU), "
        f"peak memory {result['peak_mb']:.0f} MB"
    )


def made_up_store(path: Path, prompts: int) -> None:
    """A run folder without images: all jobs done, every score a random number."""
    import numpy as np

    settings = GenerationSettings(steps=4, height=16, width=16)
    cat = Instance("a red cat", (0, 9), "cat", (6, 9), ("red",), ((2, 5),), Box(0.1, 0.1, 0.9, 0.9))
    methods = ("baseline", *(f"method-{i}" for i in range(1, METHODS)))
    jobs = []
    for i in range(prompts):
        category = CATEGORIES[i % len(CATEGORIES)]
        layout = Layout(f"{category}-{i}", f"a red cat {i}", category, (cat,) * (1 + i % 4))
        jobs += [
            PlannedJob(Job(layout, seed, "pocket-flux", "0" * 64, name, {}, settings), name, i)
            for seed in range(42, 42 + SEEDS)
            for name in methods
        ]
    manifest = {
        "identity": {},
        "suite": {"name": "made-up", "digest": "0" * 64, "prompts": prompts, "left_out": []},
        "environment": {"device": "cpu", "libraries": {}},
    }
    run = Run.create(path, manifest, jobs)
    names = [f"score_{k}" for k in range(SCORES)]
    column = {"higher_is_better": True, "description": "made up", "range": [0, 1]}
    metric = run.use_metric("made_up", "fixed", {}, dict.fromkeys(names, column))
    details = json.dumps({"questions": [["a red cat?", 0.7]]})
    rng = np.random.default_rng(0)
    with run._transaction() as db:
        db.execute(
            "UPDATE images SET status = 'done', sha256 = '', seconds = 1, passes = 8, "
            "peak_memory_mb = 100"
        )
        images = [row[0] for row in db.execute("SELECT id FROM images")]
        db.executemany(
            "INSERT INTO scores VALUES (?, ?, ?, ?, NULL, ?, 0)",
            (
                (image, metric, name, value, details)
                for image in images
                for name, value in zip(names, rng.random(SCORES).tolist(), strict=True)
            ),
        )
    run.close()


def _measure(path: Path) -> dict[str, Any]:
    from bench.backends.memory import resident_peak_mb
    from bench.engine.publish import leaderboard

    start, cpu = time.perf_counter(), time.process_time()
    run = Run.open(path)
    frame = run.frame(details=False)
    read = time.perf_counter()
    board = leaderboard(run, frame)
    board.text(100)
    end = time.perf_counter()
    return {
        "scores": int(frame["value"].notna().sum()),
        "rows": len(board.rows),
        "read_seconds": read - start,
        "build_seconds": end - read,
        "seconds": end - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resident_peak_mb(),
    }
