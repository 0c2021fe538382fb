"""A batch of sequences with their targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    x: Tensor
    """(T, B, D), float."""
    targets: Tensor
    """Float (B, 1), or (T, B, 1) where the loss is taken at every step; for cross-entropy class numbers, int64, (B,) or
    (T, B)."""

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Batch:
        """Rounded to a dtype; class numbers stay whole."""
        kind = dtype if self.targets.is_floating_point() else self.targets.dtype
        return Batch(self.x.to(device, dtype), self.targets.to(device, kind))
