"""How the sequences of a torch layer lie in memory, and how they come to stand time first, (T, B, …)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


@dataclass(frozen=True)
class Layout:
    batch_first: bool = False
    """(B, T, …)."""
    unbatched: bool = False
    """(T, …): a single sequence without a dimension for the batch. Torch takes it so with `batch_first`, too."""
    packing: PackedSequence | None = None
    """(N, …), N steps of all samples together, in this order. Its `data` says nothing; None: they are not packed."""

    @classmethod
    def of(cls, module: nn.Module, x: Any) -> Layout:
        """Of what a layer was given as its input."""
        if isinstance(x, PackedSequence):
            return cls(packing=x._replace(data=x.data.new_empty(0)))
        return cls(bool(getattr(module, "batch_first", False)), x.dim() == 2)

    @cached_property
    def lengths(self) -> Tensor | None:
        """(B,) int64, in the order of the batch; None where all samples have all steps."""
        if self.packing is None:
            return None
        sizes = self.packing.batch_sizes
        found: Tensor = (sizes[:, None] > torch.arange(int(sizes[0]), device="cpu")).sum(0)
        if self.packing.unsorted_indices is not None:
            found = found[self.packing.unsorted_indices.cpu()]
        return None if bool((found == len(sizes)).all()) else found.to(self.packing.data.device)

    def time_first(self, data: Tensor) -> Tensor:
        """(T, B, …), 0 in the padding. A view where it can be one."""
        if self.packing is not None:
            padded: Tensor = pad_packed_sequence(self.packing._replace(data=data))[0]
            return padded
        if self.unbatched:
            return data.unsqueeze(1)
        return data.transpose(0, 1) if self.batch_first else data

    def steps(self, data: Tensor) -> tuple[int, ...]:
        """The dimensions of a whole sequence in which the layer itself computes: (T, B), or (N,) of a packed one."""
        return (len(data),) if self.packing is not None else tuple(self.time_first(data).shape[:2])
