"""The leaderboard as Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.leaderboard.published import CATEGORIES, PUBLISHED_TITLE, fitting
from bench.leaderboard.table import ALL, Cell, Column, Leaderboard, Row, Slice
from bench.leaderboard.terminal import notes
from bench.leaderboard.wording import bracket, number, probability, seconds, signed


def markdown(board: Leaderboard) -> str:
    """Tables of scores, differences, categories, cost and coverage, with the sentence on top."""
    parts = [escaped(board.sentence()), "", *_scores(board, board.leading), ""]
    against = _against(board, board.leading)
    if against:
        parts += [
            "Against the baseline on the same layouts and seeds "
            "(p of a paired permutation test by prompt, after Holm's correction):",
            "",
            *against,
            "",
        ]
    categories = [part for part in board.slices if part.kind == "category"]
    if len(categories) > 1:
        parts += ["By category:", "", *_by_category(board, categories), ""]
    if board.further:
        parts += ["What explains them:", "", *_scores(board, board.further), ""]
        against = _against(board, board.further)
        parts += [*against, ""] if against else []
    parts += ["Coverage and cost:", "", *_cost(board), ""]
    parts += [f"- {escaped(line.strip())}" for line in notes(board)]
    parts += ["", *_published(board)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _names(board: Leaderboard, row: Row) -> list[str]:
    return [escaped(name) for name in board.names(row)]


def grid(left: Sequence[str], right: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---"] * len(left) + ["---:"] * len(right)
    lines = [[*left, *right], rule, *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _scores(board: Leaderboard, columns: Sequence[Column]) -> list[str]:
    heads = [f"{escaped(c.key)} {'↑' if c.higher_is_better else '↓'}" for c in columns]
    rows = [
        [
            *_names(board, row),
            *(_score(row, row.cell(c.key)) for c in columns),
            str(row.coverage.scored),
        ]
        for row in board.rows
    ]
    return grid(board.naming, [*heads, "images"], rows)


def _score(row: Row, cell: Cell) -> str:
    text = number(cell.value)
    if cell.best:
        text = f"**{text}**"
    if cell.interval:
        text += f" {bracket(cell.interval)}"
    if cell.rank and cell.rank[1] != cell.rank[2]:
        text += f" (rank {cell.rank[1]}–{cell.rank[2]})"
    if cell.images != row.coverage.scored:
        text += f" (n = {cell.images})"
    return text


def _against(board: Leaderboard, columns: Sequence[Column]) -> list[str]:
    rows = []
    for row in board.rows:
        for column in columns:
            found = row.cell(column.key).against
            if found is None:
                continue
            difference = signed(found.difference)
            if found.significant:
                difference = f"**{difference}**"
            rows.append(
                [
                    *_names(board, row),
                    escaped(column.key),
                    f"{difference} {bracket(found.interval)}".rstrip(),
                    probability(found.p_holm),
                    f"{found.wins}/{found.ties}/{found.losses}",
                    number(found.mde),
                    f"{found.pairs} ({found.prompts})",
                ]
            )
    heads = ["difference [95 %]", "p", "win/tie/loss", "detectable", "pairs (prompts)"]
    return grid([*board.naming, "score"], heads, rows) if rows else []


def _by_category(board: Leaderboard, categories: Sequence[Slice]) -> list[str]:
    rows = []
    sizes = [board.images(part) for part in categories]
    for column in board.leading:
        for row in board.rows:
            cells = [row.cells.get((part, column.key)) for part in categories]
            rows.append(
                [
                    escaped(column.key),
                    *_names(board, row),
                    *(_short(cell, n) for cell, n in zip(cells, sizes, strict=True)),
                ]
            )
    heads = [f"{escaped(c.name)} (n = {n})" for c, n in zip(categories, sizes, strict=True)]
    return grid(["score", *board.naming], heads, rows)


def _short(cell: Cell | None, images: int) -> str:
    if cell is None or cell.value is None:
        return "–"
    text = f"**{number(cell.value)}**" if cell.best else number(cell.value)
    text = f"{text} {bracket(cell.interval)}".rstrip()
    return text if cell.images == images else f"{text} (n = {cell.images})"


def _cost(board: Leaderboard) -> list[str]:
    rows = [
        [
            *_names(board, row),
            str(row.coverage.expected),
            str(row.coverage.scored),
            str(row.coverage.failed),
            str(row.coverage.missing),
            seconds(row.cost.seconds),
            number(row.cost.passes, 0),
            number(row.cost.peak_memory_mb, 0),
        ]
        for row in board.rows
    ]
    heads = ["images", "scored", "failed", "missing", "s/image", "passes", "peak MB"]
    return grid(board.naming, heads, rows)


def _published(board: Leaderboard) -> list[str]:
    rows = [
        [row.model, row.cited, *(number(figure, 4) for figure in row.figures)]
        for row in fitting(board)
    ]
    if not rows:
        return []
    return [f"{PUBLISHED_TITLE}:", "", *grid(["model", "source"], CATEGORIES, rows)]


def escaped(text: str) -> str:
    """Text that Markdown and the HTML beneath it leave as it is, on one line."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*<>|#&~]|\b_|_\b|(?<=\])[(\[])", r"\\\1", flat)


def latex(board: Leaderboard) -> str:
    """One ``tabular`` (booktabs) of the scores: best in bold, the interval as a small suffix."""
    heads = [_latex_text(name) for name in board.naming]
    for column in board.leading:
        arrow = r"$\uparrow$" if column.higher_is_better else r"$\downarrow$"
        heads.append(f"{_latex_text(column.key)} {arrow}")
    lines = [
        f"% {' '.join(board.sentence().split())}",
        rf"\begin{{tabular}}{{{'l' * len(board.naming)}{'r' * len(board.leading)}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
    ]
    before = board.rows[0].group
    for row in board.rows:
        if row.group != before:
            lines.append(r"\midrule")
            before = row.group
        cells = [_latex_cell(row.cells[ALL, c.key]) for c in board.leading]
        lines.append(" & ".join([*map(_latex_text, board.names(row)), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_cell(cell: Cell) -> str:
    if cell.value is None:
        return "--"
    text = rf"\textbf{{{cell.value:.3f}}}" if cell.best else f"{cell.value:.3f}"
    if cell.against and cell.against.significant:
        text += r"$^{*}$"
    if cell.interval:
        low, high = cell.interval
        text += rf" {{\scriptsize [${low:.3f}$, ${high:.3f}$]}}"
    return text


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in " ".join(text.split()))
