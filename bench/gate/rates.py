"""How often a gate cries wolf, and how often it sees a weakened method: measured, not promised."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, unknown_name
from bench.gate.decide import MARGIN, gate
from bench.gate.recorded import record
from bench.gate.result import Verdict
from bench.leaderboard.dense import check, columns_of
from bench.leaderboard.table import Column
from bench.leaderboard.wording import bracket, number, signed
from bench.stats import Comparison, Interval, compare, exact_interval

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 200


@dataclass(frozen=True, slots=True)
class Rate:
    """One kind of gate, repeated."""

    name: str
    gates: int
    failed: int
    undecided: int
    passed: int
    failed_interval: Interval
    """95 % of the share that fails (Clopper and Pearson 1934, Biometrika 26:404). It counts the
    drawing of gates from the run's images; the images themselves are the same for all gates."""
    by_score: Mapping[str, int]
    """Gates in which a check of this score (label and score) failed."""

    @property
    def share(self) -> float:
        """Of the gates that fail."""
        return self.failed / self.gates


@dataclass(frozen=True, slots=True)
class Rates:
    method: str
    weakened: str
    prompts: int
    seeds: int
    """Of the run, from which gates are drawn."""
    each: int
    """Seeds a prompt on either side of a gate."""
    margin: float
    changes: Mapping[str, Comparison]
    """The weakened method against the method over the whole run, by score: what there is to see."""
    rates: tuple[Rate, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            **{k: getattr(self, k) for k in ("method", "weakened", "prompts", "seeds", "each")},
            "margin": self.margin,
            "changes": {key: found.to_dict() for key, found in self.changes.items()},
            "rates": [
                {**dataclasses.asdict(r), "failed_interval": list(r.failed_interval),
                 "share": r.share}
                for r in self.rates
            ],
        }  # fmt: skip

    def text(self) -> str:
        lines = [
            f"{self.prompts} prompts, {self.seeds} seeds each; a gate holds {self.each} "
            f"seed{'' if self.each == 1 else 's'} a prompt against {self.each}, margin "
            f"{number(self.margin)}",
            f"{self.weakened} against {self.method}, all seeds:",
        ]
        lines += [
            f"  {key}: {number(c.reference)} -> {number(c.mean)}, {signed(c.difference)} "
            f"{bracket(c.interval)}".rstrip()
            for key, c in self.changes.items()
        ]
        width = max(len(r.name) for r in self.rates)
        lines.append(f"{'Gates':<{width}}  failed [95 %]           undecided  passed")
        for r in self.rates:
            share = f"{r.failed}/{r.gates} = {r.share:.3f} {bracket(r.failed_interval)}"
            lines.append(f"{r.name:<{width}}  {share:<33} {r.undecided:>4} {r.passed:>7}")
            lines += [f"    {key} failed in {n}" for key, n in r.by_score.items()]
        return "\n".join(lines)


class _Kind(NamedTuple):
    name: str
    weakened: bool
    """Whether the run that is gated holds the weakened method in place of the method."""
    same_seeds: bool
    """Whether it is made from the record's seeds."""


KINDS = (
    _Kind("unchanged, other seeds", False, False),
    _Kind("weakened, the record's seeds", True, True),
    _Kind("weakened, other seeds", True, False),
)
"""A gate of the unchanged method on the record's seeds is left out: its images are equal."""


def rates(
    frame: pd.DataFrame,
    *,
    method: str,
    weakened: str,
    each: int = 1,
    repeats: int = REPEATS,
    margin: float = MARGIN,
    scores: Sequence[str] = (),
    higher_is_better: Mapping[str, bool] | None = None,
    seed: int = 0,
) -> Rates:
    """Repeat the gate on draws from one run with many seeds (``Run.frame()``).

    For every gate, every prompt's seeds are dealt anew: ``each`` go to the record and ``each``
    others to the run that is held against it, so that both are draws of the same kind and every
    failure of an unchanged method is a false alarm. All methods of the run but ``weakened`` are
    part of both sides, as in CI; in the gates of a weakened method its images stand in the place
    of ``method``'s. ``method`` and ``weakened`` are labels of the leaderboard.

    What is resampled is which seeds meet, not the prompts, and the images come from a pool of
    ``seeds`` a prompt: the rates hold for these prompts and this model.

    Raises BenchError for unknown labels and for a run with too few seeds.
    """
    check(frame)
    labels = list(dict.fromkeys(frame["method_label"].astype(str)))
    for label in (method, weakened):
        if label not in labels:
            raise unknown_name("method of this run", label, labels)
    if method == weakened:
        raise BenchError(f"{method!r} cannot be its own weakened form; name two methods of the run")
    if repeats < 1 or each < 1:
        raise BenchError(f"repeats is {repeats} and each {each}; both must be at least 1")
    known = [c.key for c in columns_of(frame, {})]
    for name in scores:
        if name not in known:
            raise unknown_name("score", name, known)
    if frame["model"].nunique() > 1:
        raise BenchError("the run has several models; measure the gate on one")
    better = dict(higher_is_better or {})
    columns = [c for c in columns_of(frame, better) if c.key in scores or not scores and c.leading]
    frame = frame[frame["score"].isin([c.score for c in columns])]
    deal = _Deal(frame, np.random.default_rng(seed))
    if deal.seeds < 2 * each:
        raise BenchError(
            f"the run has {deal.seeds} seeds a prompt; a gate of {each} against {each} others "
            f"needs {2 * each}: run with --n-seeds {2 * each} or more"
        )
    changes = _changes(frame, method, weakened, columns)
    is_weak = frame["method_label"].astype(str) == weakened
    normal = frame[~is_weak]
    swapped = frame[frame["method_label"].astype(str) != method].copy()
    swapped["method_label"] = swapped["method_label"].astype(str).replace({weakened: method})
    found = []
    for kind in KINDS:
        verdicts: Counter[Verdict] = Counter()
        by_score: Counter[str] = Counter()
        for before, after in deal.gates(repeats, each, same=kind.same_seeds):
            old = record(normal[before[~is_weak]], name="record", higher_is_better=better)
            pool = swapped if kind.weakened else normal
            result = gate(pool[after[pool.index]], old, margin=margin, scores=scores or None)
            verdicts[result.verdict] += 1
            by_score.update(
                f"{c.label} {c.score}" for c in result.checks if c.verdict is Verdict.FAIL
            )
        found.append(
            Rate(
                name=kind.name,
                gates=repeats,
                failed=verdicts[Verdict.FAIL],
                undecided=verdicts[Verdict.UNDECIDED],
                passed=verdicts[Verdict.PASS],
                failed_interval=exact_interval(verdicts[Verdict.FAIL], repeats),
                by_score=dict(by_score.most_common()),
            )
        )
    return Rates(method, weakened, deal.prompts, deal.seeds, each, margin, changes, tuple(found))


class _Deal:
    """Deals every layout's seeds to the two sides of a gate."""

    def __init__(self, frame: pd.DataFrame, rng: np.random.Generator) -> None:
        import pandas as pd

        self._rng = rng
        self._index = frame.index
        self._layouts, names = pd.factorize(frame["layout_digest"])
        self._seeds, values = pd.factorize(frame["seed"])
        self._shape = len(names), len(values)
        self.prompts = int(frame["prompt"].nunique())
        self.seeds = len(values)
        present = np.zeros(self._shape, bool)
        present[self._layouts, self._seeds] = True
        if not present.all():
            raise BenchError("the layouts of the run do not all have the same seeds")

    def gates(self, repeats: int, each: int, *, same: bool) -> Iterator[tuple[Any, Any]]:
        """For each gate the rows of the record and of the run, as boolean series of the frame."""
        for _ in range(repeats):
            place = self._rng.permuted(np.tile(np.arange(self.seeds), (self._shape[0], 1)), axis=1)
            first = place < each
            yield self._rows(first), self._rows(first if same else ~first & (place < 2 * each))

    def _rows(self, chosen: NDArray[np.bool_]) -> Any:
        import pandas as pd

        return pd.Series(chosen[self._layouts, self._seeds], index=self._index)


def _changes(
    frame: pd.DataFrame,
    method: str,
    weakened: str,
    columns: Sequence[Column],
) -> dict[str, Comparison]:
    result = {}
    for column in columns:
        part = frame[(frame["score"] == column.score) & (frame["mode"] == column.mode)]
        part = part.assign(
            layout_digest=part["layout_digest"].astype(str),
            method_label=part["method_label"].astype(str),
        )
        wide = part.pivot(index=["layout_digest", "seed"], columns="method_label", values="value")
        prompts = part.drop_duplicates("layout_digest").set_index("layout_digest")["prompt"]
        found = compare(
            wide[[weakened]].to_numpy(float),
            wide[[method]].to_numpy(float),
            prompts.astype(str).loc[wide.index.get_level_values(0)].to_numpy(object).astype(str),
            higher_is_better=[column.higher_is_better],
        )[0]
        if found is not None:
            result[column.key] = found
    return result
