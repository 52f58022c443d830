"""The figures of pocket-blip's card: how rightly it answers about held-out pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.models import POCKET_MODELS
from bench.pocket.judges.blip import asked_of, load, picture
from bench.pocket.judges.calibrate import calibration_error
from bench.pocket.judges.data import Sample, make_sample
from bench.pocket.judges.intervals import bootstrap
from bench.pocket.judges.questions import Question, swapped_pair
from bench.pocket.judges.redrawn import redrawn_samples
from bench.pocket.world.splits import Split


def evaluate(
    folder: Path, n: int = 500, *, split: Split = "test", seed: int = 92
) -> dict[str, Any]:
    """AUC of true phrases against phrases with a swapped attribute, on clean held-out renders.

    One pair of questions for each of ``n`` scenes; 95 % interval by bootstrap over scenes. Also
    the same on degraded renders and on clean ones whose things stand on the grid; on degraded ones
    the calibration over questions of all kinds, and how many of those are answered rightly about
    at most 128 pictures that pocket-flux has redrawn.
    """
    judge = load(folder)
    found = {}
    for name, options in (
        ("clean", {"degraded": False}),
        ("degraded", {"degraded": True}),
        ("on_grid", {"degraded": False, "grid": True}),
    ):
        pairs = _swap_scenes(n, split, seed, options)
        pictures = [Image.fromarray(sample.image) for sample, _ in pairs]
        chances = judge.ask(pictures, [[q.text for q in pair] for _, pair in pairs])
        found[name] = bootstrap([(yes, no) for yes, no in chances], _auc)
    rng = np.random.default_rng(seed + 1)
    chances, answers = asked_of(
        folder, [picture(split, seed, k, rng) for k in range(n)], split, rng
    )
    redrawn = redrawn_samples(POCKET_MODELS / "pocket-flux", split, min(n, 128))
    told, true = asked_of(folder, redrawn, split, rng)
    sure = chances >= 0.8
    return {
        **found["clean"],
        "degraded": found["degraded"],
        "on_grid": found["on_grid"],
        "accuracy": float(((chances > 0.5) == answers).mean()),
        "accuracy_redrawn": float(((told > 0.5) == true).mean()),
        "calibration_error": calibration_error(chances, answers),
        "right_when_above_0.8": float(answers[sure].mean()),
    }


def _swap_scenes(
    n: int, split: Split, seed: int, options: Mapping[str, bool]
) -> list[tuple[Sample, tuple[Question, Question]]]:
    """Scenes in which two instances can swap an attribute, with the pair of questions."""
    rng = np.random.default_rng(seed)
    found: list[tuple[Sample, tuple[Question, Question]]] = []
    index = 0
    while len(found) < n:
        category = ("color", "texture", "complex")[index % 3]
        sample = make_sample(split, seed, index, category=category, **options)
        index += 1
        pair = swapped_pair(sample, rng, split=split)
        if pair is not None:
            found.append((sample, pair))
    return found


def _auc(rows: Sequence[tuple[float, float]]) -> float:
    """Chance that a true phrase's probability is above a false one's; ties count half."""
    from scipy.stats import rankdata

    yes, no = np.array(rows).T
    ranks = rankdata(np.concatenate([yes, no]))
    return float((ranks[: len(yes)].mean() - (len(yes) + 1) / 2) / len(no))
