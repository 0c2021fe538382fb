"""The forward pass of one recurrent layer, and backpropagation through time, by the rules of engine.cells.

Shapes: T steps, B samples, D inputs, H units, G row blocks of the weight matrices (the gates). Time comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from engine import fast
from engine.cells import Cell
from engine.later import Later
from engine.precision import arithmetic

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Backward:
    grads: Tensors
    """Total gradients of states, gates and pre-activations, (T, B, H)."""
    initial: dict[str, Tensor]
    """Of the states before step 1, (B, H)."""


def blocks(side: Tensor, cell: Cell) -> Tensor:
    """(..., G·H) → (..., G, H)."""
    return side.view(*side.shape[:-1], len(cell.gate_names), -1)


def states_before(cell: Cell, values: Tensors, initial: Tensors) -> dict[str, Tensor]:
    """The states that each step starts from, (T, B, H): the initial ones, then those of the step before."""
    return {s: torch.cat([initial[s].unsqueeze(0), values[s][:-1]]) for s in cell.state_names}


def forward(cell: Cell, kernel: str, x: Tensor, weights: Tensors, initial: Tensors) -> dict[str, Tensor]:
    """Every activation and state, (T, B, H) each. x (T, B, D), initial (B, H); `kernel` is torch's: "lstm"."""
    quick = fast.forward(cell, kernel, x, weights, initial)
    return forward_stepwise(cell, x, weights, initial) if quick is None else quick


def forward_stepwise(cell: Cell, x: Tensor, weights: Tensors, initial: Tensors) -> dict[str, Tensor]:
    """The same, one step after the other, in the order of torch's own cells."""
    state = dict(initial)
    steps = []
    for x_t in x:
        x_side = blocks(linear(x_t, weights["weight_ih"], weights.get("bias_ih")), cell)
        h_side = blocks(linear(state["h"], weights["weight_hh"], weights.get("bias_hh")), cell)
        v = cell.gates(x_side, h_side)
        state = cell.states(v, state)
        steps.append(v | state)
    return {name: torch.stack([v[name] for v in steps]) for name in steps[0]}


def backward(
    cell: Cell, values: Tensors, initial: Tensors, weight_hh: Tensor, direct: Tensor, final: Tensors | None = None
) -> Backward:
    """BPTT. direct (T, B, H) is e_t = ∂L/∂h_t without recurrence; final, what reaches the last states from outside."""
    before = states_before(cell, values, initial)
    if final is None:
        final = dict.fromkeys(cell.state_names, torch.zeros_like(initial["h"]))
    quick = fast.backward(cell, values, before, weight_hh, direct, final)
    if quick is None:
        return backward_stepwise(cell, values, before, weight_hh, direct, final)
    grads, first = quick

    def gates() -> Tensors:
        with arithmetic(direct):
            return cell.back(values, before, grads)

    return Backward(Later(grads, list(values), gates), first)


def backward_stepwise(
    cell: Cell, values: Tensors, before: Tensors, weight_hh: Tensor, direct: Tensor, final: Tensors
) -> Backward:
    """The same, one step after the other.

    Every product and sum is taken in the order of autograd on the unrolled loop: where numbers overflow, underflow or
    nearly cancel, two right computations part ways, and this one stays with torch.
    """
    reaching = {**final, "h": direct[-1] + final["h"]}
    steps = []
    for t in range(len(direct) - 1, -1, -1):
        v, b = {name: value[t] for name, value in values.items()}, {name: value[t] for name, value in before.items()}
        d = cell.join(v, reaching)
        d |= cell.back(v, b, d)
        steps.append(d)
        reaching = handed_back(cell, v, d, weight_hh, direct[t - 1] if t > 0 else None)
    steps.reverse()
    return Backward({name: torch.stack([d[name] for d in steps]) for name in steps[0]}, reaching)


def handed_back(
    cell: Cell, v: Tensors, d: Tensors, weight_hh: Tensor, direct: Tensor | None = None
) -> dict[str, Tensor]:
    """What reaches the states before a step: past the weights, through them, and for h the direct part as well."""
    past = cell.carry(v, d)
    to_h = cell.h_side(d).flatten(-2) @ weight_hh
    if "h" in past:
        to_h = (past["h"] if direct is None else direct + past["h"]) + to_h
    elif direct is not None:
        to_h = direct + to_h
    return past | {"h": to_h}


def weight_grads(cell: Cell, grads: Tensors, x: Tensor, h_before: Tensor, bias: bool) -> dict[str, Tensor]:
    """What loss.backward() would leave in .grad: dW_ih = Σ A_tᵀ x_t, dW_hh = Σ A^h_tᵀ h_{t−1}, db = Σ A_t."""
    of_x, of_h = (side.flatten(-2).flatten(0, 1) for side in (cell.x_side(grads), cell.h_side(grads)))
    found = {"weight_ih": of_x.T @ x.flatten(0, 1), "weight_hh": of_h.T @ h_before.flatten(0, 1)}
    return found | ({"bias_ih": of_x.sum(0), "bias_hh": of_h.sum(0)} if bias else {})
