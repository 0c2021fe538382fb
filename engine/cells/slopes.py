"""Slopes of the two squashing functions, from their values."""

from __future__ import annotations

import torch
from torch import Tensor


def through_sigmoid(grad: Tensor, y: Tensor) -> Tensor:
    """∂L/∂a from ∂L/∂y, y = σ(a): grad ⊙ y(1 − y). In torch's order: it overflows where torch does."""
    return grad * (1 - y) * y


def through_tanh(grad: Tensor, y: Tensor) -> Tensor:
    """∂L/∂a from ∂L/∂y, y = tanh(a): grad ⊙ (1 − y²)."""
    return grad * tanh_slope(y)


def tanh_slope(y: Tensor) -> Tensor:
    """1 − y², rounded once: near saturation 1 − y·y would lose half the digits that are left."""
    return torch.addcmul(y.new_ones(()), y, y, value=-1)
