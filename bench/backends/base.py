"""What every generator gives, whatever its architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.types import GenerationSettings, Layout, ModelSpec

if TYPE_CHECKING:
    from PIL.Image import Image

    from bench.methods.base import Method


@dataclass(frozen=True, slots=True)
class Generated:
    """One image and what it cost."""

    image: Image
    """RGB."""
    seconds: float
    """Wall time of its batch divided by the batch's images."""
    passes: int
    """Samples that went through the transformer for this image; guidance counts twice a step."""
    peak_memory_mb: float
    """Peak of the device's allocated memory, or of the process's resident memory on a CPU, while
    its batch was made."""


class Backend(Protocol):
    """A loaded generator."""

    spec: ModelSpec

    def unknown_words(self, prompt: str) -> list[str]:
        """Words of a prompt that the text encoder's tokenizer has no entry for, in order."""

    def generate(
        self,
        layouts: Sequence[Layout],
        seeds: Sequence[int],
        method: Method,
        settings: GenerationSettings,
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[Generated]:
        """One batch: an image for each layout, from its own seed.

        ``on_step`` is called after every denoising step with (steps done, steps in all).

        Raises:
            BenchError: the layouts do not fit the text encoder or the method, or the result
                holds values that are not finite.
        """
