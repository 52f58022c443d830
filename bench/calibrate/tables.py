"""Calibration results as text and as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def tables(result: Mapping[str, Any]) -> str:
    """A calibration document as aligned text: AUC, rank correlations, targets, speed."""
    parts = []
    for fault in dict.fromkeys(row.get("fault") for row in result["rows"]):
        rows = [row for row in result["rows"] if row.get("fault") == fault]
        figures = [f for f in ("auc", "kendall", "spearman", "pairs") if f in rows[0]]
        heads = ["score", "mode", *figures, "n", "unscored"]
        lines = [
            [row["score"], row["mode"], *(_figure(row[f]) for f in figures),
             str(row["n"]), str(row["unscored"])]
            for row in rows
        ]  # fmt: skip
        parts.append("\n".join([*([fault] if fault else []), aligned([heads, *lines])]))
    if result.get("targets"):
        lines = [
            [t["name"], _figure(t), f">= {t['target']}", "reached" if t["reached"] else "MISSED"]
            for t in result["targets"]
        ]
        parts.append("targets\n" + aligned(lines))
    if result.get("speed"):
        lines = [[name, f"{rate:.1f} images/s"] for name, rate in result["speed"].items()]
        parts.append("speed\n" + aligned(lines))
    if result.get("left_out"):
        lines = [[e["prompt"], e["reason"]] for e in result["left_out"]]
        parts.append(f"left out: {len(lines)} prompts\n" + aligned(lines))
    return "\n\n".join(parts)


def _figure(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "-"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text, every column as wide as its widest cell."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def plots(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write one PNG a fault: AUC with interval of every score, chance at 0.5; returns the paths."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for fault in dict.fromkeys(row["fault"] for row in result["rows"]):
        rows = [r for r in result["rows"] if r["fault"] == fault and r["auc"]["value"] is not None]
        if not rows:
            continue
        rows.sort(key=lambda r: r["auc"]["value"])
        figure = Figure(figsize=(7, 0.8 + 0.24 * len(rows)), layout="constrained")
        axes = figure.subplots()
        values = [r["auc"]["value"] for r in rows]
        spread = [
            [max(0.0, sign * ((v if r["auc"][end] is None else r["auc"][end]) - v))
             for v, r in zip(values, rows, strict=True)]
            for sign, end in ((-1, "low"), (1, "high"))
        ]  # fmt: skip
        axes.errorbar(values, range(len(rows)), xerr=spread, fmt="o", capsize=3, color="#2f5d8a")
        axes.axvline(0.5, color="#999999", linewidth=1, linestyle="--")
        axes.set_yticks(range(len(rows)), [f"{r['score']} ({r['mode']})" for r in rows])
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("AUC, clean against spoilt pictures (0.5: sees nothing)")
        axes.set_title(fault)
        path = folder / f"{fault.replace(' ', '-')}.png"
        figure.savefig(path, dpi=120)
        written.append(path)
    return written
