"""Tiny pipelines with random weights, of the real classes, saved as folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.types import Box, GenerationSettings, Instance, Layout, ModelSpec

CORPUS = [
    "a red apple and a blue wooden bench in a park",
    "two cats on a table with a dog near a yellow umbrella",
    "a green fluffy bear to the left of a metallic refrigerator",
]


def unigram_tokenizer(size: int = 120) -> Any:
    """A sub-word tokenizer in T5's manner: Unigram, word starts marked, closing </s>."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def clip_tokenizer(length: int) -> Any:
    """CLIP's own tokenizer class over single letters."""
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz,."
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {w: i for i, w in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length)


def vae(channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=32,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1,
        scaling_factor=0.5,
    )


def t5_encoder(vocabulary: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    return T5EncoderModel(config).eval()


def clip_encoder(tokenizer: Any, projection: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    cls = CLIPTextModelWithProjection if projection else CLIPTextModel
    return cls(config).eval()


@pytest.fixture(scope="session")
def flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(0)
    t5, clip = unigram_tokenizer(), clip_tokenizer(24)
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 6, 6),
        guidance_embeds=True,
    )
    pipe = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae(4),
        text_encoder=clip_encoder(clip, projection=False),
        tokenizer=clip,
        text_encoder_2=t5_encoder(len(t5)),
        tokenizer_2=t5,
        transformer=transformer,
    )
    folder = tmp_path_factory.mktemp("tiny-flux")
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sd3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    torch.manual_seed(0)
    t5, clip = unigram_tokenizer(), clip_tokenizer(77)
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
        dual_attention_layers=(0, 1),
        qk_norm="rms_norm",
    )
    pipe = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(4),
        text_encoder=clip_encoder(clip, projection=True),
        tokenizer=clip,
        text_encoder_2=clip_encoder(clip, projection=True),
        tokenizer_2=clip,
        text_encoder_3=t5_encoder(len(t5)),
        tokenizer_3=t5,
        transformer=transformer,
    )
    folder = tmp_path_factory.mktemp("tiny-sd3")
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def flux_spec(flux_folder: Path) -> ModelSpec:
    settings = GenerationSettings(
        steps=4, height=32, width=32, true_cfg_scale=2.0, max_sequence_length=40
    )
    return ModelSpec("tiny-flux", "flux", str(flux_folder), settings)


@pytest.fixture(scope="session")
def sd3_spec(sd3_folder: Path) -> ModelSpec:
    settings = GenerationSettings(
        steps=4, height=32, width=32, guidance_scale=4.0, max_sequence_length=32
    )
    return ModelSpec("tiny-sd3", "sd3", str(sd3_folder), settings)


@pytest.fixture(scope="session")
def flux(flux_spec: ModelSpec) -> Any:
    from bench.backends import load_backend

    return load_backend(flux_spec)


@pytest.fixture(scope="session")
def sd3(sd3_spec: ModelSpec) -> Any:
    from bench.backends import load_backend

    return load_backend(sd3_spec)


def instance(
    prompt: str, phrase: str, noun: str, attributes: tuple[str, ...], box: Box
) -> Instance:
    start = prompt.index(phrase)

    def span(word: str) -> tuple[int, int]:
        at = prompt.index(word, start)
        return at, at + len(word)

    return Instance(
        phrase=phrase,
        phrase_span=(start, start + len(phrase)),
        noun=noun,
        noun_span=span(noun),
        attributes=attributes,
        attribute_spans=tuple(span(a) for a in attributes),
        box=box,
    )


@pytest.fixture(scope="session")
def layouts() -> list[Layout]:
    """Two instances with a background, and one plural phrase for two."""
    one = "a red apple and a blue wooden bench in a park"
    two = "two cats on a table"
    left, right = Box(0, 0, 0.5, 1), Box(0.5, 0.25, 1, 1)
    park = one.index("a park")
    return [
        Layout(
            id="pair",
            prompt=one,
            category="color",
            instances=(
                instance(one, "a red apple", "apple", ("red",), left),
                instance(one, "a blue wooden bench", "bench", ("blue", "wooden"), right),
            ),
            background_span=(park, park + len("a park")),
        ),
        Layout(
            id="plural",
            prompt=two,
            category="numeracy",
            instances=(
                instance(two, "two cats", "cats", (), left),
                instance(two, "two cats", "cats", (), right),
            ),
        ),
    ]
