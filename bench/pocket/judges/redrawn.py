"""Pictures in the generator's own hand whose content is known, for judges to learn from.

A rendered scene is encoded, mixed with noise and denoised by pocket-flux to its caption (as SDEdit
does, arXiv 2108.01073). Up to a middling noise level things stay where and what they were, but look
as generated ones do: soft, smeared, with the wrong details. With AST and the scene's own layout
they stay where they were up to a high one, and get what AST does to things as well: seams at the
edges of regions, patterns instead of features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save

from bench.backends.flux import FluxBackend
from bench.backends.sampler import PipelineSampler
from bench.files import write_atomic
from bench.identity import file_digest
from bench.methods.ast import AST
from bench.methods.base import Method
from bench.methods.baseline import Baseline
from bench.models import POCKET_FLUX, POCKET_MODELS
from bench.pocket.judges.data import Sample, images, make_sample, spoiled
from bench.pocket.parsed import drawn_layout
from bench.pocket.train.latents import pack
from bench.pocket.world.splits import Split

SHARD, SHARDS, PART = 256, 8, 16
"""Pictures a shard, shards of a training run, and pictures drawn at a time."""
LEFT_ALONE = 0.5
"""Share of redrawn pictures that judges see with nothing else done to them."""
_DRAWS = 1_000_000
"""Far above the number of any picture: what lies between two draws for one number."""
SETTINGS = POCKET_FLUX.settings
"""Those of the images that the judges will see."""


@dataclass(frozen=True)
class Hand:
    """Who redraws, what, and from how much noise."""

    method: Method
    name: str
    seed: int
    noise: tuple[float, float]
    """Noise level that pictures are denoised from."""
    reconstructed: float
    """Share of pictures that only pass through the autoencoder."""
    least: int
    """Instances that a scene must have."""
    anywhere: bool
    """Whether every second scene stands anywhere; the others stand on the grid that it learned."""


PLAIN = Hand(Baseline(), "plain", 555, (0.2, 0.75), 0.25, 1, True)
"""The generator alone. Looked at on pocket-flux of 678,000 samples: at 0.8 things began to move and
to double, which makes their labels wrong."""
STEERED = Hand(AST(), "steered", 556, (0.6, 0.9), 0.0, 2, False)
"""AST with its published windows. On pocket-flux of 1,009,000 samples a detector finds 0.85 of the
things in place at 0.9 (0.72 without AST, ``docs/decisions/0010-detector-ast.md``). A thing alone
was seen to shrink or move."""


@torch.no_grad()
def redraw(
    pipe: Any,
    samples: list[Sample],
    noise: float,
    generator: torch.Generator,
    method: Method,
) -> npt.NDArray[np.uint8]:
    """The samples' pictures, denoised from one noise level (0: only encoded and decoded).

    Args:
        pipe: as ``unshifted_pipeline`` gives it.
        noise: 0..1; rounded to the steps of a whole generation.
        method: tunes the steps that it would tune in a whole generation, on the scenes' own boxes.

    Returns:
        (N, SIZE, SIZE, 3) RGB.
    """
    mean = encoded(pipe, images(samples))
    steps = round(noise * SETTINGS.steps)
    if not steps:
        drawn = pipe.image_processor.postprocess(pipe.vae.decode(mean).sample, output_type="np")
        return np.rint(drawn * 255).astype(np.uint8)
    latents = packed(pipe, mean)
    mixed = torch.lerp(
        latents, torch.randn(latents.shape, generator=generator), steps / SETTINGS.steps
    )
    backend = FluxBackend(POCKET_FLUX, pipe)
    layouts = [drawn_layout(s.scene, f"redrawn-{k}") for k, s in enumerate(samples)]
    batch = backend.batch(layouts, SETTINGS)
    sampler = PipelineSampler(backend, layouts, [0] * len(layouts), SETTINGS, None)
    text = method.text(batch, sampler.encode([layout.prompt for layout in layouts]), sampler)
    drawn = sampler.finish(text, method.attention(batch), mixed, start=SETTINGS.steps - steps)
    return np.stack([np.asarray(image) for image in drawn])


def encoded(pipe: Any, pictures: npt.NDArray[np.uint8]) -> torch.Tensor:
    """The VAE's posterior means of (N, height, width, 3) RGB: (N, C, height / 8, width / 8)."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    mean: torch.Tensor = pipe.vae.encode(pixels.float() / 127.5 - 1).latent_dist.mean
    return mean


def packed(pipe: Any, mean: torch.Tensor) -> torch.Tensor:
    """What the transformer sees of posterior means: shifted, scaled, packed into tokens."""
    config = pipe.vae.config
    return pack((mean - (config.shift_factor or 0.0)) * config.scaling_factor)


def redrawn_samples(generator: Path, split: Split, count: int, hand: Hand = PLAIN) -> list[Sample]:
    """The first ``count`` redrawn pictures of a split's scenes, nothing else done to them.

    Args:
        generator: a ``FluxPipeline`` folder.
    """
    pipe = unshifted_pipeline(generator)
    parts = [_part(pipe, split, start, hand) for start in range(0, count, PART)]
    return [sample for part in parts for sample in part][:count]


def generator_beside(out_dir: Path) -> Path:
    """The pocket-flux that was trained beside ``out_dir``, else the shipped one."""
    trained = out_dir.parent / "pocket-flux"
    return trained if trained.is_dir() else POCKET_MODELS / "pocket-flux"


class RedrawnPool:
    """Redrawn pictures of training scenes, made when they are first needed and kept on disk.

    Which scene, which noise and which level depends on the picture's number alone.

    Args:
        folder: where the shards are; their names hold the digest of the generator's weights.
        generator: a ``FluxPipeline`` folder.
    """

    def __init__(self, folder: Path, generator: Path, hand: Hand = PLAIN) -> None:
        weights = generator / "transformer" / "diffusion_pytorch_model.safetensors"
        digest = file_digest(weights)[:12]
        paths = [folder / f"{digest}-{hand.name}-{k:03d}.safetensors" for k in range(SHARDS)]
        missing = [k for k, path in enumerate(paths) if not path.exists()]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            pipe = unshifted_pipeline(generator)
            for k in missing:
                starts = range(k * SHARD, (k + 1) * SHARD, PART)
                drawn = np.concatenate([images(_part(pipe, "train", s, hand)) for s in starts])
                write_atomic(paths[k], save({"images": torch.from_numpy(drawn)}))
        self._hand = hand
        self.images = torch.cat([load_file(path)["images"] for path in paths]).numpy()

    @classmethod
    def beside(cls, out_dir: Path, hand: Hand = PLAIN) -> RedrawnPool:
        """In the folder ``redrawn`` beside ``out_dir``, by ``generator_beside``."""
        return cls(out_dir.parent / "redrawn", generator_beside(out_dir), hand)

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int) -> Sample:
        """Picture ``index`` as it was drawn."""
        return replace(scene_to_redraw("train", index, self._hand), image=self.images[index])

    def pick(self, rng: np.random.Generator) -> Sample:
        """Any picture as it was drawn."""
        return self.sample(int(rng.integers(len(self))))

    def spoiled(self, rng: np.random.Generator) -> Sample:
        """Any picture, half of the time degraded further, with half-formed things beside."""
        return spoiled(self.pick(rng), rng, untouched=LEFT_ALONE)


@cache  # a training asks for each of them again and again; 100 kB apiece
def scene_to_redraw(split: Split, index: int, hand: Hand) -> Sample:
    """Scene ``index`` of a hand: the first draw that has instances enough."""
    grid = index % 2 == 0 or not hand.anywhere
    while True:
        sample = make_sample(split, hand.seed, index, degraded=False, grid=grid)
        if len(sample.scene.instances) >= hand.least:
            return sample
        index += _DRAWS


def _part(pipe: Any, split: Split, start: int, hand: Hand) -> list[Sample]:
    """``PART`` redrawn pictures, from number ``start`` on, all from one noise level."""
    rng = np.random.default_rng([hand.seed, start])
    noise = 0.0 if rng.random() < hand.reconstructed else rng.uniform(*hand.noise)
    samples = [scene_to_redraw(split, start + k, hand) for k in range(PART)]
    drawn = redraw(pipe, samples, noise, torch.Generator().manual_seed(start), hand.method)
    return [replace(s, image=i) for s, i in zip(samples, drawn, strict=True)]


def unshifted_pipeline(folder: Path) -> Any:
    """A ``FluxPipeline`` that works at the very noise levels it is given."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=False)
    pipe = FluxPipeline.from_pretrained(folder, scheduler=scheduler).to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe
