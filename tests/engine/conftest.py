"""What several modules are given."""

from __future__ import annotations

import pytest
from captured_again import Again
from fast_layers import of_torch

from engine.fast import backwards, captured, chain, forwards, scan
from engine.fast.captured import Captures


@pytest.fixture
def how(monkeypatch: pytest.MonkeyPatch) -> Again:
    """What captures on the CPU, with the road that the steps take on a GPU: torch's operations, not NumPy's."""
    for module in (forwards, backwards, chain, scan):
        monkeypatch.setattr(module, "arrays", of_torch)
    monkeypatch.setattr(chain, "SMALL", 0)
    monkeypatch.setattr(captured, "CAPTURES", Captures())
    return Again()
