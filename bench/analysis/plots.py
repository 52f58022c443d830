"""Pictures of recorded attention: class by layer, curves by step, maps over an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas
    from PIL.Image import Image

    from bench.analysis.record import Overlay

SHOWN = {
    ("instance", "own_instance"): "instance words, own",
    ("instance", "other_instance"): "instance words, other's",
    ("instance", "own_attribute"): "attribute words, own",
    ("instance", "other_attribute"): "attribute words, other's",
    ("background", "background"): "background phrase, from outside",
    ("instance", "background"): "background phrase, from inside",
    ("instance", "other_text"): "other text",
    ("instance", "own_region"): "own region",
    ("text", "own_phrase"): "text to own phrase",
}


def heat_map(table: pandas.DataFrame, path: Path) -> None:
    """Class by layer, mean over steps; each row is scaled to its own maximum."""
    figure, axes = _figure(max(6.0, 0.28 * table.layer.max() + 4), 3.6)
    means = table.groupby(["query", "key", "layer"])["mean"].mean()
    rows = [cell for cell in SHOWN if cell in means.index.droplevel("layer")]
    values = np.array([means[cell].to_numpy() for cell in rows])
    tops = values.max(1, keepdims=True)
    axes.imshow(values / np.where(tops > 0, tops, 1), aspect="auto", cmap="viridis")
    axes.set_yticks(
        range(len(rows)),
        [f"{SHOWN[r]} (max {t:.3f})" for r, t in zip(rows, tops[:, 0], strict=True)],
    )
    layers = values.shape[1]
    step = max(1, layers // 20)
    axes.set_xticks(range(0, layers, step), [str(n + 1) for n in range(0, layers, step)])
    axes.set_xlabel("layer")
    _save(figure, path)


def curves(table: pandas.DataFrame, path: Path) -> None:
    """Attention of an instance's image tokens by step, mean over layers."""
    figure, axes = _figure(7.0, 3.6)
    means = table.groupby(["query", "key", "step"])["mean"].mean()
    for cell, label in list(SHOWN.items())[:6]:
        if cell in means.index.droplevel("step"):
            line = means[cell]
            axes.plot(line.index + 1, line.to_numpy(), label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("share of attention")
    axes.legend(fontsize=8)
    _save(figure, path)


def overlays(overlay: Overlay, image: Image, layers: list[int], path: Path) -> None:
    """One prompt's maps over its image: a row a phrase, a column a layer (from 1)."""
    from matplotlib.figure import Figure

    rows, columns = len(overlay.phrases), len(layers)
    figure = Figure(figsize=(1.6 * columns, 1.8 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for p, phrase in enumerate(overlay.phrases):
        for c, layer in enumerate(layers):
            axes = grid[p][c]
            axes.imshow(image, extent=(0, 1, 1, 0))
            axes.imshow(overlay.maps[layer - 1, p], extent=(0, 1, 1, 0), alpha=0.6, cmap="magma")
            for instance in overlay.layout.instances:
                if instance.phrase == phrase:
                    box = instance.box
                    xs, ys = [box.x0, box.x1, box.x1, box.x0], [box.y0, box.y0, box.y1, box.y1]
                    axes.plot([*xs, xs[0]], [*ys, ys[0]], color="white", linewidth=1)
            axes.set_xticks([])
            axes.set_yticks([])
            if p == 0:
                axes.set_title(f"layer {layer}", fontsize=8)
            if c == 0:
                axes.set_ylabel(phrase, fontsize=8)
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=130, metadata={"Software": None})
