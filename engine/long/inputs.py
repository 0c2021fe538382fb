"""What a long trace reads: x, one stretch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from engine import given
from engine.errors import DataError

Give: TypeAlias = Callable[[slice], Any]
"""Steps from 0 → their x, as the model takes it: (n, B, D), or (B, n, D) for a module with batch_first."""


class Inputs(Protocol):
    def at(self, steps: slice) -> Tensor:
        """x of these steps, counted from 0: (n, B, …). Raises DataError."""

    @property
    def bytes(self) -> int:
        """What it holds."""


@dataclass(frozen=True, eq=False)
class Kept:
    """x as a whole."""

    x: Tensor
    """(T, B, …), nobody else's."""

    def at(self, steps: slice) -> Tensor:
        return self.x[steps]

    @property
    def bytes(self) -> int:
        return self.x.nbytes


@dataclass(frozen=True, eq=False)
class Asked:
    """x as a function, which is asked again whenever a stretch is computed again. It must answer the same."""

    give: Give
    like: Tensor
    """Of one step, (1, B, …): as the others have to be."""
    batch_first: bool
    check: Callable[[Tensor], None] | None = None
    """What else has to hold of every answer; it raises DataError."""
    dtype: torch.dtype | None = None
    """What is computed in; None: its own."""
    _seen: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """A fingerprint of every answer."""

    def at(self, steps: slice) -> Tensor:
        where = f"x of steps {steps.start + 1} to {steps.stop}"
        x = given_by(self.give, steps, self.batch_first).to(self.like.device)
        shape = (steps.stop - steps.start, *self.like.shape[1:])
        if tuple(x.shape) != shape:
            raise DataError(f"{where} has shape {tuple(x.shape)}; {shape} is needed.")
        if x.dtype != self.like.dtype:
            raise DataError(f"{where} is {x.dtype}; {self.like.dtype} is needed, as at step 1.")
        if self.check is not None:
            self.check(x)
        found = blake2b(x.cpu().view(torch.uint8).numpy().data, digest_size=16).digest()
        if self._seen.setdefault((steps.start, steps.stop), found) != found:
            raise DataError(f"{where} is not what it was before; a trace needs the same numbers again.")
        return x if self.dtype is None else x.to(self.dtype)

    @property
    def bytes(self) -> int:
        return 0


def given_by(give: Give, steps: slice, batch_first: bool) -> Tensor:
    """What the function answers, time first, as an array of its own. Raises DataError where that is no tensor."""
    x = given.sequence(give(steps))
    if batch_first and x.dim() > 1:
        x = x.transpose(0, 1)
    return x.detach().clone(memory_format=torch.contiguous_format)
