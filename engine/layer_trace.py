"""What is recorded of one recurrent layer: every value and every total gradient, self-contained and immutable.

Shapes: T steps, B samples, D inputs, H units, G row blocks of the weights. Time first, in the order of the sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine import bptt
from engine.cells import Activation, Cell, cell_of
from engine.errors import DataError
from engine.given import whole
from engine.precision import arithmetic
from engine.quantities import QUANTITIES
from engine.shares import share_norms
from engine.spec import CellKind

if TYPE_CHECKING:
    from engine.requests import Audit

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One layer, one direction. Made by `engine.trace`; from plain tensors by `LayerTrace.from_parts`."""

    cell: CellKind
    activation: Activation
    x: Tensor
    """(T, B, D): what the layer was given."""
    weights: Tensors
    """Snapshots of "weight_ih" (G·H, D), "weight_hh" (G·H, H) and, where the layer has them, "bias_ih", "bias_hh"."""
    initial: Tensors
    """{"h": (B, H)} and, for the LSTM, "c": the states before step 1."""
    values: Tensors
    """(T, B, H) each, by symbol (engine.quantities): "f", "a_f". "h" and "c" are AFTER step t."""
    output_grads: Tensor
    """(T, B, H): e_t, the direct ∂L/∂h_t, without recurrence."""
    final_grads: Tensors
    """(B, H) each: what reaches the last states from later steps. Zeros for a whole sequence."""
    grads: Tensors
    """(T, B, H) each: TOTAL ∂L/∂(value), every path counted; the keys of `values`."""
    initial_grads: Tensors
    """(B, H) each: ∂L/∂(state before step 1). In a window: as far as it comes through the steps of the window."""

    def __post_init__(self) -> None:
        # Views of the mappings: what comes later (engine.later) stays where it is.
        for part in ("weights", "initial", "values", "final_grads", "grads", "initial_grads"):
            object.__setattr__(self, part, MappingProxyType(getattr(self, part)))

    @classmethod
    def from_parts(
        cls,
        cell: CellKind,
        activation: Activation,
        x: Tensor,
        weights: Tensors,
        initial: Tensors,
        values: Tensors,
        output_grads: Tensor,
        final_grads: Tensors | None = None,
        grads: Tensors | None = None,
        initial_grads: Tensors | None = None,
    ) -> LayerTrace:
        """From plain tensors, as they come out of a file. They are taken as they are, without a copy.

        Needed are x, the weights, the initial states, every value and `output_grads`. `final_grads` is zero where it
        is missing. Where `grads` or `initial_grads` is missing, BPTT computes both; where both are given they are kept
        as given, and `audit()` tells whether they are right. Parameter gradients, shares and the input's gradient
        always follow from the rest. Raises DataError where a part is missing or has the wrong shape or type.
        """
        rules = cell_of(cell, activation)
        symbols = [q.symbol for q in QUANTITIES[cell]]
        _check_layer(rules, x, weights)
        T, B, H = len(x), x.shape[1], weights["weight_hh"].shape[1]
        _check_all("initial", initial, rules.state_names, (B, H), x)
        _check_all("values", values, symbols, (T, B, H), x)
        _check_all("output_grads", {"h": output_grads}, ["h"], (T, B, H), x)
        if final_grads is None:
            final_grads = {s: torch.zeros_like(initial[s]) for s in rules.state_names}
        _check_all("final_grads", final_grads, rules.state_names, (B, H), x)
        if grads is not None and initial_grads is not None:
            _check_all("grads", grads, symbols, (T, B, H), x)
            _check_all("initial_grads", initial_grads, rules.state_names, (B, H), x)
        else:
            with arithmetic(x):
                back = bptt.backward(rules, values, initial, weights["weight_hh"], output_grads, final_grads)
            grads, initial_grads = back.grads, back.initial
        return cls(cell, activation, x, weights, initial, values, output_grads, final_grads, grads, initial_grads)

    @property
    def rules(self) -> Cell:
        """The cell's equations."""
        return cell_of(self.cell, self.activation)

    @property
    def steps(self) -> int:
        return len(self.x)

    @property
    def batch_size(self) -> int:
        return self.x.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.weights["weight_hh"].shape[1]

    @cached_property
    def before(self) -> Tensors:
        """(T, B, H) each: the states that each step starts from."""
        return MappingProxyType(bptt.states_before(self.rules, self.values, self.initial))

    @cached_property
    def weight_grads(self) -> Tensors:
        """What loss.backward() would leave in .grad, by the keys of `weights`. In a window: its own steps' part."""
        with arithmetic(self.x):
            bias = "bias_ih" in self.weights
            return MappingProxyType(bptt.weight_grads(self.rules, self.grads, self.x, self.before["h"], bias))

    @cached_property
    def input_grad(self) -> Tensor:
        """(T, B, D): ∂L/∂x."""
        with arithmetic(self.x):
            return self.rules.x_side(self.grads).flatten(-2) @ self.weights["weight_ih"]

    def weight_grad_share(self, name: str) -> Tensor:
        """(T,) float64: Frobenius norm of what each step contributes to `weight_grads[name]`. Raises DataError."""
        if name not in self.weights:
            raise DataError(f"'{name}' is no parameter of this layer; it has {', '.join(self.weights)}.")
        with arithmetic(self.x):
            side = (self.rules.x_side if name.endswith("_ih") else self.rules.h_side)(self.grads).flatten(-2)
            if name.startswith("bias"):
                return share_norms(side, torch.ones_like(side[..., :1]))
            return share_norms(side, self.x if name == "weight_ih" else self.before["h"])

    def window(self, t0: int, t1: int) -> LayerTrace:
        """Steps t0 … t1, from 1, both included, as a trace of its own. Raises DataError."""
        t0, t1 = whole("t0", t0), whole("t1", t1)
        if not 1 <= t0 <= t1 <= self.steps:
            raise DataError(f"The window {t0} … {t1} is outside the trace; steps 1 to {self.steps} are recorded.")
        stretch = slice(t0 - 1, t1)

        def cut(arrays: Tensors) -> Tensors:
            return {name: array[stretch] for name, array in arrays.items()}

        rules = self.rules
        with arithmetic(self.x):
            final = self.final_grads if t1 == self.steps else self._handed_back(t1)
            first = self.initial_grads if t0 == 1 else self._handed_back(t0 - 1)
        return LayerTrace(
            self.cell,
            self.activation,
            self.x[stretch],
            self.weights,
            {s: self.before[s][t0 - 1] for s in rules.state_names},
            cut(self.values),
            self.output_grads[stretch],
            final,
            cut(self.grads),
            first,
        )

    def _handed_back(self, index: int) -> Tensors:
        """What step `index` (from 0) hands back to the states before it."""
        step = {name: grad[index] for name, grad in self.grads.items()}
        values = {name: value[index] for name, value in self.values.items()}
        return bptt.handed_back(self.rules, values, step, self.weights["weight_hh"])

    def audit(self) -> Audit:
        """Error against autograd, quantity by quantity, computed afresh (engine.audit)."""
        from engine.audit import audit_layer

        return audit_layer(self)


def _check_layer(rules: Cell, x: Tensor, weights: Tensors) -> None:
    if x.dim() != 3 or 0 in x.shape:
        raise DataError(f"x has shape {tuple(x.shape)}; (time, batch, feature) is accepted, none of them 0.")
    if "weight_hh" not in weights or weights["weight_hh"].dim() != 2:
        raise DataError("The weights have no matrix weight_hh; (gates · hidden, hidden) is needed.")
    H = weights["weight_hh"].shape[1]
    rows = len(rules.gate_names) * H
    biases = [name for name in ("bias_ih", "bias_hh") if "bias_ih" in weights or "bias_hh" in weights]
    _check_all("weights", weights, ["weight_ih"], (rows, x.shape[2]), x)
    _check_all("weights", weights, ["weight_hh"], (rows, H), x)
    _check_all("weights", weights, biases, (rows,), x)


def _check_all(
    part: str, found: Tensors, names: list[str] | tuple[str, ...], shape: tuple[int, ...], x: Tensor
) -> None:
    for name in names:
        if name not in found:
            raise DataError(f"The trace has no {part}.{name}; shape {shape} is needed.")
        array = found[name]
        if tuple(array.shape) != shape or array.dtype != x.dtype:
            raise DataError(f"{part}.{name} is {tuple(array.shape)} of {array.dtype}; {shape} of {x.dtype} is needed.")
