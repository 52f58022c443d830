"""flex_attention gives what the blocked kernel gives, where it compiles."""

from __future__ import annotations

import shutil

import pytest
import torch

from bench.attention.flex import flex_reweighted, log_sums
from bench.attention.kernel import reweighted_attention
from bench.attention.tuning import Quadrant, Tuning


def test_log_sums() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 2, 3, 7, 16)
    expected = (q @ k.transpose(-1, -2) / 4).logsumexp(-1)
    torch.testing.assert_close(log_sums(q, k, None), expected)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_equals_the_blocked_kernel() -> None:
    torch.manual_seed(0)
    text, image = 8, 24
    q, k, v = torch.randn(3, 2, 2, text + image, 16)
    bits = torch.randint(0, 8, (2, text + image))
    strength = torch.rand(2, text + image) * 5
    at_text, at_image = slice(0, text), slice(text, text + image)
    words = Quadrant(at_text, strength[:, at_text], bits[:, at_text], bits[:, at_text], True)
    cross = Quadrant(at_text, strength[:, at_image], bits[:, at_image], bits[:, at_text])
    region = Quadrant(at_image, strength[:, at_image] / 2, bits[:, at_image], bits[:, at_image])
    for rows, parts in ((at_text, [words]), (at_image, [cross, region])):
        try:
            got = flex_reweighted(q[:, :, rows], k, v, Tuning.of(parts))
        except Exception as error:
            if "InductorError" in type(error).__name__ or "not supported" in str(error):
                pytest.skip(f"flex_attention does not compile here: {error}")
            raise
        expected = reweighted_attention(q[:, :, rows], k, v, Tuning.of(parts))
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
