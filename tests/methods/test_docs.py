"""The template in the documentation works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.methods.base import Batch, Method

PAGE = Path(__file__).parents[2] / "docs" / "own-method.md"


def test_the_template_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code is not None
    (tmp_path / "my_module.py").write_text(code.group(1))
    monkeypatch.syspath_prepend(tmp_path)
    import my_module  # type: ignore[import-not-found]

    assert sys.modules["my_module"] is my_module
    target: Any = my_module.OwnRegion
    assert issubclass(target, Method)
    made = target.create(None, {"strength": 1})
    assert made.args == {"strength": 1.0} and target.create(None, made.args) == made

    class OneRegion:
        regions = (torch.eye(4).bool().view(4, 2, 2).numpy(),)

    batch: Batch = OneRegion()  # type: ignore[assignment]
    assert target(strength=0.0).attention(batch) is None
    assert callable(made.attention(batch))
