"""Slopes: of the squashing functions, and of a whole step.

Where a gate is held at a value (engine.recurrence.Hold), `held` is true: no gradient passes to its pre-activation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def sigmoid_slope(y: Tensor, held: Tensor | None = None) -> Tensor:
    """σ′ = y(1 − y)."""
    return _unless(held, (1 - y) * y)


def tanh_slope(y: Tensor, held: Tensor | None = None) -> Tensor:
    """tanh′ = 1 − y², rounded once: near saturation 1 − y·y would lose half the digits that are left."""
    return _unless(held, torch.addcmul(y.new_ones(()), y, y, value=-1))


def through_sigmoid(grad: Tensor, y: Tensor, held: Tensor | None = None) -> Tensor:
    """∂L/∂a from ∂L/∂y, y = σ(a). In torch's order of products: it overflows where torch does."""
    return _unless(held, grad * (1 - y) * y)


def through_tanh(grad: Tensor, y: Tensor, held: Tensor | None = None) -> Tensor:
    """∂L/∂a from ∂L/∂y, y = tanh(a)."""
    return _unless(held, grad * tanh_slope(y))


def _unless(held: Tensor | None, slope: Tensor) -> Tensor:
    return slope if held is None else slope.masked_fill(held, 0.0)


@dataclass(frozen=True, eq=False, slots=True)
class Slopes:
    """The linear map from the gradients of a step's states to everything before it, for any number of steps at once."""

    h_side: Tensor
    """(..., G, H): ∂(state)/∂(W_hh h₋ + b_hh), for each block the state that it acts on."""
    blocks_on_c: int = 0
    """So many of the first blocks act on c, the others on h."""
    c_to_h: Tensor | None = None
    """∂h/∂c within the step. None: there is no c."""
    kept: Tensor | None = None
    """∂(state)/∂(the same state before) past the weights: f of the carousel, z of the leak. None: nothing is kept."""
    single: bool = False
    """Each slope is a single factor: there is no product that could underflow before the gradient comes in."""


def joined(parts: Sequence[Tensor]) -> Tensor:
    """(..., G, H) from G arrays (..., H): the array that they are slices of, where they are, else a new one."""
    first, H = parts[0], parts[0].shape[-1]
    apart = H * first.element_size()
    for index, part in enumerate(parts):
        same = part.data_ptr() == first.data_ptr() + index * apart
        if not (same and part.stride() == first.stride() and part.stride(-1) == 1):
            return torch.stack(tuple(parts), -2)
    if first.untyped_storage().data_ptr() != parts[-1].untyped_storage().data_ptr():
        return torch.stack(tuple(parts), -2)
    shape, strides = (*first.shape[:-1], len(parts), H), (*first.stride()[:-1], H, 1)
    return first.as_strided(shape, strides, first.storage_offset())


def both_biases(weights: Mapping[str, Tensor]) -> Tensor | None:
    """b_ih + b_hh, (G·H)."""
    return weights["bias_ih"] + weights["bias_hh"] if "bias_ih" in weights else None
