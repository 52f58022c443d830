"""Names to lazy ``module:attribute`` targets, for models, methods, metrics and suites.

Nothing is imported until a name is resolved. An installed package adds names through the entry
point groups in ``GROUPS``; ``my_module:MyMethod`` reaches any importable object without a name.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from bench.errors import BenchError, unknown_name

GROUPS = {
    "model": "misbench.models",
    "method": "misbench.methods",
    "metric": "misbench.metrics",
    "suite": "misbench.suites",
}
"""Kind to entry-point group."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name."""

    name: str
    target: str
    """``module:attribute``, imported when the name is resolved."""
    summary: str
    """One line for ``python -m bench list``."""


_BUILTIN: dict[str, tuple[Entry, ...]] = {
    "model": (
        Entry("pocket-flux", "bench.models:POCKET_FLUX", "small trained FLUX, shipped, 128 px"),
        Entry("flux.1-dev", "bench.models:FLUX_1_DEV", "black-forest-labs/FLUX.1-dev, 1024 px"),
        Entry("flux.1-schnell", "bench.models:FLUX_1_SCHNELL", "FLUX.1-schnell, 1024 px, 4 steps"),
        Entry("sd3.5-medium", "bench.models:SD35_MEDIUM", "Stable Diffusion 3.5 medium, 1024 px"),
        Entry("sd3.5-large", "bench.models:SD35_LARGE", "Stable Diffusion 3.5 large, 1024 px"),
    ),
    "method": (
        Entry("baseline", "bench.methods.baseline:Baseline", "the model as it is"),
        Entry("ast", "bench.methods.ast:AST", "attention specialty tuning, arXiv 2504.10148"),
        Entry("ast-additive", "bench.methods.additive:AdditiveAST", "AST as a bias on the scores"),
        Entry(
            "regional",
            "bench.methods.regional:RegionalPrompting",
            "a prompt of its own for each region, arXiv 2411.02395",
        ),
        Entry(
            "hard-binding",
            "bench.methods.hard_binding:HardBinding",
            "boolean masks, hard in the middle layers, after arXiv 2503.12885",
        ),
        Entry("taca", "bench.methods.taca:TACA", "more attention to text, arXiv 2506.07986"),
        Entry(
            "composite",
            "bench.methods.composite:Composite",
            "instances begun alone and pasted together, after arXiv 2509.26644",
        ),
    ),
    "metric": (
        Entry("blip_vqa", "metrics.blip_vqa:BlipVQA", "attribute binding by visual questions"),
        Entry("clip_score", "metrics.clip_score:CLIPScore", "cosine of image and prompt"),
        Entry("localization", "metrics.localization:Localization", "detections against targets"),
        Entry("spatial_2d", "metrics.spatial_2d:Spatial2D", "left of, above, near: by boxes"),
        Entry(
            "spatial_3d",
            "metrics.spatial_3d:Spatial3D",
            "in front of, behind: by depth; needs --judge depth=NAME",
        ),
        Entry("numeracy", "metrics.numeracy:Numeracy", "each thing as often as asked"),
        Entry(
            "three_in_one",
            "metrics.three_in_one:ThreeInOne",
            "complex prompts: attributes, places, actions",
        ),
    ),
    "suite": (
        Entry("pocket", "bench.suites:pocket", "48 held-out prompts of the pocket grammar"),
        Entry("pocket-tune", "bench.suites:pocket_tune", "the tuning split of the pocket grammar"),
        Entry(
            "complex-scenes", "bench.suites:complex_scenes", "15 painted scenes, 4 to 9 instances"
        ),
        Entry("t2i-compbench", "bench.suites:t2i_compbench", "T2I-CompBench; needs --data DIR"),
    ),
}


def entries(kind: str) -> dict[str, Entry]:
    """All names of a kind (``model``, ``method``, ``metric``, ``suite``), built-in ones first.

    Raises BenchError when an installed package claims a name that is taken.
    """
    found = {entry.name: entry for entry in _BUILTIN[kind]}
    for point in entry_points(group=GROUPS[kind]):
        package = point.dist.name if point.dist else "an installed package"
        entry = Entry(point.name, point.value.replace(" ", ""), f"from {package}")
        taken = found.setdefault(point.name, entry)
        if taken.target != entry.target:
            raise BenchError(
                f"{kind} {point.name!r} is registered twice: {taken.target} and {entry.target} "
                f"(from {package}); rename or uninstall one of them"
            )
    return found


def resolve(kind: str, name: str) -> Any:
    """The object behind a name or behind ``module:attribute``; imports its module.

    Raises BenchError for an unknown name (with the closest one), a module that cannot be found
    and an attribute that the module lacks.
    """
    known = entries(kind)
    if name in known:
        return _load(kind, known[name].target)
    if ":" in name:
        return _load(kind, name)
    raise unknown_name(kind, name, known)


def _load(kind: str, target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise BenchError(f"{kind} {target!r} must have the form module:attribute")
    if "" not in sys.path:
        sys.path.insert(0, "")  # so that a module in the working folder is found, as with `-m`
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, but something that it imports is not
        raise BenchError(
            f"{kind} {target!r}: no module {error.name!r}; it must be importable from the "
            "working folder or an installed package"
        ) from error
    for part in attribute.split("."):
        if not hasattr(value, part):
            public = [n for n in vars(value) if not n.startswith("_")]
            raise unknown_name(f"attribute of {module_name}", part, public)
        value = getattr(value, part)
    return value
