"""From a run's scores to what people read: leaderboard files and the report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.store import Run

if TYPE_CHECKING:
    import pandas

    from bench.leaderboard import Leaderboard


PAIRS = "pairs.png"
MOST_PAIRED = 4
"""Methods that fit beside one another in the picture of pairs; more are left to the report."""


def publish(run: Run) -> Leaderboard:
    """Write the leaderboard in every form, ``report/index.html`` and, where methods can be shown
    side by side, ``pairs.png`` into the run folder."""
    from bench.leaderboard.files import write_files
    from bench.report import pairs_image, write

    frame = run.frame()
    board = leaderboard(run, frame)
    write_files(board, run.path)
    write(frame, run.path, run.path / "report", higher_is_better=directions(run))
    if 2 <= len(board.rows) <= MOST_PAIRED:
        try:
            pairs_image(frame, run.path, run.path / PAIRS)
        except BenchError as error:  # the tables and the report are worth having without it
            print(f"no picture of pairs: {error}", file=sys.stderr)
    return board


def leaderboard(run: Run, frame: pandas.DataFrame) -> Leaderboard:
    """The leaderboard of a run's frame, with the directions that its metrics declare."""
    from bench.leaderboard import build

    return build(frame, higher_is_better=directions(run))


def directions(run: Run) -> dict[str, bool]:
    """Whether higher is better, by score name."""
    return {
        name: bool(column["higher_is_better"])
        for (columns,) in run.query("SELECT columns FROM metrics WHERE current")
        for name, column in json.loads(columns).items()
    }


def files(path: Path) -> dict[str, str]:
    """What a published run folder holds, by what it is."""
    pairs = {"pairs": str(path / PAIRS)} if (path / PAIRS).exists() else {}
    return {
        **pairs,
        "run": str(path),
        "images": str(path / "images"),
        "leaderboard": str(path / "leaderboard.md"),
        "leaderboard_csv": str(path / "leaderboard.csv"),
        "leaderboard_json": str(path / "leaderboard.json"),
        "report": str(path / "report" / "index.html"),
    }
