"""Records attention by token class while a model generates, without keeping maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.attention.kernel import score_blocks
from bench.methods.base import Batch, Method
from bench.types import Layout, Needs

if TYPE_CHECKING:
    import pandas

    from bench.attention.seam import AttentionCall, AttentionUpdate

Cell = tuple[str, str]
"""Who attends, and to what."""

CELLS: Mapping[Cell, str] = {
    ("instance", "own_instance"): "image tokens of an instance to its own phrase's plain words",
    ("instance", "other_instance"): "... to those of another phrase (mean over the others)",
    ("instance", "own_attribute"): "... to its own attribute words",
    ("instance", "other_attribute"): "... to those of another phrase (mean over the others)",
    ("instance", "background"): "... to the background phrase",
    ("instance", "other_text"): "... to all other text, padding included",
    ("instance", "own_region"): "... to image tokens of its own region",
    ("instance", "other_regions"): "... to image tokens of the other instances' regions",
    ("background", "instance"): "image tokens outside all regions to a phrase's plain words (mean)",
    ("background", "attribute"): "... to a phrase's attribute words (mean)",
    ("background", "background"): "... to the background phrase",
    ("background", "other_text"): "... to all other text",
    ("text", "own_phrase"): "words of a phrase to the words of the same phrase",
    ("text", "other_phrase"): "... to those of another phrase (mean over the others)",
    ("text", "own_region"): "... to the image tokens of the phrase's regions",
}
"""Everything that is recorded: shares of attention, 0..1, averaged over heads and tokens."""


@dataclass
class Sums:
    """Streaming sums of one quantity over observations, for each (layer, step, cell)."""

    layers: int
    steps: int
    count: np.ndarray = field(init=False)
    total: np.ndarray = field(init=False)
    square: np.ndarray = field(init=False)
    timesteps: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.layers, self.steps, len(CELLS))
        self.count, self.total, self.square = np.zeros((3, *shape))
        self.timesteps = np.full(self.steps, np.nan)

    def add(self, layer: int, step: int, cells: Sequence[Mapping[Cell, float]]) -> None:
        """One observation each; a cell that an observation lacks is not counted."""
        for observed in cells:
            for index, cell in enumerate(CELLS):
                value = observed.get(cell)
                if value is not None:
                    self.count[layer - 1, step, index] += 1
                    self.total[layer - 1, step, index] += value
                    self.square[layer - 1, step, index] += value**2

    def frame(self, streams: Sequence[str]) -> pandas.DataFrame:
        """One row per (layer, step, query, key) that was observed.

        Columns: ``layer`` (from 1), ``stream``, ``step`` (from 0), ``timestep``, ``query``,
        ``key``, ``mean`` and ``std`` (over instances and prompts), ``n``.
        """
        import pandas as pd

        rows = []
        for layer, step, index in np.argwhere(self.count > 0):
            n = self.count[layer, step, index]
            mean = self.total[layer, step, index] / n
            spread = max(self.square[layer, step, index] / n - mean**2, 0.0) ** 0.5
            query, key = list(CELLS)[index]
            rows.append(
                {
                    "layer": int(layer) + 1,
                    "stream": streams[layer],
                    "step": int(step),
                    "timestep": self.timesteps[step],
                    "query": query,
                    "key": key,
                    "mean": mean,
                    "std": spread,
                    "n": int(n),
                }
            )
        return pd.DataFrame(rows)


@dataclass
class Overlay:
    """Where one layout's phrases are attended to, from every image token."""

    layout: Layout
    phrases: list[str]
    grid: tuple[int, int]
    maps: np.ndarray
    """(layers, phrases, rows, columns), summed over steps."""


@dataclass(frozen=True)
class Recorder(Method):
    """A method that changes nothing and sums up what it sees, over any number of batches."""

    name = "recorder"
    needs = Needs(boxes=True, masks=True)

    overlay_of: str | None = None
    """Id of the layout whose maps are kept, if any."""
    result: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """``sums``, ``streams`` and ``overlay`` after the first batch."""

    @property
    def sums(self) -> Sums:
        return self.result["sums"]

    @property
    def overlay(self) -> Overlay | None:
        return self.result.get("overlay")

    def frame(self) -> pandas.DataFrame:
        """What was recorded so far: see :meth:`Sums.frame`."""
        return self.sums.frame(self.result["streams"])

    def attention(self, batch: Batch) -> AttentionUpdate | None:
        sites = [s for s in batch.sites if s.order != "image_only"]
        self.result.setdefault("sums", Sums(sites[0].layers, batch.steps))
        self.result.setdefault("streams", [s.stream for s in sites])
        groups = [Groups.of(batch, b) for b in range(len(batch.layouts))]
        for one, layout in zip(groups, batch.layouts, strict=True):
            if layout.id == self.overlay_of and "overlay" not in self.result:
                shape = (sites[0].layers, len(one.phrases), *batch.grid)
                phrases = [layout.prompt[a:b] for a, b in one.phrases]
                maps = np.zeros(shape)
                self.result["overlay"] = Overlay(layout, phrases, batch.grid, maps)
                one.keep = maps
        return lambda call: self._record(call, groups)

    def _record(self, call: AttentionCall, groups: list[Groups]) -> None:
        if call.site.order == "image_only":
            return
        self.sums.timesteps[call.step] = call.timestep
        for b, one in enumerate(groups):
            image = _mass(call, b, call.image, one)
            text = _mass(call, b, call.text, one)
            self.sums.add(call.site.layer, call.step, one.observe(image, text))
            if one.keep is not None:
                words = image[:, one.columns["instance"]] + image[:, one.columns["attribute"]]
                grid = one.keep.shape[2:]
                one.keep[call.site.layer - 1] += words.T.reshape(-1, *grid)


@dataclass
class Groups:
    """One sample's tokens by class: columns are groups of keys, rows are pooled queries."""

    phrases: list[tuple[int, int]]
    """Different phrases; instances of a plural one share it."""
    phrase_of: list[int]
    """Phrase of each instance."""
    regions: list[np.ndarray]
    """Image tokens of each instance, then of the background, as booleans (N,)."""
    words: list[np.ndarray]
    """Text tokens of each phrase, as positions."""
    text: Tensor
    """(T, G) 0/1: group of each text token."""
    image: Tensor
    """(N, G) 0/1."""
    columns: dict[str, slice]
    """Which of the G columns are which group."""
    keep: np.ndarray | None = None

    @classmethod
    def of(cls, batch: Batch, b: int) -> Groups:
        layout, tokens = batch.layouts[b], batch.tokens[b]
        masks = list(batch.regions[b].reshape(len(layout.instances), -1))
        phrases = list(dict.fromkeys(i.phrase_span for i in layout.instances))
        phrase_of = [phrases.index(i.phrase_span) for i in layout.instances]
        regions = [*masks, ~np.any(masks, axis=0)]
        p, k = len(phrases), len(masks)
        columns = {
            "instance": slice(0, p),
            "attribute": slice(p, 2 * p),
            "background": slice(2 * p, 2 * p + 1),
            "other_text": slice(2 * p + 1, 2 * p + 2),
            "region": slice(2 * p + 2, 2 * p + 2 + k),
        }
        text = torch.zeros(batch.sequence.length, 2 * p + 2 + k)
        image = torch.zeros(len(masks[0]), 2 * p + 2 + k)
        words: list[set[int]] = [set() for _ in phrases]
        for mine, phrase in zip(tokens.instances, phrase_of, strict=True):
            text[list(mine.instance), phrase] = 1
            text[list(mine.attribute), p + phrase] = 1
            words[phrase] |= set(mine.all)
        text[list(tokens.background), 2 * p] = 1
        text[:, 2 * p + 1] = (text.sum(1) == 0).float()
        for n, mask in enumerate(masks):
            image[torch.from_numpy(mask), 2 * p + 2 + n] = 1
        device = batch.device
        positions = [np.array(sorted(w), dtype=int) for w in words]
        return cls(
            phrases, phrase_of, regions, positions, text.to(device), image.to(device), columns
        )

    def observe(self, image: np.ndarray, text: np.ndarray) -> list[dict[Cell, float]]:
        """Cells of one map, from the mass of each image token (N, G) and text token (T, G)."""
        seen = []
        instance, attribute = self.columns["instance"], self.columns["attribute"]
        for k, phrase in enumerate(self.phrase_of):
            if not self.regions[k].any():
                continue
            mass = image[self.regions[k]].mean(0)
            cells = self._own_and_other(mass[instance], phrase, "instance")
            if mass[attribute].any():
                cells |= self._own_and_other(mass[attribute], phrase, "attribute")
            region = mass[self.columns["region"]]
            cells["instance", "own_region"] = region[k]
            if len(region) > 1:
                cells["instance", "other_regions"] = region.sum() - region[k]
            seen.append(cells | self._plain("instance", mass))
        if self.regions[-1].any():
            mass = image[self.regions[-1]].mean(0)
            cells = {("background", "instance"): mass[instance].mean()}
            if mass[attribute].any():
                cells["background", "attribute"] = mass[attribute].mean()
            seen.append(cells | self._plain("background", mass))
        for p, words in enumerate(self.words):
            mass = text[words].mean(0)
            phrase_mass = mass[instance] + mass[attribute]
            cells = {("text", "own_phrase"): phrase_mass[p]}
            if len(phrase_mass) > 1:
                cells["text", "other_phrase"] = np.delete(phrase_mass, p).mean()
            mine = [k for k, q in enumerate(self.phrase_of) if q == p]
            cells["text", "own_region"] = mass[self.columns["region"]][mine].sum()
            seen.append(cells)
        return seen

    def _own_and_other(self, mass: np.ndarray, phrase: int, name: str) -> dict[Cell, float]:
        """Own words against another phrase's; phrases without such words do not count."""
        has = self.text[:, self.columns[name]].any(0).cpu().numpy()
        cells: dict[Cell, float] = {}
        if has[phrase]:
            cells["instance", f"own_{name}"] = mass[phrase]
        others = [q for q in range(len(mass)) if q != phrase and has[q]]
        if others:
            cells["instance", f"other_{name}"] = mass[others].mean()
        return cells

    def _plain(self, query: str, mass: np.ndarray) -> dict[Cell, float]:
        cells: dict[Cell, float] = {(query, "other_text"): mass[self.columns["other_text"]][0]}
        if self.text[:, self.columns["background"]].any():
            cells[query, "background"] = mass[self.columns["background"]][0]
        return cells


def _mass(call: AttentionCall, b: int, rows: slice, groups: Groups) -> np.ndarray:
    """(R, G): the attention of each query row to each group of keys, averaged over heads."""
    sample = slice(b, b + 1)
    query, key = call.query[sample][..., rows, :], call.key[sample]
    mask = call.rows_of_mask(rows)
    if mask is not None and mask.shape[0] != 1:
        mask = mask[sample]
    keys = torch.zeros(key.shape[2], groups.text.shape[1], device=key.device)
    keys[call.text], keys[call.image] = groups.text, groups.image
    out = torch.zeros(query.shape[2], keys.shape[1], dtype=torch.float64, device=key.device)
    for _, _, r, scores in score_blocks(query, key, mask=mask, scale=call.scale):
        out[r] += scores[0].softmax(-1).sum(0).double() @ keys.double()
    return (out / query.shape[1]).cpu().numpy()
