"""``pocket evaluate``: the shipped models against targets, each figure with its 95 % interval.

All prompts and scenes are of the held-out split. Judged figures come from the same metrics as the
leaderboard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from bench.errors import BenchError, unknown_name
from bench.models import POCKET_MODELS
from bench.pocket.labelled import agreement, read_labelled
from bench.pocket.parsed import drawn_layout
from bench.pocket.world import sample_scene
from bench.stats import exact_interval
from bench.types import Layout

Row = dict[str, Any]
"""``name``, ``target``, ``value``, ``low``, ``high``, ``n``; perhaps ``details``, more figures of
the same measurement, each of ``name``, ``value``, ``low``, ``high``, ``n`` (None: no interval)."""
SEEDS = (42, 43, 44)
"""Seeds of the AST rows, T2I-CompBench's first three."""
RESAMPLES = 2000


def interval(values: Sequence[float]) -> dict[str, float | int]:
    """Mean with its percentile bootstrap interval over the values."""
    data = np.asarray(values, float)
    rng = np.random.default_rng(0)
    means = data[rng.integers(0, len(data), (RESAMPLES, len(data)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(data.mean()), "low": float(low), "high": float(high), "n": len(data)}


def share(answers: Sequence[bool]) -> dict[str, float | int]:
    """How often the answer is yes, with the exact interval."""
    yes, n = sum(answers), len(answers)
    low, high = exact_interval(yes, n)
    return {"value": yes / n, "low": low, "high": high, "n": n}


def held_out_layouts(category: str, instances: int, count: int) -> list[Layout]:
    """Layouts of held-out scenes in which every instance has a colour and nothing else."""
    rng = np.random.default_rng([20_250_413, instances])
    layouts: list[Layout] = []
    while len(layouts) < count:
        scene = sample_scene(rng, split="test", category=category, instances=instances)
        if all(t.color and not t.texture for t in scene.instances):
            layouts.append(drawn_layout(scene, f"{category}-{instances}-{len(layouts)}"))
    return layouts


@cache
def judged_instances(category: str, instances: int, count: int) -> list[list[dict[str, Any]]]:
    """Baseline images of held-out prompts: for each what localization says of each instance."""
    from bench.api import load_model
    from bench.engine.plan import make_method

    model = load_model("pocket-flux")
    spec = model.spec
    baseline = make_method("baseline", None, {}, spec)
    layouts = held_out_layouts(category, instances, count)
    images = []
    for start in range(0, count, spec.batch_size):
        part = layouts[start : start + spec.batch_size]
        seeds = [SEEDS[0] + start + k for k in range(len(part))]
        images += [g.image for g in model.generate(part, seeds, baseline, spec.settings)]
    return _instances(images, layouts)


def _instances(images: Sequence[Any], layouts: Sequence[Layout]) -> list[list[dict[str, Any]]]:
    """What localization says of each instance of each image."""
    from bench.api import score

    frame = score(images, layouts, ["localization"])
    rows = frame[frame["score"] == "instance_success"].sort_values("index")
    if rows["value"].isna().any():
        raise BenchError(f"an image was not scored: {rows['reason'].dropna().iloc[0]}")
    return [details["instances"] for details in rows["details"]]


def vae_psnr(count: int) -> Row:
    from diffusers import AutoencoderKL

    from bench.pocket.train.vae import psnr_per_image

    vae = AutoencoderKL.from_pretrained(POCKET_MODELS / "pocket-flux" / "vae").float().eval()
    return interval(psnr_per_image(vae, count))


def one_instance(count: int) -> Row:
    images = judged_instances("single", 1, count)
    return share([bool(i[0]["present"] and i[0]["attribute_ok"]) for i in images])


def two_present(count: int) -> Row:
    return share([all(i["present"] for i in e) for e in judged_instances("color", 2, count)])


def two_bound(count: int) -> Row:
    """Also how often the model itself tells a caption from one with swapped colours."""
    from bench.pocket.word_order import captions_told_apart

    images = judged_instances("color", 2, count)
    told = share(captions_told_apart(POCKET_MODELS / "pocket-flux", count))
    return {
        **share([all(i["present"] and i["attribute_ok"] for i in e) for e in images]),
        "details": [{"name": "captions-told-apart", **told}],
    }


def four_present(count: int) -> Row:
    images = judged_instances("color", 4, count)
    return interval([float(np.mean([i["present"] for i in e])) for e in images])


def judges_agree(count: int) -> Row:
    """All labelled images, whatever the count: their number is what it is."""
    labelled = read_labelled()
    judged = _instances([e.image for e in labelled], [e.layout for e in labelled])
    return interval([agreement(e, j) for e, j in zip(labelled, judged, strict=True)])


def speed(count: int) -> Row:
    """Images a second of whole generations with guidance, in batches of 8, after one to warm up."""
    from bench.api import load_model
    from bench.engine.plan import make_method

    model = load_model("pocket-flux")
    baseline = make_method("baseline", None, {}, model.spec)
    layouts = held_out_layouts("color", 2, 8)
    rates = []
    for _ in range(4):
        started = time.perf_counter()
        model.generate(layouts, list(range(8)), baseline, model.spec.settings)
        rates.append(8 / (time.perf_counter() - started))
    return interval(rates[1:])


@cache
def _ast_frame() -> Any:
    import tempfile
    from pathlib import Path

    from bench.api import run

    with tempfile.TemporaryDirectory() as folder:
        return run(suite="pocket", seeds=SEEDS, out=Path(folder) / "run").frame()


def ast_ratio(column: str, mode: str = "fixed") -> Row:
    """AST's mean over the baseline's on the same prompts, layouts and seeds.

    The interval resamples prompts, the seeds of a prompt together.
    """
    frame = _ast_frame()
    rows = frame[(frame["score"] == column) & (frame["mode"] == mode)]
    table = rows.pivot_table(index="layout_id", columns="method", values="value", aggfunc="mean")
    table = table[["ast", "baseline"]].dropna()
    rng = np.random.default_rng(0)
    values = table.to_numpy()
    sums = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].sum(axis=1)
    ratios = sums[:, 0] / np.maximum(sums[:, 1], 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    value = values[:, 0].sum() / max(values[:, 1].sum(), 1e-9)
    return {"value": float(value), "low": float(low), "high": float(high), "n": len(values)}


def judge(module: str, folder: str) -> Callable[[int], Row]:
    """The figures of a judge's own recipe on its shipped weights, the first of them the row's."""

    def measure(count: int) -> Row:
        from importlib import import_module

        recipe = import_module(f"bench.pocket.judges.{module}")
        found = recipe.evaluate(POCKET_MODELS / folder, count)
        row: Row = {k: found.pop(k) for k in ("value", "low", "high", "n")}
        nothing = dict.fromkeys(("low", "high", "n"))
        row["details"] = [
            {"name": name, **(one if isinstance(one, dict) else {"value": one, **nothing})}
            for name, one in found.items()
        ]
        return row

    return measure


TARGETS: dict[str, tuple[float, Callable[[int], Row]]] = {
    "vae-psnr-db": (30.0, vae_psnr),
    "one-instance-right": (0.90, one_instance),
    "two-instances-present": (0.75, two_present),
    "two-instances-bound": (0.55, two_bound),
    "four-instances-present": (0.60, four_present),
    "detector-map50": (0.95, judge("detector", "detector")),
    "blip-vqa-swap-auc": (0.97, judge("blip_figures", "blip")),
    "judges-agree-with-eye": (0.90, judges_agree),
    "clip-retrieval-top1": (0.60, judge("clip", "clip")),
    "images-per-second": (1.0, speed),
    "ast-instance-success-ratio": (1.127, lambda _: ast_ratio("instance_success")),
    "ast-blip-vqa-ratio": (1.127, lambda _: ast_ratio("blip_vqa")),
    "ast-miou-ratio": (1.5, lambda _: ast_ratio("miou_matched")),
}
"""Row name to its target (at least) and what measures it."""


def evaluate(only: Sequence[str] = (), *, count: int = 200) -> list[Row]:
    """Measure the rows (all, or those named), ``count`` images or scenes for each."""
    for name in only:
        if name not in TARGETS:
            raise unknown_name("row of pocket evaluate", name, TARGETS)
    if count < 2:
        raise BenchError(f"--count {count} gives no interval; take 2 or more")
    chosen = [n for n in TARGETS if not only or n in only]
    return [{"name": n, "target": TARGETS[n][0], **TARGETS[n][1](count)} for n in chosen]


def table(rows: Sequence[Row]) -> str:
    """The rows as text for a terminal, each row's details indented below it."""
    lines = [f"{'what':28} {'value':>8}  {'95 % interval':>18} {'target':>8} {'n':>5}  reached"]
    for r in rows:
        reached = "yes" if r["value"] >= r["target"] else "no"
        lines.append(f"{_figures(r['name'], r)} {r['target']:8.3f} {r['n']:5d}  {reached}")
        for one in r.get("details", ()):
            count = "" if one["n"] is None else f" {'':8} {one['n']:5d}"
            lines.append(f"{_figures('  ' + one['name'], one)}{count}".rstrip())
    return "\n".join(lines)


def _figures(name: str, row: Row) -> str:
    span = "" if row["low"] is None else f"[{row['low']:.3f}, {row['high']:.3f}]"
    return f"{name:28} {row['value']:8.3f}  {span:>18}"
