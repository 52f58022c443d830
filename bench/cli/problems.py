"""What went wrong with single images, said on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.engine.generate import Generation
    from bench.scoring import Scoring
    from bench.store import Run, StoredImage

MOST_LINES = 20


def say_lines(lines: Iterable[str], rest: str = "the report lists all") -> None:
    """Print lines on standard error, at most `MOST_LINES`, and where the others are."""
    held = list(lines)
    for line in held[:MOST_LINES]:
        print(line, file=sys.stderr)
    if len(held) > MOST_LINES:
        print(f"... and {len(held) - MOST_LINES} more; {rest}", file=sys.stderr)


def say_problems(scoring: Scoring, generation: Generation | None = None) -> int:
    """Name the images without an image or a score, at most `MOST_LINES`; returns how many."""
    lines = []
    if generation is not None:
        lines += [f"failed image: {_name(i)}: {why}" for i, why in generation.failed]
    lines += [f"failed score: {_name(i)}: {why}" for _, i, why in scoring.errors]
    lines += [why for _, why in scoring.unreadable]
    say_lines(lines)
    if generation is not None and generation.drifted:
        print(
            f"warning: {len(generation.drifted)} kept images came out different when their batch "
            "was made again; this machine does not repeat the run's first part",
            file=sys.stderr,
        )
    return len(lines)


def say_alarms(run: Run) -> list[str]:
    """Say what looks wrong in the run's scores as a whole; returns it."""
    from bench.scoring import alarms

    found = alarms(run)
    for text in found:
        print(f"alarm: {text}; is the judge the right one? ('python -m bench doctor')",
              file=sys.stderr)  # fmt: skip
    return found


def _name(image: StoredImage) -> str:
    return f"{image.layout.id}, seed {image.seed}, {image.method_label}"
