"""What stands between two layers and takes each step by itself: run, and taken back, a few steps at a time.

All steps at once, its graph would be as large as the trace of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from engine.fast.arrays import empty
from engine.pieces import Piece

AT_ONCE = 1 << 17
"""Numbers of what is read, in the steps that are at work together."""


@runtime_checkable
class StepByStep(Protocol):
    """A function of (outputs of the level below (T, B, W), what that level read (T, B, D)), step by step; it is the
    engine's own, as Piece.run has it."""

    @property
    def reads_stream(self) -> bool:
        """Whether it needs the second of them."""

    def part(self, steps: slice) -> Callable[..., Tensor]:
        """The same for some of the steps."""

    def __call__(self, outputs: Tensor, read: Tensor) -> Tensor:
        """(T, B, W)."""


@dataclass(frozen=True, eq=False)
class Read:
    """What is read of a level that has run, of arrays that a trace holds anyway."""

    outputs: tuple[Tensor, ...]
    """(T, B, H) of each direction."""
    beside: tuple[Tensor, ...] = ()
    """What the level read itself, for one who reads that too."""

    def __call__(self) -> tuple[Tensor, ...]:
        """(T, B, W), the directions side by side, and what is read beside."""
        return joined(self.outputs), *self.beside

    def part(self, steps: slice) -> Read:
        return Read(tuple(one[steps] for one in self.outputs), tuple(one[steps] for one in self.beside))

    def few(self) -> Iterator[slice]:
        """Some steps at a time, to the last."""
        one = sum(array[0].numel() for array in (*self.outputs, *self.beside))
        length = max(1, AT_ONCE // max(1, one))
        for start in range(0, len(self.outputs[0]), length):
            yield slice(start, min(start + length, len(self.outputs[0])))


def joined(outputs: Sequence[Tensor]) -> Tensor:
    """(T, B, W): the directions side by side; a single one as it is."""
    return outputs[0] if len(outputs) == 1 else torch.cat(tuple(outputs), -1)


def forward(function: StepByStep, read: Read) -> Tensor:
    """(T, B, W): what it makes."""
    found: Tensor | None = None
    read = _needed(function, read)
    for steps in read.few():
        made = _on(function, steps)(*read.part(steps)())
        if found is None:
            found = empty((len(read.outputs[0]), *made.shape[1:]), made)
        found[steps] = made.detach()
    assert found is not None
    return found


def back(
    function: StepByStep, read: Read, parameters: Mapping[str, Tensor], cotangent: Tensor
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """∂L/∂(what it reads) and ∂L/∂(each parameter), from ∂L/∂(what it made). Where it does not need what is read
    beside, there is no gradient of that."""
    grads: list[Tensor] = []
    of_parameters: dict[str, Tensor] = {}
    read = _needed(function, read)
    for steps in read.few():
        piece, _ = Piece.run(_on(function, steps), read.part(steps)(), parameters, own=True, once=True)
        some, of_some = piece.back(cotangent[steps])
        if not grads:
            grads = [empty((len(cotangent), *grad.shape[1:]), grad) for grad in some]
        for whole, grad in zip(grads, some, strict=True):
            whole[steps] = grad
        for name, grad in of_some.items():
            of_parameters[name] = of_parameters[name].add_(grad) if name in of_parameters else grad
    return grads, of_parameters


def _needed(function: StepByStep, read: Read) -> Read:
    return read if function.reads_stream else replace(read, beside=())


def _on(function: StepByStep, steps: slice) -> Callable[..., Any]:
    part = function.part(steps)
    return part if function.reads_stream else lambda outputs: part(outputs, outputs)
