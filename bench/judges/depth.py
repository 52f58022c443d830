"""Depth through transformers' depth estimators (Depth Anything, DPT)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.judges.cache import Memory, image_key, remembered

if TYPE_CHECKING:
    from bench.judges.specs import JudgeSpec

REMEMBERED = 64


@dataclass(frozen=True)
class DepthParts:
    """A loaded depth estimator."""

    model: Any
    processor: Any
    """Its image processor, with ``post_process_depth_estimation``."""


class DepthEstimator:
    """Relative depth, larger is nearer; see `metrics.base.DepthJudge`."""

    def __init__(
        self,
        load: Callable[[], DepthParts],
        identity: Mapping[str, Any],
        *,
        device: str = "cpu",
        batch_size: int = 8,
    ) -> None:
        self.identity = identity
        self._load = load
        self._device = device
        self._batch_size = batch_size
        self._maps: Memory[npt.NDArray[np.float32]] = Memory(REMEMBERED)

    @cached_property
    def parts(self) -> DepthParts:
        parts = self._load()
        parts.model.to(self._device).eval()
        return parts

    def depth(self, images: Sequence[Any]) -> list[npt.NDArray[np.float32]]:
        """A float array (height, width) for each image, its size; larger is nearer, any scale."""

        def make(new: list[int]) -> list[npt.NDArray[np.float32]]:
            found: list[npt.NDArray[np.float32]] = []
            for start in range(0, len(new), self._batch_size):
                found += self._batch([images[k] for k in new[start : start + self._batch_size]])
            return found

        return remembered(self._maps, [image_key(i) for i in images], make)

    def _batch(self, images: list[Any]) -> list[npt.NDArray[np.float32]]:
        import torch

        out = []
        for image in images:  # sizes may differ, and with them the processor's output
            inputs = self.parts.processor(images=image.convert("RGB"), return_tensors="pt")
            with torch.inference_mode():
                outputs = self.parts.model(**inputs.to(self._device))
            size = [(image.height, image.width)]
            (row,) = self.parts.processor.post_process_depth_estimation(outputs, size)
            out.append(row["predicted_depth"].float().cpu().numpy())
        return out


def load_depth_estimator(source: str) -> DepthParts:
    """Load from a folder or the hub."""
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    return DepthParts(
        AutoModelForDepthEstimation.from_pretrained(source),
        AutoImageProcessor.from_pretrained(source),
    )


def open_depth(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> DepthEstimator:
    return DepthEstimator(lambda: load_depth_estimator(spec.source), identity, device=device)
