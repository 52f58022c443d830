"""Detectors that are told what to look for: YOLO-World, Grounding DINO, OWLv2."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.errors import unknown_name
from bench.judges.cache import Memory, image_key, remembered
from bench.judges.detector import (
    LEAST_SCORE,
    REMEMBERED,
    bgr,
    detections_of,
    quiet_ultralytics,
    threads_kept,
    to_box,
)
from bench.types import Detection
from metrics.base import article

if TYPE_CHECKING:
    import torch

    from bench.judges.specs import JudgeSpec

NMS_IOU = 0.7
"""Overlap from which two boxes of one class are one (ultralytics' default), for detectors that do
not do this themselves."""

Look = Callable[[list[Any], list[str]], list[list[Detection]]]
"""RGB images of one size, and nouns to look for in all of them, to detections by falling score."""


class OpenVocabularyJudge:
    """A detector that is told what to look for; see `metrics.base.DetectorJudge`."""

    def __init__(
        self, load: Callable[[], Look], identity: Mapping[str, Any], *, batch_size: int = 8
    ) -> None:
        """``load`` is called once, when first asked; ``batch_size`` counts images."""
        self.identity: Mapping[str, Any] = {**identity, "least_score": LEAST_SCORE}
        self._load = load
        self._batch_size = batch_size
        self._found: Memory[list[Detection]] = Memory(REMEMBERED)

    @cached_property
    def _look(self) -> Look:
        return self._load()

    def class_of(self, noun: str) -> str | None:
        return noun

    def detect(
        self, images: Sequence[Any], labels: Sequence[Sequence[str]]
    ) -> list[list[Detection]]:
        """What is in each image of its ``labels``, by falling score."""
        wanted = [tuple(sorted(set(names))) for names in labels]
        keys = [(image_key(i), *w) for i, w in zip(images, wanted, strict=True)]

        def make(new: list[int]) -> list[list[Detection]]:
            # Together only what needs no padding, neither of pixels nor of words: that would take
            # part in the answer.
            groups: dict[tuple[Any, ...], list[int]] = {}
            for k in new:
                groups.setdefault((images[k].size, wanted[k]), []).append(k)
            found: dict[int, list[Detection]] = {}
            for (_, nouns), group in groups.items():
                for start in range(0, len(group), self._batch_size):
                    part = group[start : start + self._batch_size]
                    shown = [images[k].convert("RGB") for k in part]
                    rows = self._look(shown, list(nouns)) if nouns else [[] for _ in part]
                    found.update(zip(part, rows, strict=True))
            return [found[k] for k in new]

        return remembered(self._found, keys, make)


def open_yolo_world(
    spec: JudgeSpec, identity: Mapping[str, Any], device: str
) -> OpenVocabularyJudge:
    def load() -> Look:
        from bench.judges.clip import ClipJudge, load_open_clip

        # The text encoder that YOLO-World was trained with. ultralytics takes it from a package
        # that no index has; open_clip has the same weights.
        clip = ClipJudge(lambda: load_open_clip("ViT-B-32-quickgelu", "openai"), {}, device=device)
        return yolo_world(load_yolo_world(spec.source), clip.text_features, device)

    return OpenVocabularyJudge(load, identity)


def load_yolo_world(source: str) -> Any:
    """`ultralytics.YOLOWorld` from a weights file, or the name of one that it downloads."""
    quiet_ultralytics()
    from ultralytics import YOLOWorld

    return YOLOWorld(source)


def yolo_world(
    model: Any, text_features: Callable[[Sequence[str]], Sequence[torch.Tensor]], device: str
) -> Look:
    """Wrap a loaded YOLO-World.

    ``text_features`` gives a unit vector (512,) for each noun; a noun's class is its bare name.
    """

    def look(images: list[Any], nouns: list[str]) -> list[list[Detection]]:
        import torch

        # What its own set_classes does, with the features from elsewhere.
        model.model.txt_feats = torch.stack([f.float().cpu() for f in text_features(nouns)])[None]
        model.model.model[-1].nc = len(nouns)
        model.model.names = dict(enumerate(nouns))
        model.predictor = None
        with threads_kept():
            results = model.predict(
                [bgr(image) for image in images], conf=LEAST_SCORE, device=device, verbose=False
            )
        return [detections_of(r, nouns) for r in results]

    return look


def open_zero_shot(
    spec: JudgeSpec, identity: Mapping[str, Any], device: str
) -> OpenVocabularyJudge:
    return OpenVocabularyJudge(lambda: load_zero_shot(spec.source, device), identity)


def load_zero_shot(source: str, device: str) -> Look:
    """A transformers zero-shot detector (Grounding DINO, OWLv2) from a folder or the hub."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = AutoModelForZeroShotObjectDetection.from_pretrained(source).to(device).eval()
    return zero_shot(model, AutoProcessor.from_pretrained(source), device)


def zero_shot(model: Any, processor: Any, device: str) -> Look:
    """Wrap a loaded zero-shot detector: all nouns in one pass.

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

    def look(images: list[Any], nouns: list[str]) -> list[list[Detection]]:
        import torch

        with torch.inference_mode():
            scores, xyxy = read(model, processor, images, nouns, device)
        return [_kept(s, b, nouns) for s, b in zip(scores, xyxy, strict=True)]

    return look


def _kept(scores: torch.Tensor, xyxy: torch.Tensor, nouns: list[str]) -> list[Detection]:
    """An image's (queries, nouns) scores and (queries, 4) corners as detections, best first."""
    import torch
    from torchvision.ops import batched_nms

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


def _read_owl(
    model: Any, processor: Any, images: list[Any], nouns: list[str], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(images, queries, nouns) scores and (images, queries, 4) corners as fractions."""
    text = [f"a photo of {article(noun)} {noun}" for noun in nouns]  # OWLv2's own prompt
    inputs = processor(images=images, text=[text] * len(images), return_tensors="pt")
    outputs = model(**inputs.to(device))
    # OWLv2 pads the image to a square on the right or below
    width, height = images[0].size
    side = max(width, height) if model.config.model_type == "owlv2" else None
    scale = (side / width, side / height) if side else (1.0, 1.0)
    return outputs.logits.sigmoid(), _corners(outputs.pred_boxes, *scale)


def _read_grounding_dino(
    model: Any, processor: Any, images: list[Any], nouns: list[str], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same; a noun's score is the best of its tokens'.

    The processor's own labels join the tokens above a threshold, which can run two nouns together.
    """
    import torch

    text = ". ".join(nouns) + "."
    inputs = processor(images=images, text=[text] * len(images), return_tensors="pt").to(device)
    offsets = processor.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    outputs = model(**inputs)
    by_token = outputs.logits.sigmoid()
    scores, start = [], 0
    for noun in nouns:
        end = start + len(noun)
        own = [k for k, (a, b) in enumerate(offsets) if a < end and b > start]
        scores.append(by_token[..., own].amax(dim=-1))
        start = end + 2
    return torch.stack(scores, dim=-1), _corners(outputs.pred_boxes, 1.0, 1.0)


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
