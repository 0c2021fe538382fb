"""Memory that a whole sequence is written into, step by step and in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

Stepper: TypeAlias = Callable[[int], object]
"""Makes step t of the room, from 0. W_hh h₋ has been added to the first G blocks of sums[t] by then."""


def none_held(t: int, gates: str) -> None:
    """Nothing is held."""


@dataclass(frozen=True, eq=False)
class Room:
    """Of T steps, B samples, H units."""

    sums: Tensor
    """(T, B, S, H), by the cell's `sum_names`: first the input's side, then the pre-activations."""
    gates: Tensor
    """(T, n, B, H), by the cell's `squashed`."""
    before: Mapping[str, Tensor]
    """(T, B, H) each: the states before every step."""
    after: Mapping[str, Tensor]
    """And after it: in one array with those before, a step apart."""
    tanh_c: Tensor | None
    """(T, B, H), for the LSTM: what its slopes will need again."""
    operations: Any
    """The module of the elementwise operations that cost least here: NumPy or torch."""
    steps: Callable[[Tensor], Any]
    """How that module sees a tensor's steps."""
    hold: Callable[[int, str], None] = none_held
    """Sets those of these gates that are held to their values, at step t."""
