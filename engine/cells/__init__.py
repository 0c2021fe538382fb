"""The recurrent cells. Each is one file that reads like the textbook page.

A fourth cell is a file and an entry in `cell_of`; its names in engine.spec and engine.quantities; torch's module for it
in engine.intake and engine.network; and what it is audited against, in engine.unrolled and engine.rounding, which by
intention use nothing of these files.

Everything works on any leading dimensions: (B, H) for one step, (T, B, H) for all steps at once. An underscore after a
symbol of the equations, h₋, is `before["h"]` in code: the state before the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from engine.cells.gru import GRU
from engine.cells.hold import Hold, as_it_is
from engine.cells.lstm import LSTM
from engine.cells.norm import Norm
from engine.cells.rnn import RNN
from engine.cells.room import Room, Stepper, none_held
from engine.cells.slopes import Slopes
from engine.errors import DataError
from engine.spec import Activation, CellKind

Scan: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(keep, new, initial) → s with s_t = keep_t ⊙ s_{t−1} + new_t; (T, B, H), (T, B, H), (B, H)."""


class Cell(Protocol):
    """What each cell knows. `side` arrays are (..., G, H): the row blocks of the weight matrices, in torch's order.

    v holds the values of a step, and "held_f" (bool, (..., H)) where the gate f is held at a value.
    """

    @property
    def norm(self) -> Norm | None:
        """Layer normalisation of the pre-activations; None: there is none."""

    @property
    def gate_names(self) -> tuple[str, ...]:
        """The pre-activations, one for each row block of the weight matrices."""

    @property
    def state_names(self) -> tuple[str, ...]:
        """What is handed from step to step: "h", and "c" for the LSTM."""

    def gates(self, x_side: Tensor, h_side: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        """Pre-activations and gates from W_ih x + b_ih and W_hh h₋ + b_hh. Each gate passes through `hold`."""

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The states after the step."""

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Total gradients of the states, where d has what reaches them from outside the step and from later steps."""

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Total gradients of gates and pre-activations, from those of the states."""

    def carry(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the step hands back to the states before it past the weights: the carousel, the leak."""

    @property
    def sum_names(self) -> tuple[str, ...]:
        """What a `Room` has instead of both sides: values that W_ih x goes into. W_hh h₋ is added to the first G."""

    @property
    def squashed(self) -> tuple[str, ...]:
        """The gates, in the order that they have in a `Room`."""

    def sums_of(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """What x is multiplied with for all of `sum_names` (S·H, D), and what is added (S·H): both biases."""

    def stepper(self, room: Room) -> Stepper:
        """`gates` and `states` in place, step by step: nothing is allocated. Not with a norm."""

    def replay(
        self, v: Mapping[str, Tensor], h_before: Tensor, initial: Mapping[str, Tensor], scan: Scan
    ) -> dict[str, Tensor]:
        """The states after every step, (T, B, H), where h₋ is known for all of them beforehand; the LSTM's "tanh_c"."""

    def slopes(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Slopes:
        """The step back as one linear map: `join`, `back` and `carry` with everything multiplied out. Not with a norm,
        which mixes the units."""

    @property
    def x_side_names(self) -> tuple[str, ...]:
        """What the blocks of W_ih x + b_ih flow into: the pre-activations, or the sums before a norm."""

    @property
    def h_side_names(self) -> tuple[str, ...]:
        """What the blocks of W_hh h₋ + b_hh flow into: the same, but q for the GRU's candidate."""

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        """∂L/∂(W_ih x + b_ih), (..., G, H)."""

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        """∂L/∂(W_hh h₋ + b_hh), (..., G, H)."""


@runtime_checkable
class SidesAdd(Protocol):
    """A cell whose pre-activations are simply the sums of both sides."""

    def squash(self, s: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        """Pre-activations and gates, from the sum of both sides (..., G, H)."""


@runtime_checkable
class SidesDiffer(Protocol):
    """A cell that treats the state's side by itself: the GRU, where r multiplies it in the candidate."""

    def rest(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gradients of pre-activations that are not on the state's side of the weights, from those that are."""


def cell_of(kind: CellKind, activation: Activation = "tanh", norm: Norm | None = None) -> Cell:
    """The cell of that kind. Raises DataError for an activation that it does not have."""
    if kind == "rnn":
        return RNN(activation, norm)
    if activation != "tanh":
        raise DataError(f"The activation is '{activation}'; the {kind.upper()} has only 'tanh'.")
    return LSTM(norm) if kind == "lstm" else GRU(norm)


__all__ = [
    "GRU", "LSTM", "RNN", "Activation", "Cell", "Hold", "Norm", "Room", "SidesAdd", "SidesDiffer", "Stepper",
    "cell_of", "none_held",
]  # fmt: skip
