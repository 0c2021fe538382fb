"""Memory that a whole sequence is written into, step by step and in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from torch import Tensor

Stepper: TypeAlias = Callable[[int], object]
"""Makes step t of the room, from 0. W_hh h₋ has been added to the first G blocks of sums[t] by then."""
Scan: TypeAlias = Callable[[Tensor, Tensor], object]
"""(keep, new): puts c_t = keep_t ⊙ c_{t−1} + new_t in the place of new, (T, B, H) each, from the initial c on."""


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
    """The elementwise operations that cost least here, NumPy's or torch's, (a, b, out) each."""
    steps: Callable[[Tensor], Any]
    """What they take of a tensor: its steps."""
    hold: Callable[[int, str], None] = none_held
    """Sets those of these gates that are held to their values, at step t."""

    def part(self, steps: slice) -> Room:
        return replace(
            self,
            sums=self.sums[steps],
            gates=self.gates[steps],
            before={s: state[steps] for s, state in self.before.items()},
            after={s: state[steps] for s, state in self.after.items()},
            tanh_c=None if self.tanh_c is None else self.tanh_c[steps],
        )
