"""Norms that do not fail before the values do: float64 and, where that is not enough, scaled by the largest entry."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

SAFE = (1e-140, 1e140)
"""Numbers between these can be squared and summed in float64 without losing anything."""


def norm(values: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Euclidean norm over `dim` (None: everything), float64 on the CPU or the values' own device.

    The squares of float32 numbers (1e-45 … 3e38) stay inside float64; those of float64 numbers need the scaling. inf
    gives inf and NaN gives NaN.
    """
    plain: Tensor = torch.linalg.vector_norm(values, dim=dim, dtype=torch.float64)
    if values.dtype != torch.float64 or bool(_safe(plain)):
        return plain
    return _scaled(values, dim).reshape(plain.shape)


def blind_norm(values: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """The same to the bit, without a look at the numbers, for which a GPU would be waited for."""
    plain: Tensor = torch.linalg.vector_norm(values, dim=dim, dtype=torch.float64)
    if values.dtype != torch.float64:
        return plain
    return torch.where(_safe(plain), plain, _scaled(values, dim).reshape(plain.shape))


def _safe(plain: Tensor) -> Tensor:
    return ((plain > SAFE[0]) & (plain < SAFE[1])).all()


def _scaled(values: Tensor, dim: int | tuple[int, ...] | None) -> Tensor:
    largest = values.abs().amax(dim=tuple(range(values.dim())) if dim is None else dim, keepdim=True)
    usable = torch.where(torch.isfinite(largest) & (largest > 0), largest, torch.ones_like(largest))
    scaled: Tensor = torch.linalg.vector_norm(values / usable, dim=dim, keepdim=True) * usable
    return scaled


def mean_over_samples(norms: Tensor, mask: Tensor | None = None) -> Tensor:
    """(T, B) → (T,): divided before it is summed, so that it cannot overflow. `mask` (T, B) bool: only these count; NaN
    at a step that has none."""
    if mask is not None:
        counts = mask.sum(1, keepdim=True).to(norms)
        return torch.where(mask, norms / counts, 0.0).sum(1).masked_fill(counts[:, 0] == 0, torch.nan)
    return (norms / norms.shape[1]).sum(1) if norms.shape[1] > 1 else norms[:, 0]


def total(norms: Iterable[float]) -> float:
    """The norm of a whole whose parts have these norms: √Σn², without overflow or underflow; NaN where one is NaN."""
    parts = list(norms)
    return math.nan if any(math.isnan(part) for part in parts) else math.hypot(*parts)
