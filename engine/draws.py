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
    return torch.rand(shape, generator=source, dtype=torch.float64) * (high - low) + low


def orthogonal(size: int, source: torch.Generator) -> Tensor:
    """A random orthogonal matrix (size, size), float64, uniform over all of them (Mezzadri 2007: QR with the signs of
    R's diagonal taken out; without that the distribution is not the uniform one)."""
    Q: Tensor
    R: Tensor
    Q, R = torch.linalg.qr(torch.randn((size, size), generator=source, dtype=torch.float64))
    return Q * torch.where(R.diagonal() < 0, -1.0, 1.0)
