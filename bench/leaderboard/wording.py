"""How numbers are written, and what a result means in one sentence."""

from __future__ import annotations

from bench.leaderboard.table import Leaderboard, Row
from bench.stats import Comparison, Interval, prompts_needed

VERBS = {
    "instance_success": "places {} of the instances right",
    "image_success": "gets {} of the images wholly right",
    "miou": "reaches a mean IoU of {}",
    "blip_vqa": "scores {} on BLIP-VQA",
    "clip_score": "scores {} on CLIPScore",
}
"""What a method does by score name; other scores: "scores 0.61 on NAME"."""


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def bracket(interval: Interval | None, digits: int = 3) -> str:
    if interval is None:
        return ""
    low, high = (f"{v:.{digits}f}".replace("-", "−") for v in interval)
    return f"[{low}, {high}]"


def probability(p: float | None) -> str:
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def sentence(board: Leaderboard) -> str:
    """The headline of the best method against its baseline; see ``Leaderboard.sentence``."""
    column = board.column(board.headline)
    verb = VERBS.get(column.score, f"scores {{}} on {column.key}")
    compared = [row for row in board.rows if row.cell(column.key).against is not None]
    if not compared:
        row = board.rows[0]
        cell = row.cell(column.key)
        if cell.value is None:
            why = ", ".join(f"{reason} ({n})" for reason, n in cell.missing.items())
            return f"{row.label} has no {column.key}: {why}."
        said = verb.format(number(cell.value, 2))
        limits = f" {bracket(cell.interval, 2)}" if cell.interval else ""
        return f"{row.label} {said}{limits} on {_size(cell.prompts, cell.images)}."
    row, found = _best(compared, column.key, column.higher_is_better)
    base = next(
        r.label
        for r in board.rows
        if r.is_baseline and (r.model, r.group) == (row.model, row.group)
    )
    digits = 2 if abs(found.difference) >= 0.02 or not found.difference else 3
    said = verb.format(number(found.mean, digits))
    change = signed(found.difference, digits)
    if found.interval:
        change = f"{change} {bracket(found.interval, digits)}"
    where = f"Under protocol {row.group}, " if len(board.protocols) > 1 else ""
    return (
        f"{where}{row.label} {said}, the {base} {number(found.reference, digits)}: {change} "
        f"on {_size(found.prompts, found.pairs)}, {_verdict(found, column.higher_is_better)}."
    )


def _best(rows: list[Row], key: str, higher_is_better: bool) -> tuple[Row, Comparison]:
    pairs = [(row, row.cell(key).against) for row in rows]
    known = [(row, against) for row, against in pairs if against is not None]
    sign = 1 if higher_is_better else -1
    return max(known, key=lambda pair: sign * pair[1].mean)


def _size(prompts: int, images: int) -> str:
    noun = "prompt" if prompts == 1 else "prompts"
    seeds, rest = divmod(images, prompts)
    if rest:
        return f"{images} images of {prompts} {noun}"
    return f"{prompts} {noun} × {seeds} {'seed' if seeds == 1 else 'seeds'}"


def _verdict(found: Comparison, higher_is_better: bool) -> str:
    if found.note and found.p is None:
        return f"too few to tell ({found.note})"
    p = "p < 0.001" if (found.p_holm or 1.0) < 0.001 else f"p = {probability(found.p_holm)}"
    if found.significant:
        gain = (found.difference > 0) == higher_is_better
        return f"{'better' if gain else 'worse'} beyond chance ({p})"
    if not found.difference or not found.standard_error:
        return found.note or "no difference"
    needed = prompts_needed(found.difference, found.standard_error, found.prompts)
    text = f"which chance alone could explain ({p})"
    if needed is None or needed > found.prompts:
        many = "more than a million" if needed is None else f"about {needed}"
        text += f"; to tell a difference of this size takes {many} prompts"
    return text
