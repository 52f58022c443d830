"""The training recipes: exact resume, latents that keep their meaning, tokenizers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, FluxPipeline
from safetensors.torch import load_file
from transformers import T5TokenizerFast

from bench.errors import BenchError
from bench.pocket.train import flux, latents, recipes, text, vae
from bench.pocket.train.checkpoint import load_checkpoint, save_checkpoint
from bench.pocket.train.schedule import Ema, MatrixViews, warmup_stable_decay
from bench.pocket.world.vocabulary import tokens, words


@pytest.fixture(autouse=True)
def one_thread(threads):
    threads(1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.rglob("*.safetensors"))
    assert files
    return {f"{f.parent.name}/{k}": v for f in files for k, v in load_file(f).items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_vae_stopped_in_either_stage_resumes_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(vae, "BATCH", 2)
    monkeypatch.setattr(vae, "NORMALISATION_IMAGES", 8)
    plan = {"encoder_steps": 2, "decay_steps": 1, "checkpoint_every": 1}
    whole = vae.train(tmp_path / "whole", steps=4, **plan)

    class Stop(Exception):
        pass

    real = vae.save_checkpoint
    for last in (1, 3):

        def save_and_stop(path, modules, optimizers, state, last=last):
            real(path, modules, optimizers, state)
            if state["step"] == last:
                raise Stop

        monkeypatch.setattr(vae, "save_checkpoint", save_and_stop)
        with pytest.raises(Stop):
            vae.train(tmp_path / f"cut{last}", steps=4, **plan)
        monkeypatch.setattr(vae, "save_checkpoint", real)
        assert_same(weights(whole), weights(vae.train(tmp_path / f"cut{last}", steps=4, **plan)))


def test_folding_the_normalisation_keeps_the_reconstruction():
    torch.manual_seed(0)
    model = vae.build().eval()
    images = vae.render_batch(1, 8)
    with torch.no_grad():
        before = model.encode(images).latent_dist
        decoded = model.decode(before.mode()).sample
        vae.fold_normalisation(model, images)
        after = model.encode(images).latent_dist
        again = model.decode(after.mode()).sample
    mean, std = after.mean.mean(dim=(0, 2, 3)), after.mean.std(dim=(0, 2, 3))
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std), atol=1e-3, rtol=0)
    # The posterior's relative width is the same; only the border, where zeros pad, may differ.
    ratio = before.std / before.mean.std(dim=(0, 2, 3), keepdim=True)
    torch.testing.assert_close(after.std, ratio, atol=1e-4, rtol=1e-3)
    assert (again - decoded)[:, :, 48:80, 48:80].abs().max() < 0.2 * decoded.abs().max()


def test_packing_equals_the_pipelines():
    x = torch.randn(2, 16, 16, 16)
    assert torch.equal(latents.pack(x), FluxPipeline._pack_latents(x, 2, 16, 16, 16))


def test_flux_resumes_exactly_and_loads_as_a_pipeline(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "SHARD", 64)
    monkeypatch.setattr(flux, "BATCH", 16)
    monkeypatch.setattr(flux, "WINDOW", 1)
    monkeypatch.setattr(flux, "STRIDE", 1)
    torch.manual_seed(0)
    vae.build().save_pretrained(tmp_path / "vae")
    plan = {"vae_folder": tmp_path / "vae", "decay_steps": 2, "checkpoint_every": 3}
    folder = flux.train(tmp_path / "whole", steps=5, **plan)

    # The kept state from before the decay is where a longer stretch goes on.
    again = tmp_path / "again"
    again.mkdir()
    (again / "flux.ckpt").write_bytes((tmp_path / "whole" / "flux-stable.ckpt").read_bytes())
    assert_same(weights(folder), weights(flux.train(again, steps=5, **plan)))

    # With all of the start kept nothing of a further training is left.
    on = flux.train(tmp_path / "on", steps=2, **{**plan, "decay_steps": 1}, start=folder, keep=1.0)
    assert_same(weights(folder), weights(on))

    pipeline = FluxPipeline.from_pretrained(folder)
    image = pipeline(
        "a red apple",
        height=128,
        width=128,
        num_inference_steps=1,
        max_sequence_length=text.MAX_TOKENS,
        output_type="np",
    ).images[0]
    assert image.shape == (128, 128, 3)


def test_flux_without_a_vae_says_what_to_do(tmp_path):
    with pytest.raises(BenchError, match="pocket train vae"):
        flux.train(tmp_path, tmp_path / "vae", steps=2, decay_steps=1)


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "vae.ckpt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(BenchError, match=r"vae\.ckpt.*delete it"):
        load_checkpoint(path, {}, {})


def test_a_checkpoint_restores_optimizer_state(tmp_path):
    torch.manual_seed(0)
    data = torch.randn(8, 4)

    def fresh():
        torch.manual_seed(1)
        layer = torch.nn.Linear(4, 2)
        return layer, torch.optim.AdamW(layer.parameters(), 0.1)

    def steps(layer, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            layer(data).square().mean().backward()
            optimizer.step()

    whole, optimizer = fresh()
    steps(whole, optimizer, 5)
    part, optimizer = fresh()
    steps(part, optimizer, 2)
    save_checkpoint(tmp_path / "x.ckpt", {"m": part}, {"o": optimizer}, {"step": 2})
    rest, optimizer = fresh()
    assert load_checkpoint(tmp_path / "x.ckpt", {"m": rest}, {"o": optimizer}) == {"step": 2}
    steps(rest, optimizer, 3)
    assert torch.equal(whole.weight, rest.weight)


def test_training_goes_on_from_an_exported_folder(tmp_path):
    """The weights are the folder's, but for the precision that they were stored in."""
    torch.manual_seed(1)
    first, second = flux.Learner(), flux.Learner()
    first.export(tmp_path / "pocket-flux", vae.build())
    second.start_from(tmp_path / "pocket-flux")
    for name in ("transformer", "t5", "clip"):
        ours, theirs = (getattr(e, name).state_dict() for e in (first, second))
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            torch.testing.assert_close(theirs[key].half(), value.half(), msg=key)


def test_a_share_of_the_start_stays_in_the_result(tmp_path):
    torch.manual_seed(1)
    first, second = flux.Learner(), flux.Learner()
    first.export(tmp_path / "pocket-flux", vae.build(), torch.float32)
    before = {k: v.clone() for k, v in second.transformer.state_dict().items()}
    second.start_from(tmp_path / "pocket-flux", share=0.25)
    for key, value in second.transformer.state_dict().items():
        mean = 0.25 * first.transformer.state_dict()[key] + 0.75 * before[key]
        torch.testing.assert_close(value, mean, msg=key)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"keep": 0.2}, "give both"), ({"keep": 1.2, "start": "."}, "no share")],
)
def test_what_is_kept_is_a_share_of_a_start(tmp_path, options, says):
    with pytest.raises(BenchError, match=says):
        list(recipes.train("flux", tmp_path, steps=None, threads=None, **options))


def test_padding_is_cut_unless_a_caption_needs_it():
    learner = flux.Learner()
    pad = learner.t5_tokenizer.pad_token_id
    short = {"t5": torch.full((2, text.MAX_TOKENS), pad, dtype=torch.int16)}
    short["t5"][:, : flux.SHORT] = 5
    assert learner.text_length(short) == flux.SHORT
    short["t5"][1, flux.SHORT] = 5
    assert learner.text_length(short) == text.MAX_TOKENS


def test_long_captions_are_gathered_and_every_scene_comes_once(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "SHARD", 64)
    monkeypatch.setattr(latents, "PART", 32)
    short, batch = 10, 4
    pool = latents.LatentPool(tmp_path, vae.build().eval(), batch, 1, 1, short)
    batches = [pool(step) for step in range(64 // batch)]
    captions = torch.cat([b["t5"] for b in batches]).tolist()
    assert sorted(captions) == sorted(load_file(next(tmp_path.iterdir()))["t5"].tolist())
    needs = [bool((b["t5"][:, short:] != pool.padding).any()) for b in batches]
    assert any(needs) and not all(needs)
    for first in range(0, len(needs), latents.GATHERED):
        group = needs[first : first + latents.GATHERED]
        assert group == sorted(group)


def test_start_belongs_to_one_recipe(tmp_path):
    with pytest.raises(BenchError, match="'flux', not to 'vae'"):
        list(recipes.train("vae", tmp_path, steps=None, threads=None, start=tmp_path))


def test_matrix_views_move_the_weights_they_share():
    layer = torch.nn.Conv2d(8, 40, 3)
    views = MatrixViews(layer)
    assert [v.shape for v in views.views] == [(40, 72)]
    assert views.rest == [layer.bias]
    layer(torch.randn(1, 8, 4, 4)).sum().backward()
    before = layer.weight.detach().clone()
    views.take_gradients()
    torch.optim.SGD(views.views, 1.0).step()
    torch.testing.assert_close(layer.weight, before - layer.weight.grad)


def test_average_starts_quickly_and_ends_slow():
    layer = torch.nn.Linear(1, 1, bias=False)
    average = Ema(layer, decay=0.9)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    for step in range(200):
        average.update(layer, step)
    average.copy_to(layer)
    assert layer.weight.item() == pytest.approx(1.0, abs=1e-4)


def test_schedule_never_leaves_its_range():
    factors = [warmup_stable_decay(s, 400, 100) for s in range(400)]
    assert min(factors) > 0 and max(factors) == 1
    assert factors[-1] == pytest.approx(0.01)


def test_every_word_is_one_token_in_both_tokenizers():
    vocabulary = words()
    t5, clip = text.t5_tokenizer(vocabulary), text.clip_tokenizer(vocabulary)
    assert all(len(t5(w).input_ids) == 2 for w in vocabulary if w.isalpha())
    assert all(len(clip(w).input_ids) == 3 for w in vocabulary)


@pytest.mark.parametrize("word", ["zebra", "catfish", "caron", "applebus", "42"])
def test_unknown_words_are_unknown_to_t5_also_after_saving(tmp_path, word):
    text.t5_tokenizer(words()).save_pretrained(tmp_path)
    t5 = T5TokenizerFast.from_pretrained(tmp_path)
    assert t5.unk_token_id in t5(f"a {word}").input_ids
    known = t5("A red dog, the cat and two mice.").input_ids
    assert t5.unk_token_id not in known
    assert len(known) == len(tokens("A red dog, the cat and two mice.")) + 1


def test_an_untrained_t5_already_tells_which_words_stand_together():
    torch.manual_seed(0)
    tokenizer = text.t5_tokenizer(words())
    encoder = text.t5_encoder(tokenizer).eval()

    @torch.no_grad()
    def cup(caption: str) -> torch.Tensor:
        ids = tokenizer(caption, padding="max_length", max_length=16, return_tensors="pt").input_ids
        return encoder(ids)[0][0, 2]

    before = cup("a pink cup and a green couch")
    near = (cup("a green cup and a pink couch") - before).norm()
    far = (cup("a pink cup and a brown couch") - before).norm()
    assert near > 0.2 * before.norm() and near > 3 * far


def test_every_weight_learns_once_and_t5s_matrices_slowly():
    learner = flux.Learner()
    groups = [g for o in flux.optimizers(learner, 1e-3).values() for g in o.param_groups]
    seen = [id(p) for g in groups for p in g["params"]]
    assert sorted(seen) == sorted(id(p) for p in learner.parameters())
    slow = {id(p) for g in groups if g["scale"] == flux.T5_SCALE for p in g["params"]}
    names = {n for n, p in learner.t5.named_parameters() if id(p) in slow}
    assert len(names) == len(slow) == 14  # two blocks of q, k, v, o, wi_0, wi_1 and wo
    assert all(n.endswith(".weight") and "norm" not in n and "bias" not in n for n in names)


def test_encoder_of_a_shard_is_the_frozen_one(tmp_path, monkeypatch):
    """A shard is a function of its index and the VAE: made twice, it is the same."""
    monkeypatch.setattr(latents, "SHARD", 64)
    torch.manual_seed(0)
    model = vae.build()
    one = load_file(latents.make_shard(tmp_path / "a", 3, model))
    two = load_file(latents.make_shard(tmp_path / "b", 3, model))
    other = load_file(latents.make_shard(tmp_path / "b", 4, model))
    assert_same(one, two)
    assert not torch.equal(one["latents"], other["latents"])
    assert one["latents"].shape == (64, 16, 16, 16)
    assert one["noun"].min() == -1 and one["noun"].max() < 70
    assert isinstance(model, AutoencoderKL)
