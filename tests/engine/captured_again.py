"""A stand-in for the capture of CUDA graphs, so that everything around it runs without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.fast.captured import Made, Replay

REFUSED = {
    "_local_scalar_dense": "a number is looked at",
    "is_nonzero": "a number is looked at",
    "equal": "numbers are looked at",
    "nonzero": "a shape depends on numbers",
    "masked_select": "a shape depends on numbers",
    "index": "an index that is a list, or bool",
    "index_put_": "an index that is a list, or bool",
    "lift_fresh": "a tensor is made of Python's numbers",
    "scalar_tensor": "a number becomes a tensor of the CPU",
    "bernoulli": "random numbers",
    "rand_like": "random numbers",
}


class AsCaptured(TorchDispatchMode):
    """Refuses what has no place in a captured CUDA graph, and whatever is not on this kind of device."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in REFUSED, f"{name} cannot be captured: {REFUSED[name]}"
        elsewhere = {where for one in args for where in _devices(one)} - {self.device}
        assert not elsewhere, f"{name} cannot be captured: it reads from {elsewhere}"
        return func(*args, **(kwargs or {}))


def _devices(one: Any) -> set[str]:
    if isinstance(one, (list, tuple)):
        return {where for part in one for where in _devices(part)}
    return {one.device.type} if isinstance(one, Tensor) else set()


class Again:
    """The function is run again for each replay, and what it makes is put where it was the first time.

    As with a graph: of what comes later it sees only what is written into the arrays that stay in place, its answers
    are always the same arrays, and they are overwritten.
    """

    def __init__(self) -> None:
        self.captures, self.replays, self.begun = 0, 0, 0

    def begin(self, device: torch.device) -> None:
        self.begun += 1

    def capture(self, function: Callable[[], Made], device: torch.device) -> tuple[Replay, Made]:
        self.captures += 1
        with AsCaptured(device.type):
            first = function()
        states, handed = ({name: spoiled(array) for name, array in given.items()} for given in first)

        def replay() -> None:
            self.replays += 1
            for own, new in zip((states, handed), function(), strict=True):
                assert own.keys() == new.keys()
                for name, array in own.items():
                    array.copy_(new[name])

        return replay, (states, handed)


def spoiled(array: Tensor) -> Tensor:
    """Of its shape, with numbers that nobody may use."""
    return torch.full_like(array, 7.25, memory_format=torch.contiguous_format)
