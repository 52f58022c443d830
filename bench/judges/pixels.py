"""Images to a model's input, by the numbers of the model's own preprocessor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ImageInput:
    """What a model wants to see."""

    height: int
    """Pixels."""
    width: int
    """Pixels."""
    mean: tuple[float, ...]
    """Per channel, of values in 0..1."""
    std: tuple[float, ...]
    resample: int = 3
    """Pillow's number of the resizing filter; 3 is bicubic."""

    @classmethod
    def of(cls, processor: Any) -> ImageInput:
        """From a transformers image processor that resizes to a fixed size without cropping."""
        size = processor.size
        return cls(
            int(size["height"]),
            int(size["width"]),
            tuple(float(v) for v in processor.image_mean),
            tuple(float(v) for v in processor.image_std),
            int(processor.resample),
        )

    def __call__(self, images: Sequence[Any]) -> npt.NDArray[np.float32]:
        """PIL images of any size to (N, 3, height, width): resized by Pillow, then normalised."""
        out = np.empty((len(images), 3, self.height, self.width), np.float32)
        mean = np.asarray(self.mean, np.float32)
        std = np.asarray(self.std, np.float32)
        for k, image in enumerate(images):
            sized = image.convert("RGB").resize((self.width, self.height), self.resample)
            scaled = np.asarray(sized, np.float32) / np.float32(255)
            out[k] = ((scaled - mean) / std).transpose(2, 0, 1)
        return out
