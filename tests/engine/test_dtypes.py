"""What the arithmetics can hold is what torch says of them."""

from __future__ import annotations

import pytest
import torch

from engine import dtypes


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
def test_the_ends_of_a_type_are_torchs(name: str) -> None:
    info = torch.finfo(getattr(torch, name))
    assert dtypes.epsilon[name] == info.eps
    assert dtypes.smallest_normal[name] == info.smallest_normal
    assert dtypes.largest[name] == info.max
