"""Recipe of the pocket VAE: a diffusers ``AutoencoderKL``, factor 8, 16 latent channels.

Two stages. First encoder and decoder together, partly at half scale, so that a shrunken latent
decodes to a shrunken image (scale equivariance, EQ-VAE, arXiv 2502.09509): such latents are easier
to generate. Then the latents are normalised per channel, the encoder is frozen, and the decoder
trains on; the generator can be trained from that moment, its latents do not change any more.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from bench.errors import BenchError
from bench.pocket.train.checkpoint import load_checkpoint, save_checkpoint
from bench.pocket.train.schedule import Ema, MatrixViews, warmup_stable_decay
from bench.pocket.world import render, sample_scene
from bench.pocket.world.splits import Split

BATCH = 32
KL_WEIGHT = 1e-4
EDGE_WEIGHT = 0.25
HALF_SCALE_SHARE = 0.1
NORMALISATION_SEED = 2**32 - 1
NORMALISATION_IMAGES = 512
EVALUATION_SEED = 2**31


def build() -> AutoencoderKL:
    """The untrained VAE: 1.7 million parameters, 128 px to 16 x 16 x 16."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=128,
        scaling_factor=1.0,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def render_batch(seed: int, count: int, split: Split = "train") -> torch.Tensor:
    """``count`` rendered scenes as float32 (count, 3, 128, 128) in -1..1, from the seed alone."""
    rng = np.random.default_rng([20_250_410, seed])
    images = np.stack([render(sample_scene(rng, split=split), seed=rng) for _ in range(count)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 on pixels, squared error (what PSNR measures), L1 on differences of neighbours (edges)."""
    loss = (output - target).abs().mean() + 2 * F.mse_loss(output, target)
    for dim in (2, 3):
        loss = loss + EDGE_WEIGHT * (output.diff(dim=dim) - target.diff(dim=dim)).abs().mean()
    return loss


@torch.no_grad()
def fold_normalisation(vae: AutoencoderKL, images: torch.Tensor) -> None:
    """Make every latent channel zero-mean and unit-variance: other weights, the same function.

    The scale and offset move into the encoder's last and the decoder's first convolution (exact but
    for the zero padding at the border, which the decoder's further training absorbs), so that
    ``scaling_factor`` is 1 and ``shift_factor`` 0.

    Args:
        images: (N, 3, H, W) in -1..1; the statistics are taken over them.
    """
    means = torch.cat([vae.encode(part).latent_dist.mean for part in images.split(32)])
    mean, std = means.mean(dim=(0, 2, 3)), means.std(dim=(0, 2, 3))
    channels = len(mean)
    out, into = vae.encoder.conv_out, vae.decoder.conv_in
    out.weight[:channels] /= std[:, None, None, None]
    out.bias[:channels] = (out.bias[:channels] - mean) / std
    out.bias[channels:] -= 2 * std.log()  # the log-variance shrinks with the scale
    into.bias += into.weight.sum(dim=(2, 3)) @ mean
    into.weight *= std[None, :, None, None]


def train(
    out: Path,
    *,
    steps: int,
    encoder_steps: int,
    decay_steps: int,
    learning_rate: float = 2e-3,
    checkpoint_every: int = 200,
) -> Path:
    """Train, or continue from ``out/vae.ckpt``; writes ``out/vae`` (a diffusers folder).

    Args:
        steps: steps of both stages together, 32 images each.
        encoder_steps: steps of the first stage; each stage decays its learning rate at its end.
        decay_steps: length of each decay.

    Returns:
        The folder of the averaged weights.
    """
    if not 0 < encoder_steps <= steps:
        raise BenchError(f"encoder steps {encoder_steps} must lie between 1 and all steps {steps}")
    torch.manual_seed(0)
    vae = build()
    ema = Ema(vae)
    matrices = MatrixViews(vae)
    optimizers = {
        "muon": torch.optim.Muon(
            matrices.views, lr=learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        ),
        "adamw": torch.optim.AdamW(matrices.rest, learning_rate, (0.9, 0.95), weight_decay=0.0),
    }
    checkpoint, step = out / "vae.ckpt", 0
    modules = {"vae": vae, "ema": ema}
    if checkpoint.exists():
        step = load_checkpoint(checkpoint, modules, optimizers)["step"]
    started, first = time.monotonic(), step
    while step < steps:
        joint = step < encoder_steps
        if step == encoder_steps:
            # The averaged weights become the encoder that every cached latent is made with.
            ema.copy_to(vae)
            fold_normalisation(vae, render_batch(NORMALISATION_SEED, NORMALISATION_IMAGES))
            ema = Ema(vae)
            modules["ema"] = ema
            vae.save_pretrained(out / "vae-encoder")
        vae.encoder.requires_grad_(joint)
        stage = (step, encoder_steps) if joint else (step - encoder_steps, steps - encoder_steps)
        factor = warmup_stable_decay(*stage, min(decay_steps, stage[1] // 2))
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * factor
        images = render_batch(step, BATCH)
        torch.manual_seed(step)  # the sampled posterior depends on the step alone: exact resume
        half = joint and torch.rand(()) < HALF_SCALE_SHARE
        with torch.autocast("cpu", torch.bfloat16):
            with torch.set_grad_enabled(joint):
                posterior = vae.encode(images).latent_dist
                latents = posterior.sample()
            if half:
                latents = F.avg_pool2d(latents, 2)
                images = F.avg_pool2d(images, 2)
            output = vae.decode(latents).sample
        loss = reconstruction_loss(output.float(), images)
        if joint:
            loss = loss + KL_WEIGHT * posterior.kl().mean() / posterior.mean[0].numel()
        vae.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in vae.parameters() if p.requires_grad], 1.0)
        matrices.take_gradients()
        for optimizer in optimizers.values():
            optimizer.step()
        ema.update(vae, step)
        step += 1
        if step % 50 == 0:
            psnr = -10 * math.log10(F.mse_loss(output.detach().float(), images).item() / 4)
            rate = (step - first) * BATCH / (time.monotonic() - started)
            print(
                f"step {step} loss {loss.item():.4f} psnr {psnr:.2f} {rate:.1f} img/s", flush=True
            )
        if step % checkpoint_every == 0 or step == steps:
            save_checkpoint(checkpoint, modules, optimizers, {"step": step})
    ema.copy_to(vae)
    vae.save_pretrained(out / "vae")
    return out / "vae"


@torch.no_grad()
def psnr_per_image(vae: AutoencoderKL, count: int, split: Split = "test") -> np.ndarray:
    """PSNR in dB of each reconstruction (mode of the posterior) of ``count`` rendered scenes.

    10 log10(255^2 / MSE) on 8-bit images, clipped as a saved image would be; shape (count,).
    """
    values = []
    for start in range(0, count, BATCH):
        images = render_batch(EVALUATION_SEED + start, min(BATCH, count - start), split)
        output = vae.decode(vae.encode(images).latent_dist.mode()).sample.clamp(-1, 1)
        error = (output - images).mul(127.5).square().mean(dim=(1, 2, 3))
        values.append(10 * torch.log10(255**2 / error))
    return torch.cat(values).numpy()
