"""The loss that teaches image tokens to attend to their own words, and training in a team."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch import multiprocessing

from bench.pocket.train import flux, latents, vae
from bench.pocket.train.binding import OWN_SHARE, binding_loss, tap
from bench.pocket.train.snap import grid_scene
from bench.pocket.train.team import ALONE, join_team
from bench.pocket.train.text import MAX_TOKENS, t5_tokenizer
from bench.pocket.world.vocabulary import words

MENTION = torch.tensor([[-1, 0, 0, 1]])
WORD = torch.tensor([[0, -1, 1]])
NOUN = torch.tensor([[True, False, True]])
ONE = torch.ones(1)


def shares(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor([rows])


def test_attending_to_the_own_words_costs_nothing_and_to_the_others_much():
    good = shares([[0, 0, 0], [0.5, 0.1, 0], [OWN_SHARE, 0.1, 0], [0, 0.1, 0.4]])
    swapped = good.flip(-1)
    assert binding_loss(good, MENTION, WORD, NOUN, ONE).item() == pytest.approx(0, abs=1e-5)
    assert binding_loss(swapped, MENTION, WORD, NOUN, ONE).item() > 5


def test_the_loss_by_hand():
    attention = shares([[9, 9, 9], [0.1, 0.5, 0.3], [0.1, 0.5, 0.3], [0.2, 0.5, 0.2]])
    first = math.log(0.4 / 0.1) + math.log(OWN_SHARE / 0.1)
    last = math.log(0.4 / 0.2) + math.log(OWN_SHARE / 0.2)
    value = binding_loss(attention, MENTION, WORD, NOUN, ONE).item()
    assert value == pytest.approx((2 * first + last) / 3, rel=1e-2)


def test_looking_at_the_own_colour_does_not_excuse_looking_at_the_others_noun():
    """Four words, a colour and a noun for each of two instances; one image token, of the first."""
    word, noun = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[False, True, False, True]])
    mention = torch.zeros(1, 1, dtype=torch.long)

    def loss(*attention: float) -> float:
        return binding_loss(shares([list(attention)]), mention, word, noun, ONE).item()

    assert loss(0.3, 0.3, 0.0, 0.0) == pytest.approx(0, abs=1e-5)
    assert loss(0.3, 0.1, 0.0, 0.3) == pytest.approx(math.log(0.4 / 0.1), rel=1e-2)
    assert loss(0.1, 0.3, 0.3, 0.0) == pytest.approx(math.log(0.4 / 0.1), rel=1e-2)


def test_a_thing_without_attributes_need_not_look_at_any():
    word, noun = torch.tensor([[0, 1, 1]]), torch.tensor([[True, False, True]])
    mention = torch.zeros(1, 1, dtype=torch.long)
    attention = shares([[0.3, 0.5, 0.0]])
    assert binding_loss(attention, mention, word, noun, ONE).item() == pytest.approx(0, abs=1e-5)


def test_samples_without_weight_or_without_instances_do_not_count():
    attention = torch.rand(1, 4, 3)
    assert binding_loss(attention, MENTION, WORD, NOUN, torch.zeros(1)).item() == 0
    assert binding_loss(attention, torch.full((1, 4), -1), WORD, NOUN, ONE).item() == 0


@pytest.mark.parametrize("compiled", [False, True])
def test_a_tap_sees_the_attention_that_the_model_computes(tiny_flux_dir, compiled):
    torch.manual_seed(0)
    model = FluxTransformer2DModel.from_pretrained(tiny_flux_dir, subfolder="transformer")
    taps = tap(model, (0,), (0, 1))
    if compiled:
        for block in (*model.transformer_blocks, *model.single_transformer_blocks):
            block.compile(backend="eager")  # what hooks would not survive, without a C++ compiler
    expected: list[torch.Tensor] = []
    stock = torch.nn.functional.scaled_dot_product_attention

    def watch(query, key, value, **kwargs):
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        expected.append(scores.softmax(-1)[:, :, 5:, :5].mean(dim=1))
        return stock(query, key, value, **kwargs)

    text_ids, image_ids = (
        torch.zeros(5, 3),
        torch.tensor([[0.0, r, c] for r in (0, 1) for c in (0, 1)]),
    )
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", watch)
        model(
            hidden_states=torch.randn(2, 4, 16),
            encoder_hidden_states=torch.randn(2, 5, 32),
            pooled_projections=torch.randn(2, 16),
            guidance=torch.ones(2),
            timestep=torch.rand(2),
            img_ids=image_ids,
            txt_ids=text_ids,
        )
        rotary = model.pos_embed(torch.cat([text_ids, image_ids]))
        seen = [part.image_attention(rotary, 5) for part in taps]
    assert len(expected) == len(seen) == 3
    for one, other in zip(seen, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_words_and_image_tokens_are_labelled_by_the_same_group():
    tokenizer, rng = t5_tokenizer(words()), np.random.default_rng(5)
    for _ in range(40):
        scene = grid_scene(rng)
        groups = latents.word_groups(scene, tokenizer)
        ids = tokenizer(scene.caption, padding="max_length", max_length=MAX_TOKENS).input_ids
        for k, members in enumerate(scene.groups):
            mention = scene.mentions[members[0]]
            said = [scene.caption[slice(*s)] for s in (mention.noun, *mention.attributes)]
            labelled = [ids[t] for t in (groups == k).nonzero().flatten().tolist()]
            assert tokenizer.decode(labelled).split() == sorted(
                said, key=lambda word: scene.caption.index(word, mention.phrase[0])
            )


def _train(rank: int, size: int, folder: str, port: int) -> None:
    import os
    from pathlib import Path

    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    latents.SHARD, flux.WINDOW, flux.STRIDE = 64, 1, 1
    flux.BATCH = 16 // size
    out = Path(folder)
    flux.train(out / f"by-{size}", out / "vae", steps=2, decay_steps=1, checkpoint_every=9)


def test_a_team_shares_the_work_and_writes_one_model(tmp_path):
    import socket

    torch.manual_seed(0)
    vae.build().save_pretrained(tmp_path / "vae")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(_train, (2, str(tmp_path), port), nprocs=2)
    assert (tmp_path / "by-2" / "pocket-flux" / "model_index.json").exists()
    assert [p.name for p in (tmp_path / "by-2" / "latents").iterdir()] == [
        "shard-00000.safetensors"
    ]


def test_without_torchrun_there_is_no_team(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_team() == ALONE
    layer = torch.nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad
    ALONE.average_gradients(layer.parameters())
    assert layer.weight.grad is before
