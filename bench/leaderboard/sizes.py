"""How many prompts a wished effect takes, by the spread that a run shows."""

from __future__ import annotations

from typing import Any

from bench.errors import BenchError
from bench.leaderboard.table import Leaderboard
from bench.stats import MIN_PROMPTS, prompts_needed


def needed(board: Leaderboard, effect: float) -> list[dict[str, Any]]:
    """For every leading comparison the prompts at which a true difference of ``effect`` is found.

    With 80 % power at 5 %, two-sided, for one comparison alone and as many seeds a prompt as the
    run has. ``prompts`` is None where more than a million would be needed, or where the run shows
    no spread to plan from. Raises BenchError for an effect of 0 or below.
    """
    if not effect > 0:
        raise BenchError(f"effect {effect} must be above 0: it is the difference you want to see")
    rows = []
    for row in board.rows:
        for column in board.leading:
            found = row.cell(column.key).against
            if found is None:
                continue
            known = found.standard_error and found.prompts >= MIN_PROMPTS
            rows.append(
                {
                    "protocol": row.group,
                    "model": row.model,
                    "label": row.label,
                    "score": column.key,
                    "effect": effect,
                    "prompts": (
                        prompts_needed(effect, found.standard_error or 0.0, found.prompts)
                        if known
                        else None
                    ),
                    "now": found.prompts,
                }
            )
    return rows


def needed_text(rows: list[dict[str, Any]], effect: float) -> str:
    if not rows:
        return "No row is compared with a baseline: nothing to plan from."
    head = f"Prompts to find a difference of {effect:g} four times in five"
    lines = [f"{head} (those of this run in brackets):"]
    for row in rows:
        prompts = "unknown" if row["prompts"] is None else str(row["prompts"])
        lines.append(f"  {row['label']} {row['score']}: {prompts} ({row['now']})")
    return "\n".join(lines)
