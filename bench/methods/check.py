"""Does a method keep its contract? Run on any loaded model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import BenchError
from bench.identity import canonical_json
from bench.methods.base import Method
from bench.methods.baseline import Baseline
from bench.types import Box, Layout, Needs

if TYPE_CHECKING:
    from bench.backends.diffusers import DiffusersBackend

BATCH_TOLERANCE = 8
"""Largest difference of a pixel value, of 255, between a batch and its samples alone: matrix
products of other sizes round differently, and denoising carries that on."""


@dataclass(frozen=True, slots=True)
class Check:
    """One clause of the contract."""

    name: str
    passed: bool | None
    """None: does not apply."""
    detail: str


def check_method(
    target: type[Method],
    backend: DiffusersBackend,
    layouts: Sequence[Layout],
    *,
    preset: str | None = None,
) -> list[Check]:
    """Checks a method class against the protocol of :mod:`bench.methods.base`.

    Args:
        target: the class.
        backend: any loaded model; the small ones are quick.
        layouts: two at least, with two instances or more, whose words the model knows.
        preset: the method's preset to check.
    """
    if len(layouts) < 2:
        raise BenchError("check-method needs two layouts at least, to compare a batch with one")
    checks = _arguments(target, preset)
    if not all(c.passed for c in checks):
        return checks
    method = target.create(preset)
    settings = backend.spec.settings

    def make(chosen: Method, given: Sequence[Layout], seeds: Sequence[int]) -> list[Any]:
        return backend.generate(given, seeds, chosen, settings)

    seeds = list(range(len(layouts)))
    weights = _fingerprint(backend)
    before = make(Baseline(), layouts, seeds)
    made = make(method, layouts, seeds)
    checks.append(_same("deterministic: twice the same", made, make(method, layouts, seeds)))
    alone = [make(method, [layout], [seed])[0] for layout, seed in zip(layouts, seeds, strict=True)]
    checks.append(_same("a batch equals its samples alone", made, alone, BATCH_TOLERANCE))
    checks.append(_same("restores the model", before, make(Baseline(), layouts, seeds)))
    left = _traces(backend)
    checks.append(Check("leaves no hook and no changed weight", *_nothing(left, weights, backend)))
    checks.append(_neutral(target, preset, before, lambda m: make(m, layouts, seeds)))
    checks.append(_needs_passes(method.needs, before, made))
    moved = [_moved(layout) for layout in layouts]
    checks.append(_needs_boxes(method.needs, made, make(method, moved, seeds)))
    return checks


def _arguments(target: type[Method], preset: str | None) -> list[Check]:
    def attempt(name: str, run: Callable[[], str]) -> Check:
        try:
            return Check(name, True, run())
        except Exception as error:  # the method is the user's: whatever it raises is a finding
            return Check(name, False, f"{type(error).__name__}: {error}")

    def declares() -> str:
        if not isinstance(target, type) or not issubclass(target, Method):
            raise BenchError(f"{target!r} is no subclass of bench.methods.base.Method")
        if not isinstance(target.name, str) or not target.name:
            raise BenchError("'name' must be a short text")
        if not isinstance(target.needs, Needs):
            raise BenchError("'needs' must be a bench.types.Needs")
        return f"{target.name}: {target.needs}"

    def round_trip() -> str:
        made = target.create(preset)
        if target.create(None, made.args) != made:
            raise BenchError("create(None, method.args) gives another method")
        return canonical_json(dict(made.args))

    def refuses() -> str:
        try:
            target.create(preset, {"no_such_argument": 1})
        except BenchError as error:
            return str(error)
        raise BenchError("an unknown argument is accepted")

    checks = [attempt("declares a name and its needs", declares)]
    if checks[0].passed:
        checks.append(attempt("arguments are JSON and rebuild it", round_trip))
        checks.append(attempt("refuses unknown arguments", refuses))
    return checks


def _same(name: str, one: list[Any], other: list[Any], tolerance: int = 0) -> Check:
    worst = max(int(np.abs(_pixels(a) - _pixels(b)).max()) for a, b in zip(one, other, strict=True))
    return Check(name, worst <= tolerance, f"largest difference {worst} of 255")


def _pixels(made: Any) -> np.ndarray:
    return np.asarray(made.image).astype(int)


def _neutral(
    target: type[Method],
    preset: str | None,
    before: list[Any],
    make: Callable[[Method], list[Any]],
) -> Check:
    name = "zero strength is the baseline to the bit"
    if target.neutral is None:
        return Check(name, None, "the method declares no neutral arguments")
    return _same(name, before, make(target.create(preset, target.neutral)))


def _needs_passes(needs: Needs, before: list[Any], made: list[Any]) -> Check:
    extra = max(m.passes - b.passes for m, b in zip(made, before, strict=True))
    honest = (extra > 0) == (needs.extra_passes > 0)
    detail = f"{extra} passes more than the baseline, declared {needs.extra_passes} a step"
    return Check("declares extra passes", honest, detail)


def _needs_boxes(needs: Needs, made: list[Any], moved: list[Any]) -> Check:
    used = any((_pixels(a) != _pixels(b)).any() for a, b in zip(made, moved, strict=True))
    declared = needs.boxes or needs.masks
    detail = f"boxes {'change' if used else 'do not change'} the image"
    return Check("declares boxes or masks", declared or not used, detail)


def _moved(layout: Layout) -> Layout:
    """The layout mirrored, so that every box and region lies elsewhere."""

    def mirror(box: Box) -> Box:
        return Box(1 - box.x1, box.y0, 1 - box.x0, box.y1)

    instances = tuple(
        replace(i, box=mirror(i.box), polygon=tuple((1 - x, y) for x, y in i.polygon))
        for i in layout.instances
    )
    return replace(layout, instances=instances)


def _fingerprint(backend: DiffusersBackend) -> Mapping[str, float]:
    state = backend.pipe.transformer.state_dict()
    return {name: float(tensor.double().sum()) for name, tensor in state.items()}


def _traces(backend: DiffusersBackend) -> list[str]:
    modules = backend.pipe.transformer.named_modules()
    return [name for name, m in modules if m._forward_hooks or m._forward_pre_hooks]


def _nothing(
    left: list[str], weights: Mapping[str, float], backend: DiffusersBackend
) -> tuple[bool, str]:
    now = _fingerprint(backend)
    changed = [n for n in {*weights, *now} if weights.get(n) != now.get(n)]
    if left or changed:
        return False, f"hooks on {left[:3]}, changed weights {changed[:3]}"
    return True, "nothing left"
