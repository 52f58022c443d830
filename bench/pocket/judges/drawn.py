"""Images that pocket-flux made of training scenes, with what the eye recognises in them.

Redrawn pictures (``redrawn``) are said to show what the scene had, half-formed or not. Here a
generator started from nothing and a labeller said what came of it, so a detector learns from which
point on a shape is no thing any more (docs/decisions/0011-drawn.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.errors import BenchError
from bench.layouts.io import read_rows
from bench.pocket.judges.data import SIZE, Sample
from bench.pocket.world import Scene, truth_of
from bench.pocket.world.scene import SceneInstance
from bench.pocket.world.vocabulary import NOUNS

FOLDER = Path(__file__).parent / "drawn"
"""``verdicts.jsonl`` and the images it speaks of (README.md there says who looked and how)."""


@cache
def drawn_samples(folder: Path = FOLDER) -> tuple[Sample, ...]:
    """All images of a folder; what counts as an instance is what was recognised.

    A thing's mask is its box, less the boxes of smaller things in it; its attributes are unknown,
    so only a judge of nouns may learn from it.

    Raises:
        BenchError: a row names an image that is not there, a noun that the world does not have, or
            a box outside the image.
    """
    found = []
    for line, row in read_rows(folder / "verdicts.jsonl"):
        path = folder / Path(str(row.get("image"))).name
        if not path.is_file():
            raise BenchError(f"verdicts.jsonl, line {line}: image {path.name} is missing beside it")
        things = []
        for noun, *box in row["things"]:
            if noun not in NOUNS or not _inside(box):
                raise BenchError(
                    f"verdicts.jsonl, line {line}: {[noun, *box]} is no [noun, x0, y0, x1, y1] "
                    "with a noun of the world and a box inside the image (0..1)"
                )
            things.append(SceneInstance(noun, None, None, tuple(box), flip=False, depth=0))
        with Image.open(path) as image:
            found.append(_sample(np.asarray(image.convert("RGB")), tuple(things)))
    return tuple(found)


def _inside(box: Sequence[float]) -> bool:
    """Whether these are x0, y0, x1 and y1 of a box with an area inside the image."""
    if len(box) != 4:
        return False
    x0, y0, x1, y1 = box
    return 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1


def _sample(image: npt.NDArray[np.uint8], things: tuple[SceneInstance, ...]) -> Sample:
    scene = Scene(things, (), None, None, (), "", "drawn")
    masks = np.zeros((len(things), SIZE, SIZE), np.uint8)
    areas = [(t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in things]
    for k in np.argsort(areas)[::-1]:
        left, top, right, bottom = (round(v * SIZE) for v in things[k].box)
        masks[:, top:bottom, left:right] = 0
        masks[k, top:bottom, left:right] = 1
    return Sample(scene, image, truth_of(scene, masks), (1.0,) * len(things), ())
