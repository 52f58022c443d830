"""The pocket CLIP: an open_clip model that starts from the pocket BLIP's trained eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from bench.errors import BenchError
from bench.models import POCKET_MODELS
from bench.pocket.judges import blip, tokens
from bench.pocket.judges.captions import wrong_caption
from bench.pocket.judges.data import SIZE, Sample, images, make_sample
from bench.pocket.judges.intervals import bootstrap
from bench.pocket.judges.loop import Losses, Schedule, fit
from bench.pocket.judges.redrawn import RedrawnPool, redrawn_samples
from bench.pocket.world.splits import Split

BATCH = 96
SCHEDULE = Schedule(steps=500, lr=1e-3, muon_lr=0.004, warmup=40, ema=0.99, clip=1.0)
PHASES = {"schedule": SCHEDULE}
"""The trainings in their order, by the argument of ``train`` that takes each."""
REDRAWN = 0.4
"""Share of the training pictures that the generator has drawn anew."""
WRONG = 2
"""Wrong captions made from each picture's own; it meets those of its whole batch."""
GALLERY = 100
"""Pictures among which a caption must find its own."""
CONTEXT = 40
"""Text tokens."""
HOTTEST = 100.0
"""Upper bound of the learned scale of the similarities, as in CLIP."""


def model_config() -> dict[str, Any]:
    """``open_clip_config.json``: the vision tower has the pocket BLIP's shape."""
    width = 192
    return {
        "model_cfg": {
            "embed_dim": 128,
            "vision_cfg": {
                "image_size": SIZE,
                "layers": 6,
                "width": width,
                "head_width": 32,
                "patch_size": 16,
                "no_ln_pre": True,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": len(tokens.vocabulary()),
                "hf_tokenizer_name": "pocket-clip",
                "width": width,
                "heads": width // 32,
                "layers": 3,
                "mlp_ratio": 2.0,
                "no_causal_mask": True,
                "pool_type": "first",
            },
        },
        "preprocess_cfg": {"mean": list(blip.MEAN), "std": list(blip.STD)},
    }


def train(
    out_dir: Path,
    *,
    eyes: Path | None = None,
    schedule: Schedule = SCHEDULE,
    batch: int = BATCH,
    seed: int = 2,
    resume: bool = True,
    stop_after: int | None = None,
) -> None:
    """Train; writes ``checkpoint.safetensors`` and, once done, the model folder.

    ``eyes`` is the folder of a trained pocket BLIP whose vision model the image tower starts
    from; by default the one trained beside ``out_dir``, else the shipped one. Each picture meets
    every caption of its batch and ``WRONG`` wrong captions made from each. The pictures in the
    generator's hand are those of ``RedrawnPool.beside``.
    """
    from open_clip.model import CLIP
    from transformers import BlipForQuestionAnswering

    if eyes is None:
        beside = out_dir.parent / "blip" / "model"
        eyes = beside if beside.is_dir() else POCKET_MODELS / "blip"
    if not eyes.is_dir():
        raise BenchError(f"no trained BLIP at {eyes}; run the recipe 'blip' first")
    pool = RedrawnPool.beside(out_dir)
    torch.manual_seed(seed)
    model = CLIP(**model_config()["model_cfg"])
    # All but ``proj``, the last layer, which BLIP does not have.
    model.visual.load_state_dict(
        _eyes(BlipForQuestionAnswering.from_pretrained(eyes)), strict=False
    )
    encode = tokens.tokenizer()

    def step_losses(step: int) -> Losses:
        rng = np.random.default_rng([seed, step, 7])
        samples = [
            pool.spoiled(rng)
            if rng.random() < REDRAWN
            else make_sample(
                "train", seed, step * batch + k, grid=bool(rng.random() < blip.ON_GRID)
            )
            for k in range(batch)
        ]
        captions = [s.scene.caption for s in samples]
        wrong = [wrong_caption(s.scene, rng) for _ in range(WRONG) for s in samples]
        ids = encode(
            [*captions, *(w or c for w, c in zip(wrong, captions * WRONG, strict=True))],
            return_tensors="pt",
            padding="max_length",
            max_length=CONTEXT,
            truncation=True,
        ).input_ids
        with torch.autocast("cpu", torch.bfloat16):
            seen = model.encode_image(blip.pixels(images(samples)), normalize=True).float()
            read = model.encode_text(ids, normalize=True).float()
        scale = model.logit_scale.exp().clamp(max=HOTTEST)
        scores = scale * seen @ read.T
        # Where no wrong caption could be made, the right one is repeated in its place.
        repeats = torch.tensor([w is None for w in wrong])
        blocked = torch.zeros_like(scores, dtype=torch.bool)
        blocked[:, batch:] = repeats[None]
        truth = torch.arange(batch)
        to_text = F.cross_entropy(scores.masked_fill(blocked, -1e4), truth)
        to_image = F.cross_entropy(scores[:, :batch].T, truth)
        right = (scores.masked_fill(blocked, -1e4).argmax(dim=1) == truth).float().mean()
        return {"loss": (to_text + to_image) / 2, "right": right, "scale": scale}

    fit(out_dir, model, step_losses, schedule, resume=resume, stop_after=stop_after)
    if stop_after is None or stop_after >= schedule.steps:
        save(model, out_dir / "model")


def save(model: Any, folder: Path) -> None:
    """Write a folder for ``open_clip.create_model_and_transforms("local-dir:...")``, float16."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tokens.save_tokenizer(folder)
    (folder / "open_clip_config.json").write_text(json.dumps(model_config(), indent=1) + "\n")
    state = {k: v.detach().half().contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")


def load(folder: Path) -> tuple[Any, Any]:
    """The shipped judge in float32 and its tokenizer, through open_clip."""
    import open_clip

    name = f"local-dir:{folder}"
    model, _, _ = open_clip.create_model_and_transforms(name)
    return model.eval(), open_clip.get_tokenizer(name)


def evaluate(
    folder: Path, n: int = 500, *, split: Split = "test", seed: int = 93
) -> dict[str, Any]:
    """How often a held-out caption finds its own clean render among 100, top-1.

    ``n`` captions in galleries of 100 (of ``n`` if that is less; a last, smaller gallery is left
    out); 95 % interval by bootstrap over captions. Also from renders to captions, on degraded
    renders, on ``GALLERY`` pictures that pocket-flux has redrawn, and how often a caption beats
    a wrong one made from it.
    """
    judge = load(folder)
    redrawn = redrawn_samples(POCKET_MODELS / "pocket-flux", split, min(n, GALLERY))
    out = {"redrawn": _retrieval(judge, redrawn)}
    for name, degraded in (("clean", False), ("degraded", True)):
        samples = [make_sample(split, seed, k, degraded=degraded) for k in range(n)]
        out[name] = _retrieval(judge, samples)
    found, back, fine = out["clean"]
    return {
        **bootstrap(found, _mean),
        "picture_to_caption": bootstrap(back, _mean),
        "degraded": bootstrap(out["degraded"][0], _mean),
        "redrawn": bootstrap(out["redrawn"][0], _mean),
        "against_wrong_caption": bootstrap(fine, _mean),
    }


def _retrieval(
    judge: tuple[Any, Any], samples: list[Sample]
) -> tuple[list[bool], list[bool], list[bool]]:
    """Hits of captions, of pictures, and of captions against a wrong one."""
    model, encode = judge
    size = min(GALLERY, len(samples))
    found: list[bool] = []
    back: list[bool] = []
    fine: list[bool] = []
    rng = np.random.default_rng(0)
    for start in range(0, len(samples) - size + 1, size):
        part = samples[start : start + size]
        wrong = [wrong_caption(s.scene, rng) for s in part]
        with torch.inference_mode():
            seen = model.encode_image(blip.pixels(images(part)), normalize=True)
            read = model.encode_text(encode([s.scene.caption for s in part]), normalize=True)
            other = model.encode_text(encode([w or "" for w in wrong]), normalize=True)
        scores = seen @ read.T
        truth = torch.arange(size)
        found += (scores.argmax(dim=0) == truth).tolist()
        back += (scores.argmax(dim=1) == truth).tolist()
        beaten = (scores.diagonal() > (seen * other).sum(dim=1)).tolist()
        fine += [hit for hit, w in zip(beaten, wrong, strict=True) if w is not None]
    return found, back, fine


def _mean(hits: list[bool]) -> float:
    return float(np.mean(hits))


def _eyes(model: Any) -> dict[str, torch.Tensor]:
    """A BLIP vision model's weights under open_clip's names; the two compute the same."""
    source = {k: v.detach() for k, v in model.vision_model.state_dict().items()}
    positions = source["embeddings.position_embedding"][0].clone()
    # open_clip's patch layer has no bias: it moves into the patches' positions.
    positions[1:] += source["embeddings.patch_embedding.bias"]
    found = {
        "conv1.weight": source["embeddings.patch_embedding.weight"],
        "class_embedding": source["embeddings.class_embedding"].flatten(),
        "positional_embedding": positions,
    }
    names = {
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "self_attn.projection": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    for layer in range(model.config.vision_config.num_hidden_layers):
        old, new = f"encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            found[f"{new}attn.in_proj_{kind}"] = source[f"{old}self_attn.qkv.{kind}"]
            for theirs, ours in names.items():
                found[f"{new}{ours}.{kind}"] = source[f"{old}{theirs}.{kind}"]
    for kind in ("weight", "bias"):
        found[f"ln_post.{kind}"] = source[f"post_layernorm.{kind}"]
    return found
