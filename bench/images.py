"""Other people's images: reading them, and finding which layout and seed each belongs to."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, describe
from bench.types import Layout

if TYPE_CHECKING:
    from PIL.Image import Image

MAPPING_COLUMNS = ("file", "layout_id", "seed")


@dataclass(frozen=True, slots=True)
class Found:
    """An image file with the layout and the seed it was made for."""

    path: Path
    layout: Layout
    seed: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a folder of images holds for a list of layouts."""

    found: tuple[Found, ...]
    without_image: tuple[Layout, ...]
    """Layouts that no file belongs to."""
    strangers: tuple[Path, ...]
    """Files that belong to no layout."""


def open_rgb(path: Path) -> Image:
    """The first frame of a file that Pillow reads, as RGB.

    Raises OSError for whatever else than a picture the file is. ultralytics, once it is loaded, has
    put its own function in place of ``Image.open``, which then asks for a HEIF plug-in.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except (ImportError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(f"no picture: {describe(error)}") from error


def read_image(path: Path) -> Image:
    """Any file that Pillow reads, as RGB (first frame, transparency dropped).

    Raises BenchError when it is missing, damaged, or blank (one colour all over).
    """
    if not path.is_file():
        raise BenchError(f"image {path} is missing")
    try:
        image = open_rgb(path)
    except OSError as error:
        raise BenchError(f"image {path} cannot be read ({describe(error)})") from error
    if is_blank(image):
        raise BenchError(f"image {path} is blank: every pixel has the same colour")
    return image


def is_blank(image: Image) -> bool:
    """Whether every pixel of an RGB image has the same colour."""
    low, high = zip(*image.getextrema(), strict=True)
    return bool(low == high)


def take_inventory(
    folder: Path, layouts: Sequence[Layout], mapping: Path | None = None
) -> Inventory:
    """Which file in ``folder`` belongs to which layout and seed.

    With ``mapping``, a CSV file with the columns ``file,layout_id,seed``. Without, by file name:
    ``<layout id>_<seed>.<any suffix>``, or ``<prompt>_<number>.png`` as T2I-CompBench's own
    scripts write it (also in a ``samples`` folder), where the number becomes the seed. When the
    numbers run on through the whole folder, so that no two prompts share one, an image's place
    among those of its prompt (from 0) becomes the seed instead.

    Raises BenchError when the folder is not there, or the mapping cannot be used.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder} is not a folder")
    if mapping is not None:
        found = tuple(_mapped(folder, mapping, {e.id: e for e in layouts}))
        strangers: tuple[Path, ...] = ()
    else:
        source = folder / "samples" if (folder / "samples").is_dir() else folder
        found, strangers = _by_name(source, layouts)
    taken: dict[tuple[str, int], Path] = {}
    for item in found:
        other = taken.setdefault((item.layout.id, item.seed), item.path)
        if other != item.path:
            raise BenchError(
                f"{other} and {item.path} are both given for layout {item.layout.id}, seed "
                f"{item.seed}; keep one"
            )
    with_image = {item.layout.id for item in found}
    without = tuple(layout for layout in layouts if layout.id not in with_image)
    return Inventory(found, without, strangers)


def _by_name(folder: Path, layouts: Sequence[Layout]) -> tuple[tuple[Found, ...], tuple[Path, ...]]:
    by_id = {layout.id: layout for layout in layouts}
    by_prompt: dict[str, Layout] = {}
    for layout in layouts:
        by_prompt.setdefault(layout.prompt.strip().rstrip("."), layout)
    found: list[Found] = []
    numbered: list[Found] = []
    strangers = []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        match = re.fullmatch(r"(.+)_(\d{1,18})", path.stem)
        name = match[1] if match else ""
        owner, asked = by_id.get(name), by_prompt.get(name.strip().rstrip("."))
        if match and owner:
            found.append(Found(path, owner, int(match[2])))
        elif match and asked:
            numbered.append(Found(path, asked, int(match[2])))
        else:
            strangers.append(path)
    every = sorted((*found, *_from_zero(numbered)), key=lambda f: f.path)
    return tuple(every), tuple(strangers)


def _from_zero(files: Sequence[Found]) -> list[Found]:
    """Files by prompt, numbered within each prompt if no two prompts share a number."""
    owners: dict[int, set[str]] = {}
    for item in files:
        owners.setdefault(item.seed, set()).add(item.layout.id)
    prompts = {item.layout.id for item in files}
    if len(prompts) < 2 or any(len(ids) > 1 for ids in owners.values()):
        return list(files)
    place: dict[str, int] = {}
    out = []
    for item in sorted(files, key=lambda f: f.seed):
        place[item.layout.id] = place.get(item.layout.id, -1) + 1
        out.append(Found(item.path, item.layout, place[item.layout.id]))
    return out


def _mapped(folder: Path, mapping: Path, layouts: Mapping[str, Layout]) -> Iterator[Found]:
    try:
        text = mapping.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{mapping} cannot be read ({error})") from error
    rows = csv.DictReader(text.splitlines())
    if not set(MAPPING_COLUMNS) <= set(rows.fieldnames or ()):
        raise BenchError(f"{mapping} must have the columns {', '.join(MAPPING_COLUMNS)}")
    root = folder.resolve()
    for number, row in enumerate(rows, start=2):
        where = f"{mapping}, line {number}"
        layout = layouts.get(row["layout_id"] or "")
        if layout is None:
            raise BenchError(f"{where}: no layout has the id {row['layout_id']!r}")
        if not re.fullmatch(r"\d{1,18}", row["seed"] or ""):
            raise BenchError(f"{where}: seed {row['seed']!r} must be a whole number from 0 on")
        path = (root / (row["file"] or "")).resolve()
        if not path.is_relative_to(root):
            raise BenchError(f"{where}: file {row['file']!r} lies outside {folder}")
        yield Found(path, layout, int(row["seed"]))
