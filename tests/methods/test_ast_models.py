"""AST in the real models' depth at small width: which attentions it tunes."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from bench.attention.seam import AttentionCall, Seam
from bench.attention.sites import adapter_for
from bench.attention.tokens import TextSegment, TextSequence
from bench.methods.ast import AST, published_windows
from bench.methods.base import Batch
from bench.types import Box, Instance, Layout

PROMPT = "a red refrigerator and a fluffy umbrella on a beach"
LAYOUT = Layout(
    id="x",
    prompt=PROMPT,
    category="color",
    instances=(
        Instance(
            "a red refrigerator", (0, 18), "refrigerator", (6, 18), ("red",), ((2, 5),),
            Box(0, 0, 0.5, 1),
        ),
        Instance(
            "a fluffy umbrella", (23, 40), "umbrella", (32, 40), ("fluffy",), ((25, 31),),
            Box(0.5, 0.5, 1, 1),
        ),
    ),
    background_span=(44, 51),
)  # fmt: skip
SIDE, TEXT = 4, 48


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """Unigram with marked word starts, as T5's, so small that words split."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([PROMPT] * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def flux_dev() -> tuple[Any, dict[str, Any]]:
    model = diffusers.FluxTransformer2DModel(
        in_channels=4,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 2, 2),
    )
    side, one = torch.arange(float(SIDE)), torch.zeros(1)
    return model, {
        "hidden_states": torch.randn(1, SIDE * SIDE, 4),
        "pooled_projections": torch.randn(1, 8),
        "timestep": torch.full((1,), 0.9),
        "img_ids": torch.cartesian_prod(one, side, side),
        "txt_ids": torch.zeros(TEXT, 3),
    }


def sd35(layers: int, dual: int) -> tuple[Any, dict[str, Any]]:
    model = diffusers.SD3Transformer2DModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        num_layers=layers,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=8,
        caption_projection_dim=8,
        pooled_projection_dim=8,
        pos_embed_max_size=8,
        dual_attention_layers=tuple(range(dual)),
        qk_norm="rms_norm",
    )
    return model, {
        "hidden_states": torch.randn(1, 4, 2 * SIDE, 2 * SIDE),
        "pooled_projections": torch.randn(1, 8),
        "timestep": torch.full((1,), 900.0),
    }


MODELS = {
    "flux-dev": (flux_dev, "flux-published", 57),
    "sd3.5-medium": (lambda: sd35(24, 13), "sd3.5-fractions", 24),
    "sd3.5-large": (lambda: sd35(38, 0), "sd3.5-fractions", 38),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_tuned_sites_are_the_windows(name: str, tokenizer: Any) -> None:
    torch.manual_seed(0)
    make, preset, layers = MODELS[name]
    model, inputs = make()
    inputs["encoder_hidden_states"] = torch.randn(1, TEXT, 8)
    batch = Batch(
        layouts=(LAYOUT,),
        sequence=TextSequence((TextSegment(tokenizer, 0, TEXT),)),
        grid=(SIDE, SIDE),
        sites=adapter_for(model).sites(model),
        steps=2,
        device=torch.device("cpu"),
    )
    words = batch.tokens[0].instances[0].instance
    assert len(words) > 2  # "a" and a refrigerator in pieces
    update = AST.create(preset).attention(batch)
    assert update is not None
    tuned: dict[str, bool] = {}

    def watch(call: AttentionCall) -> Tensor | None:
        out = update(call)
        tuned[call.site.name] = out is not None
        if out is not None:
            assert torch.isfinite(out).all()
            torch.testing.assert_close(out, call.attend(), atol=2.0, rtol=0)
        return out

    def run() -> Tensor:
        with torch.no_grad():
            return model(**inputs, return_dict=False)[0]

    before = run()
    seam = Seam(
        model, watch, conditional=lambda seen: slice(0, 1), steps=2, timestep=lambda step: 900.0
    )
    with seam:
        after = run()
    windows = published_windows(layers)
    joint = [s for s in batch.sites if s.order != "image_only"]
    assert [tuned[s.name] for s in joint] == [bool(w) for w in windows]
    assert not any(tuned[s.name] for s in batch.sites if s.order == "image_only")
    assert (after != before).any()
    assert torch.equal(run(), before)
