"""What went wrong with single images, said on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.engine.generate import Generation
    from bench.scoring import Scoring
    from bench.store import StoredImage

MOST_LINES = 20


def say_problems(scoring: Scoring, generation: Generation | None = None) -> int:
    """Name the images without an image or a score, at most `MOST_LINES`; returns how many."""
    lines = []
    if generation is not None:
        lines += [f"failed image: {_name(i)}: {why}" for i, why in generation.failed]
    lines += [f"failed score: {_name(i)}: {why}" for _, i, why in scoring.errors]
    lines += [why for _, why in scoring.unreadable]
    for line in lines[:MOST_LINES]:
        print(line, file=sys.stderr)
    if len(lines) > MOST_LINES:
        print(f"... and {len(lines) - MOST_LINES} more; the report lists all", file=sys.stderr)
    if generation is not None and generation.drifted:
        print(
            f"warning: {len(generation.drifted)} kept images came out different when their batch "
            "was made again; this machine does not repeat the run's first part",
            file=sys.stderr,
        )
    return len(lines)


def _name(image: StoredImage) -> str:
    return f"{image.layout.id}, seed {image.seed}, {image.method_label}"
