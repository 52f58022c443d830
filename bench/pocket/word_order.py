"""Whether a generator reads which word describes which, or only which words there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bench.pocket.judges.captions import swap_attributes
from bench.pocket.judges.redrawn import SETTINGS, encoded, packed, unshifted_pipeline
from bench.pocket.train.latents import places
from bench.pocket.train.snap import CELLS, grid_scene
from bench.pocket.world import Scene, render_with_truth
from bench.pocket.world.splits import Split

NOISE = 0.7
"""Noise level at which colours can be seen and shapes can not: there the caption has to tell."""
PART = 32


def scenes_to_tell(split: Split, count: int, seed: int = 5) -> list[tuple[Scene, str]]:
    """Scenes of two coloured things, each with its caption after their colours changed places."""
    rng = np.random.default_rng(seed)
    found: list[tuple[Scene, str]] = []
    while len(found) < count:
        scene = grid_scene(rng, split=split, category="color", instances=2)
        if all(t.color and not t.texture for t in scene.instances):
            swapped = swap_attributes(scene, rng)
            if swapped:
                found.append((scene, swapped))
    return found


@torch.no_grad()
def captions_told_apart(folder: Path, count: int, *, split: Split = "test") -> list[bool]:
    """For each scene: whether its own caption explains it better than the one with swapped colours.

    Explains: the smaller mean squared error of the velocity on the tokens of its things, at noise
    level ``NOISE``. A model that knows only which words there are is right half of the time.

    Args:
        folder: a ``FluxPipeline`` folder.
    """
    pipe = unshifted_pipeline(folder)
    generator = torch.Generator().manual_seed(0)
    pairs = scenes_to_tell(split, count)
    told: list[bool] = []
    for start in range(0, count, PART):
        part = pairs[start : start + PART]
        rendered = [render_with_truth(scene, seed=start + k) for k, (scene, _) in enumerate(part)]
        things = torch.from_numpy(np.stack([t.owners.reshape(-1) >= 0 for _, t in rendered]))
        latents = packed(pipe, encoded(pipe, np.stack([image for image, _ in rendered])))
        noise = torch.randn(latents.shape, generator=generator)
        errors = []
        for captions in ([scene.caption for scene, _ in part], [swapped for _, swapped in part]):
            tokens, pooled, text_places = pipe.encode_prompt(
                prompt=captions, prompt_2=captions, max_sequence_length=SETTINGS.max_sequence_length
            )
            velocity = pipe.transformer(
                hidden_states=torch.lerp(latents, noise, NOISE),
                timestep=torch.full((len(part),), NOISE),
                pooled_projections=pooled,
                encoder_hidden_states=tokens,
                img_ids=places(CELLS),
                txt_ids=text_places,
                return_dict=False,
            )[0]
            error = (velocity - (noise - latents)).square().mean(dim=-1)
            errors.append((error * things).sum(dim=1))
        told += (errors[0] < errors[1]).tolist()
    return told
