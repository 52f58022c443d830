"""Two methods on the same layouts and seeds: difference, interval, test, size."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.stats.bootstrap import MIN_PROMPTS, RESAMPLES, Interval, intervals
from bench.stats.clusters import Floats, cluster
from bench.stats.permutation import sign_flip_p
from bench.stats.power import minimum_detectable_effect


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method against a reference on the images that both have a score for."""

    mean: float
    """Of the method, over the pairs."""
    reference: float
    """Mean of the reference, over the pairs."""
    difference: float
    """``mean - reference`` in the score's unit, whichever direction is better."""
    interval: Interval | None
    """95 % interval of the difference; None when no honest one exists (see ``note``)."""
    p: float | None
    """Two-sided paired permutation test over prompts, for this comparison alone."""
    p_holm: float | None
    """The same after Holm's correction over a family; None before :func:`holm`."""
    wins: int
    """Pairs in which the method is better (the score's direction counts)."""
    ties: int
    losses: int
    pairs: int
    prompts: int
    standard_error: float | None
    """Cluster-robust, of the difference."""
    mde: float | None
    """Smallest true difference that a run of this size finds with 80 % power at 5 %."""
    note: str | None = None
    """Why there is no interval or test."""

    @property
    def significant(self) -> bool:
        """Holm-corrected p below 0.05."""
        return self.p_holm is not None and self.p_holm < 0.05

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the interval as [low, high]."""
        row = dataclasses.asdict(self)
        row["interval"] = list(self.interval) if self.interval else None
        row["significant"] = self.significant
        return row


def compare(
    values: Floats,
    references: Floats,
    prompts: Sequence[Any] | NDArray[Any],
    *,
    higher_is_better: Sequence[bool] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison | None]:
    """Compare C columns of ``values`` with those of ``references``, both (n, C), NaN = missing.

    Row i of both is the same (layout, seed) of the prompt ``prompts[i]``. None where a column has
    no pair at all. ``p_holm`` is left to :func:`holm`, over the family that the caller reports.
    """
    values, references = np.asarray(values, float), np.asarray(references, float)
    if values.shape != references.shape or values.ndim != 2:
        raise ValueError(f"values {values.shape} and references {references.shape}: want (n, C)")
    n, columns = values.shape
    better = np.ones(columns, bool) if higher_is_better is None else np.array(higher_is_better)
    difference = values - references
    paired = ~np.isnan(difference)
    data = cluster(difference, prompts)
    limits = intervals(data, resamples=resamples, seed=seed)
    p_values = sign_flip_p(data, resamples=resamples, seed=seed)
    errors, sizes, constant = data.standard_errors, data.prompts, data.constant
    result: list[Comparison | None] = []
    for c in range(columns):
        on = paired[:, c]
        if not on.any():
            result.append(None)
            continue
        delta = difference[on, c]
        gain = delta if better[c] else -delta
        ties = np.abs(delta) <= 1e-12
        p = float(p_values[c])
        size = int(sizes[c])
        result.append(
            Comparison(
                mean=float(values[on, c].mean()),
                reference=float(references[on, c].mean()),
                difference=float(data.means[c]),
                interval=limits[c],
                p=None if np.isnan(p) else p,
                p_holm=None,
                wins=int((gain[~ties] > 0).sum()),
                ties=int(ties.sum()),
                losses=int((gain[~ties] < 0).sum()),
                pairs=int(on.sum()),
                prompts=size,
                standard_error=float(errors[c]) if size >= 2 else None,
                mde=(
                    minimum_detectable_effect(float(errors[c]), size)
                    if size >= MIN_PROMPTS and not constant[c]
                    else None
                ),
                note=_note(size, bool(constant[c]), bool(ties.all())),
            )
        )
    return result


def holm(family: Sequence[Comparison | None]) -> list[Comparison | None]:
    """The same comparisons with ``p_holm`` set, corrected over all p of the family.

    None entries are passed through.
    """
    corrected = holm_adjusted([c.p if c is not None else None for c in family])
    return [
        comparison and dataclasses.replace(comparison, p_holm=p)
        for comparison, p in zip(family, corrected, strict=True)
    ]


def holm_adjusted(family: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction; None (not tested) stays None and does not count.

    Holm (1979), Scandinavian Journal of Statistics 6:65-70.
    """
    tested = np.array([p for p in family if p is not None], dtype=float)
    order = np.argsort(tested, kind="stable")
    factors = np.arange(len(tested), 0, -1)
    corrected = np.empty(len(tested))
    corrected[order] = np.minimum(np.maximum.accumulate(tested[order] * factors), 1.0)
    values = iter(corrected)
    return [None if p is None else float(next(values)) for p in family]


def _note(prompts: int, constant: bool, equal: bool) -> str | None:
    if prompts < MIN_PROMPTS:
        return f"{prompts} prompts: an interval needs {MIN_PROMPTS}"
    if equal:
        return "equal on every image"
    if constant:
        return "the same difference on every prompt: no spread to resample"
    return None
