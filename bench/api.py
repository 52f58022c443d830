"""The Python API: what the command line does, for scripts and notebooks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.engine.config import FIRST_SEED, RunConfig
from bench.engine.plan import make_method
from bench.errors import BenchError
from bench.models import POCKET_FLUX, model_spec
from bench.store import Run, encode_png
from bench.types import GenerationRecord, Job, Layout

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

    from bench.backends import Backend


def load_model(
    name_or_path: str | Path, *, device: str = "auto", dtype: str | None = None
) -> Backend:
    """A generator by name, ``module:attribute``, or folder in diffusers format.

    Raises BenchError when it is unknown or cannot be loaded.
    """
    from bench.backends import load_backend
    from bench.engine.environment import resolve_device

    spec = model_spec(str(name_or_path))
    spec = replace(spec, dtype=dtype or spec.dtype)
    return load_backend(spec, device=resolve_device(device))


def build_layouts(prompts: Sequence[str | tuple[str, str, str]]) -> list[Layout]:
    """A layout for each prompt, or for each (id, category, prompt): parsed and planned."""
    from bench.layouts import build_layouts as build

    return build(prompts)


def generate(
    model: Backend,
    layout: Layout,
    *,
    method: str = "baseline",
    seed: int = FIRST_SEED,
    preset: str | None = None,
    **method_args: Any,
) -> tuple[Image, GenerationRecord]:
    """One image (RGB) and its record.

    ``method_args`` are the method's constants that differ from the preset's (``i2t=4.0``).
    Raises BenchError for an unknown method or constant, and for words the model does not know.
    """
    from bench.backends import model_digest

    unknown = model.unknown_words(layout.prompt)
    if unknown:
        raise BenchError(
            f"model {model.spec.name} does not know {', '.join(map(repr, unknown))} in prompt "
            f"{layout.prompt!r}; use words of its vocabulary or another model"
        )
    chosen = make_method(method, preset, method_args, model.spec)
    made = model.generate([layout], [seed], chosen, model.spec.settings)[0]
    job = Job(
        layout=layout,
        seed=seed,
        model=model.spec.name,
        model_digest=model_digest(model.spec),
        method=method,
        method_args=chosen.args,
        settings=model.spec.settings,
        dtype=model.spec.dtype,
    )
    record = GenerationRecord(
        job.key,
        "done",
        image_sha256=hashlib.sha256(encode_png(made.image)).hexdigest(),
        seconds=made.seconds,
        passes=made.passes,
        peak_memory_mb=made.peak_memory_mb,
    )
    return made.image, record


def score(
    images: Sequence[Image | str | Path],
    layouts: Sequence[Layout],
    metrics: Sequence[str] = (),
    *,
    judges: Mapping[str, str] | None = None,
    device: str = "auto",
) -> pandas.DataFrame:
    """Scores of images that were made for these layouts, one row per (image, score name).

    Columns: ``index`` (place in ``images``), ``layout_id``, ``metric``, ``mode``, ``score``,
    ``value`` (NaN where there is none), ``reason``, ``details``. ``judges`` by role; by default
    those of the pocket suite. Raises BenchError when lengths differ or an image cannot be read.
    """
    import pandas as pd

    from bench.engine.environment import resolve_device
    from bench.judges import JudgeSet
    from bench.scoring import DEFAULT_METRICS, complete, make_metrics, score_samples
    from metrics.base import Sample

    if len(images) != len(layouts):
        raise BenchError(f"{len(images)} images and {len(layouts)} layouts; one layout an image")
    roles = {**POCKET_FLUX.judges, **(judges or {})}
    chosen = make_metrics(
        metrics or DEFAULT_METRICS, JudgeSet(roles, device=resolve_device(device))
    )
    samples = [Sample(_rgb(i), e) for i, e in zip(images, layouts, strict=True)]
    rows = []
    for metric in chosen:
        for index, result in enumerate(score_samples(metric, samples)):
            for name, s in zip(metric.columns, complete(metric, result), strict=True):
                row = {"index": index, "layout_id": layouts[index].id, "metric": metric.name}
                row |= {"mode": metric.mode, "score": name, "value": s.value}
                rows.append({**row, "reason": s.reason, "details": dict(s.details)})
    return pd.DataFrame(rows).astype({"value": float})


def run(config: RunConfig | None = None, **changes: Any) -> Run:
    """Do a run (or what is missing of it), write leaderboard and report, and give the run.

    ``changes`` are fields of `RunConfig` that differ from ``config``, or from the defaults.
    """
    from bench.engine.publish import publish
    from bench.engine.run import run as execute

    outcome = execute(replace(config or RunConfig(), **changes))
    publish(outcome.run)
    return outcome.run


def _rgb(image: Image | str | Path) -> Image:
    if isinstance(image, str | Path):
        from bench.images import read_image

        return read_image(Path(image))
    return image.convert("RGB")
