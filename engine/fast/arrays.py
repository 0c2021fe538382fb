"""Memory for whole sequences, single steps of it, and the look at its numbers that decides whether the road is safe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Steps: TypeAlias = Sequence[Any]

PAGES = 1 << 18
"""Numbers from which an array gets pages of its own."""
ALIGNMENT = 64
"""Bytes."""
_NUMPYS: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}


def empty(shape: Sequence[int], like: Tensor) -> Tensor:
    """Of `like`'s type and device, with nothing in it yet.

    On the CPU from NumPy, which asks the system for large pages and torch does not: the first touch of a fresh small
    page can cost more than computing what is written there. Aligned as torch does it, or products could round
    differently from one time to the next.
    """
    size = math.prod(shape)
    if size < PAGES or like.device.type != "cpu" or like.dtype not in _NUMPYS:
        return like.new_empty(tuple(shape))
    room = np.empty(size + ALIGNMENT // like.element_size(), _NUMPYS[like.dtype])
    start = -room.__array_interface__["data"][0] % ALIGNMENT // like.element_size()
    return torch.from_numpy(room[start : start + size]).view(tuple(shape))


@dataclass(frozen=True)
class Elementwise:
    """Operations on arrays of one kind, (a, b, out) each."""

    multiply: Callable[[Any, Any, Any], object]
    add: Callable[[Any, Any, Any], object]
    subtract: Callable[[Any, Any, Any], object]
    empty_like: Callable[[Any], Any]
    ones_like: Callable[[Any], Any]


NUMPYS = Elementwise(np.multiply, np.add, np.subtract, np.empty_like, np.ones_like)
TORCHS = Elementwise(
    lambda a, b, out: torch.mul(a, b, out=out),
    lambda a, b, out: torch.add(a, b, out=out),
    lambda a, b, out: torch.sub(a, b, out=out),
    torch.empty_like,
    torch.ones_like,
)


def arrays(like: Tensor, reverse: bool = False) -> tuple[Elementwise, Callable[[Tensor], Steps]]:
    """The elementwise operations that cost least there, and what they take of a tensor: a sequence of its steps, in the
    layer's order.

    NumPy's cost a third of torch's on small arrays, and its views a tenth; they see the same memory.
    """
    if like.device.type == "cpu":
        return NUMPYS, lambda tensor: in_order(tensor.numpy(), reverse)
    return TORCHS, lambda tensor: in_order(tensor.unbind(0), reverse)


def in_order(steps: Any, reverse: bool) -> Any:
    return steps[::-1] if reverse else steps


def far_from_overflow(sides: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """For arrays and the matrices they meet: no product, sum or state comes near the largest number, in any order."""
    limit = math.sqrt(torch.finfo(sides[0][0].dtype).max)
    weights = {id(matrix): largest(matrix) for matrix in {id(matrix): matrix for _, matrix in sides}.values()}
    sizes = [(largest(array), weights[id(matrix)], matrix.shape[1]) for array, matrix in sides]
    return all(a <= limit and w <= limit and a * w * columns <= limit for a, w, columns in sizes)


def largest(tensor: Tensor) -> float:
    """The largest magnitude, in one pass. inf where one is not a number."""
    low, high = torch.aminmax(tensor)
    size = max(-float(low), float(high))
    return math.inf if math.isnan(size) else size
