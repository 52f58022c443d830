"""Probabilities that mean what they say: one temperature, fitted on held-out data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def fit_temperature(logits: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """The T > 0 that makes sigmoid(logit / T) most likely (Guo et al. 2017, arXiv 1706.04599).

    Args:
        logits: (N,) log odds.
        right: (N,) whether it was so.
    """
    from scipy.optimize import minimize_scalar

    x, y = np.asarray(logits, float), np.asarray(right, bool)
    sign = np.where(y, 1.0, -1.0)

    def cost(log_t: float) -> float:
        return float(np.logaddexp(0.0, -sign * x / np.exp(log_t)).mean())

    found = minimize_scalar(cost, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))


def logit(p: npt.ArrayLike) -> Array:
    """Log odds of probabilities; 0 and 1 are kept finite."""
    q = np.clip(np.asarray(p, float), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(q / (1 - q)))


def calibration_error(p: npt.ArrayLike, right: npt.ArrayLike, bins: int = 10) -> float:
    """Expected calibration error, 0..1: mean distance of a bin's mean p from its share of right."""
    chances, truth = np.asarray(p, float), np.asarray(right, float)
    which = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = [
        abs(chances[which == b].mean() - truth[which == b].mean()) * (which == b).mean()
        for b in np.unique(which)
    ]
    return float(sum(gaps))


def save_temperature(folder: Path, temperature: float) -> None:
    """Write ``calibration.json``."""
    text = json.dumps({"temperature": round(temperature, 4)})
    (folder / "calibration.json").write_text(text + "\n")
