"""The recipes: exact resumption, and parts that must equal the libraries' own computation."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from bench.pocket.judges import blip, clip, detector, tokens  # noqa: E402
from bench.pocket.judges.drawn import drawn_samples  # noqa: E402
from bench.pocket.judges.loop import Schedule, fit  # noqa: E402
from bench.pocket.judges.redrawn import STEERED, RedrawnPool  # noqa: E402
from bench.pocket.train import recipes  # noqa: E402

TINY = Schedule(steps=4, lr=1e-3, warmup=2)


def same(a, b) -> bool:
    left, right = load_file(a), load_file(b)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


@pytest.fixture
def one_thread(threads):
    threads(1)


@pytest.mark.parametrize("recipe", [detector, blip, clip], ids=["detector", "blip", "clip"])
def test_training_resumes_exactly(recipe, tmp_path, one_thread, small_pool):
    for folder, stops in (("whole", [3]), ("parts", [1, 3])):
        for stop in stops:
            recipe.train(tmp_path / folder, schedule=TINY, batch=3, stop_after=stop)
    name = "checkpoint.safetensors"
    assert same(tmp_path / "whole" / name, tmp_path / "parts" / name)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").open()]
    assert rows[0]["step"] == 0 and np.isfinite(rows[0]["loss"])


@pytest.mark.parametrize("recipe", [detector, blip, clip], ids=["detector", "blip", "clip"])
def test_fewer_steps_keep_the_shares_of_a_recipes_phases(recipe, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(recipe, "train", lambda out, **phases: given.update(phases, out=out))
    name = recipe.__name__.rpartition(".")[2]
    assert list(recipes.train(name, tmp_path, steps=100, threads=None)) == [tmp_path / name]
    assert given.pop("out") == tmp_path / name
    assert given.keys() == recipe.PHASES.keys()
    whole = sum(phase.steps for phase in recipe.PHASES.values())
    for key, phase in given.items():
        assert phase.steps == pytest.approx(100 * recipe.PHASES[key].steps / whole, abs=1)
        assert replace(phase, steps=recipe.PHASES[key].steps) == recipe.PHASES[key]


def test_the_second_training_sees_what_a_person_looked_at(small_pool, tmp_path, monkeypatch):
    """Its labels are that person's; what is shown in part is labelled where it is shown."""
    pools = RedrawnPool.beside(tmp_path / "x"), RedrawnPool.beside(tmp_path / "x", STEERED)
    monkeypatch.setattr(detector, "DRAWN", 1.0)
    pictures = [detector._training_sample(pools, 0, k, True) for k in range(40)]
    assert {p.scene.category for p in pictures} == {"drawn"}
    assert {detector._training_sample(pools, 0, k, False).scene.category for k in range(9)} != {
        "drawn"
    }
    boxes = detector._targets(pictures)["bboxes"]
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
    assert (boxes[:, 2:] > 0).all() and corners.min() > -1e-6 and corners.max() < 1 + 1e-6
    monkeypatch.setattr(detector, "CLOSER", 0.0)
    whole = detector._training_sample(pools, 0, 3, True)
    assert any(whole.scene == s.scene for s in drawn_samples())


def test_filters_learn_as_matrices_of_one_row_a_channel(tmp_path, one_thread):
    """After one step of Muon filters have moved by a matrix whose singular values are alike."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(16, 16, 3), torch.nn.BatchNorm2d(16))
    before = {name: value.clone() for name, value in model.named_parameters()}
    pictures, wanted = torch.randn(8, 16, 8, 8), torch.randn(8, 16, 6, 6)

    def step_losses(_: int) -> dict[str, torch.Tensor]:
        return {"loss": (model(pictures) - wanted).square().mean()}

    schedule = replace(TINY, steps=1, warmup=0, weight_decay=0.0, ema=0.0)
    fit(tmp_path, model, step_losses, schedule, convolutional=True)
    moved = {name: value - before[name] for name, value in model.named_parameters()}
    assert all(change.abs().max() > 0 for name, change in moved.items() if name != "0.bias")
    values = torch.linalg.svdvals(moved["0.weight"].view(16, -1))
    assert values.max() < 2 * values.min()


def test_clip_starts_from_blips_eyes_and_is_saved_for_open_clip(tmp_path, one_thread, small_pool):
    torch.manual_seed(0)
    eyes = blip.new_model().eval()
    for parameter in eyes.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    blip.save(eyes, tmp_path / "eyes")
    clip.train(
        tmp_path / "clip",
        eyes=tmp_path / "eyes",
        schedule=replace(TINY, steps=1, lr=0.0, muon_lr=0.0),
        batch=2,
    )
    model, encode = clip.load(tmp_path / "clip" / "model")
    pixels = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        expected = eyes.vision_model(pixel_values=pixels)[0][:, 0] @ model.visual.proj
        assert torch.allclose(model.encode_image(pixels), expected, atol=0.05, rtol=0.02)
    assert encode(["a red apple"]).shape == (1, clip.CONTEXT)


def test_packed_questions_equal_single_ones(one_thread):
    torch.manual_seed(0)
    model = blip.new_model().eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    texts = ["a red apple?", "three dogs?", "the blue wooden bus?", "a cat?"]
    ids, mask = blip.encode_questions(tokens.tokenizer(), texts)
    assert (ids[:, 0] == tokens.ENC).all()
    with torch.inference_mode():
        seen = model.vision_model(pixel_values=torch.randn(2, 3, 128, 128))[0]
        packed = blip.answer_logits(model, seen, ids.view(2, 2, -1), mask.view(2, 2, -1), False)
        for k in range(4):
            states = model.text_encoder(
                input_ids=ids[k : k + 1],
                attention_mask=mask[k : k + 1],
                encoder_hidden_states=seen[k // 2 : k // 2 + 1],
            )[0]
            alone = model.text_decoder(
                input_ids=torch.tensor([[tokens.DEC]]), encoder_hidden_states=states
            ).logits[0, 0]
            assert torch.allclose(packed[k // 2, k % 2], alone, atol=1e-4)


def test_pictures_come_in_all_hues_in_grays_and_as_they_are():
    rng = np.random.default_rng(0)
    picture = np.full((8, 8, 3), (200, 40, 40), np.uint8)
    picture[:4] = 230
    seen = {tuple(map(int, detector.recolored(picture, rng)[7, 0])) for _ in range(300)}
    assert (200, 40, 40) in seen and len(seen) > 50
    assert sum(r == g == b for r, g, b in seen) == 1
    # The brightest channel of a turned colour stays as bright, and what is white stays white.
    assert all(max(color) == pytest.approx(200, abs=1) for color in seen if len(set(color)) > 1)
    assert (detector.recolored(picture, rng)[0] == 230).all()
