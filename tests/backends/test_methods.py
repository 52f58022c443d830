"""Every method on real pipelines at tiny size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.methods.additive import AdditiveAST
from bench.methods.ast import AST
from bench.methods.base import Method
from bench.methods.baseline import Baseline
from bench.methods.check import check_method
from bench.methods.composite import Composite, paste
from bench.methods.hard_binding import HardBinding
from bench.methods.regional import RegionalPrompting
from bench.methods.taca import TACA
from bench.types import Layout, Needs

METHODS = [AST, AdditiveAST, HardBinding, RegionalPrompting, TACA, Composite, Baseline]


@pytest.fixture(params=["flux", "sd3"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def unguided(backend: Any) -> Any:
    return replace(backend.spec.settings, guidance_scale=1.0, true_cfg_scale=1.0)


def pixels(made: Any) -> np.ndarray:
    return np.stack([np.asarray(m.image) for m in made]).astype(int)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_methods_keep_their_contract(flux: Any, layouts: list[Layout], method: Any) -> None:
    preset = "all-layers" if issubclass(method, AST) else None
    checks = check_method(method, flux, layouts, preset=preset)
    assert len(checks) == 10
    assert [c for c in checks if not c.passed] == []


@pytest.mark.parametrize("method", METHODS[:-1], ids=lambda m: m.name)
def test_methods_change_the_image_on_every_family(
    backend: Any, layouts: list[Layout], method: Any
) -> None:
    settings = unguided(backend)
    base = pixels(backend.generate(layouts, [0, 1], Baseline(), settings))
    made = pixels(backend.generate(layouts, [0, 1], method.create(), settings))
    assert all((a != b).any() for a, b in zip(base, made, strict=True))


def test_a_longer_text_is_refused_where_guidance_is_one_batch(
    sd3: Any, layouts: list[Layout]
) -> None:
    with pytest.raises(BenchError, match="lengthens the text sequence"):
        sd3.generate(layouts, [0, 1], RegionalPrompting(), sd3.spec.settings)


def test_composite_counts_the_passes_of_each_image(flux: Any, layouts: list[Layout]) -> None:
    three = replace(layouts[1], id="three", instances=(*layouts[1].instances,) * 2)
    settings = unguided(flux)
    made = flux.generate([layouts[0], three], [0, 1], Composite(bound_steps=0.5), settings)
    steps = settings.steps
    # Two steps alone for each instance and the background, then two steps together.
    assert [m.passes for m in made] == [3 * steps // 2 + steps // 2, 5 * steps // 2 + steps // 2]


def test_denoising_in_two_stretches_is_denoising(backend: Any, layouts: list[Layout]) -> None:
    """The composite method rests on it: stopping and going on changes nothing."""

    @dataclass(frozen=True)
    class Stretches(Method):
        name = "stretches"

        def generate(self, batch: Any, sampler: Any) -> Any:
            text = sampler.encode([e.prompt for e in batch.layouts])
            latents = sampler.denoise(text, None, sampler.noise(), stop=3)
            return sampler.finish(text, None, latents, start=3)

    settings = backend.spec.settings
    whole = pixels(backend.generate(layouts, [0, 1], Baseline(), settings))
    parts = backend.generate(layouts, [0, 1], Stretches(), settings)
    assert np.abs(whole - pixels(parts)).max() <= 1
    assert parts[0].passes == 2 * settings.steps


def test_paste_takes_each_region_from_its_own_layer() -> None:
    regions = torch.tensor([[1, 0, 0, 0], [0, 0, 1, 0]], dtype=torch.bool)
    packed = [torch.full((4, 2), float(v)) for v in (1, 2, 9)]
    assert paste(packed, regions, (2, 2))[:, 0].tolist() == [1, 9, 2, 9]
    spatial = [torch.full((3, 4, 4), float(v)) for v in (1, 2, 9)]
    out = paste(spatial, regions, (2, 2))
    assert out[0].tolist() == [[1, 1, 9, 9], [1, 1, 9, 9], [2, 2, 9, 9], [2, 2, 9, 9]]


def failed(checks: Any) -> list[str]:
    return [c.name for c in checks if c.passed is False]


def test_broken_methods_are_caught(flux: Any, layouts: list[Layout]) -> None:
    @dataclass(frozen=True)
    class Random(Method):
        name = "random"

        def attention(self, batch: Any) -> Any:
            return lambda call: call.attend() + 0.5 * torch.randn_like(call.query)

    @dataclass(frozen=True)
    class Leaky(Method):
        name = "leaky"

        def attention(self, batch: Any) -> Any:
            block = flux.pipe.transformer.transformer_blocks[0]
            block.register_forward_pre_hook(lambda module, args: None)

    @dataclass(frozen=True)
    class Undeclared(AST):
        name = "undeclared"
        needs = Needs()
        neutral = {"i2t": 0.0}

    @dataclass(frozen=True)
    class Mixing(Method):
        """One sample's output depends on its neighbours."""

        name = "mixing"

        def attention(self, batch: Any) -> Any:
            return lambda call: call.attend().mean(0, keepdim=True).expand(call.query.shape)

    class NotAMethod:
        pass

    assert failed(check_method(Random, flux, layouts))[0] == "deterministic: twice the same"
    assert "a batch equals its samples alone" in failed(check_method(Mixing, flux, layouts))
    found = failed(check_method(Undeclared, flux, layouts, preset="all-layers"))
    assert found == ["zero strength is the baseline to the bit", "declares boxes or masks"]
    assert failed(check_method(Leaky, flux, layouts)) == ["leaves no hook and no changed weight"]
    flux.pipe.transformer.transformer_blocks[0]._forward_pre_hooks.clear()
    not_a_method: Any = NotAMethod
    assert failed(check_method(not_a_method, flux, layouts)) == ["declares a name and its needs"]
