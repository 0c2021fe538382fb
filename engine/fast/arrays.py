"""Memory for whole sequences, single steps of it, and the look at its numbers that decides whether the road is safe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Steps: TypeAlias = Sequence[Any]

ALIGNMENT = 64
"""Bytes."""
_NUMPYS: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}


def empty(shape: Sequence[int], like: Tensor) -> Tensor:
    """Of `like`'s type and device, with nothing in it yet.

    On the CPU from NumPy, which asks the system for large pages and torch does not: the first touch of a fresh small
    page can cost more than computing what is written there. Aligned as torch does it, or products could round
    differently from one time to the next.
    """
    if like.device.type != "cpu" or like.dtype not in _NUMPYS:
        return like.new_empty(tuple(shape))
    size = math.prod(shape)
    room = np.empty(size + ALIGNMENT // like.element_size(), _NUMPYS[like.dtype])
    start = -room.ctypes.data % ALIGNMENT // like.element_size()
    return torch.from_numpy(room[start : start + size]).view(tuple(shape))


def arrays(like: Tensor, reverse: bool = False) -> tuple[Any, Callable[[Tensor], Steps]]:
    """The module whose elementwise operations cost least there, and how it sees a tensor's steps, in the layer's order.

    NumPy's cost a third of torch's on small arrays, and its views a sixth; they see the same memory.
    """
    if like.device.type == "cpu":
        return np, lambda tensor: in_order(list(tensor.numpy()), reverse)
    return torch, lambda tensor: in_order(tensor.unbind(0), reverse)


def in_order(steps: Steps, reverse: bool) -> Steps:
    return steps[::-1] if reverse else steps


def far_from_overflow(sides: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """For arrays and the matrices they meet: no product, sum or state comes near the largest number, in any order."""
    limit = math.sqrt(torch.finfo(sides[0][0].dtype).max)
    sizes = [(largest(array), largest(weights), weights.shape[1]) for array, weights in sides]
    return all(a <= limit and w <= limit and a * w * columns <= limit for a, w, columns in sizes)


def largest(tensor: Tensor) -> float:
    """The largest magnitude, in one pass. inf where one is not a number."""
    low, high = torch.aminmax(tensor)
    size = max(-float(low), float(high))
    return math.inf if math.isnan(size) else size
