"""A run's scores as a table that one can bet on."""

from bench.leaderboard.build import build
from bench.leaderboard.table import ALL, Cell, Column, Cost, Coverage, Leaderboard, Row, Slice

__all__ = ["ALL", "Cell", "Column", "Cost", "Coverage", "Leaderboard", "Row", "Slice", "build"]
