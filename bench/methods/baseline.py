"""The untouched model: what every other method is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from bench.methods.base import Method


@dataclass(frozen=True)
class Baseline(Method):
    """Generates from the prompt alone; layouts are used by the scorers only."""

    name = "baseline"
    neutral = {}
