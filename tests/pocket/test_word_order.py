"""Whether pocket-flux reads which colour belongs to which noun."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("diffusers")
import torch  # noqa: E402
from diffusers import FluxPipeline  # noqa: E402

from bench.models import POCKET_MODELS  # noqa: E402
from bench.pocket.word_order import captions_told_apart, scenes_to_tell  # noqa: E402
from bench.pocket.world.vocabulary import COLORS  # noqa: E402


def test_only_the_colours_change_places():
    for scene, swapped in scenes_to_tell("test", 20):
        first, second = (t.color for t in scene.instances)
        words = scene.caption.split()
        changed = [
            (a, b) for a, b in zip(words, swapped.split(), strict=True) if a != b and a in COLORS
        ]
        assert sorted(changed) == sorted([(first, second), (second, first)])


def test_the_shipped_model_reads_the_order_and_one_that_cannot_is_found_out(tmp_path, threads):
    threads(1)
    shipped = POCKET_MODELS / "pocket-flux"
    assert np.mean(captions_told_apart(shipped, 48)) >= 0.65
    pipe = FluxPipeline.from_pretrained(shipped)
    attention = pipe.text_encoder_2.encoder.block
    with torch.no_grad():
        for block in attention:  # without attention T5 sees every word alone
            block.layer[0].SelfAttention.o.weight.zero_()
    pipe.save_pretrained(tmp_path / "deaf")
    assert 0.25 <= np.mean(captions_told_apart(tmp_path / "deaf", 48)) <= 0.75
