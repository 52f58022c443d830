"""Judges as data, and the one place that turns a name into a judge."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown_name
from bench.identity import digest, file_digest
from bench.models import POCKET_MODELS

ROLES = ("vqa", "clip", "detector", "detector_b", "depth", "parser", "objects")
"""``detector_b`` is a second detector to compare the first with; ``objects`` is a file like
T2I-CompBench's ``new_objects.txt``, which only the official numeracy score reads."""

DEFAULTS = {"parser": "en_core_web_sm"}
"""Judges that need not be named."""

WEIGHTS = (
    "*.safetensors", "*.onnx", "*.pt", "*.bin", "config.json", "open_clip_config.json",
    "preprocessor_config.json", "processor_config.json", "tokenizer*", "vocab*", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "calibration.json",
)  # fmt: skip
"""Files of a judge's folder that can change its answers; model cards cannot."""


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """A judge as data."""

    name: str
    role: str
    family: str
    """What loads it; see ``FAMILIES``."""
    source: str
    """Folder, file, hub id, or the name under which its library downloads it."""
    description: str
    tag: str | None = None
    """open_clip: which pretrained weights of the architecture."""


FAMILIES: dict[str, str] = {
    "blip": "bench.judges.vqa:open_blip",
    "open-clip": "bench.judges.clip:open_open_clip",
    "yolo": "bench.judges.detector:open_yolo",
    "yolo-world": "bench.judges.open_vocabulary:open_yolo_world",
    "zero-shot": "bench.judges.open_vocabulary:open_zero_shot",
    "depth": "bench.judges.depth:open_depth",
    "spacy": "bench.judges.parser:open_spacy",
    "objects": "bench.judges.parser:open_objects",
}
"""Family to the function ``(spec, identity, device) -> judge``."""

_ALL = (
    JudgeSpec("pocket-blip", "vqa", "blip", str(POCKET_MODELS / "blip"), "small BLIP-VQA, shipped"),
    JudgeSpec(
        "blip-vqa-capfilt-large",
        "vqa",
        "blip",
        "Salesforce/blip-vqa-capfilt-large",
        "the BLIP-VQA of T2I-CompBench, 480 px",
    ),
    JudgeSpec(
        "pocket-clip", "clip", "open-clip", str(POCKET_MODELS / "clip"), "small CLIP, shipped"
    ),
    JudgeSpec(
        "openai-vit-b-32",
        "clip",
        "open-clip",
        "ViT-B-32-quickgelu",
        "the CLIP of T2I-CompBench",
        tag="openai",
    ),
    JudgeSpec(
        "pocket-yolo",
        "detector",
        "yolo",
        str(POCKET_MODELS / "detector" / "model.onnx"),
        "small YOLO of the pocket world's things, shipped",
    ),
    JudgeSpec("yolo11x", "detector", "yolo", "yolo11x.pt", "YOLO11, the 80 classes of COCO"),
    JudgeSpec("yolo-world", "detector", "yolo-world", "yolov8x-worldv2.pt", "YOLO-World, any noun"),
    JudgeSpec(
        "grounding-dino",
        "detector",
        "zero-shot",
        "IDEA-Research/grounding-dino-base",
        "Grounding DINO, any noun",
    ),
    JudgeSpec(
        "owlv2", "detector", "zero-shot", "google/owlv2-base-patch16-ensemble", "OWLv2, any noun"
    ),
    JudgeSpec(
        "depth-anything-v2",
        "depth",
        "depth",
        "depth-anything/Depth-Anything-V2-Base-hf",
        "Depth Anything V2",
    ),
    JudgeSpec("dpt-hybrid", "depth", "depth", "Intel/dpt-hybrid-midas", "the DPT of T2I-CompBench"),
    JudgeSpec("en_core_web_sm", "parser", "spacy", "en_core_web_sm", "the parser of T2I-CompBench"),
)
SPECS: Mapping[str, JudgeSpec] = {spec.name: spec for spec in _ALL}


def judge_spec(role: str, name: str) -> JudgeSpec:
    """The spec behind a name, a folder or a file, for a role.

    Raises BenchError for an unknown name, one of another role, and a folder of no known form.
    """
    if role not in ROLES:
        raise unknown_name("judge role", role, ROLES)
    kind = "detector" if role == "detector_b" else role
    known = {n: s for n, s in SPECS.items() if s.role == kind}
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if not path.exists():
        raise unknown_name(f"{role} judge (or path to one)", name, known)
    family = _family_of(path, kind)
    return JudgeSpec(path.resolve().name, kind, family, str(path.resolve()), f"from {path.name}")


def _family_of(path: Path, role: str) -> str:
    if role == "objects" and path.is_file():
        return "objects"
    if role == "detector" and path.suffix in (".onnx", ".pt"):
        return "yolo-world" if "world" in path.stem.lower() else "yolo"
    if role == "clip" and (path / "open_clip_config.json").exists():
        return "open-clip"
    families = {"vqa": "blip", "detector": "zero-shot", "depth": "depth", "parser": "spacy"}
    if role in families and (path / "config.json").exists():
        return families[role]
    if role == "parser" and (path / "meta.json").exists():
        return "spacy"
    needed = {
        "vqa": "a folder that BlipForQuestionAnswering can load (config.json, weights, tokenizer)",
        "clip": "a folder with open_clip_config.json, weights and tokenizer",
        "detector": "an ultralytics .onnx or .pt file, or a transformers detector's folder",
        "depth": "a transformers depth estimator's folder",
        "parser": "a spaCy pipeline's folder",
        "objects": "a file of lines 'singular - plural'",
    }[role]
    raise BenchError(f"{path} is no {role} judge; it must be {needed}")


def judge_digest(name: str, role: str | None = None) -> str:
    """What stands for a judge's weights in every score's identity; loads nothing.

    A local judge: SHA-256 over the digests of the files that can change its answers (weights,
    configuration, tokenizer, calibration). A hub id: the revision. A library's download: its name.
    Raises BenchError when its files are not there.
    """
    if role is None:
        if name not in SPECS:
            raise unknown_name("judge", name, SPECS)
        role = SPECS[name].role
    return _digest(judge_spec(role, name))


@cache
def _digest(spec: JudgeSpec) -> str:
    path = Path(spec.source)
    if path.is_file():
        beside = path.with_name("calibration.json")
        files = [path, *([beside] if beside.exists() and spec.role == "detector" else [])]
        return digest({f.name: file_digest(f) for f in files})
    if path.is_dir():
        found = sorted({f for pattern in WEIGHTS for f in path.glob(pattern) if f.is_file()})
        if not any(f.suffix in (".safetensors", ".onnx", ".pt", ".bin") for f in found):
            raise BenchError(f"{path} holds no weights; get judge {spec.name} again")
        return digest({f.name: file_digest(f) for f in found})
    if path.is_absolute():
        raise BenchError(
            f"judge {spec.name} is not there: {path} is missing; install the package with its "
            "data files, or train it with 'python -m bench pocket train'"
        )
    if spec.family in ("blip", "zero-shot", "depth"):
        return f"{spec.source}@{_hub_revision(spec.source)}"
    if spec.family == "spacy":
        from bench.judges.parser import spacy_version

        return f"{spec.source}-{spacy_version(spec.source)}"
    return f"{spec.source}{f':{spec.tag}' if spec.tag else ''}"


def _hub_revision(repo: str) -> str:
    """The commit in the local cache, else the hub's newest; BenchError when neither can be had."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = try_to_load_from_cache(repo, "config.json")
    if isinstance(cached, str):
        return Path(cached).parent.name
    try:
        return str(HfApi().model_info(repo).sha)
    except Exception as error:  # whatever the network does, the advice is the same
        raise BenchError(
            f"judge {repo} is neither in the local model cache nor can the hub be reached "
            f"({type(error).__name__}); name a folder instead, or download it first"
        ) from error


def load_judge(role: str, name: str, *, device: str = "cpu") -> Any:
    """The judge of a role by name, folder or file; its weights are loaded when first asked."""
    spec = judge_spec(role, name)
    module, _, function = FAMILIES[spec.family].partition(":")
    opener = getattr(importlib.import_module(module), function)
    return opener(spec, {"name": spec.name, "digest": _digest(spec)}, device)


def load_vqa(name: str, *, device: str = "cpu") -> Any:
    """A `metrics.base.VQAJudge`."""
    return load_judge("vqa", name, device=device)


def load_clip(name: str, *, device: str = "cpu") -> Any:
    """A `metrics.base.CLIPJudge`."""
    return load_judge("clip", name, device=device)


def load_detector(name: str, *, device: str = "cpu") -> Any:
    """A `metrics.base.DetectorJudge`."""
    return load_judge("detector", name, device=device)


def load_depth(name: str, *, device: str = "cpu") -> Any:
    """A `metrics.base.DepthJudge`."""
    return load_judge("depth", name, device=device)


def calibration(source: str) -> float:
    """The temperature in a judge folder's ``calibration.json``, 1.0 without one.

    A judge divides its logits by it. Raises BenchError if the file holds no positive number.
    """
    path = Path(source)
    path = (path if path.is_dir() else path.parent) / "calibration.json"
    if not path.is_file():
        return 1.0
    try:
        value = float(json.loads(path.read_text(encoding="utf-8"))["temperature"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f'{path} must hold {{"temperature": number}} ({error})') from error
    if not 0.0 < value < float("inf"):
        raise BenchError(f"{path}: temperature {value} must be above 0")
    return value


class JudgeSet(Mapping[str, Any]):
    """Judges by role, each made once and shared by all the metrics that ask for it."""

    def __init__(
        self,
        names: Mapping[str, str],
        *,
        device: str = "cpu",
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """``names`` gives a judge's name (or path) for each role; some roles have a default.

        ``given`` holds judges that are there already, by role. Raises BenchError for an unknown
        role.
        """
        self.made: dict[str, Any] = dict(given or {})
        """The judges that have been asked for, by role."""
        for role in (*names, *self.made):
            if role not in ROLES:
                raise unknown_name("judge role", role, ROLES)
        self.names: Mapping[str, str] = {**DEFAULTS, **names}
        """Judge's name (or path) by role."""
        self._device = device

    def __getitem__(self, role: str) -> Any:
        if role not in self.made:
            if role not in self.names:
                raise KeyError(role)
            self.made[role] = load_judge(role, self.names[role], device=self._device)
        return self.made[role]

    def __contains__(self, role: object) -> bool:
        return role in self.names or role in self.made  # Mapping's own would make the judge

    def __iter__(self) -> Iterator[str]:
        return iter({**self.names, **self.made})

    def __len__(self) -> int:
        return len({**self.names, **self.made})
