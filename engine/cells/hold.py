"""Holding a gate at a value: what a cell asks for each gate that it has made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

Hold: TypeAlias = Callable[[str, Tensor], Tensor]
"""(gate, its values (..., H)) → what the step goes on with."""


def as_it_is(gate: str, value: Tensor) -> Tensor:
    """Nothing is held."""
    return value
