"""The frozen suites of the pocket world: prompts of a held-out split with planned layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.layouts.io import write_layouts
from bench.layouts.plan import plan
from bench.pocket.parsed import parsed_scene
from bench.pocket.world import sample_scene
from bench.pocket.world.splits import Split
from bench.types import Layout

CATEGORIES = ("color", "texture", "spatial", "3d_spatial", "numeracy", "complex")
SUITES: dict[str, tuple[Split, int]] = {"pocket": ("test", 8), "pocket-tune": ("tune", 8)}
"""Suite name to its split and its number of prompts a category."""
FOLDER = Path(__file__).parent / "suite"


def build_suite(name: str) -> list[Layout]:
    """The layouts of a suite, from the grammar and the planner alone: the same on every machine.

    Every prompt shows two instances or more, and none stands in the suite twice.
    """
    split, count = SUITES[name]
    layouts: list[Layout] = []
    for number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng([20_250_412, number])
        seen: set[str] = set()
        while len(seen) < count:
            scene = sample_scene(rng, split=split, category=category)
            if len(scene.instances) < 2 or scene.caption in seen:
                continue
            seen.add(scene.caption)
            label = f"{name}-{category}-{len(seen):02d}"
            layouts.append(plan(parsed_scene(scene), id=label, category=category))
    return layouts


def write_suites(folder: Path = FOLDER) -> list[Path]:
    """Write every suite as ``NAME.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in SUITES:
        path = folder / f"{name}.jsonl"
        write_layouts(path, build_suite(name))
        written.append(path)
    return written
