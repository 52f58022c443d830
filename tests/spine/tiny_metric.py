"""A metric without a judge, to run the spine with: how bright the image is."""

from dataclasses import dataclass

import numpy as np

from bench.types import Score


@dataclass(frozen=True)
class Column:
    higher_is_better: bool
    description: str
    range: tuple[float, float]


class Brightness:
    name = "brightness"
    columns = {"brightness": Column(True, "mean of all channels", (0.0, 1.0))}
    identity = {"scale": 255}

    def __init__(self, mode):
        self.mode = mode or "fixed"

    @classmethod
    def create(cls, judges, mode):
        return cls(mode)

    def score(self, samples):
        return [[Score("brightness", float(np.asarray(s.image).mean()) / 255)] for s in samples]
