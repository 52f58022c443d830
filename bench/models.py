"""Generators as data: a `ModelSpec` for every name, and for any folder in diffusers format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import registry
from bench.errors import BenchError, unknown_name
from bench.files import read_json_object
from bench.types import GenerationSettings, ModelSpec

POCKET_MODELS = Path(__file__).parent / "pocket" / "models"
"""Where the shipped models and judges lie."""

POCKET_JUDGES = {"vqa": "pocket-blip", "clip": "pocket-clip", "detector": "pocket-yolo"}
OPEN_JUDGES = {
    "vqa": "blip-vqa-capfilt-large",
    "clip": "openai-vit-b-32",
    "detector": "yolo11x",
    "depth": "depth-anything-v2",
}

POCKET_FLUX = ModelSpec(
    name="pocket-flux",
    family="flux",
    source=str(POCKET_MODELS / "pocket-flux"),
    settings=GenerationSettings(
        steps=20,
        height=128,
        width=128,
        guidance_scale=1.0,
        true_cfg_scale=5.0,
        negative_prompt="",
        max_sequence_length=40,
    ),
    judges=POCKET_JUDGES,
    method_presets={"ast": "pocket-flux"},
    batch_size=8,
    description="small FLUX trained on the pocket world",
)

# Steps and guidance as in each model card's own example; FLUX.1-dev's 32 steps are AST's
# (arXiv 2504.10148).
FLUX_1_DEV = ModelSpec(
    name="flux.1-dev",
    family="flux",
    source="black-forest-labs/FLUX.1-dev",
    settings=GenerationSettings(steps=32, height=1024, width=1024, guidance_scale=3.5),
    judges=OPEN_JUDGES,
    method_presets={"ast": "flux-published"},
    dtype="bfloat16",
    description="FLUX.1-dev; gated on the hub",
)

FLUX_1_SCHNELL = replace(
    FLUX_1_DEV,
    name="flux.1-schnell",
    source="black-forest-labs/FLUX.1-schnell",
    settings=GenerationSettings(
        steps=4, height=1024, width=1024, guidance_scale=0.0, max_sequence_length=256
    ),
    description="FLUX.1-schnell, four steps",
)

SD35_MEDIUM = ModelSpec(
    name="sd3.5-medium",
    family="sd3",
    source="stabilityai/stable-diffusion-3.5-medium",
    settings=GenerationSettings(
        steps=40, height=1024, width=1024, guidance_scale=4.5, max_sequence_length=256
    ),
    judges=OPEN_JUDGES,
    method_presets={"ast": "sd3.5-fractions"},
    dtype="bfloat16",
    description="Stable Diffusion 3.5 medium; gated on the hub",
)

SD35_LARGE = replace(
    SD35_MEDIUM,
    name="sd3.5-large",
    source="stabilityai/stable-diffusion-3.5-large",
    settings=replace(SD35_MEDIUM.settings, steps=28, guidance_scale=3.5),
    description="Stable Diffusion 3.5 large; gated on the hub",
)

_FAMILIES = {"FluxPipeline": "flux", "StableDiffusion3Pipeline": "sd3"}
"""diffusers pipeline class to backend."""

_ADVICE = (
    "a model folder must be in diffusers format (model_index.json, transformer/, vae/, "
    "text encoders, scheduler/)"
)

CARD = "bench.json"
"""Optional file in a model folder: ``settings``, ``judges``, ``method_presets``, ``batch_size``."""


def model_spec(name: str) -> ModelSpec:
    """The spec behind a model name, a ``module:attribute``, or a folder in diffusers format.

    Raises BenchError for an unknown name and for a folder that diffusers could not load.
    """
    if name not in registry.entries("model") and Path(name).is_dir():
        return _folder_spec(Path(name))
    spec = registry.resolve("model", name)
    if not isinstance(spec, ModelSpec):
        raise BenchError(f"model {name!r} is a {type(spec).__name__}; it must be a ModelSpec")
    return spec


def with_settings(spec: ModelSpec, changes: Mapping[str, Any]) -> ModelSpec:
    """The spec with some sampling settings changed; unknown names and wrong types are errors.

    >>> with_settings(POCKET_FLUX, {"steps": 4}).settings.steps
    4
    """
    current = spec.settings.to_dict()
    for name, value in changes.items():
        if name not in current:
            raise unknown_name("setting", name, current)
        kind = type(current[name])
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise BenchError(f"setting {name}={value!r} must be of type {kind.__name__}")
        if name in ("steps", "height", "width", "max_sequence_length") and value < 1:
            raise BenchError(f"setting {name}={value!r} must be at least 1")
        current[name] = value
    return replace(spec, settings=GenerationSettings(**current))


def _folder_spec(folder: Path) -> ModelSpec:
    pipeline = read_json_object(folder / "model_index.json", _ADVICE).get("_class_name", "")
    if pipeline not in _FAMILIES:
        raise unknown_name(f"pipeline class of {folder}", str(pipeline), _FAMILIES)
    card = read_json_object(folder / CARD, _ADVICE) if (folder / CARD).exists() else {}
    vae = read_json_object(folder / "vae" / "config.json", _ADVICE)
    size = int(vae.get("sample_size", 1024))
    like = FLUX_1_DEV if _FAMILIES[pipeline] == "flux" else SD35_MEDIUM
    allowed = {"settings", "judges", "method_presets", "batch_size", "dtype", "description"}
    for key in card:
        if key not in allowed:
            raise unknown_name(f"key of {folder / CARD}", key, allowed)
    spec = replace(
        like,
        name=folder.resolve().name,
        source=str(folder.resolve()),
        dtype="float32",
        method_presets={},
        description=f"folder {folder.name}",
    )
    spec = replace(spec, **{k: v for k, v in card.items() if k != "settings"})
    return with_settings(spec, {"height": size, "width": size, **card.get("settings", {})})
