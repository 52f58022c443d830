"""CLIP through open_clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.judges.cache import Memory, image_key, remembered

if TYPE_CHECKING:
    from bench.judges.specs import JudgeSpec

REMEMBERED = 50_000


@dataclass(frozen=True)
class ClipParts:
    """A loaded CLIP."""

    model: Any
    """`open_clip.CLIP` in evaluation mode."""
    preprocess: Callable[[Any], Any]
    """PIL image to (3, height, width)."""
    tokenizer: Callable[[list[str]], Any]
    """Texts to (N, context length) token ids."""


class ClipJudge:
    """Cosines of image and text features; see `metrics.base.CLIPJudge`."""

    def __init__(
        self,
        load: Callable[[], ClipParts],
        identity: Mapping[str, Any],
        *,
        device: str = "cpu",
        batch_size: int = 32,
    ) -> None:
        self.identity = identity
        self._load = load
        self._device = device
        self._batch_size = batch_size
        self._images: Memory[Any] = Memory(REMEMBERED)
        self._texts: Memory[Any] = Memory(REMEMBERED)

    @cached_property
    def parts(self) -> ClipParts:
        parts = self._load()
        parts.model.to(self._device).eval()
        return parts

    def cosine(self, images: Sequence[Any], texts: Sequence[str]) -> list[float]:
        """Cosine (-1..1) of each image's features with the features of the text at its place."""
        if len(images) != len(texts):
            raise ValueError(f"{len(images)} images but {len(texts)} texts")
        shown = self.image_features(images)
        said = self.text_features(texts)
        return [float(a @ b) for a, b in zip(shown, said, strict=True)]

    def image_features(self, images: Sequence[Any]) -> list[Any]:
        """A unit vector (width,) for each image."""
        import torch

        def make(new: list[int]) -> list[Any]:
            batch = torch.stack([self.parts.preprocess(images[k].convert("RGB")) for k in new])
            return list(self.parts.model.encode_image(batch.to(self._device), normalize=True))

        return self._features(self._images, [image_key(i) for i in images], make)

    def text_features(self, texts: Sequence[str]) -> list[Any]:
        """A unit vector (width,) for each text; a text longer than the context is cut."""

        def make(new: list[int]) -> list[Any]:
            tokens = self.parts.tokenizer([texts[k] for k in new]).to(self._device)
            return list(self.parts.model.encode_text(tokens, normalize=True))

        return self._features(self._texts, list(texts), make)

    def _features(
        self, memory: Memory[Any], keys: Sequence[Any], make: Callable[[list[int]], list[Any]]
    ) -> list[Any]:
        import torch

        def in_batches(new: list[int]) -> list[Any]:
            return [
                feature
                for start in range(0, len(new), self._batch_size)
                for feature in make(new[start : start + self._batch_size])
            ]

        with torch.inference_mode():
            return remembered(memory, keys, in_batches)


def load_open_clip(source: str, tag: str | None) -> ClipParts:
    """Load from a folder (open_clip's ``local-dir:`` form), or an architecture with its tag."""
    import open_clip

    name = f"local-dir:{source}" if Path(source).is_dir() else source
    model, preprocess = open_clip.create_model_from_pretrained(name, pretrained=tag)
    return ClipParts(model, preprocess, open_clip.get_tokenizer(name))


def open_open_clip(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> ClipJudge:
    return ClipJudge(lambda: load_open_clip(spec.source, spec.tag), identity, device=device)
