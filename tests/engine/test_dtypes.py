"""What the types can hold, against torch's own word for it."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from engine import dtypes
from engine.arrays import read_only
from engine.spec import Arithmetic

NAMES: tuple[str, ...] = get_args(Arithmetic)


@pytest.mark.parametrize("name", NAMES)
def test_the_limits_are_those_of_torch(name: str) -> None:
    info = torch.finfo(getattr(torch, name))
    assert dtypes.smallest_normal(name) == info.tiny
    assert dtypes.largest(name) == info.max
    assert dtypes.epsilon(name) == info.eps


@pytest.mark.parametrize("name", NAMES)
def test_half_of_the_smallest_number_is_zero_and_itself_is_not(name: str) -> None:
    number = torch.tensor(dtypes.smallest(name), dtype=torch.float64)
    dtype = getattr(torch, name)
    assert float(number.to(dtype)) == float(number)
    assert float((number / 2).to(dtype)) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_arrays_are_of_the_type_that_is_said(name: str) -> None:
    array = read_only(torch.ones(2, dtype=getattr(torch, name)))
    assert array.dtype == dtypes.array_type(name)
    assert np.finfo(array.dtype).max >= dtypes.largest(name)
