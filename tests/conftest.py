"""Shared fixtures: a real FLUX pipeline, tiny and random, and layouts in its vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.types import Box, Instance, Layout

TINY_WORDS = ["a", "red", "blue", "green", "apple", "cat", "dog", "bench", "and", "in", "park"]


def word_tokenizer(words: list[str]) -> Any:
    """A T5-style tokenizer with one token a word: unknown words become <unk>, </s> closes."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {w: i for i, w in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of CPU threads for one test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_flux_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FLUX pipeline of random weights in diffusers format: 32 px, word vocabulary, bench.json."""
    import json

    import torch
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxPipeline,
        FluxTransformer2DModel,
    )
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
        T5Config,
        T5EncoderModel,
    )

    torch.manual_seed(0)
    t5 = word_tokenizer(TINY_WORDS)
    letters = "abcdefghijklmnopqrstuvwxyz,."
    pieces = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    clip = CLIPTokenizer(vocab={w: i for i, w in enumerate(pieces)}, merges=[], model_max_length=24)
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=32,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.1,
            scaling_factor=0.5,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(clip),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=24,
                bos_token_id=clip.bos_token_id,
                eos_token_id=clip.eos_token_id,
            )
        ).eval(),
        tokenizer=clip,
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=len(t5), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
        ).eval(),
        tokenizer_2=t5,
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=16,
            axes_dims_rope=(4, 6, 6),
            guidance_embeds=True,
        ),
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-flux"
    pipeline.save_pretrained(folder)
    card = {
        "settings": {"steps": 2, "max_sequence_length": 16, "true_cfg_scale": 2.0},
        "method_presets": {"ast": "all-layers"},
        "batch_size": 2,
    }
    (folder / "bench.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="session")
def pair_layout() -> Callable[..., Layout]:
    """Makes a layout "a <color> <noun> and a <color> <noun>", left and right."""

    def make(
        name: str,
        first: tuple[str, str] = ("red", "apple"),
        second: tuple[str, str] = ("blue", "bench"),
        category: str = "color",
    ) -> Layout:
        prompt = f"a {first[0]} {first[1]} and a {second[0]} {second[1]}"
        instances = []
        start = 0
        for k, (color, noun) in enumerate((first, second)):
            phrase = f"a {color} {noun}"
            start = prompt.index(phrase, start)
            at = start + 2
            instances.append(
                Instance(
                    phrase=phrase,
                    phrase_span=(start, start + len(phrase)),
                    noun=noun,
                    noun_span=(at + len(color) + 1, start + len(phrase)),
                    attributes=(color,),
                    attribute_spans=((at, at + len(color)),),
                    box=Box(0.05 + 0.5 * k, 0.2, 0.45 + 0.5 * k, 0.8),
                )
            )
            start += len(phrase)
        return Layout(name, prompt, category, tuple(instances))

    return make
