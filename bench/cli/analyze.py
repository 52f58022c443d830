"""``analyze``: where a model's attention goes, and the AST windows that follow from it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.cli.options import integers
from bench.cli.output import add_json, emit
from bench.engine.config import FIRST_SEED
from bench.errors import BenchError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Generate with the untouched model, find the instances with the detector, and record "
        "attention from where they were drawn by token class, layer and step (streaming sums, no "
        "maps are kept): a Parquet table and plots. With --derive-windows also the AST windows "
        "for this model."
    )
    parser.add_argument("--model", default="pocket-flux", help="name, or a diffusers folder")
    parser.add_argument("--suite", default="pocket-tune", help="prompts (default: pocket-tune)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the suite's files")
    parser.add_argument("--limit", type=int, default=64, metavar="N", help="at most N prompts")
    parser.add_argument("--seeds", type=integers, default=(FIRST_SEED,), metavar="N,...")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--device", default="auto", help="torch device (default: auto)")
    parser.add_argument("--dtype", help="float32, bfloat16, float16 (default: the model's)")
    parser.add_argument(
        "--derive-windows",
        action="store_true",
        help="say which words AST should tune in which layers, and write windows.json",
    )
    parser.add_argument(
        "--save-preset",
        action="store_true",
        help="with --derive-windows: also keep them as AST's preset of the model's name, in the "
        "package (for shipped models)",
    )
    parser.add_argument(
        "--additive",
        action="store_true",
        help="instead: how far additive AST is from exact AST with the model's preset",
    )
    parser.add_argument(
        "--share",
        type=float,
        help="of the strongest layer's binding of instances' words that a tuned layer must reach "
        "(default: 0.25)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: analysis/<model>")
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    if args.save_preset and not args.derive_windows:
        raise BenchError("--save-preset keeps derived windows; give --derive-windows as well")
    from bench.analysis import plots
    from bench.analysis.placing import drawn_layouts
    from bench.analysis.run import analyze
    from bench.analysis.windows import SHARE, binding, derive_windows, peaks, write_windows
    from bench.backends import load_backend, model_digest
    from bench.engine.environment import resolve_device
    from bench.engine.generate import progress_bar
    from bench.engine.plan import without_unknown_words
    from bench.methods.ast import MEASURED
    from bench.models import model_spec, with_settings
    from bench.suites import load_suite

    changes = {"steps": args.steps} if args.steps else {}
    spec = with_settings(model_spec(args.model), changes)
    spec = replace(spec, dtype=args.dtype or spec.dtype)
    suite = load_suite(args.suite, data=args.data)
    backend = load_backend(spec, device=resolve_device(args.device))
    suite, _ = without_unknown_words(suite, spec.name, backend.unknown_words)
    # Prompts with one instance cannot tell own words from another's: they come last.
    layouts = sorted(suite.layouts, key=lambda e: len(e.instances) < 2)
    layouts = list(replace(suite, layouts=tuple(layouts)).select(limit=args.limit).layouts)
    if args.additive:
        return _additive(args, backend, layouts)
    with progress_bar("placing", len(layouts) * len(args.seeds)) as bar:
        placed = drawn_layouts(backend, layouts, args.seeds, on_batch=bar.update)
    with progress_bar("recording", len(placed)) as bar:
        found = analyze(backend, placed, on_batch=bar.update)

    out = args.out or Path("analysis") / spec.name
    out.mkdir(parents=True, exist_ok=True)
    table = found.table
    table.to_parquet(out / "attention.parquet", index=False)
    plots.heat_map(table, out / "heat-map.png")
    plots.curves(table, out / "curves.png")
    tops = peaks(table)
    strongest = sorted({int(p["layer"]) for p in tops.values()})
    plots.overlays(found.overlay, found.image, strongest, out / "overlays.png")
    bound = binding(table)
    document: dict[str, Any] = {
        "model": spec.name,
        "suite": suite.name,
        "prompts": len(layouts),
        "seeds": list(args.seeds),
        "images": len(placed),
        "peaks": tops,
        "binding": [
            {"layer": int(n), **row} for n, row in zip(bound.index, _rows(bound), strict=True)
        ],
        "files": sorted(str(p) for p in out.glob("*.p*")),
    }
    lines = [
        f"an instance is drawn right in {len(placed)} images with two phrases or more, of "
        f"{len(layouts) * len(args.seeds)} generated",
        "",
    ]
    lines += [
        f"{name}: most attended in layer {p['layer']} ({p['depth']:.0%} of the depth), "
        f"{p['mean']:.3f} of the attention"
        for name, p in tops.items()
    ]
    lines += ["", "binding (own words minus another instance's), first half of the steps:"]
    lines.append(bound[["instance", "attribute", "background"]].round(4).to_string())
    if args.derive_windows:
        share = SHARE if args.share is None else args.share
        windows = derive_windows(table, share=share)
        measured = {
            "model": spec.name,
            "model_digest": model_digest(spec),
            "suite": suite.name,
            "suite_digest": suite.digest,
            "prompts": len(layouts),
            "seeds": list(args.seeds),
            "images": len(placed),
            "share": share,
        }
        write_windows(out / "windows.json", windows, measured)
        document["windows"] = [list(w) for w in windows]
        lines += [
            "",
            "windows:",
            *(f"  {n}: {', '.join(w) or '-'}" for n, w in enumerate(windows, 1)),
        ]
        lines.append(f"--set 'ast.windows=...' takes the list in {out / 'windows.json'}")
        if args.save_preset:
            kept = MEASURED / f"{spec.name}.json"
            kept.parent.mkdir(exist_ok=True)
            write_windows(kept, windows, measured)
            lines.append(f"kept as preset: --method ast@{spec.name}, from {kept}")
            preset = f'method_presets={{"ast": "{spec.name}"}}'
            lines.append(f"to make it the model's default: {preset} in bench/models.py")
    lines += ["", f"files: {out}"]
    emit(args, document, "\n".join(lines))
    return 0


def _additive(args: argparse.Namespace, backend: Any, layouts: list[Any]) -> int:
    from bench.analysis.additive import additive_distance
    from bench.engine.plan import make_method

    ast: Any = make_method("ast", None, {}, backend.spec)
    seeds = [args.seeds[0]] * len(layouts)
    found = additive_distance(backend, layouts, seeds, ast)
    steps = ", ".join(f"{s + 1}: {d:.3f}" for s, d in found["by_step"].items())
    text = (
        f"additive AST is {found['distance']:.3f} of exact AST's own change away from it (median "
        f"of {found['attentions']} attentions, {found['images']} images on {found['model']}; 0 is "
        f"the same, 1 as far as the untouched model)\nby step: {steps}\nmean pixel difference from "
        f"exact AST's images: additive {found['pixels']:.1f}, baseline "
        f"{found['pixels_baseline']:.1f} of 255"
    )
    emit(args, found, text)
    return 0


def _rows(frame: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.to_dict("records")
    return rows
