"""Random draws that repeat to the bit: each purpose has a generator of its own, and torch's global one is never used.

Draws are made on the CPU in float64 and rounded afterwards, so that another dtype or device shows the same network on
the same data.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def generator(seed: int, purpose: str, number: int = 0) -> torch.Generator:
    """A generator for one purpose ("weight_hh_l0", "adding") and one number of it (the iteration)."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    # torch reads the seed as a signed 64-bit number.
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def uniform(shape: tuple[int, ...], low: float, high: float, source: torch.Generator) -> Tensor:
    """U(low, high), float64, of this shape."""
    return torch.rand(shape, generator=source, dtype=torch.float64, device="cpu").mul_(high - low).add_(low)


def normal(shape: tuple[int, ...], std: float, source: torch.Generator) -> Tensor:
    """N(0, std²), float64, of this shape."""
    return torch.randn(shape, generator=source, dtype=torch.float64, device="cpu").mul_(std)


def whole(shape: tuple[int, ...], low: int, high: int, source: torch.Generator) -> Tensor:
    """Whole numbers from `low` to `high`, both included, all alike; int64, of this shape."""
    return torch.randint(low, high + 1, shape, generator=source, device="cpu")


def orthogonal(rows: int, columns: int, source: torch.Generator) -> Tensor:
    """A random matrix (rows, columns) with orthonormal columns, or orthonormal rows where it has more columns; float64.

    Uniform over all of them (Mezzadri 2007: QR with the signs of R's diagonal taken out; without that the distribution
    is not the uniform one).
    """
    if rows < columns:
        return orthogonal(columns, rows, source).T.contiguous()
    Q: Tensor
    R: Tensor
    Q, R = torch.linalg.qr(normal((rows, columns), 1.0, source))
    return Q * torch.where(R.diagonal() < 0, -1.0, 1.0)
