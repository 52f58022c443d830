"""Other people's images into a run folder, so that they are scored and shown like our own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine.generate import progress_bar
from bench.errors import BenchError
from bench.identity import file_digest
from bench.images import Inventory, read_image
from bench.store import IMPORTED, PlannedJob, Run, encode_png
from bench.suites import Suite
from bench.types import GenerationRecord, GenerationSettings, Job

ORIGIN = "imported"
"""Stands where a generated image has its model's digest."""


@dataclass(slots=True)
class Adoption:
    """What became of the files of a folder."""

    adopted: int = 0
    kept: int = 0
    """Lay in the run already, unchanged."""
    failed: tuple[tuple[Job, str], ...] = ()
    """Missing, damaged and blank images, with the reason: they count as failed."""


def imported_manifest(
    suite: Suite, model: str, judges: Mapping[str, str], where: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest of a run that holds nothing but other people's images."""
    return {
        "identity": {"layouts": suite.digest},
        "model": {"name": model, "judges": dict(judges)},
        "suite": {
            "name": suite.name,
            "digest": suite.digest,
            "prompts": len(suite.layouts),
            "left_out": [],
        },
        "environment": dict(where),
    }


def adopt(run: Run, inventory: Inventory, *, model: str, method: str) -> Adoption:
    """Copy the images (as PNG, pixels unchanged) into the run; the caller holds its lock.

    Every layout is expected at every seed that occurs: a pair without a file is a failed image, as
    is a damaged or blank one. Files that were adopted before and have not changed are kept.
    """
    jobs = _jobs(inventory, model, method)
    run.add_jobs([PlannedJob(job, method, IMPORTED) for job, _ in jobs])
    known = {image.key: image.record for image in run.images()}
    done = Adoption()
    failed = []
    with progress_bar("images", len(jobs)) as bar:
        for job, path in jobs:
            bar.update(1)
            record = known[job.key]
            if record is not None and run.intact(record):
                done.kept += 1
                continue
            try:
                if path is None:
                    raise BenchError("no image file for this layout and seed")
                png = encode_png(read_image(path))
            except BenchError as error:
                failed.append((job, str(error)))
                run.save_images([(GenerationRecord(job.key, "failed", error=str(error)), None)])
                continue
            sha256 = hashlib.sha256(png).hexdigest()
            run.save_images([(GenerationRecord(job.key, "done", image_sha256=sha256), png)])
            done.adopted += 1
    done.failed = tuple(failed)
    return done


def _jobs(inventory: Inventory, model: str, method: str) -> list[tuple[Job, Path | None]]:
    """A job for every (layout, seed), with its file; the file's digest stands in the job's key."""
    files = {(item.layout.id, item.seed): item.path for item in inventory.found}
    seeds = sorted({item.seed for item in inventory.found})
    by_id = {item.layout.id: item.layout for item in inventory.found}
    layouts = [*by_id.values(), *inventory.without_image]
    jobs = []
    for layout in layouts:
        for seed in seeds:
            path = files.get((layout.id, seed))
            there = path is not None and path.is_file()
            job = Job(
                layout=layout,
                seed=seed,
                model=model,
                model_digest=ORIGIN,
                method=method,
                method_args={"file_sha256": file_digest(path) if path and there else None},
                # how they were sampled is not known: 0 says so, and ranks them with their like
                settings=GenerationSettings(steps=0, height=0, width=0, guidance_scale=0.0),
                dtype="unknown",
            )
            jobs.append((job, path))
    return jobs
