"""Judges of the real classes at tiny size, with random weights."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from PIL import Image

from bench.types import Box, Instance, Layout

# A loaded machine draws slowly; that is no fault of the strategies.
hypothesis_settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("patient")

WORDS = [
    "a", "an", "the", "two", "red", "blue", "green", "yellow", "dog", "cat", "apple", "bus",
    "car", "chair", "and", "on", "left", "of", "right", "top", "is", "with", "?", ".", ",",
    "yes", "no", "wooden", "big", "front", "in",
]  # fmt: skip


def save_blip(folder, *, seed=0, image_size=32, vocabulary=WORDS):
    """A random BLIP for questions with its tokenizer and preprocessor."""
    import torch
    from transformers import (
        BertTokenizerFast,
        BlipConfig,
        BlipForQuestionAnswering,
        BlipImageProcessorPil,
    )

    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
    words = [*special, *vocabulary]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(
        vocab={w: k for k, w in enumerate(words)}, vocab_file=str(folder / "vocab.txt")
    )
    torch.manual_seed(seed)
    config = BlipConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": 32, "encoder_hidden_size": 32,
            "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": 64, "bos_token_id": 5, "sep_token_id": 3,
            "pad_token_id": 0, "eos_token_id": 3, "projection_dim": 16,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "image_size": image_size, "patch_size": 8,
        },
    )  # fmt: skip
    model = BlipForQuestionAnswering(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:  # the library's start values give every question one answer
                parameter.mul_(6)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": image_size, "width": image_size}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def blip_folder(tmp_path_factory):
    return save_blip(tmp_path_factory.mktemp("judges") / "tiny-blip")


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A random open_clip CLIP whose tokenizer is a BERT one from the same folder."""
    import open_clip
    import torch
    from safetensors.torch import save_file
    from transformers import BertTokenizerFast

    folder = tmp_path_factory.mktemp("judges") / "tiny-clip"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[MASK]", *WORDS, "[SEP]"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(
        vocab={w: k for k, w in enumerate(words)}, vocab_file=str(folder / "vocab.txt")
    ).save_pretrained(folder)
    model_cfg = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16,
                       "patch_size": 8},
        "text_cfg": {"context_length": 24, "vocab_size": len(words), "width": 32, "heads": 2,
                     "layers": 2, "hf_tokenizer_name": "local", "pool_type": "argmax"},
    }  # fmt: skip
    torch.manual_seed(0)
    model = open_clip.CLIP(**model_cfg)
    (folder / "open_clip_config.json").write_text(
        json.dumps(
            {"model_cfg": model_cfg, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
        )
    )
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def pictures():
    """Six random images of different sizes."""
    rng = np.random.default_rng(0)
    sizes = [(40, 40), (32, 48), (64, 64), (20, 30), (128, 128), (33, 31)]
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def layout_of(prompt, things, relations=(), category="color"):
    """A layout from (phrase, noun, attributes, box) in the prompt's order."""
    instances = []
    for phrase, noun, attributes, box in things:
        start = prompt.index(phrase)
        at = prompt.index(noun, start)
        instances.append(
            Instance(
                phrase=phrase,
                phrase_span=(start, start + len(phrase)),
                noun=noun,
                noun_span=(at, at + len(noun)),
                attributes=tuple(attributes),
                attribute_spans=tuple(
                    (prompt.index(a, start), prompt.index(a, start) + len(a)) for a in attributes
                ),
                box=Box(*box),
            )
        )
    return Layout("l1", prompt, category, tuple(instances), tuple(relations))


@pytest.fixture(scope="session")
def make_layout():
    return layout_of


@pytest.fixture(scope="session")
def make_blip():
    return save_blip


class Blind:
    """A detector that knows every noun and finds nothing."""

    identity = {"name": "blind", "digest": "none"}  # noqa: RUF012

    def class_of(self, noun):
        return noun

    def detect(self, images, labels):
        return [[] for _ in images]


@pytest.fixture(scope="session")
def blind_detector():
    return Blind()
