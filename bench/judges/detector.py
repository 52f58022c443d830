"""Detectors: YOLO and YOLO-World through ultralytics, zero-shot detectors through transformers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.errors import unknown_name
from bench.judges.cache import Memory, image_key, remembered
from bench.types import Box, Detection
from metrics.base import article

if TYPE_CHECKING:
    import torch

    from bench.judges.specs import JudgeSpec

LEAST_SCORE = 0.05
"""Detections below are never given; metrics set their own, higher thresholds."""
NMS_IOU = 0.7
"""Overlap from which two boxes of one class are one (ultralytics' default), for detectors that do
not do this themselves."""
REMEMBERED = 100_000

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "television": ("tv",),
    "tv": ("television",),
    "sofa": ("couch",),
    "couch": ("sofa",),
    "phone": ("cell phone",),
    "bike": ("bicycle",),
    "motorbike": ("motorcycle",),
    "plane": ("airplane",),
    "table": ("dining table",),
    "fridge": ("refrigerator",),
    "mug": ("cup",),
    "plant": ("potted plant",),
    "hydrant": ("fire hydrant",),
    "purse": ("handbag",),
    **{who: ("person",) for who in ("man", "woman", "boy", "girl", "child", "people")},
}
"""Noun to the class names that stand for the same thing, for detectors that lack the noun."""


def class_name(noun: str, classes: Sequence[str]) -> str | None:
    """A detector's name for a noun: its own class, else a synonym that is one, else None.

    >>> class_name("girl", ["person", "dog"]), class_name("cat", ["dog"])
    ('person', None)
    """
    for name in (noun, *SYNONYMS.get(noun, ())):
        if name in classes:
            return name
    return None


def to_box(x0: float, y0: float, x1: float, y1: float) -> Box | None:
    """A box cut to the image (fractions); None if nothing of it is inside."""
    cut = [min(1.0, max(0.0, float(v))) for v in (x0, y0, x1, y1)]
    return Box(*cut) if cut[0] < cut[2] and cut[1] < cut[3] else None


@dataclass(frozen=True)
class YoloParts:
    """A loaded YOLO."""

    yolo: Any
    """`ultralytics.YOLO`."""
    size: int | list[int]
    """Pixels that it was exported or trained for: a side, or height and width."""


class YoloJudge:
    """A YOLO with fixed classes; see `metrics.base.DetectorJudge`."""

    def __init__(
        self,
        load: Callable[[], YoloParts],
        identity: Mapping[str, Any],
        *,
        device: str = "cpu",
        batch_size: int = 32,
    ) -> None:
        """``load`` is called once, when first asked; ``batch_size`` counts images."""
        self.identity: Mapping[str, Any] = {**identity, "least_score": LEAST_SCORE}
        self._load = load
        self._device = device
        self._batch_size = batch_size
        self._found: Memory[list[Detection]] = Memory(REMEMBERED)

    @cached_property
    def _parts(self) -> YoloParts:
        return self._load()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Its class names, lower case, by class number."""
        return tuple(str(name).lower() for _, name in sorted(self._parts.yolo.names.items()))

    def class_of(self, noun: str) -> str | None:
        return class_name(noun, self.classes)

    def detect(
        self, images: Sequence[Any], labels: Sequence[Sequence[str]]
    ) -> list[list[Detection]]:
        """Everything that it knows, by falling score; ``labels`` is not looked at."""

        def make(new: list[int]) -> list[list[Detection]]:
            # ultralytics pads images of different sizes in one batch in another way than alone
            by_size: dict[tuple[int, int], list[int]] = {}
            for k in new:
                by_size.setdefault(images[k].size, []).append(k)
            found: dict[int, list[Detection]] = {}
            for group in by_size.values():
                for start in range(0, len(group), self._batch_size):
                    part = group[start : start + self._batch_size]
                    found.update(zip(part, self._predict([images[k] for k in part]), strict=True))
            return [found[k] for k in new]

        return remembered(self._found, [image_key(i) for i in images], make)

    def _predict(self, images: list[Any]) -> list[list[Detection]]:
        results = self._parts.yolo.predict(
            [_bgr(image) for image in images],
            imgsz=self._parts.size,
            conf=LEAST_SCORE,
            device=self._device,
            verbose=False,
        )
        return [_detections(r, self.classes) for r in results]


def _bgr(image: Any) -> npt.NDArray[np.uint8]:
    """A PIL image as ultralytics reads arrays: rows, columns, and blue before green before red."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def _detections(result: Any, names: Sequence[str]) -> list[Detection]:
    """An ultralytics result as detections, best first."""
    out = []
    boxes = result.boxes
    for xyxyn, score, label in zip(
        boxes.xyxyn.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True
    ):
        box = to_box(*xyxyn)
        if box is not None:
            out.append(Detection(names[int(label)], float(score), box))
    return sorted(out, key=lambda d: -d.score)


class OpenVocabularyJudge:
    """A detector that is told what to look for; see `metrics.base.DetectorJudge`."""

    def __init__(
        self,
        load: Callable[[], Callable[[Any, list[str]], list[Detection]]],
        identity: Mapping[str, Any],
    ) -> None:
        """``load`` gives a function of one PIL image and some nouns to detections."""
        self.identity: Mapping[str, Any] = {**identity, "least_score": LEAST_SCORE}
        self._load = load
        self._found: Memory[list[Detection]] = Memory(REMEMBERED)

    @cached_property
    def _look(self) -> Callable[[Any, list[str]], list[Detection]]:
        return self._load()

    def class_of(self, noun: str) -> str | None:
        return noun

    def detect(
        self, images: Sequence[Any], labels: Sequence[Sequence[str]]
    ) -> list[list[Detection]]:
        """What is in each image of its ``labels``, by falling score."""
        wanted = [sorted(set(names)) for names in labels]
        keys = [(image_key(i), *w) for i, w in zip(images, wanted, strict=True)]

        def make(new: list[int]) -> list[list[Detection]]:
            return [self._look(images[k].convert("RGB"), wanted[k]) for k in new]

        return remembered(self._found, keys, make)


def load_yolo(source: str) -> YoloParts:
    """A YOLO from an ONNX or weights file, or the name of one that ultralytics downloads."""
    # Read on import: without it ultralytics may run pip when it misses a package.
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    from ultralytics import YOLO

    yolo = YOLO(source, task="detect")
    if not source.endswith(".onnx"):
        return YoloParts(yolo, yolo.overrides.get("imgsz", 640))
    # An export of flexible size does not tell ultralytics at which size it was trained.
    from onnxruntime import InferenceSession

    session = InferenceSession(source, providers=["CPUExecutionProvider"])
    known = session.get_modelmeta().custom_metadata_map
    return YoloParts(yolo, json.loads(known["imgsz"]) if "imgsz" in known else 640)


def open_yolo(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> YoloJudge:
    return YoloJudge(lambda: load_yolo(spec.source), identity, device=device)


def open_yolo_world(
    spec: JudgeSpec, identity: Mapping[str, Any], device: str
) -> OpenVocabularyJudge:
    def load() -> Callable[[Any, list[str]], list[Detection]]:
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        from ultralytics import YOLOWorld

        model = YOLOWorld(spec.source)

        def look(image: Any, nouns: list[str]) -> list[Detection]:
            model.set_classes(nouns)
            (result,) = model.predict(_bgr(image), conf=LEAST_SCORE, device=device, verbose=False)
            return _detections(result, nouns)

        return look

    return OpenVocabularyJudge(load, identity)


def open_zero_shot(
    spec: JudgeSpec, identity: Mapping[str, Any], device: str
) -> OpenVocabularyJudge:
    return OpenVocabularyJudge(lambda: load_zero_shot(spec.source, device), identity)


def load_zero_shot(source: str, device: str) -> Callable[[Any, list[str]], list[Detection]]:
    """A transformers zero-shot detector (Grounding DINO, OWLv2) from a folder or the hub."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = AutoModelForZeroShotObjectDetection.from_pretrained(source).to(device).eval()
    return zero_shot(model, AutoProcessor.from_pretrained(source), device)


def zero_shot(
    model: Any, processor: Any, device: str
) -> Callable[[Any, list[str]], list[Detection]]:
    """Wrap a loaded zero-shot detector: one pass an image, all nouns together.

    Raises BenchError for a kind of model whose scores it does not know how to read.
    """
    kind = model.config.model_type
    readers = {
        "owlv2": _read_owl,
        "owlvit": _read_owl,
        "grounding-dino": _read_grounding_dino,
        "mm-grounding-dino": _read_grounding_dino,
    }
    if kind not in readers:
        raise unknown_name("kind of zero-shot detector", kind, readers)
    read = readers[kind]

    def look(image: Any, nouns: list[str]) -> list[Detection]:
        import torch
        from torchvision.ops import batched_nms

        with torch.inference_mode():
            scores, xyxy = read(model, processor, image, nouns, device)
        best, label = scores.max(dim=1)
        kept = torch.nonzero(best >= LEAST_SCORE)[:, 0]
        kept = kept[batched_nms(xyxy[kept], best[kept], label[kept], NMS_IOU)]
        found = []
        for k in kept.tolist():
            x0, y0, x1, y1 = xyxy[k].tolist()
            box = to_box(x0, y0, x1, y1)
            if box is not None:
                found.append(Detection(nouns[int(label[k])], float(best[k]), box))
        return found

    return look


def _read_owl(
    model: Any, processor: Any, image: Any, nouns: list[str], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(queries, nouns) scores and (queries, 4) corners as fractions of the image."""
    text = [[f"a photo of {article(noun)} {noun}" for noun in nouns]]  # OWLv2's own prompt
    outputs = model(**processor(images=image, text=text, return_tensors="pt").to(device))
    # OWLv2 pads the image to a square on the right or below
    side = max(image.size) if model.config.model_type == "owlv2" else None
    scale = (side / image.width, side / image.height) if side else (1.0, 1.0)
    return outputs.logits[0].sigmoid(), _corners(outputs.pred_boxes[0], *scale)


def _read_grounding_dino(
    model: Any, processor: Any, image: Any, nouns: list[str], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same; a noun's score is the best of its tokens'.

    The processor's own labels join the tokens above a threshold, which can run two nouns together.
    """
    import torch

    text = ". ".join(nouns) + "."
    inputs = processor(images=image, text=text, return_tensors="pt").to(device)
    offsets = processor.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    outputs = model(**inputs)
    by_token = outputs.logits[0].sigmoid()
    scores, start = [], 0
    for noun in nouns:
        end = start + len(noun)
        own = [k for k, (a, b) in enumerate(offsets) if a < end and b > start]
        scores.append(by_token[:, own].max(dim=1).values)
        start = end + 2
    return torch.stack(scores, dim=1), _corners(outputs.pred_boxes[0], 1.0, 1.0)


def _corners(boxes: torch.Tensor, x_scale: float, y_scale: float) -> torch.Tensor:
    """Centre, width, height to x0, y0, x1, y1, scaled."""
    import torch

    x, y, w, h = boxes.unbind(dim=-1)
    return torch.stack(
        [
            (x - w / 2) * x_scale,
            (y - h / 2) * y_scale,
            (x + w / 2) * x_scale,
            (y + h / 2) * y_scale,
        ],
        dim=-1,
    )
