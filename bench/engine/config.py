"""What a run is asked to do, checked when it is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BenchError

BASELINE = "baseline"
FIRST_SEED = 42
"""T2I-CompBench's protocol uses seeds 42 to 51."""


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """A method with the constants that differ from its defaults."""

    name: str
    """Registered name or ``module:attribute``."""
    preset: str | None = None
    """None: the model's default preset for this method."""
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How the leaderboard calls it.

        >>> MethodChoice("ast", "all-layers", {"i2t": 4.0}).label
        'ast@all-layers[i2t=4.0]'
        """
        preset = f"@{self.preset}" if self.preset else ""
        changed = ",".join(f"{k}={v}" for k, v in sorted(self.overrides.items()))
        return f"{self.name}{preset}" + (f"[{changed}]" if changed else "")

    @classmethod
    def parse(cls, text: str, changes: Mapping[str, Mapping[str, Any]]) -> MethodChoice:
        """``name``, ``name@preset``, or a label with constants of its own (``ast[i2t=1.0]``).

        The changes that are given for the name hold, too, where the text does not say otherwise.

        >>> MethodChoice.parse("ast[i2t=1.0,windows=all]", {"ast": {"i2i": 2}}).label
        'ast[i2i=2,i2t=1.0,windows=all]'
        """
        head, bracket, inside = text.removesuffix("]").partition("[")
        name, _, preset = head.partition("@")
        own: dict[str, Any] = {}
        if bracket:
            parts = re.split(r",(?=\w+=)", inside)
            if not text.endswith("]") or not all(re.match(r"\w+=.", part) for part in parts):
                raise BenchError(f"method {text!r} must have the form NAME[CONSTANT=VALUE,...]")
            own = {k: _value(v) for k, _, v in (part.partition("=") for part in parts)}
        return cls(name, preset or None, {**changes.get(name, {}), **own})


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run: a model, methods, a suite, seeds, metrics."""

    model: str = "pocket-flux"
    """Registered name, ``module:attribute``, or a folder in diffusers format."""
    methods: tuple[MethodChoice, ...] = (MethodChoice("ast"),)
    """The baseline is always run as well: it is what the others are compared with."""
    suite: str = "pocket"
    data: Path | None = None
    """Folder with the suite's own files, for suites that need one."""
    layouts: Path | None = None
    """A JSONL file of layouts, in place of a suite."""
    categories: tuple[str, ...] = ()
    """Empty means all of the suite's."""
    limit: int | None = None
    """At most so many prompts, spread evenly over the categories."""
    seeds: tuple[int, ...] = (FIRST_SEED,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Sampling settings that differ from the model's (``steps``, ``guidance_scale``, ...)."""
    metrics: tuple[str, ...] = ()
    """``name`` or ``name@mode``; empty means the default ones."""
    judges: Mapping[str, str] = field(default_factory=dict)
    """Judges by role that differ from the model's (``vqa``, ``clip``, ``detector``)."""
    device: str = "auto"
    """``auto`` takes the graphics card where there is one."""
    dtype: str | None = None
    """None: the model's own."""
    batch_size: int | None = None
    """Images generated at once; None: the model's own."""
    out: Path | None = None
    """Run folder; None: a name made from what is run, so that the same run finds it again."""

    def __post_init__(self) -> None:
        if not self.methods:
            raise BenchError("no method is given; name at least one, for example baseline")
        if not self.seeds:
            raise BenchError("no seed is given; at least one is needed")
        if len(set(self.seeds)) < len(self.seeds):
            raise BenchError(f"seeds {list(self.seeds)} repeat; each may stand once")
        for seed in self.seeds:
            if not 0 <= seed < 2**63:
                raise BenchError(f"seed {seed} must lie in 0..2^63-1")
        for name in ("limit", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BenchError(f"{name} is {value}; it must be at least 1")
        labels = [choice.label for choice in self.all_methods]
        for label in labels:
            if labels.count(label) > 1:
                raise BenchError(f"method {label!r} is given twice")

    @property
    def all_methods(self) -> tuple[MethodChoice, ...]:
        """The methods, the baseline first."""
        rest = tuple(choice for choice in self.methods if choice != MethodChoice(BASELINE))
        return (MethodChoice(BASELINE), *rest)


def changes_from(assignments: list[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """``ast.i2t=4.0`` texts as changes by method, and ``settings.steps=4`` ones as settings.

    A value is read as JSON where it is JSON (numbers, true, null, lists), else as text.

    >>> changes_from(["ast.i2t=4", "settings.steps=8"])
    ({'ast': {'i2t': 4}}, {'steps': 8})
    """
    by_method: dict[str, dict[str, Any]] = {}
    for text in assignments:
        path, equals, value_text = text.partition("=")
        owner, dot, name = path.rpartition(".")
        if not (equals and dot and owner and name):
            raise BenchError(f"--set {text!r} must have the form METHOD.NAME=VALUE")
        by_method.setdefault(owner, {})[name] = _value(value_text)
    settings = by_method.pop("settings", {})
    return by_method, settings


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
