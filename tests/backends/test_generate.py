"""Generation through the backends: real pipelines at tiny size, random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from bench.backends import load_backend, model_digest
from bench.backends.sampler import conditional_rows
from bench.errors import BenchError
from bench.methods.ast import AST
from bench.methods.base import Method
from bench.methods.baseline import Baseline
from bench.types import Layout, ModelSpec

NEUTRAL = {"t2t": 0.0, "i2t": 0.0, "i2i": 0.0, "phrase_embeddings": False}


def pixels(results: list[Any]) -> np.ndarray:
    return np.stack([np.asarray(r.image) for r in results])


def run(backend: Any, layouts: list[Layout], method: Method, seeds: Any = None) -> np.ndarray:
    seeds = seeds or list(range(len(layouts)))
    return pixels(backend.generate(layouts, seeds, method, backend.spec.settings))


@pytest.fixture(params=["flux", "sd3"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_baseline_is_the_untouched_pipeline(backend: Any, layouts: list[Layout]) -> None:
    s = backend.spec.settings
    more = {"true_cfg_scale": s.true_cfg_scale} if backend.spec.family == "flux" else {}
    with torch.no_grad():
        expected = backend.pipe(
            prompt=[e.prompt for e in layouts],
            negative_prompt=[""] * 2,
            guidance_scale=s.guidance_scale,
            num_inference_steps=s.steps,
            height=s.height,
            width=s.width,
            max_sequence_length=s.max_sequence_length,
            generator=[torch.Generator().manual_seed(i) for i in (3, 4)],
            **more,
        ).images
    got = run(backend, layouts, Baseline(), [3, 4])
    assert np.array_equal(got, np.stack([np.asarray(i) for i in expected]))


def test_zero_strength_is_bit_identical(backend: Any, layouts: list[Layout]) -> None:
    neutral = AST.create("all-layers", NEUTRAL)
    assert np.array_equal(run(backend, layouts, neutral), run(backend, layouts, Baseline()))


def test_ast_changes_the_image_and_repeats_it(backend: Any, layouts: list[Layout]) -> None:
    ast = AST.create("all-layers")
    first = run(backend, layouts, ast)
    assert np.array_equal(first, run(backend, layouts, ast))
    untouched = run(backend, layouts, Baseline())
    assert all((a != b).any() for a, b in zip(first, untouched, strict=True))
    assert not backend.pipe.transformer._forward_pre_hooks
    assert not any(
        m._forward_pre_hooks or m._forward_hooks for m in backend.pipe.transformer.modules()
    )


def test_a_batch_equals_its_samples_alone(backend: Any, layouts: list[Layout]) -> None:
    ast = AST.create("all-layers")
    together = run(backend, layouts, ast, [5, 6]).astype(int)
    for k, layout in enumerate(layouts):
        alone = run(backend, [layout], ast, [5 + k]).astype(int)
        assert np.abs(alone[0] - together[k]).max() <= 1


@pytest.mark.parametrize("name", ["t2t", "i2t", "i2i"])
def test_each_strength_acts_alone(backend: Any, layouts: list[Layout], name: str) -> None:
    alone = AST.create("all-layers", {**NEUTRAL, name: 5.0})
    assert (run(backend, layouts, alone) != run(backend, layouts, Baseline())).any()


def test_phrase_embeddings_act_alone(backend: Any, layouts: list[Layout]) -> None:
    method = AST.create("all-layers", {**NEUTRAL, "phrase_embeddings": True})
    assert (run(backend, layouts, method) != run(backend, layouts, Baseline())).any()


def test_cost_is_reported(backend: Any, layouts: list[Layout]) -> None:
    seen: list[tuple[int, int]] = []
    settings = backend.spec.settings
    made = backend.generate(
        layouts, [0, 1], Baseline(), settings, on_step=lambda i, n: seen.append((i, n))
    )
    assert seen == [(i + 1, settings.steps) for i in range(settings.steps)]
    for one in made:
        assert one.passes == 2 * settings.steps  # with guidance
        assert one.seconds > 0 and one.peak_memory_mb > 0
        assert one.image.mode == "RGB" and one.image.size == (settings.width, settings.height)


def test_without_guidance_one_pass_a_step(backend: Any, layouts: list[Layout]) -> None:
    settings = replace(backend.spec.settings, true_cfg_scale=1.0, guidance_scale=1.0)
    made = backend.generate(layouts, [0, 1], AST.create("all-layers"), settings)
    assert made[0].passes == settings.steps


@dataclass(frozen=True)
class Spy(Method):
    """Notes what the seam offers and leaves the model alone."""

    name = "spy"

    def attention(self, batch: Any) -> Any:
        self.notes.clear()

        def update(call: Any) -> None:
            self.notes.append(call)

        return update

    notes: ClassVar[list[Any]] = []


def test_the_seam_sees_conditional_samples_only(backend: Any, layouts: list[Layout]) -> None:
    spy, settings = Spy(), backend.spec.settings
    got = run(backend, layouts, spy)
    assert np.array_equal(got, run(backend, layouts, Baseline()))
    sites = backend.batch(layouts, settings).sites
    text = backend.text_sequence(settings).length
    assert len(spy.notes) == settings.steps * len(sites)
    times = backend.pipe.scheduler.timesteps.tolist()
    for n, call in enumerate(spy.notes):
        assert call.site == sites[n % len(sites)]
        assert call.step == n // len(sites)
        assert call.timestep == pytest.approx(times[call.step])
        assert call.query.shape[0] == len(layouts)
        joint = call.site.order != "image_only"
        assert call.text.stop - call.text.start == (text if joint else 0)
        assert call.image.stop - call.image.start == 64


def test_a_non_finite_result_is_an_error(flux: Any, layouts: list[Layout]) -> None:
    @dataclass(frozen=True)
    class Broken(Method):
        name = "broken"

        def attention(self, batch: Any) -> Any:
            return lambda call: torch.full_like(call.query, torch.nan)

    with pytest.raises(BenchError, match="layout pair, seed 0: the latents .* not finite"):
        run(flux, layouts, Broken())
    assert not any(m._forward_hooks for m in flux.pipe.transformer.modules())


def test_a_phrase_beyond_the_text_encoder_is_named(flux: Any, layouts: list[Layout]) -> None:
    short = replace(flux.spec.settings, max_sequence_length=8)
    with pytest.raises(BenchError, match="'a blue wooden bench'.*8 tokens"):
        flux.generate(layouts[:1], [0], AST.create("all-layers"), short)


def test_unknown_words(flux: Any, sd3: Any) -> None:
    prompt = "a red apple and a Ωmega bench, 猫"
    assert flux.unknown_words(prompt) == ["Ωmega", "猫"]
    assert sd3.unknown_words(prompt) == ["Ωmega", "猫"]
    assert flux.unknown_words("a red apple") == []


def test_sizes_that_do_not_fit_are_refused(backend: Any, layouts: list[Layout]) -> None:
    odd = replace(backend.spec.settings, width=34)
    with pytest.raises(BenchError, match="34x32 must be divisible by 4"):
        backend.generate(layouts, [0, 1], Baseline(), odd)


def test_seeds_must_match(flux: Any, layouts: list[Layout]) -> None:
    with pytest.raises(BenchError, match="2 layouts and 1 seeds"):
        flux.generate(layouts, [0], Baseline(), flux.spec.settings)


def test_digest_follows_the_weights(flux_spec: ModelSpec, tmp_path: Any) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(flux_spec.source, copy)
    spec = replace(flux_spec, source=str(copy))
    assert model_digest(spec) == model_digest(flux_spec)
    (copy / "README.md").write_text("a card")
    assert model_digest(spec) == model_digest(flux_spec)
    weights = next((copy / "vae").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert model_digest(spec) != model_digest(flux_spec)


def test_digest_of_a_pinned_hub_model_needs_no_hub(flux_spec: ModelSpec) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert model_digest(replace(flux_spec, source="who/what", revision=commit)) == commit


def test_bad_models_are_named(flux_spec: ModelSpec, tmp_path: Any) -> None:
    with pytest.raises(BenchError, match="tiny-flux cannot be loaded"):
        load_backend(replace(flux_spec, source=str(tmp_path)))
    with pytest.raises(BenchError, match="model_index.json"):
        model_digest(replace(flux_spec, source=str(tmp_path)))
    with pytest.raises(BenchError, match="did you mean 'flux'"):
        load_backend(replace(flux_spec, family="fluxx"))
    with pytest.raises(BenchError, match="did you mean 'bfloat16'"):
        load_backend(flux_spec, dtype="bfloat")


def test_bfloat16(flux_spec: ModelSpec, layouts: list[Layout]) -> None:
    backend: Any = load_backend(flux_spec, dtype="bfloat16")
    assert backend.pipe.transformer.dtype == torch.bfloat16
    made = run(backend, layouts, AST.create("all-layers"))
    assert made.std() > 0


def test_conditional_rows() -> None:
    text, negative = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    assert conditional_rows(text, text, negative) == slice(0, 2)
    assert conditional_rows(negative, text, negative) is None
    assert conditional_rows(text.clone(), text, negative) == slice(0, 2)
    assert conditional_rows(negative.clone(), text, negative) is None
    assert conditional_rows(torch.cat([negative, text]), text, negative) == slice(2, 4)
    assert conditional_rows(text, text, text.clone()) == slice(0, 2)  # negative = prompt
    same = text.clone()
    assert conditional_rows(same, text, same) is None
    with pytest.raises(BenchError, match="neither"):
        conditional_rows(torch.randn(2, 5, 3), text, negative)
