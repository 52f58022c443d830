"""Fixtures of several files about the pocket models."""

from __future__ import annotations

import pytest


@pytest.fixture
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of four redrawn pictures instead of thousands."""
    from bench.pocket.judges import redrawn

    for name, value in (("SHARD", 2), ("SHARDS", 2), ("PART", 2)):
        monkeypatch.setattr(redrawn, name, value)
