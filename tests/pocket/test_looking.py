"""The loss that teaches a question's words where to look."""

from __future__ import annotations

import pytest
import torch

from bench.pocket.judges import blip, tokens
from bench.pocket.judges.data import make_sample
from bench.pocket.judges.looking import Looks, looking_loss
from bench.pocket.world.vocabulary import COLORS, NOUNS


@pytest.fixture(scope="module")
def sample():
    return make_sample("train", 3, 0, category="color", instances=2, degraded=False, fragments=0)


def asked(*texts: str) -> torch.Tensor:
    return blip.encode_questions(tokens.tokenizer(), texts)[0][None]


def shares(sample, ids: torch.Tensor, noun: str) -> torch.Tensor:
    """All attention of all words on a noun's patches."""
    own = torch.from_numpy(sample.truth.nouns.reshape(-1) == NOUNS.index(noun)).float()
    return (own / own.sum()).expand(1, ids.shape[1] * ids.shape[2], -1)


def test_looking_at_the_thing_is_right_even_where_the_answer_is_no(sample):
    thing, other = sample.scene.instances
    wrong = next(c for c in COLORS if c not in (thing.color, other.color))
    for color in (thing.color, wrong):
        ids = asked(f"a {color} {thing.noun}?")
        assert looking_loss([shares(sample, ids, thing.noun)], ids, [sample]).item() == 0
        assert looking_loss([shares(sample, ids, other.noun)], ids, [sample]).item() > 3


def test_things_that_are_not_there_and_small_words_do_not_count(sample):
    absent = next(n for n in NOUNS if n not in {t.noun for t in sample.scene.instances})
    ids = asked(f"a red {absent}?", "a park?")
    nowhere = torch.zeros(1, ids.shape[1] * ids.shape[2], 64)
    assert looking_loss([nowhere], ids, [sample]).item() == 0


def test_the_recipe_sees_both_layers_attention_and_moves_it(sample):
    torch.manual_seed(0)
    model = blip.new_model()
    looks = Looks(model.text_encoder)
    ids = asked(f"a {sample.scene.instances[0].color} {sample.scene.instances[0].noun}?")
    mask = torch.ones_like(ids)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        seen = model.vision_model(pixel_values=blip.pixels(sample.image[None]))[0]
        blip.answer_logits(model, seen, ids, mask, False)
        taken = looks.take()
        assert [t.shape for t in taken] == [(1, ids.shape[1] * ids.shape[2], 64)] * 2
        loss = looking_loss(taken, ids, [sample])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
