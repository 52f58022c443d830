"""The pocket BLIP: ``BlipForQuestionAnswering`` that answers noun phrases with yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional as F

from bench.pocket.judges import tokens
from bench.pocket.judges.calibrate import fit_temperature, logit, save_temperature
from bench.pocket.judges.data import SIZE, Sample, images, make_sample, zoomed
from bench.pocket.judges.looking import Looks, looking_loss
from bench.pocket.judges.loop import Losses, Schedule, fit
from bench.pocket.judges.questions import ask
from bench.pocket.judges.redrawn import (
    PLAIN,
    STEERED,
    RedrawnPool,
    generator_beside,
    redrawn_samples,
)
from bench.pocket.world.splits import Split
from bench.pocket.world.vocabulary import COLORS, NOUNS, TEXTURES

BATCH = 64
QUESTIONS = 8
"""Questions asked about each training picture."""
SCHEDULE = Schedule(steps=3600, lr=2e-3, muon_lr=0.006, warmup=60, ema=0.997, clip=1.0)
SEEING = 0.7
"""Share of the steps, at the start, in which the vision model learns from its patches' labels
alone: questions asked of a model that sees nothing yet only disturb it."""
HAND = Schedule(steps=600, lr=5e-4, muon_lr=0.002, warmup=30, ema=0.99, clip=1.0)
"""A second training after the first, in which many of the pictures are in the generator's hand."""
PHASES = {"schedule": SCHEDULE, "hand": HAND}
"""The trainings in their order, by the argument of ``train`` that takes each."""
ALONE, BY_AST = 0.25, 0.35
"""Shares of that training's pictures that the generator has drawn anew: alone, and with AST."""
CROWD = (3, 4, 5)
"""Instances of the pictures that the vision model learns from: more of them show more shapes."""
ON_GRID = 0.6
"""Share of pictures whose things stand on the grid of patches, as the generators draw them. There
a thing looks alike in every picture, and shapes are learned faster
(docs/decisions/0005-judges-eyes.md)."""
GRAY = 0.4
"""Share of the pictures that the vision model learns from without their colours: training lacks the
held-out pairs of noun and colour, so colour would tell what a thing is not."""
ZOOMED = 0.5
"""Share of the other pictures that are cut to one instance, as localization shows them."""
CATEGORIES = (None, "color", None, "texture", None, "complex")
"""Scenes in turn: None is the world's own mix, the others hold what can be swapped."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's training pictures; BLIP's processor and open_clip normalise with them."""
AUXILIARY_WEIGHT = 1.0
LOOKING_WEIGHT = 0.3
"""Of the loss of ``looking``, against 1 for the answers'."""
UNASKED = -100
"""Label of a patch that does not count."""
LONGEST = 35
"""Tokens of a question at most, as in the official T2I-CompBench procedure."""


class Trainee(torch.nn.Module):
    """The judge, and heads that read each patch's noun, colour and texture; they are not kept."""

    def __init__(self) -> None:
        super().__init__()
        self.blip = new_model()
        width = self.blip.config.vision_config.hidden_size
        self.heads = torch.nn.ModuleList(
            torch.nn.Linear(width, 1 + len(words)) for words in (NOUNS, COLORS, TEXTURES)
        )


def new_model() -> Any:
    """Patches of 16 pixels, 6 vision layers, 2 layers each to read the question and to answer."""
    from transformers import BlipConfig, BlipForQuestionAnswering

    width = 192
    config = BlipConfig(
        vision_config={
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": 6,
            "num_attention_heads": width // 32,
            "image_size": SIZE,
            "patch_size": 16,
            "initializer_range": 0.04,  # the default, 1e-10, learns nothing for hundreds of steps
        },
        text_config={
            "vocab_size": len(tokens.vocabulary()),
            "hidden_size": width,
            "encoder_hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": width // 32,
            "max_position_embeddings": 40,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "bos_token_id": tokens.DEC,
            "pad_token_id": tokens.PAD,
            "eos_token_id": tokens.SEP,
            "sep_token_id": tokens.SEP,
            "is_decoder": True,
        },
        projection_dim=64,
        image_text_hidden_size=64,
    )
    return BlipForQuestionAnswering(config)


def train(
    out_dir: Path,
    *,
    schedule: Schedule = SCHEDULE,
    hand: Schedule = HAND,
    batch: int = BATCH,
    seed: int = 1,
    resume: bool = True,
    stop_after: int | None = None,
) -> None:
    """Train from nothing; writes ``checkpoint.safetensors`` and, once done, the model folder.

    The schedule ``hand`` follows with checkpoints in a folder ``hand``; its pictures in the
    generator's hand are those of ``RedrawnPool.beside``, drawn alone and with AST.
    """
    torch.manual_seed(seed)
    trainee = Trainee()
    encode = tokens.tokenizer()
    looks = Looks(trainee.blip.text_encoder)

    def step_losses(step: int, pools: tuple[RedrawnPool, ...] = ()) -> Losses:
        rng = np.random.default_rng([seed, step, 7])
        seeing = step < SEEING * schedule.steps
        samples = [
            redrawn_picture(pools, rng)
            if pools and rng.random() < ALONE + BY_AST
            else picture(
                "train",
                seed,
                step * batch + k,
                rng,
                category="complex" if seeing else CATEGORIES[k % len(CATEGORIES)],
                instances=CROWD[k % len(CROWD)] if seeing else None,
            )
            for k in range(batch)
        ]
        if seeing:
            shown, gray = images(samples), rng.random(batch) < GRAY
            shown[gray] = shown[gray].mean(axis=-1, keepdims=True)
            with torch.autocast("cpu", torch.bfloat16):
                seen = trainee.blip.vision_model(pixel_values=pixels(shown))[0]
                read = [head(seen[:, 1:]) for head in trainee.heads]
            return {"loss": _auxiliary_loss(read, samples, gray)}
        asked = [ask(sample, rng, QUESTIONS) for sample in samples]
        ids, mask = encode_questions(encode, [q.text for row in asked for q in row])
        # The library's decoder does not mask padding (transformers 5.23), so an answer must not
        # depend on how much of it there is, nor on whether it was encoded or is zero.
        spare = LONGEST - ids.shape[1] if rng.random() < 0.05 else int(rng.integers(0, 4))
        ids, mask = F.pad(ids, (0, spare)), F.pad(mask, (0, spare))
        zeroed = bool(rng.random() < 0.5)
        answers = torch.tensor([q.answer for row in asked for q in row])
        with torch.autocast("cpu", torch.bfloat16):
            seen = trainee.blip.vision_model(pixel_values=pixels(images(samples)))[0]
            by_picture = (batch, QUESTIONS, -1)
            logits = answer_logits(
                trainee.blip, seen, ids.view(by_picture), mask.view(by_picture), zeroed
            ).flatten(0, 1)
            read = [head(seen[:, 1:]) for head in trainee.heads]
        answer = F.cross_entropy(logits.float(), torch.where(answers, tokens.YES, tokens.NO))
        auxiliary = _auxiliary_loss(read, samples)
        looking = looking_loss(looks.take(), ids.view(by_picture), samples)
        wanted = logits[:, tokens.YES] > logits[:, tokens.NO]
        return {
            "loss": answer + AUXILIARY_WEIGHT * auxiliary + LOOKING_WEIGHT * looking,
            "answer": answer,
            "auxiliary": auxiliary,
            "looking": looking,
            "right": (wanted == answers).float().mean(),
        }

    fit(out_dir, trainee, step_losses, schedule, resume=resume, stop_after=stop_after)
    if stop_after is None or stop_after >= schedule.steps:
        pools = RedrawnPool.beside(out_dir), RedrawnPool.beside(out_dir, STEERED)
        fit(
            out_dir / "hand",
            trainee,
            lambda step: step_losses(schedule.steps + step, pools),
            hand,
            resume=resume,
        )
        save(trainee.blip, out_dir / "model")
        calibrate(out_dir / "model", generator_beside(out_dir))


def picture(
    split: Split,
    seed: int,
    index: int,
    rng: np.random.Generator,
    *,
    category: str | None = None,
    instances: int | None = None,
) -> Sample:
    """A degraded picture: on the grid, or placed freely and perhaps cut to one instance."""
    grid = bool(rng.random() < ON_GRID)
    sample = make_sample(split, seed, index, category=category, instances=instances, grid=grid)
    return zoomed(sample, rng) if not grid and rng.random() < ZOOMED else sample


def redrawn_picture(pools: tuple[RedrawnPool, ...], rng: np.random.Generator) -> Sample:
    """A picture in the generator's hand, whole or cut to one instance.

    Args:
        pools: those that it drew alone, and those that it drew with AST.
    """
    alone, by_ast = pools
    sample = (alone if rng.random() < ALONE / (ALONE + BY_AST) else by_ast).spoiled(rng)
    return zoomed(sample, rng) if rng.random() < ZOOMED else sample


def save(model: Any, folder: Path) -> None:
    """Write a folder that ``from_pretrained`` of model and processor load; weights in float16."""
    from transformers import BlipImageProcessor, BlipProcessor

    processor = BlipProcessor(
        BlipImageProcessor(
            size={"height": SIZE, "width": SIZE}, image_mean=list(MEAN), image_std=list(STD)
        ),
        tokens.tokenizer(),
    )
    processor.save_pretrained(folder)
    half = new_model()
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(folder)
    # Stored small, computed in single precision by anyone who loads it without asking.
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"float16"', '"float32"'))


def load(folder: Path) -> Any:
    """The shipped judge as metrics use it, its temperature applied."""
    from bench.judges import load_vqa

    return load_vqa(str(folder))


def calibrate(folder: Path, generator: Path, n: int = 1500, *, seed: int = 71) -> float:
    """Fit the temperature on degraded and redrawn pictures of the tuning split and store it."""
    rng = np.random.default_rng(seed)
    samples = [picture("tune", seed, k, rng) for k in range(n)]
    for hand in (PLAIN, STEERED):
        samples += redrawn_samples(generator, "tune", n // 10, hand)
    chances, answers = asked_of(folder, samples, "tune", rng)
    temperature = fit_temperature(logit(chances), answers)
    save_temperature(folder, temperature)
    return temperature


def asked_of(
    folder: Path, samples: Sequence[Sample], split: Split, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Probabilities and answers of four questions of all kinds about each picture."""
    asked = [ask(s, rng, 4, split=split) for s in samples]
    pictures = [Image.fromarray(s.image) for s in samples]
    chances = load(folder).ask(pictures, [[q.text for q in row] for row in asked])
    answers = [q.answer for row in asked for q in row]
    return np.array([p for row in chances for p in row]), np.array(answers)


def pixels(batch: npt.NDArray[np.uint8]) -> torch.Tensor:
    """(N, H, W, 3) bytes to (N, 3, H, W), normalised."""
    values = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
    return (values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def encode_questions(encode: Any, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, [ENC] in place of the first token as BLIP's own code does."""
    found = encode(
        list(texts), return_tensors="pt", padding="longest", truncation=True, max_length=LONGEST
    )
    ids = found.input_ids.clone()
    ids[:, 0] = tokens.ENC
    return ids, found.attention_mask


def answer_logits(
    model: Any, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, zeroed: bool
) -> torch.Tensor:
    """Logits over the vocabulary at the first step of the answer.

    All questions of a picture go through the question encoder as one sequence whose parts do not
    see one another: the picture's keys and values are then made once, not once a question.

    Args:
        seen: (B, patches + 1, width), the vision model's states.
        ids, mask: (B, Q, S).
        zeroed: whether the decoder gets zeros in place of the padding's states.

    Returns:
        (B, Q, vocabulary).
    """
    b, q, s = ids.shape
    owner = torch.arange(q).repeat_interleave(s)
    visible = (owner[:, None] == owner[None])[None] & mask.reshape(b, 1, q * s).bool()
    barrier = torch.zeros(b, 1, q * s, q * s).masked_fill(
        ~visible[:, None], torch.finfo(torch.float32).min
    )
    states = model.text_encoder(
        input_ids=ids.reshape(b, q * s),
        attention_mask=barrier,
        position_ids=torch.arange(s).repeat(q)[None].expand(b, -1),
        encoder_hidden_states=seen,
    )[0]
    if zeroed:
        states = states * mask.reshape(b, q * s, 1)
    logits: torch.Tensor = model.text_decoder(
        input_ids=torch.full((b * q, 1), tokens.DEC),
        encoder_hidden_states=states.reshape(b * q, s, -1),
        encoder_attention_mask=mask.reshape(b * q, s),
        use_cache=False,
    ).logits
    return logits.view(b, q, -1)


def _auxiliary_loss(
    read: Sequence[torch.Tensor],
    samples: Sequence[Sample],
    gray: npt.NDArray[np.bool_] | None = None,
) -> torch.Tensor:
    """Cross-entropy of noun, colour and texture of each patch; index 0 is "none".

    The colours of ``gray`` pictures are asked of nobody.
    """
    total = torch.zeros(())
    for logits, name in zip(read, ("nouns", "colors", "textures"), strict=True):
        truth = np.stack([getattr(s.truth, name) for s in samples]) + 1
        if gray is not None and name == "colors":
            truth[gray] = UNASKED
        total = total + F.cross_entropy(
            logits.float().flatten(0, 1), torch.from_numpy(truth).flatten(), ignore_index=UNASKED
        )
    return total
