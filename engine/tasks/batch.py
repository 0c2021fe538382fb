"""A batch of sequences with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.spec import ModelSpec


@dataclass(frozen=True, eq=False)
class Batch:
    x: Tensor
    """(T, B, D), float; symbols (T, B), int64."""
    targets: Tensor
    """Float (B, 1), or (T, B, 1) where the loss is taken at every step; for cross-entropy class numbers, int64, (B,) or
    (T, B). Past the end of a sequence they hold 0, which stands for nothing."""
    lengths: Tensor | None = None
    """(B,), int64: the steps of each sequence, on the device of x; None: all have T. Past its end x is 0."""
    judged: Tensor | None = None
    """Bool, (B,) or (T, B) like the targets: the answers that the metric counts; None: all that stand for something."""

    def one_hot(self, symbols: int) -> Batch:
        """With the symbols as vectors, x (T, B, symbols) float64; 0 past the end of a sequence."""
        x = nn.functional.one_hot(self.x, symbols).double()
        if self.lengths is not None:
            x *= (torch.arange(len(x), device=x.device)[:, None] < self.lengths)[..., None]
        return replace(self, x=x)

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Batch:
        """Rounded to a dtype; whole numbers (symbols, classes, lengths) stay whole."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)

        lengths = None if self.lengths is None else moved(self.lengths)
        judged = None if self.judged is None else self.judged.to(device)
        return Batch(moved(self.x), moved(self.targets), lengths, judged)


def targets(model: ModelSpec, number: Tensor, answer: Tensor) -> Tensor:
    """What the loss compares with: a number, or for the cross-entropies the answer to a yes-or-no question about it.

    Both (B,), or (T, B) where the loss is taken at every step. Cross-entropy takes classes, int64 in that shape; the
    other losses take float numbers with an axis for the one output.
    """
    if model.loss == "cross_entropy":
        return answer.long()
    return (number if model.loss == "mse" else answer.to(number.dtype))[..., None].contiguous()
