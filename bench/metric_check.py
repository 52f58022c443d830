"""Does a metric keep its contract? Tried on a few small pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import describe
from bench.identity import canonical_json
from bench.types import Layout, Score
from metrics.base import Column, Metric, Sample

TOLERANCE = 1e-4
"""Largest difference of a score between a batch and its samples alone: other batch sizes round
differently."""


@dataclass(frozen=True, slots=True)
class Check:
    """One clause of the contract."""

    name: str
    passed: bool
    detail: str


def check_metric(
    target: Any,
    judges: Callable[[], Mapping[str, Any]],
    samples: Sequence[Sample],
    *,
    mode: str | None = None,
) -> list[Check]:
    """Check a metric class (or whatever has ``create``) against `metrics.base.Metric`.

    ``judges`` gives judges by role, new ones with every call: those that have seen the batch
    remember their answers. ``samples``: three at least, of different layouts. A check that raises
    has failed; after a failure to create or to score the rest is left out.
    """
    seeing = judges()
    made: list[Metric] = []

    def create() -> str:
        made.append(target.create(seeing, mode))
        return f"{made[0].name} ({made[0].mode})"

    checks = [_try("create(judges, mode) makes it", create)]
    if not checks[0].passed:
        return checks
    metric = made[0]
    checks.append(_try("name, mode and columns", lambda: _described(metric)))
    checks.append(
        _try("identity is JSON and does not change", lambda: _identity(target, seeing, metric))
    )
    first: list[list[Score]] = []

    def score() -> str:
        before = [s.image.tobytes() for s in samples]
        first.extend(metric.score(samples))
        _complete(metric, first, len(samples))
        if before != [s.image.tobytes() for s in samples]:
            raise ValueError("it changes the images that it is given")
        return f"{len(samples)} images, {len(metric.columns)} scores each"

    checks.append(_try("one score a column for every image", score))
    if not checks[-1].passed:
        return checks
    checks.append(_try("scores lie in their column's range", lambda: _ranges(metric, first)))
    checks.append(
        _try(
            "the same twice",
            lambda: _equal(first, metric.score(samples), 0.0, "two calls"),
        )
    )
    checks.append(
        _try(
            "in a batch what it gives alone",
            lambda: _equal(
                first,
                _alone(target.create(judges(), mode), samples),
                TOLERANCE,
                "a batch and its images alone",
            ),
        )
    )
    checks.append(_try("no images, no scores", lambda: _nothing(metric)))
    checks.append(
        _try("blank and odd-sized images get a score or a reason", lambda: _odd(metric, samples))
    )
    return checks


def _try(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except Exception as error:  # somebody's own code can raise anything; it is the finding
        return Check(name, False, describe(error))


def _described(metric: Metric) -> str:
    if not metric.name or not all(c.isalnum() or c in "_-" for c in metric.name):
        raise ValueError(f"name {metric.name!r} may hold only letters, digits, '_' and '-'")
    if metric.mode not in ("official", "fixed"):
        raise ValueError(f"mode {metric.mode!r} must be 'official' or 'fixed'")
    if not metric.columns:
        raise ValueError("columns is empty; it needs one Column for each score")
    for name, column in metric.columns.items():
        if not isinstance(column, Column) or not column.description:
            raise ValueError(f"column {name!r} must be a metrics.base.Column with a description")
    return ", ".join(
        f"{name} ({'higher' if c.higher_is_better else 'lower'} is better)"
        for name, c in metric.columns.items()
    )


def _identity(target: Any, judges: Mapping[str, Any], metric: Metric) -> str:
    text = canonical_json(dict(metric.identity))
    again = target.create(judges, metric.mode)
    if canonical_json(dict(again.identity)) != text:
        raise ValueError("made twice, it has two identities; scores would never be found again")
    return f"{len(text)} characters"


def _complete(metric: Metric, given: Sequence[Sequence[Score]], count: int) -> None:
    if len(given) != count:
        raise ValueError(f"{len(given)} lists of scores for {count} images")
    for scores in given:
        names = [s.name for s in scores]
        if sorted(names) != sorted(metric.columns):
            raise ValueError(
                f"an image has the scores {names}; its columns are {list(metric.columns)}"
            )
        for s in scores:
            canonical_json(dict(s.details))


def _ranges(metric: Metric, given: Sequence[Sequence[Score]]) -> str:
    known = 0
    for scores in given:
        for s in scores:
            if s.value is None:
                continue
            known += 1
            low, high = metric.columns[s.name].range
            if (low is not None and s.value < low - 1e-9) or (
                high is not None and s.value > high + 1e-9
            ):
                raise ValueError(f"{s.name} is {s.value}, outside {low}..{high}")
    return f"{known} values, {sum(map(len, given)) - known} missing with a reason"


def _equal(
    a: Sequence[Sequence[Score]], b: Sequence[Sequence[Score]], tolerance: float, what: str
) -> str:
    worst = 0.0
    for first, second in zip(a, b, strict=True):
        others = {s.name: s for s in second}
        for s in first:
            x, y = s.value, others[s.name].value
            if (x is None) != (y is None):
                raise ValueError(f"{s.name}: {what} differ: {x} and {y}")
            if x is not None and y is not None:
                worst = max(worst, abs(x - y))
                if worst > tolerance:
                    raise ValueError(f"{s.name}: {what} differ: {x} and {y}")
    return f"difference at most {worst:.1e}"


def _alone(metric: Metric, samples: Sequence[Sample]) -> list[list[Score]]:
    """Scores one by one, the last sample first."""
    backwards = [metric.score([s])[0] for s in reversed(samples)]
    return backwards[::-1]


def _nothing(metric: Metric) -> str:
    given = metric.score([])
    if list(given):
        raise ValueError(f"score([]) gives {given!r}; it must give an empty list")
    return "an empty list"


def _odd(metric: Metric, samples: Sequence[Sample]) -> str:
    from PIL import Image

    layout: Layout = samples[0].layout
    odd = [
        Sample(Image.new("RGB", size, color), layout)
        for size, color in (((64, 64), "black"), ((200, 90), "white"), ((3, 5), "gray"))
    ]
    _complete(metric, metric.score(odd), len(odd))
    return "black, white and 3 x 5 pixels"
