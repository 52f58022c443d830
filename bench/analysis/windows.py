"""From recorded attention to AST windows: which words are tuned in which layers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.methods.ast import CLASSES, Window

if TYPE_CHECKING:
    import pandas

SHARE = 0.25
"""A layer binds words of instances when its binding is at least this share of the strongest's."""

CONTRAST = 1.5
"""... and when an instance's own words get at least so many times the attention of another's."""


def binding(table: pandas.DataFrame) -> pandas.DataFrame:
    """How strongly each layer ties words to places, in the first half of the steps.

    One row a layer; columns ``instance`` and ``attribute``: attention of an instance's image
    tokens to its own words minus that to another instance's; ``background``: attention to the
    background phrase from outside all regions minus that from inside; ``contrast_*``: the same as
    ratios. NaN where the prompts had nothing to compare.
    """
    import pandas as pd

    early = table[table.step <= table.step.max() / 2]
    wide = early.groupby(["layer", "query", "key"])["mean"].mean().unstack(["query", "key"])

    def column(query: str, key: str) -> pandas.Series:
        if (query, key) in wide:
            return wide[query, key]
        return pd.Series(float("nan"), index=wide.index)

    pairs = {
        "instance": (("instance", "own_instance"), ("instance", "other_instance")),
        "attribute": (("instance", "own_attribute"), ("instance", "other_attribute")),
        "background": (("background", "background"), ("instance", "background")),
    }
    out = pd.DataFrame(index=wide.index)
    for name, (own, other) in pairs.items():
        out[name] = column(*own) - column(*other)
        out[f"contrast_{name}"] = column(*own) / column(*other)
    return out


def derive_windows(
    table: pandas.DataFrame, *, share: float = SHARE, contrast: float = CONTRAST
) -> tuple[Window, ...]:
    """AST windows from where a model binds words to places.

    Words of instances and of attributes are tuned in every layer whose binding (see
    :func:`binding`) reaches ``share`` of the strongest layer's, the background's phrase in the
    strongest layer alone: every layer attends to it a little, and with all of them tuned
    fewer instances came out in place (docs/pocket-results.md, "Windows"). Each only where its
    contrast reaches ``contrast``. Image-to-image and text-to-text attention are tuned wherever any
    words are: there regions and phrases have to be kept apart as well. This rule is ours; the paper
    read its windows off its maps.

    Raises:
        BenchError: no layer binds anything, so there is nothing to tune.
    """
    bound = binding(table)
    shares = {"instance": share, "attribute": share, "background": 1.0}
    windows: list[Window] = []
    for _, row in bound.iterrows():
        words = [
            name
            for name, least in shares.items()
            if row[name] > 0
            and row[name] >= least * bound[name].max()
            and row[f"contrast_{name}"] >= contrast
        ]
        classes = {*words, "i2i", "t2t"} if words else set()
        windows.append(tuple(c for c in CLASSES if c in classes))
    if not any(windows):
        raise BenchError(
            "no layer attends more to an instance's own words than to another's; the model does "
            "not bind words to places (yet), or the prompts had one instance each"
        )
    return tuple(windows)


def peaks(table: pandas.DataFrame) -> dict[str, dict[str, Any]]:
    """For each class of words the layer where image tokens attend to it most, over all steps."""
    rows = {
        "instance": ("instance", "own_instance"),
        "attribute": ("instance", "own_attribute"),
        "background": ("background", "background"),
        "other_text": ("instance", "other_text"),
    }
    found = {}
    for name, (query, key) in rows.items():
        part = table[(table["query"] == query) & (table.key == key)]
        if len(part):
            by_layer = part.groupby("layer")["mean"].mean()
            layer = int(by_layer.idxmax())
            found[name] = {
                "layer": layer,
                "depth": layer / int(table.layer.max()),
                "mean": float(by_layer.max()),
            }
    return found


def write_windows(path: Path, windows: tuple[Window, ...], measured: Mapping[str, Any]) -> None:
    """Writes windows with what they were measured on, in the form of a preset file."""
    document = {"windows": [list(w) for w in windows], "measured": dict(measured)}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
