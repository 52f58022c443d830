"""The static page of a run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files import write_atomic
from bench.leaderboard import ALL, Leaderboard, build
from bench.leaderboard.published import CATEGORIES, PUBLISHED_TITLE, fitting
from bench.leaderboard.terminal import notes
from bench.leaderboard.wording import bracket, number, probability, seconds, signed
from bench.report.media import Media
from bench.report.plots import WIDTH, plots
from bench.report.samples import Sample, Shot, detections, samples, script_json

if TYPE_CHECKING:
    import pandas as pd

SCRIPTS = ("dom.js", "board.js", "overlay.js", "record.js", "gallery.js", "main.js")
"""Joined in this order into one inline script."""


def write(
    frame: pd.DataFrame,
    run_dir: Path,
    out_dir: Path,
    *,
    title: str | None = None,
    baseline: str = "baseline",
    higher_is_better: Mapping[str, bool] | None = None,
) -> Path:
    """Write ``out_dir/index.html`` and ``out_dir/media/``; returns the page's path.

    The page needs no network and no server. ``frame`` is ``Run.frame()`` with details, or several
    concatenated; its image paths are relative to ``run_dir``. Images that are lost or broken are
    named on the page, not hidden.
    """
    board = build(frame, baseline=baseline, higher_is_better=higher_is_better)
    out_dir.mkdir(parents=True, exist_ok=True)
    media = Media(out_dir)
    shown = [_sample(sample, media) for sample in samples(frame, board, run_dir)]
    media.clean()
    page = out_dir / "index.html"
    html = _render(board, shown, title or run_dir.resolve().name)
    write_atomic(page, html.encode("utf-8", "replace"))
    return page


def _render(board: Leaderboard, shown: list[dict[str, Any]], title: str) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        number=number, signed=signed, bracket=bracket, probability=probability, seconds=seconds
    )
    style = _asset("page.css")
    script = "(() => {\n" + '"use strict";\n' + "".join(map(_asset, SCRIPTS)) + "})();\n"
    return environment.get_template("page.html").render(
        board=board,
        ALL=ALL,
        title=title,
        images=sum(len(sample["shots"]) for sample in shown),
        samples=len(shown),
        categories=[part for part in board.slices if part.kind == "category"],
        compared=[r for r in board.rows if any(cell.against for cell in r.cells.values())],
        methods=len({row.label for row in board.rows}),
        notes=notes(board),
        published=fitting(board),
        published_title=PUBLISHED_TITLE,
        published_categories=CATEGORIES,
        figures={c.key: plots(board, c) for c in board.columns},
        plot_width=WIDTH,
        data=script_json(_document(board, shown)),
        style=style,
        script=script,
        # Only these very texts may run or style: markup that slipped in could do neither.
        script_hash=_csp_hash(script),
        style_hash=_csp_hash(style),
    )


def _document(board: Leaderboard, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page's script reads."""
    bases = {(r.protocol, r.model): i for i, r in enumerate(board.rows) if r.is_baseline}
    return {
        "columns": [{"key": c.key, "up": c.higher_is_better} for c in board.columns],
        "headline": board.headline,
        "entries": [
            {"name": " ".join(board.names(r)), "base": bases.get((r.protocol, r.model))}
            for r in board.rows
        ],
        "samples": shown,
    }


def _sample(sample: Sample, media: Media) -> dict[str, Any]:
    return {
        "prompt": sample.prompt,
        "category": sample.category,
        "layout": sample.layout,
        "seed": sample.seed,
        "instances": sample.instances,
        "targets": sample.targets,
        "shots": [_shot(shot, media) for shot in sample.shots],
    }


def _shot(shot: Shot, media: Media) -> dict[str, Any]:
    picture = media.add(shot.image, shot.key) if shot.image else None
    why = picture if isinstance(picture, str) else next(iter(shot.reasons.values()), shot.status)
    return {
        "entry": shot.entry,
        "key": shot.key,
        "status": shot.status,
        "picture": picture._asdict() if picture and not isinstance(picture, str) else None,
        "absent": why,
        "scores": shot.scores,
        "reasons": shot.reasons,
        "seconds": shot.seconds,
        "passes": shot.passes,
        "memory": shot.memory,
        "detections": detections(shot),
        "placed": shot.places.get("instances") or [],
        "details": shot.details,
    }


def _asset(name: str) -> str:
    return files("bench.report").joinpath(name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
