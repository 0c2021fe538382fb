"""The way that a layer takes through its sequences: from which end, and how far in each sample.

Arrays stay in the order of the sequence, (T, B, …), whichever way the layer runs. What is beyond a sample's own length
is padding: no step of any layer. There values and gradients are 0, and `mask` is False.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Course:
    steps: int
    """T."""
    reverse: bool = False
    """From the last step to the first. "Before" step t is then t + 1."""
    lengths: Tensor | None = None
    """(B,) int64, on the layer's device: steps of each sample, 0 … T. None: all have T."""

    @cached_property
    def mask(self) -> Tensor | None:
        """(T, B, 1) bool: where there is a step. None: everywhere."""
        if self.lengths is None:
            return None
        return (torch.arange(self.steps, device=self.lengths.device)[:, None] < self.lengths)[:, :, None]

    @property
    def order(self) -> range:
        """Indices of the steps in the order in which the layer takes them."""
        return range(self.steps - 1, -1, -1) if self.reverse else range(self.steps)

    @cached_property
    def last(self) -> Tensor | None:
        """(B,): index of the step that each sample's layer ends with; None: of all samples the same."""
        if self.lengths is None:
            return None
        return torch.zeros_like(self.lengths) if self.reverse else (self.lengths - 1).clamp_min(0)

    def zeroed(self, array: Tensor) -> Tensor:
        """(T, B, …) with 0 in the padding; the array itself where there is none."""
        if self.mask is None:
            return array
        return array.masked_fill(~self.mask.view(*self.mask.shape[:2], *[1] * (array.dim() - 2)), 0)

    def before(self, state: Tensor, initial: Tensor) -> Tensor:
        """(T, B, H): the state that each step starts from. 0 in the padding."""
        if not self.reverse:
            return self.zeroed(torch.cat([initial.unsqueeze(0), state[:-1]]))
        shifted = torch.cat([state[1:], initial.unsqueeze(0)])
        if self.lengths is None:
            return shifted
        first = torch.arange(self.steps, device=state.device)[:, None] == self.lengths - 1
        return self.zeroed(torch.where(first[:, :, None], initial, shifted))

    def along(self, array: Tensor) -> Tensor:
        """(T, B, …) in the order in which the layer runs; padding stays behind. Its own inverse."""
        if not self.reverse:
            return array
        if self.lengths is None:
            return array.flip(0)
        t = torch.arange(self.steps, device=array.device)[:, None]
        turned = torch.where(t < self.lengths, self.lengths - 1 - t, t)
        return array.gather(0, turned.view(*turned.shape, *[1] * (array.dim() - 2)).expand_as(array))

    def at_last(self, array: Tensor) -> Tensor:
        """(B, …): of an array (T, B, …), each sample's last step on this way."""
        if self.last is None:
            return array[0 if self.reverse else -1]
        return array[self.last, torch.arange(len(self.last), device=array.device)]

    def arriving(self, direct: Tensor, steps: slice, nothing: float = 0.0) -> Tensor:
        """The part of δh that arrives directly, without recurrence, at the states that these steps start from; the
        initial one has none, and gets `nothing`."""
        if self.reverse:
            if steps.stop < len(direct):
                return direct[steps.start + 1 : steps.stop + 1]
            return torch.cat([direct[steps.start + 1 :], torch.full_like(direct[:1], nothing)])
        if steps.start > 0:
            return direct[steps.start - 1 : steps.stop - 1]
        return torch.cat([torch.full_like(direct[:1], nothing), direct[: steps.stop - 1]])

    def cut(self, first: int, stop: int) -> Course:
        """The part of it that lies within steps first … stop − 1, from 0."""
        lengths = None if self.lengths is None else (self.lengths - first).clamp(0, stop - first)
        return Course(stop - first, self.reverse, lengths)
