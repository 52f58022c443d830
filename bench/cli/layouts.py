"""``layouts build|check|render|import|diff|agree|freeze``: sketch layouts for prompts."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.output import add_json, emit
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.types import Layout

SHOWN = 20
"""Faults and differences printed one by one; the rest is counted."""


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    build = commands.add_parser("build", help="lay out your own prompts")
    build.add_argument(
        "--prompts",
        required=True,
        help="FILE.txt (a prompt a line), FILE.jsonl (prompt, optional id and category), or "
        "datasets:ID[:SPLIT]:COLUMN",
    )
    build.add_argument("--out", type=Path, required=True, help="FILE.jsonl to write")
    add_json(build)
    build.set_defaults(work=_build)

    check = commands.add_parser("check", help="check every rule; exit status 1 when one is broken")
    _add_files(check)
    add_json(check)
    check.set_defaults(work=_check)

    render = commands.add_parser("render", help="draw contact sheets and sketches as PNG")
    _add_files(render)
    render.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    render.add_argument("--singles", action="store_true", help="one PNG for each layout as well")
    render.add_argument("--limit", type=int, help="at most so many layouts of each category")
    add_json(render)
    render.set_defaults(work=_render)

    importing = commands.add_parser("import", help="take over layouts that were made elsewhere")
    importing.add_argument(
        "source",
        type=Path,
        nargs="+",
        help="sketch description JSON (beside its PNG), COCO JSON, or boxes JSONL",
    )
    importing.add_argument("--out", type=Path, required=True, help="FILE.jsonl to write")
    add_json(importing)
    importing.set_defaults(work=_import)

    diff = commands.add_parser("diff", help="what differs; exit status 1 when anything does")
    diff.add_argument("first", type=Path, metavar="A")
    diff.add_argument("second", type=Path, metavar="B")
    _add_data(diff)
    add_json(diff)
    diff.set_defaults(work=_diff)

    agree = commands.add_parser("agree", help="the parser against hand labels, by category")
    agree.add_argument("labels", type=Path, metavar="LABELS", help="JSONL of labelled prompts")
    agree.add_argument("--data", type=Path, required=True, help="folder with the *_val.txt files")
    add_json(agree)
    agree.set_defaults(work=_agree)

    freeze = commands.add_parser("freeze", help="rebuild the shipped layouts of T2I-CompBench")
    freeze.add_argument("--data", type=Path, required=True, help="folder with the *_val.txt files")
    freeze.add_argument("--out", type=Path, help="folder to write (default: the shipped one)")
    add_json(freeze)
    freeze.set_defaults(work=_freeze)


def execute(args: argparse.Namespace) -> int:
    work: Callable[[argparse.Namespace], int] = args.work
    return work(args)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="JSONL of layouts, or a folder of them"
    )
    _add_data(parser)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with the official *_val.txt files: gives the shipped layouts their words",
    )


def _build(args: argparse.Namespace) -> int:
    from bench.layouts.build import build_layouts
    from bench.layouts.io import write_layouts
    from bench.layouts.plan import LayoutWarning
    from bench.prompts.sources import read_prompts

    prompts = read_prompts(args.prompts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LayoutWarning)
        layouts = build_layouts(prompts)
    left_out = [str(w.message) for w in caught if issubclass(w.category, LayoutWarning)]
    write_layouts(args.out, layouts)
    instances = sum(len(e.instances) for e in layouts)
    text = [*left_out, f"{len(layouts)} layouts, {instances} instances: {args.out}"]
    emit(
        args,
        {
            "layouts": len(layouts),
            "instances": instances,
            "relations": sum(len(e.relations) for e in layouts),
            "left_out": left_out,
            "out": str(args.out),
        },
        "\n".join(text),
    )
    return 0


def _check(args: argparse.Namespace) -> int:
    from bench.layouts.check import RULES, count_by_rule, faults

    rows = []
    total = broken = 0
    listed: list[str] = []
    for path in _expand(args.files):
        layouts = _read(path, args.data)
        found = [(layout, fault) for layout in layouts for fault in faults(layout)]
        faulty = len({layout.id for layout, _ in found})
        total, broken = total + len(layouts), broken + faulty
        rows.append(
            {
                "file": str(path),
                "layouts": len(layouts),
                "instances": sum(len(e.instances) for e in layouts),
                "relations": sum(len(e.relations) for e in layouts),
                "with_faults": faulty,
                "faults": count_by_rule(fault for _, fault in found),
            }
        )
        listed += [f"{path}: {layout.id}: {f.rule}: {f.text}" for layout, f in found]
    header = ["file", "layouts", "instances", "relations", "with faults", *RULES]
    body = [
        [Path(str(r["file"])).name, r["layouts"], r["instances"], r["relations"], r["with_faults"],
         *_counts(r)]
        for r in rows
    ]  # fmt: skip
    lines = [*_table(header, body), f"{total - broken} of {total} layouts keep every rule"]
    lines += _first(listed)
    emit(
        args,
        {"files": rows, "layouts": total, "in_order": total - broken, "faults": listed},
        "\n".join(lines),
    )
    return 1 if broken else 0


def _counts(row: dict[str, Any]) -> list[int]:
    faults: dict[str, int] = row["faults"]
    return list(faults.values())


def _render(args: argparse.Namespace) -> int:
    from bench.layouts.render import write_pictures

    if args.limit is not None and args.limit < 1:
        raise BenchError(f"--limit is {args.limit}; it must be at least 1")
    layouts: list[Layout] = []
    for path in _expand(args.files):
        seen: dict[str, int] = {}
        for layout in _read(path, args.data):
            seen[layout.category] = seen.get(layout.category, 0) + 1
            if args.limit is None or seen[layout.category] <= args.limit:
                layouts.append(layout)
    written = write_pictures(layouts, args.out, args.singles)
    emit(
        args,
        {"layouts": len(layouts), "pictures": [str(p) for p in written]},
        f"{len(layouts)} layouts in {len(written)} pictures: {args.out}",
    )
    return 0


def _import(args: argparse.Namespace) -> int:
    from bench.layouts.check import faults
    from bench.layouts.importing import import_any
    from bench.layouts.io import write_layouts

    layouts = [layout for path in args.source for layout in import_any(path)]
    ids = [layout.id for layout in layouts]
    for id in ids:
        if ids.count(id) > 1:
            raise BenchError(f"id {id!r} comes twice; give the sources different names")
    write_layouts(args.out, layouts)
    notes = [f"{e.id}: {f.rule}: {f.text}" for e in layouts for f in faults(e)]
    text = [f"{len(layouts)} layouts: {args.out}"]
    if notes:
        text += [f"{len(notes)} notes ('layouts check' tells the rules)", *_first(notes)]
    emit(args, {"layouts": len(layouts), "out": str(args.out), "notes": notes}, "\n".join(text))
    return 0


def _diff(args: argparse.Namespace) -> int:
    from bench.layouts.compare import differences

    first = [e for path in _expand([args.first]) for e in _read(path, args.data)]
    second = [e for path in _expand([args.second]) for e in _read(path, args.data)]
    found = differences(first, second)
    kinds = {k: sum(d.kind == k for d in found) for k in ("added", "removed", "changed")}
    lines = [
        f"{d.id}: {d.kind}"
        + (f" ({', '.join(d.parts)}; moved {100 * d.moved:.1f} %)" if d.parts else "")
        for d in found
    ]
    counted = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    emit(
        args,
        {**kinds, "same": len(first) - kinds["removed"] - kinds["changed"],
         "differences": [d.to_dict() for d in found]},
        "\n".join([*_first(lines), counted if found else "no difference"]),
    )  # fmt: skip
    return 1 if found else 0


def _agree(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from bench.layouts.agreement import agreement

    found, differences = agreement(args.labels, args.data)
    header = ["category", "prompts", "instances", "noun", "attributes", "count", "extra"]
    body: list[list[object]] = []
    for a in found:
        shares = [f"{100 * n / a.instances:.1f} %" for n in (a.noun, a.attributes, a.count)]
        body.append([a.category, a.prompts, a.instances, *shares, a.extra])
    emit(
        args,
        {"categories": [asdict(a) for a in found], "differences": differences},
        "\n".join([*_table(header, body), *_first(differences)]),
    )
    return 0


def _freeze(args: argparse.Namespace) -> int:
    from bench.layouts.freeze import freeze
    from bench.layouts.frozen import FOLDER

    out = args.out or FOLDER
    manifest = freeze(args.data, out)
    hand = sum(f["by_hand"] for f in manifest["files"].values())
    emit(args, manifest, f"{manifest['rows']} layouts, {hand} corrected by hand: {out}")
    return 0


def _read(path: Path, data: Path | None) -> list[Layout]:
    """Layouts of a file; shipped ones (without words) joined with the prompts where given."""
    from bench.layouts.frozen import join_category, read_frozen
    from bench.layouts.io import read_layouts, read_rows
    from bench.prompts.t2i_compbench import read_category

    rows = read_rows(path)
    if not rows or "sha256" not in rows[0][1]:
        return read_layouts(path)
    frozen = read_frozen(path)
    if data is None:
        return [row.blind() for row in frozen]
    return join_category(read_category(data, frozen[0].category), frozen)


def _expand(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not inside:
            raise BenchError(f"{path} holds no *.jsonl file")
        files += inside
    return files


def _first(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"... and {rest} more (--json lists all)"] if rest > 0 else [])]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    texts = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[k]) for row in texts) for k in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    ]
