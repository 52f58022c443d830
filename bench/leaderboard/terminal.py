"""The leaderboard in a terminal (rich)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.leaderboard.published import CATEGORIES, PUBLISHED_TITLE, Published, fitting
from bench.leaderboard.table import Cell, Column, Leaderboard, Row, Slice
from bench.leaderboard.wording import bracket, number, probability, seconds, signed

_INTERVAL = len("[0.551, 0.668]")
_PADDING = 3
"""Characters that rich puts around a column in this style."""
_ROOMY = 96
"""Terminal width from which the smallest detectable difference is shown too."""
_T = TypeVar("_T")


def render(board: Leaderboard, width: int, *, color: bool = False) -> str:
    """Tables of scores, differences, categories, coverage and cost, then the notes."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        legacy_windows=False,
    )
    room = width - _names_width(board)
    wide = [max(len(c.key) + 2, _INTERVAL) + _PADDING for c in board.leading]
    for i, chunk in enumerate(_chunks(board.leading, wide, room)):
        title = "Scores, mean and 95 % interval" if not i else "Scores, continued"
        console.print(_scores(board, chunk, title))
    if any(row.cell(c.key).against for row in board.rows for c in board.leading):
        console.print(_against(board, width))
    categories = [part.name for part in board.slices if part.kind == "category"]
    if len(categories) > 1:
        wide = [max(len(name), 7) + _PADDING for name in categories]
        for names in _chunks(categories, wide, room):
            console.print(_by_category(board, names))
    console.print(_cost(board))
    for line in notes(board):
        console.print(Text(line))
    published = fitting(board)
    if published:
        console.print(_published(published))
    if board.further:
        further = ", ".join(c.key for c in board.further)
        console.print(Text(f"In the Markdown, CSV and JSON forms also: {further}"))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()).strip("\n")


def notes(board: Leaderboard) -> list[str]:
    """What a reader must know: protocols that differ, why scores are missing."""
    lines = []
    if len(board.protocols) > 1:
        lines.append("Rows of different protocols are not ranked together; they differ in:")
        for d in board.differences:
            told = ", ".join(f"{letter}: {value}" for letter, value in d.values.items())
            lines.append(f"{d.field}: {told}")
    missing: dict[tuple[str, str], list[str]] = {}
    for row in board.rows:
        name = " ".join(board.names(row))
        for column in board.leading:
            for reason, count in row.cell(column.key).missing.items():
                missing.setdefault((column.key, reason), []).append(f"{count} of {name}")
    alike: dict[tuple[str, str], list[str]] = {}
    for (key, reason), who in missing.items():
        alike.setdefault((reason, ", ".join(who)), []).append(key)
    lines += [f"no {', '.join(keys)}: {reason} ({who})" for (reason, who), keys in alike.items()]
    return lines


def _chunks(items: Sequence[_T], widths: Sequence[int], room: int) -> Iterator[list[_T]]:
    """Runs of items that fit side by side into ``room`` characters, at least one in each."""
    chunk: list[_T] = []
    used = 0
    for item, width in zip(items, widths, strict=True):
        if chunk and used + width > room:
            yield chunk
            chunk, used = [], 0
        chunk.append(item)
        used += width
    yield chunk


def _names_width(board: Leaderboard) -> int:
    rows = [board.naming, *(board.names(row) for row in board.rows)]
    return sum(max(map(len, column)) + _PADDING for column in zip(*rows, strict=True))


def _table(title: str, board: Leaderboard) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in board.naming:
        table.add_column(name, overflow="fold")
    return table


def _names(board: Leaderboard, row: Row) -> list[Text]:
    return [Text(name) for name in board.names(row)]


def _scores(board: Leaderboard, columns: Sequence[Column], title: str) -> Table:
    table = _table(title, board)
    for column in columns:
        arrow = "↑" if column.higher_is_better else "↓"
        table.add_column(Text(f"{column.key} {arrow}"), justify="right", overflow="fold")
    for row in board.rows:
        table.add_row(*_names(board, row), *(_score(row, row.cell(c.key)) for c in columns))
    return table


def _score(row: Row, cell: Cell) -> Text:
    text = Text(number(cell.value), style="bold green" if cell.best else "")
    if cell.best:
        text.append(" best")
    if cell.interval:
        text.append(f"\n{bracket(cell.interval)}", style="not bold default")
    if cell.rank and cell.rank[1] != cell.rank[2]:
        text.append(f"\nrank {cell.rank[1]}–{cell.rank[2]}", style="not bold default")
    if cell.images != row.coverage.scored:
        text.append(f"\nn = {cell.images}", style="not bold default")
    return text


def _against(board: Leaderboard, width: int) -> Table:
    table = _table("Against the baseline, same layouts and seeds (p after Holm)", board)
    table.add_column("score", overflow="fold")
    heads = ["difference", "p", "win/tie/loss", "detectable"]
    heads = heads if width >= _ROOMY else heads[:-1]
    for name in heads:
        table.add_column(name, justify="right", no_wrap=True)
    for row in board.rows:
        for column in board.leading:
            found = row.cell(column.key).against
            if found is None:
                continue
            mark = "*" if found.significant else ""
            values = [
                Text(f"{mark}{signed(found.difference)}\n{bracket(found.interval)}".rstrip()),
                Text(probability(found.p_holm)),
                Text(f"{found.wins}/{found.ties}/{found.losses}"),
                Text(number(found.mde)),
            ]
            table.add_row(*_names(board, row), Text(column.key), *values[: len(heads)])
    return table


def _by_category(board: Leaderboard, categories: Sequence[str]) -> Table:
    table = _table(f"{board.headline} by category", board)
    for name in categories:
        size = board.images(Slice("category", name))
        table.add_column(Text(f"{name}\nn = {size}"), justify="right", overflow="fold")
    for row in board.rows:
        cells = []
        for name in categories:
            found = [
                cell
                for (part, key), cell in row.cells.items()
                if key == board.headline and part == ("category", name)
            ]
            text = Text(number(found[0].value) if found else "–")
            if found and found[0].against:
                mark = "*" if found[0].against.significant else ""
                text.append(f"\n{signed(found[0].against.difference)}{mark}")
            cells.append(text)
        table.add_row(*_names(board, row), *cells)
    return table


def _cost(board: Leaderboard) -> Table:
    table = _table("Coverage and cost", board)
    for name in ("images", "scored", "failed", "missing", "s/image", "passes", "peak MB"):
        table.add_column(name, justify="right")
    for row in board.rows:
        c, cost = row.coverage, row.cost
        table.add_row(
            *_names(board, row),
            str(c.expected),
            str(c.scored),
            Text(str(c.failed), style="red" if c.failed else ""),
            Text(str(c.missing), style="red" if c.missing else ""),
            seconds(cost.seconds),
            number(cost.passes, 0),
            number(cost.peak_memory_mb, 0),
        )
    return table


def _published(rows: Sequence[Published]) -> Table:
    table = Table(title=PUBLISHED_TITLE, title_justify="left", title_style="bold")
    table.box = box.SIMPLE_HEAD
    table.add_column("model", overflow="fold")
    for name in CATEGORIES:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("source", overflow="fold")
    for row in rows:
        table.add_row(row.model, *(number(figure) for figure in row.figures), row.cited)
    return table
