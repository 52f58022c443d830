"""Recipe of pocket-flux: a small ``FluxTransformer2DModel`` with its text encoders, from scratch.

Rectified flow on cached latents. The blocks' matrices learn with Muon, all else with AdamW. Two
losses beside the velocity's use what the renderer knows: an auxiliary head reads noun, colour and
texture of every image token from a middle layer (it is thrown away), and some blocks' attention
from image tokens to their own instance's words is rewarded (``binding``).
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.errors import BenchError
from bench.pocket.train.binding import binding_loss, tap
from bench.pocket.train.checkpoint import load_checkpoint, save_checkpoint
from bench.pocket.train.latents import LatentPool, pack, places
from bench.pocket.train.schedule import Ema, warmup_stable_decay
from bench.pocket.train.team import join_team
from bench.pocket.train.text import (
    CLIP_WIDTH,
    MAX_TOKENS,
    T5_WIDTH,
    clip_encoder,
    clip_tokenizer,
    t5_encoder,
    t5_tokenizer,
)
from bench.pocket.world.vocabulary import COLORS, NOUNS, PLURALS, TEXTURES, words

BATCH = 64
WINDOW, STRIDE = 6, 1
CAPTION_DROPOUT = 0.1
"""Share of samples without caption, for classifier-free guidance."""
POOLED_DROPOUT = 0.8
"""Share of samples whose pooled CLIP embedding is the empty prompt's: it says which words the
prompt has but not what belongs where, and is learned before attention is."""
FOREGROUND_WEIGHT = 3.0
"""Weight of an instance's image tokens in the velocity loss, against 1 for the background's."""
NOISE_MEAN, NOISE_STD = 0.5, 1.2
"""Of the logit-normal time: more noise than FLUX's 0 and 1, for what is where is decided there."""
BINDING_WEIGHT = 0.4
BINDING_DOUBLE, BINDING_SINGLE = (1, 2), (1,)
"""Double-stream and single-stream blocks whose attention is taught."""
AUXILIARY_WEIGHT = 0.1
AUXILIARY_BLOCK = 1
"""Index of the single-stream block whose image tokens the auxiliary head reads."""
MUON_SCALE, T5_SCALE = 2.0, 0.1
"""Peak learning rates of Muon and of the matrices in T5's blocks, as multiples of AdamW's. T5 does
not scale its attention's scores down, so at the full rate they grow until each token looks at
fixed others, and no gradient is left to change that (``docs/decisions/0009-word-order.md``)."""
SHIFT = 2.0
"""Of the sampler's noise levels (Stable Diffusion 3, arXiv 2403.03206, equation 23): more of its
steps at high noise, where it is decided what is where."""
GRID = 8
"""Packed image tokens a side."""
SHORT = 16
"""Text tokens of a batch whose captions have no more, as 94 % have; other batches keep all
``MAX_TOKENS``, for the model has to bear any amount of padding."""


def build_transformer() -> FluxTransformer2DModel:
    """The untrained transformer: 3 double-stream and 6 single-stream blocks, 192 wide."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=3,
        num_single_layers=6,
        attention_head_dim=32,
        num_attention_heads=6,
        joint_attention_dim=T5_WIDTH,
        pooled_projection_dim=CLIP_WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )


class Learner(nn.Module):
    """Transformer, both text encoders and the auxiliary head; maps a batch to its loss."""

    def __init__(self) -> None:
        super().__init__()
        vocabulary = words()
        self.t5_tokenizer, self.clip_tokenizer = (
            t5_tokenizer(vocabulary),
            clip_tokenizer(vocabulary),
        )
        self.transformer = build_transformer()
        self.t5 = t5_encoder(self.t5_tokenizer)
        self.clip = clip_encoder(self.clip_tokenizer)
        self.classes = (len(NOUNS) + 1, len(COLORS) + 1, len(TEXTURES) + 1)
        self.head = nn.Linear(6 * 32, sum(self.classes))
        self.register_buffer("empty_t5", self._empty(self.t5_tokenizer), persistent=False)
        self.register_buffer("empty_clip", self._empty(self.clip_tokenizer), persistent=False)
        nouns = torch.zeros(len(self.t5_tokenizer), dtype=torch.bool)
        for noun in (*NOUNS, *PLURALS.values()):
            nouns[self.t5_tokenizer.convert_tokens_to_ids("▁" + noun)] = True
        self.register_buffer("nouns", nouns, persistent=False)
        self.register_buffer("image_ids", places(GRID), persistent=False)
        self.register_buffer("text_ids", torch.zeros(MAX_TOKENS, 3), persistent=False)
        self.read: torch.Tensor | None = None
        block = self.transformer.single_transformer_blocks[AUXILIARY_BLOCK]
        block.register_forward_hook(self._remember)
        self.taps = tap(self.transformer, BINDING_DOUBLE, BINDING_SINGLE)

    @staticmethod
    def _empty(tokenizer) -> torch.Tensor:  # type: ignore[no-untyped-def]
        row = tokenizer("", padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")
        return row.input_ids[0]

    def _remember(
        self, _module: nn.Module, _args: object, output: tuple[torch.Tensor, ...]
    ) -> None:
        self.read = output[1]

    def text_length(self, batch: dict[str, torch.Tensor]) -> int:
        """Text tokens of a step: ``SHORT`` unless a caption asks for more."""
        fits = bool((batch["t5"][:, SHORT:] == self.t5_tokenizer.pad_token_id).all())
        return SHORT if fits else MAX_TOKENS

    def forward(
        self, batch: dict[str, torch.Tensor], generator: torch.Generator, length: int = MAX_TOKENS
    ) -> dict[str, torch.Tensor]:
        """The scalar losses ``velocity``, ``auxiliary`` and ``binding``; ``length`` text tokens.

        x_t = (1 - t) x_0 + t noise, target noise - x_0; t is logit-normal (Stable Diffusion 3,
        arXiv 2403.03206, section 3.1).
        """
        latents = pack(batch["latents"].float())
        count = len(latents)
        noise = torch.randn(latents.shape, generator=generator)
        t = torch.sigmoid(NOISE_MEAN + NOISE_STD * torch.randn(count, generator=generator))
        mix = t[:, None, None]
        drop = torch.rand(count, generator=generator)[:, None] < CAPTION_DROPOUT
        unpooled = torch.rand(count, generator=generator)[:, None] < POOLED_DROPOUT
        t5_ids = torch.where(drop, self.get_buffer("empty_t5"), batch["t5"].long())[:, :length]
        clip_ids = torch.where(drop | unpooled, self.get_buffer("empty_clip"), batch["clip"].long())
        text_ids, image_ids = self.get_buffer("text_ids")[:length], self.get_buffer("image_ids")
        velocity = self.transformer(
            hidden_states=(1 - mix) * latents + mix * noise,
            timestep=t,
            pooled_projections=self.clip(clip_ids).pooler_output,
            encoder_hidden_states=self.t5(t5_ids)[0],
            img_ids=image_ids,
            txt_ids=text_ids,
            return_dict=False,
        )[0]
        mention = batch["mention"].long()
        weight = torch.where(mention >= 0, FOREGROUND_WEIGHT, 1.0)
        error = (velocity.float() - (noise - latents)).square().mean(dim=-1)
        assert self.read is not None
        logits = self.head(self.read).float().split(self.classes, dim=-1)
        self.read = None
        # Class 0 is "nothing here"; at high noise the tokens cannot know, so the weight fades.
        auxiliary = sum(
            (
                F.cross_entropy(part.transpose(1, 2), batch[name].long() + 1, reduction="none")
                * (1 - t)[:, None]
            ).mean()
            for part, name in zip(logits, ("noun", "color", "texture"), strict=True)
        )
        rotary = self.transformer.pos_embed(torch.cat([text_ids, image_ids]))
        word = batch["word"].long()[:, :length]
        noun = self.get_buffer("nouns")[t5_ids]
        told = (1 - t * t) * ~drop[:, 0]
        binding = sum(
            binding_loss(part.image_attention(rotary, length), mention, word, noun, told)
            for part in self.taps
        ) / len(self.taps)
        return {
            "velocity": (error * weight).sum() / weight.sum(),
            "auxiliary": torch.as_tensor(auxiliary),
            "binding": torch.as_tensor(binding),
        }

    @torch.no_grad()
    def start_from(self, folder: Path, share: float = 1.0) -> None:
        """Take the weights of an exported folder; the auxiliary head stays as it is.

        Args:
            share: of the folder's weights, 0..1; the rest stays of the present ones. The mean of
                a model and of what further training made of it: WiSE-FT (arXiv 2109.01903).

        Raises:
            BenchError: the folder's weights do not fit this recipe's model.
        """
        parts = {
            "transformer": self.transformer,
            "text_encoder_2": self.t5,
            "text_encoder": self.clip,
        }
        for name, module in parts.items():
            loaded = type(module).from_pretrained(folder, subfolder=name).state_dict()
            present = {key: value.clone() for key, value in module.state_dict().items()}
            try:
                module.load_state_dict(loaded)
            except RuntimeError as error:
                raise BenchError(
                    f"{folder.name}/{name} is another architecture: {error}"
                ) from error
            for key, value in module.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(present[key], 1 - share)

    def export(self, folder: Path, vae: AutoencoderKL, dtype: torch.dtype = torch.float16) -> None:
        """Write a folder for ``FluxPipeline.from_pretrained``; changes the weights' dtype.

        The text encoders stay float32: transformers loads weights in the dtype they were saved in,
        diffusers in float32, and the pipeline needs one dtype.
        """
        vae.register_to_config(_name_or_path="")  # where it lay while it was trained
        FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=SHIFT, use_dynamic_shifting=False),
            vae=vae.to(dtype),
            text_encoder=self.clip,
            tokenizer=self.clip_tokenizer,
            text_encoder_2=self.t5,
            tokenizer_2=self.t5_tokenizer,
            transformer=self.transformer.to(dtype),
        ).save_pretrained(folder)


def optimizers(learner: Learner, learning_rate: float) -> dict[str, torch.optim.Optimizer]:
    """Muon for the matrices inside the transformer's blocks, AdamW for everything else.

    Each group's ``scale`` is its learning rate as a multiple of ``learning_rate``.
    """
    blocks = [
        *learner.transformer.transformer_blocks.parameters(),
        *learner.transformer.single_transformer_blocks.parameters(),
    ]
    matrices = [p for p in blocks if p.ndim == 2]
    reading = [
        p
        for name, p in learner.t5.encoder.block.named_parameters()
        if p.ndim == 2 and "relative_attention_bias" not in name
    ]
    chosen = {id(p) for p in (*matrices, *reading)}
    rest = [p for p in learner.parameters() if id(p) not in chosen]
    return {
        "muon": torch.optim.Muon(
            [{"params": matrices, "scale": MUON_SCALE}],
            lr=learning_rate,
            weight_decay=0.01,
            adjust_lr_fn="match_rms_adamw",
        ),
        "adamw": torch.optim.AdamW(
            [{"params": rest, "scale": 1.0}, {"params": reading, "scale": T5_SCALE}],
            learning_rate,
            (0.9, 0.98),
            weight_decay=0.0,
        ),
    }


def train(
    out: Path,
    vae_folder: Path,
    *,
    steps: int,
    decay_steps: int,
    learning_rate: float = 1e-3,
    checkpoint_every: int = 250,
    compile_blocks: bool = False,
    start: Path | None = None,
    keep: float = 0.0,
) -> Path:
    """Train, or continue from ``out/flux.ckpt``; writes ``out/pocket-flux``.

    The state before the decay is kept as ``out/flux-stable.ckpt``: a later, longer stretch goes on
    from it (copy it over ``flux.ckpt`` and give more steps).

    Args:
        vae_folder: the VAE whose encoder makes the latents.
        steps: optimizer steps of 64 samples for each process (see ``team``).
        decay_steps: length of the final learning-rate decay.
        learning_rate: peak rate of AdamW.
        start: an exported pipeline folder whose weights a new run begins with.
        keep: share of the start's weights in what is exported, 0..1
            (``docs/decisions/0012-mean.md``).
        compile_blocks: ``torch.compile`` the blocks (needs a C++ compiler; 1.3 times faster).
    """
    if not (vae_folder / "config.json").exists():
        raise BenchError(f"no VAE in {vae_folder.name}; train it first (pocket train vae)")
    torch.manual_seed(0)
    learner = Learner()
    checkpoint, step = out / "flux.ckpt", 0
    if start is not None and not checkpoint.exists():
        learner.start_from(start)
    # A horizon of 250 steps: the average must not reach back to the rates before the decay.
    ema = Ema(learner, decay=0.996)
    if compile_blocks:
        model = learner.transformer
        for block in (*model.transformer_blocks, *model.single_transformer_blocks):
            block.compile(dynamic=False)  # two lengths; any-length kernels are slower
    # For sequences this short plain matrix products beat the CPU's flash kernel by 1.4 times,
    # nearly all of it in the backward pass.
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    vae = AutoencoderKL.from_pretrained(vae_folder)
    team = join_team()
    pool = LatentPool(out / "latents", vae, BATCH, WINDOW, STRIDE, SHORT)
    parts = optimizers(learner, learning_rate)
    modules = {"learner": learner, "ema": ema}
    if checkpoint.exists():
        step = load_checkpoint(checkpoint, modules, parts)["step"]
    started, first = time.monotonic(), step
    seen: list[dict[str, float]] = []
    while step < steps:
        if step == steps - decay_steps and team.rank == 0:
            save_checkpoint(out / "flux-stable.ckpt", modules, parts, {"step": step})
        factor = warmup_stable_decay(step, steps, decay_steps)
        for optimizer in parts.values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * factor * group["scale"]
        # Noise depends on step and rank alone: a resumed run repeats the undisturbed one.
        generator = torch.Generator().manual_seed(step * team.size + team.rank)
        batch = pool(step, team)
        with sdpa_kernel(SDPBackend.MATH):
            with torch.autocast("cpu", torch.bfloat16):
                losses = learner(batch, generator, learner.text_length(batch))
            total = losses["velocity"] + AUXILIARY_WEIGHT * losses["auxiliary"]
            (total + BINDING_WEIGHT * losses["binding"]).backward()
        team.average_gradients(learner.parameters())
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        for optimizer in parts.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        ema.update(learner, step)
        step += 1
        seen.append({name: loss.item() for name, loss in losses.items()})
        if step % 50 == 0:
            rate = (step - first) * BATCH * team.size / (time.monotonic() - started)
            means = (f"{name} {sum(row[name] for row in seen) / len(seen):.4f}" for name in losses)
            if team.rank == 0:
                print(
                    f"step {step} samples {step * BATCH * team.size} {' '.join(means)} "
                    f"{rate:.1f} samples/s",
                    flush=True,
                )
            seen = []
        if team.rank == 0 and (step % checkpoint_every == 0 or step == steps):
            save_checkpoint(checkpoint, modules, parts, {"step": step})
    if team.rank == 0:
        ema.copy_to(learner)
        if start is not None and keep:
            learner.start_from(start, share=keep)
        learner.export(out / "pocket-flux", vae)
    team.wait()
    return out / "pocket-flux"
