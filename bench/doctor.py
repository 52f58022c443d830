"""Is this machine fit for a run? Versions, threads, shipped weights, and a tiny run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.errors import BenchError, describe

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: Status
    text: str
    """What was found, or what is wrong and how to repair it."""


def examine(model: str = "pocket-flux") -> Iterator[Finding]:
    """Look at everything that a run with ``model`` needs, one finding after the other.

    The last ones generate and score one image. An error ends a check, never the examination.
    """
    for name, check in (
        ("libraries", _libraries),
        ("machine", _machine),
        ("disk", _disk),
        ("model", lambda: _model(model)),
    ):
        yield _guarded(name, check)
    yield from _judges(model)
    yield _guarded("generation and scoring", lambda: _tiny_run(model))


def _guarded(name: str, check: Callable[[], tuple[Status, str]]) -> Finding:
    try:
        status, text = check()
    except Exception as error:  # a broken installation can raise anything; it is the finding
        return Finding(name, "failed", describe(error))
    return Finding(name, status, text)


def _libraries() -> tuple[Status, str]:
    from bench.engine.environment import library_versions

    versions = library_versions()
    lacking = [name for name, version in versions.items() if version is None]
    text = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if lacking == ["misbench"]:
        return "ok", f"{text} (the harness itself runs from its source folder)"
    if lacking:
        return "failed", f"not installed: {', '.join(lacking)}; 'pip install -e .' brings them"
    return "ok", text


def _machine() -> tuple[Status, str]:
    from bench.engine.environment import environment, resolve_device

    where = environment(resolve_device("auto"))
    return "ok", (
        f"Python {where['python']}, {where['system']}, device {where['device']} "
        f"({where['device_name']}), {where['threads']} torch threads"
    )


def _disk() -> tuple[Status, str]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    text = f"{free:.1f} GB free in the working folder"
    return ("ok", text) if free > 1 else ("warning", f"{text}; a run may need more")


def _model(name: str) -> tuple[Status, str]:
    from bench.backends import model_digest
    from bench.models import model_spec

    spec = model_spec(name)
    return "ok", f"{name}: weights {model_digest(spec)[:12]} from {spec.source}"


def _judges(model: str) -> Iterator[Finding]:
    """The self-tests of the model's judges on golden pictures."""
    from bench.judges import JudgeSet
    from bench.judges.selftest import self_test
    from bench.models import model_spec

    try:
        judges = JudgeSet(model_spec(model).judges)
    except BenchError as error:
        yield Finding("judges", "failed", str(error))
        return
    for found in self_test(judges):
        status: Status = "ok" if found.ok else "failed"
        yield Finding(f"{found.role} judge {found.judge}", status, found.text)


def _tiny_run(name: str) -> tuple[Status, str]:
    """One image of one prompt, two steps, scored by every default metric; and made twice."""
    from bench.api import generate, load_model, score
    from bench.suites import load_suite

    started = time.perf_counter()
    model = load_model(name)
    model.spec = replace(model.spec, settings=replace(model.spec.settings, steps=2))
    layout = load_suite("pocket").layouts[0]
    image, record = generate(model, layout)
    _, again = generate(model, layout)
    if record.image_sha256 != again.image_sha256:
        return "warning", "the same seed gave two different images; runs cannot be repeated here"
    frame = score([image], [layout], judges=model.spec.judges)
    failed = frame[frame["reason"].str.contains(" failed: ", na=False)]
    if len(failed):
        raise BenchError(str(failed["reason"].iloc[0]))
    names = ", ".join(frame["score"])
    return "ok", f"one image made twice alike and scored ({names}) in " + (
        f"{time.perf_counter() - started:.1f} s"
    )
