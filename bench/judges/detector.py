"""Detectors with fixed classes: YOLO through ultralytics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.judges.cache import Memory, image_key, remembered
from bench.types import Box, Detection

if TYPE_CHECKING:
    from bench.judges.specs import JudgeSpec

LEAST_SCORE = 0.05
"""Detections below are never given; metrics set their own, higher thresholds."""
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
        with threads_kept():
            results = self._parts.yolo.predict(
                [bgr(image) for image in images],
                imgsz=self._parts.size,
                conf=LEAST_SCORE,
                device=self._device,
                verbose=False,
            )
        return [detections_of(r, self.classes) for r in results]


def bgr(image: Any) -> npt.NDArray[np.uint8]:
    """A PIL image as ultralytics reads arrays: rows, columns, and blue before green before red."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def detections_of(result: Any, names: Sequence[str]) -> list[Detection]:
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


@contextmanager
def threads_kept() -> Iterator[None]:
    """Torch's threads as they were: ultralytics leaves one core out for everything that follows."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def quiet_ultralytics() -> None:
    """Set before ultralytics is imported: no packages by pip, and no talk on standard output."""
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_VERBOSE", "false")


def load_yolo(source: str, device: str = "cpu") -> YoloParts:
    """A YOLO from an ONNX or weights file, or the name of one that ultralytics downloads."""
    quiet_ultralytics()
    from ultralytics import YOLO

    yolo = YOLO(source, task="detect")
    if not source.endswith(".onnx"):
        return YoloParts(yolo, yolo.overrides.get("imgsz", 640))
    # An export is opened by the first prediction, and only then tells its size and its names.
    blank = np.zeros((64, 64, 3), np.uint8)
    with threads_kept():
        yolo.predict(blank, imgsz=64, conf=LEAST_SCORE, device=device, verbose=False)
    return YoloParts(yolo, getattr(yolo.predictor.model, "imgsz", 640))


def open_yolo(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> YoloJudge:
    return YoloJudge(lambda: load_yolo(spec.source, device), identity, device=device)
