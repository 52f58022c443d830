"""The seam on tiny transformers of every architecture that an adapter knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from bench.attention.seam import AttentionCall, Seam
from bench.attention.sites import ADAPTERS, adapter_for
from bench.errors import BenchError

TEXT, SIDE, BATCH = 5, 4, 2
IMAGE = SIDE * SIDE
Inputs = dict[str, Any]


def flux_ids() -> Inputs:
    side, one = torch.arange(float(SIDE)), torch.zeros(1)
    return {"img_ids": torch.cartesian_prod(one, side, side), "txt_ids": torch.zeros(TEXT, 3)}


def flux() -> tuple[Any, Inputs]:
    model = diffusers.FluxTransformer2DModel(
        in_channels=4,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 6, 6),
    )
    return model, {
        "hidden_states": torch.randn(BATCH, IMAGE, 4),
        "pooled_projections": torch.randn(BATCH, 8),
        "timestep": torch.full((BATCH,), 0.7),
        **flux_ids(),
    }


def sd3() -> tuple[Any, Inputs]:
    model = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=8,
        caption_projection_dim=16,
        pooled_projection_dim=8,
        pos_embed_max_size=8,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    return model, {
        "hidden_states": torch.randn(BATCH, 4, 2 * SIDE, 2 * SIDE),
        "pooled_projections": torch.randn(BATCH, 8),
        "timestep": torch.full((BATCH,), 700.0),
    }


def flux2() -> tuple[Any, Inputs]:
    model = diffusers.Flux2Transformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
    )
    side, one = torch.arange(float(SIDE)), torch.zeros(1)
    return model, {
        "hidden_states": torch.randn(BATCH, IMAGE, 4),
        "timestep": torch.full((BATCH,), 0.7),
        "guidance": torch.full((BATCH,), 3.5),
        "img_ids": torch.cartesian_prod(one, side, side, one),
        "txt_ids": torch.zeros(TEXT, 4),
    }


def chroma() -> tuple[Any, Inputs]:
    model = diffusers.ChromaTransformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        axes_dims_rope=(4, 6, 6),
        approximator_num_channels=8,
        approximator_hidden_dim=16,
        approximator_layers=1,
    )
    return model, {
        "hidden_states": torch.randn(BATCH, IMAGE, 4),
        "timestep": torch.full((BATCH,), 0.7),
        "attention_mask": torch.ones(BATCH, TEXT + IMAGE, dtype=torch.bool),
        **flux_ids(),
    }


def qwen() -> tuple[Any, Inputs]:
    model = diffusers.QwenImageTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        axes_dims_rope=(4, 6, 6),
    )
    mask = torch.ones(BATCH, TEXT, dtype=torch.bool)
    mask[0, -2:] = False
    return model, {
        "hidden_states": torch.randn(BATCH, IMAGE, 4),
        "encoder_hidden_states_mask": mask,
        "timestep": torch.full((BATCH,), 0.7),
        "img_shapes": [[(1, SIDE, SIDE)]] * BATCH,
    }


MODELS: dict[str, Callable[[], tuple[Any, Inputs]]] = {
    "ChromaTransformer2DModel": chroma,
    "Flux2Transformer2DModel": flux2,
    "FluxTransformer2DModel": flux,
    "QwenImageTransformer2DModel": qwen,
    "SD3Transformer2DModel": sd3,
}


@pytest.fixture(params=MODELS, scope="module")
def tiny(request: pytest.FixtureRequest) -> tuple[Any, Inputs]:
    torch.manual_seed(0)
    model, inputs = MODELS[request.param]()
    inputs["encoder_hidden_states"] = torch.randn(BATCH, TEXT, 8)
    return model.eval(), inputs


def run(model: Any, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        return model(**inputs, return_dict=False)[0]


def seam(model: Any, update: Any, rows: Any = slice(0, BATCH)) -> Seam:
    return Seam(model, update, conditional=lambda seen: rows, steps=3, timestep=lambda s: 900.0 - s)


def hooks(model: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_every_adapter_is_tested() -> None:
    assert set(MODELS) == set(ADAPTERS)


def test_untouched_where_the_method_declines(tiny: tuple[Any, Inputs]) -> None:
    model, inputs = tiny
    before = run(model, inputs)
    with seam(model, lambda call: None):
        assert torch.equal(run(model, inputs), before)
    assert torch.equal(run(model, inputs), before)
    assert hooks(model) == 0


def test_the_models_own_attention_is_reproduced(tiny: tuple[Any, Inputs]) -> None:
    model, inputs = tiny
    before = run(model, inputs)
    with seam(model, lambda call: call.attend()):
        torch.testing.assert_close(run(model, inputs), before)


def test_every_site_is_offered_once_in_order(tiny: tuple[Any, Inputs]) -> None:
    model, inputs = tiny
    calls: list[AttentionCall] = []
    with seam(model, calls.append) as opened:
        opened.step = 2
        run(model, inputs)
    assert [c.site for c in calls] == list(opened.sites) == list(adapter_for(model).sites(model))
    assert all(c.step == 2 and c.steps == 3 and c.timestep == 898.0 for c in calls)
    assert {c.site.layers for c in calls} == {calls[-1].site.layer}


def test_text_and_image_tokens_stand_where_the_adapter_says(tiny: tuple[Any, Inputs]) -> None:
    """A site's values change in the text part when the text changes, and only there."""
    model, inputs = tiny

    def first(changed: Inputs) -> dict[str, AttentionCall]:
        calls: dict[str, AttentionCall] = {}
        with seam(model, lambda c: calls.update({c.site.name: c})):
            run(model, {**inputs, **changed})
        return calls

    base = first({})
    text = first({"encoder_hidden_states": torch.randn(BATCH, TEXT, 8)})
    image = first({"hidden_states": torch.randn_like(inputs["hidden_states"])})
    name = next(iter(base))
    a, t, i = base[name], text[name], image[name]
    assert (a.text.stop - a.text.start, a.image.stop - a.image.start) == (TEXT, IMAGE)
    assert torch.equal(a.value[:, :, a.image], t.value[:, :, t.image])
    assert torch.equal(a.value[:, :, a.text], i.value[:, :, i.text])
    assert (a.value[:, :, a.text] != t.value[:, :, t.text]).any()
    assert (a.value[:, :, a.image] != i.value[:, :, i.image]).any()
    for call in base.values():
        width = call.key.shape[2]
        assert width == (IMAGE if call.site.order == "image_only" else TEXT + IMAGE)


def test_only_the_conditional_rows_change(tiny: tuple[Any, Inputs]) -> None:
    model, inputs = tiny
    before = run(model, inputs)

    def zero(call: AttentionCall) -> Tensor:
        assert call.query.shape[0] == 1
        return torch.zeros_like(call.query)

    with seam(model, zero, slice(1, 2)):
        after = run(model, inputs)
    torch.testing.assert_close(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 1e-4
    with seam(model, zero, None):
        assert torch.equal(run(model, inputs), before)


def test_the_models_mask_reaches_the_method() -> None:
    torch.manual_seed(0)
    model, inputs = qwen()
    inputs["encoder_hidden_states"] = torch.randn(BATCH, TEXT, 8)
    masks: list[Tensor] = []
    with seam(model.eval(), lambda c: masks.append(c.mask), slice(0, 1)):
        run(model, inputs)
    assert masks[0].shape == (1, 1, 1, TEXT + IMAGE)
    assert (~masks[0]).nonzero()[:, -1].tolist() == [TEXT - 2, TEXT - 1]


def test_an_exception_leaves_no_trace(tiny: tuple[Any, Inputs]) -> None:
    model, inputs = tiny
    before = run(model, inputs)

    def fail(call: AttentionCall) -> None:
        if call.site.index == 1:
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), seam(model, fail):
        run(model, inputs)
    assert hooks(model) == 0
    assert torch.overrides._get_current_function_mode_stack() == []
    assert torch.equal(run(model, inputs), before)


def test_an_attention_that_is_not_seen_is_an_error() -> None:
    class Silent:
        """Attends without the function that the seam watches."""

        def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
            return torch.zeros_like(hidden_states)

    torch.manual_seed(0)
    model, inputs = flux()
    inputs["encoder_hidden_states"] = torch.randn(BATCH, TEXT, 8)
    model.single_transformer_blocks[1].attn.set_processor(Silent())
    problem = r"1 of 4 attentions .* \(first: single_transformer_blocks.1.attn\)"
    with pytest.raises(BenchError, match=problem), seam(model, lambda call: None):
        run(model, inputs)
    assert hooks(model) == 0


def test_a_wrong_shape_is_an_error() -> None:
    torch.manual_seed(0)
    model, inputs = flux()
    inputs["encoder_hidden_states"] = torch.randn(BATCH, TEXT, 8)
    problem = "transformer_blocks.0.attn: the method returned shape"
    with pytest.raises(BenchError, match=problem), seam(model, lambda c: c.query[..., :1, :]):
        run(model, inputs)


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(BenchError, match="unknown transformer 'Linear'"):
        adapter_for(torch.nn.Linear(1, 1))


def count(model: Any, order: str) -> int:
    return sum(s.order == order for s in adapter_for(model).sites(model))


def test_sites_of_the_real_configurations() -> None:
    """Shapes only, on the meta device."""
    with torch.device("meta"):
        dev = diffusers.FluxTransformer2DModel(guidance_embeds=True)
        medium = diffusers.SD3Transformer2DModel(
            num_layers=24,
            num_attention_heads=24,
            attention_head_dim=64,
            caption_projection_dim=1536,
            pos_embed_max_size=384,
            dual_attention_layers=tuple(range(13)),
            qk_norm="rms_norm",
        )
        large = diffusers.SD3Transformer2DModel(
            num_layers=38,
            num_attention_heads=38,
            attention_head_dim=64,
            caption_projection_dim=2432,
            pos_embed_max_size=192,
            qk_norm="rms_norm",
        )
    sites = adapter_for(dev).sites(dev)
    assert [s.stream for s in sites] == ["double"] * 19 + ["single"] * 38
    assert [s.layer for s in sites] == list(range(1, 58))
    assert (count(medium, "image_first"), count(medium, "image_only")) == (24, 13)
    layers = [s.layer for s in adapter_for(medium).sites(medium) if s.order == "image_only"]
    assert layers == list(range(1, 14))
    assert (count(large, "image_first"), count(large, "image_only")) == (38, 0)
