"""The leaderboard's files: one table in every form it can be had in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.files import write_atomic, write_json

if TYPE_CHECKING:
    from bench.leaderboard.table import Leaderboard


def write_files(board: Leaderboard, folder: Path) -> None:
    """Write ``leaderboard.md``, ``.csv``, ``.json``, ``.tex`` and ``.parquet`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "leaderboard.md", board.markdown().encode())
    write_atomic(folder / "leaderboard.csv", board.csv().encode())
    write_atomic(folder / "leaderboard.tex", board.latex().encode())
    write_json(folder / "leaderboard.json", board.to_json())
    board.parquet(folder / "leaderboard.parquet")
