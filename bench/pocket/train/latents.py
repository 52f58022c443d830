"""Training data of the generators: rendered scenes as VAE latents with captions and token labels.

A shard is one safetensors file of 4,096 scenes whose content depends on its index, the renderer and
the VAE's encoder alone, so a missing shard can be made again by whoever needs it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import T5TokenizerFast

from bench.pocket.train.snap import grid_scene
from bench.pocket.train.team import ALONE, Team
from bench.pocket.train.text import MAX_TOKENS, clip_tokenizer, t5_tokenizer
from bench.pocket.world import Scene, render_with_truth
from bench.pocket.world.vocabulary import words

SHARD = 4096
PART = 64
GATHERED = 8
"""Batches of each process among which those with long captions are gathered."""


def pack(latents: torch.Tensor) -> torch.Tensor:
    """2 x 2 patches to tokens as diffusers' FLUX does it: (B, C, H, W) to (B, H/2 * W/2, 4 C)."""
    b, c, h, w = latents.shape
    patches = latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(b, (h // 2) * (w // 2), c * 4)


def places(side: int) -> torch.Tensor:
    """FLUX's positions of ``side`` x ``side`` image tokens: (side * side, 3) of 0, row, column."""
    steps = torch.arange(side)
    rows, columns = steps.repeat_interleave(side), steps.repeat(side)
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=1).float()


@torch.no_grad()
def make_shard(folder: Path, index: int, vae: AutoencoderKL) -> Path:
    """Render and encode shard ``index``, unless it is on disk.

    Tensors: ``latents`` float16 (4096, 16, 16, 16), posterior means; ``t5`` and ``clip`` int16
    (4096, 40) token ids of the captions; ``noun``, ``color``, ``texture`` int8 (4096, 64), the
    class index of every packed image token, -1 where none covers it. ``mention`` int8 (4096, 64)
    and ``word`` int8 (4096, 40) say which image and which T5 tokens belong together: the index of
    the instance group (``Scene.groups``) that is seen there, or whose noun or attribute stands
    there, else -1.
    """
    path = folder / f"shard-{index:05d}.safetensors"
    if path.exists():
        return path
    vocabulary = words()
    tokenizers = {"t5": t5_tokenizer(vocabulary), "clip": clip_tokenizer(vocabulary)}
    rng = np.random.default_rng([20_250_411, index])
    columns: dict[str, list[torch.Tensor]] = {
        name: []
        for name in ("latents", "t5", "clip", "noun", "color", "texture", "mention", "word")
    }
    for _ in range(SHARD // PART):
        scenes = [grid_scene(rng) for _ in range(PART)]
        rendered = [render_with_truth(scene, seed=rng) for scene in scenes]
        images = torch.from_numpy(np.stack([image for image, _ in rendered]))
        pixels = images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(pixels).latent_dist
        columns["latents"].append(posterior.mean.half())
        for name, tokenizer in tokenizers.items():
            ids = tokenizer(
                [scene.caption for scene in scenes],
                padding="max_length",
                max_length=MAX_TOKENS,
                return_tensors="pt",
            ).input_ids
            columns[name].append(ids.to(torch.int16))
        for name in ("noun", "color", "texture"):
            labels = np.stack([getattr(truth, f"{name}s").reshape(-1) for _, truth in rendered])
            columns[name].append(torch.from_numpy(labels.astype(np.int8)))
        for scene, (_, truth) in zip(scenes, rendered, strict=True):
            group = np.full(len(scene.instances) + 1, -1, np.int8)  # its last row is "no instance"
            for k, members in enumerate(scene.groups):
                group[list(members)] = k
            columns["mention"].append(torch.from_numpy(group[truth.owners.reshape(1, -1)]))
            columns["word"].append(word_groups(scene, tokenizers["t5"])[None])
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{path.name}.{os.getpid()}.tmp"
    tensors = {name: torch.cat(parts).contiguous() for name, parts in columns.items()}
    save_file(tensors, temporary)
    os.replace(temporary, path)
    return path


def word_groups(scene: Scene, tokenizer: T5TokenizerFast) -> torch.Tensor:
    """For each T5 token the instance group whose noun or attribute it is part of, else -1.

    int8 (``MAX_TOKENS``,), by the tokenizer's character offsets.
    """
    offsets = tokenizer(
        scene.caption, padding="max_length", max_length=MAX_TOKENS, return_offsets_mapping=True
    )["offset_mapping"]
    groups = torch.full((MAX_TOKENS,), -1, dtype=torch.int8)
    for k, members in enumerate(scene.groups):
        mention = scene.mentions[members[0]]
        for start, end in (mention.noun, *mention.attributes):
            for token, (a, b) in enumerate(offsets):
                if a < end and start < b:
                    groups[token] = k
    return groups


class LatentPool:
    """Batches from a sliding window of shards, a function of the step alone.

    Pass ``p`` shuffles ``window`` shards starting at ``p * stride``: every scene is seen
    ``window / stride`` times, so encoding costs a fraction of training. The few scenes whose
    captions have more than ``short`` T5 tokens stand at the end of every ``GATHERED`` batches, so
    that the other batches need no room for them.
    """

    def __init__(
        self, folder: Path, vae: AutoencoderKL, batch: int, window: int, stride: int, short: int
    ):
        self.folder, self.vae, self.short = folder, vae, short
        self.padding = t5_tokenizer(words()).pad_token_id
        self.batch, self.window, self.stride = batch, window, stride
        self.current = -1
        self.data: dict[str, torch.Tensor] = {}
        self.order = torch.empty(0, dtype=torch.long)

    def __call__(self, step: int, team: Team = ALONE) -> dict[str, torch.Tensor]:
        """This process's batch of a step: the tensors of ``make_shard``, each with ``batch`` rows.

        The processes of a team share the work on missing shards, so all of them have to ask.
        """
        number, offset = divmod(step, self.window * SHARD // (self.batch * team.size))
        if number != self.current:
            indices = range(number * self.stride, number * self.stride + self.window)
            for index in indices[team.rank :: team.size]:
                make_shard(self.folder, index, self.vae)
            team.wait()
            shards = [load_file(make_shard(self.folder, i, self.vae)) for i in indices]
            self.data = {k: torch.cat([s[k] for s in shards]) for k in shards[0]}
            generator = torch.Generator().manual_seed(number)
            order = torch.randperm(self.window * SHARD, generator=generator)
            long = (self.data["t5"][:, self.short :] != self.padding).any(dim=1)[order]
            groups = torch.arange(len(order)) // (GATHERED * self.batch * team.size)
            self.order = order[torch.argsort(2 * groups + long, stable=True)]
            self.current = number
        first = (offset * team.size + team.rank) * self.batch
        rows = self.order[first : first + self.batch]
        return {k: v[rows] for k, v in self.data.items()}
