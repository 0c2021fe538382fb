"""One launch instead of thousands: a function of tensors, captured once as a CUDA graph over arrays that stay in place.

A small step on a GPU takes less time than Python takes to start its twenty kernels. So a loop over steps is cut into
stretches (engine.fast.march), and a stretch's whole loop is captured: each step in it has its own place, as in the loop
that Python runs, so there is no counter, and nothing is looked up or scattered by one. The operations are the same ones
in the same order, over arrays of the same shapes; only who starts them changes.

What torch asks of a function that is captured (torch.cuda.graph, "CUDA semantics: CUDA graphs"): nothing that waits for
the device (bool(tensor), .item(), an index made of a Python list, torch.where with a Python number), no shape that
depends on numbers, no random numbers here, and the same arrays in every time it is replayed. A first run on the stream
of the capture loads kernels and makes the workspace of the products.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from engine.errors import DeviceWarning

Tensors: TypeAlias = Mapping[str, Tensor]
Made: TypeAlias = tuple[Tensors, Tensors]
"""What a stretch has made, (steps, …) each, and what it hands on to the next stretch."""
Function: TypeAlias = Callable[[Tensors, Tensors, Tensors], Made]
"""(what is the same for all stretches, what is this stretch's own, what the stretch before hands on) → what is made. It
writes into none of them."""
Replay: TypeAlias = Callable[[], object]

KEPT = 32
"""Captured functions that are kept; the one that was used longest ago goes first."""
MEMORY = 1 << 30
"""Bytes of the arrays of all that are kept."""
_REFUSED: set[str] = set()
"""Reasons that somebody has been told."""


class Device(Protocol):
    """A kind of device on which functions are captured."""

    def begin(self, device: torch.device) -> None:
        """Before anything is written where captured functions read."""

    def capture(self, function: Callable[[], Made], device: torch.device) -> tuple[Replay, Made]:
        """Of a function over arrays that stay in place: a `Replay`, which puts what it makes of their numbers then into
        the same arrays each time, and these. Raises RuntimeError where that cannot be done."""


class Captured:
    """A function, and the arrays that it runs over."""

    def __init__(self, function: Function, fixed: Tensors, own: Tensors, carried: Tensors, how: Device) -> None:
        self._fixed, self._own, self._carried = _in_place(fixed), _in_place(own), _in_place(carried)
        device = next(iter(self._carried.values())).device
        self._replay, self._made = how.capture(lambda: function(self._fixed, self._own, self._carried), device)

    @property
    def nbytes(self) -> int:
        """Of the arrays that it runs over. Within the graph the single steps take as much as what is made of them."""
        made = sum(array.nbytes for given in self._made for array in given.values())
        return 2 * made + sum(a.nbytes for given in (self._fixed, self._own, self._carried) for a in given.values())

    def begin(self, fixed: Tensors) -> None:
        """What is the same for all stretches that follow."""
        _copy(fixed, self._fixed)

    def __call__(self, own: Tensors, carried: Tensors) -> Made:
        """What the function makes: in arrays that the next call writes into again."""
        _copy(own, self._own)
        _copy(carried, self._carried)
        self._replay()
        return self._made


def _in_place(given: Tensors) -> dict[str, Tensor]:
    return {name: array.clone(memory_format=torch.contiguous_format) for name, array in given.items()}


def _copy(given: Tensors, own: Tensors) -> None:
    for name, array in own.items():
        array.copy_(given[name])


class Captures:
    """Those that are kept, by everything that a captured function depends on but its numbers."""

    def __init__(self, kept: int = KEPT, memory: int = MEMORY) -> None:
        self.kept, self.memory = kept, memory
        self.lock = threading.RLock()
        """Held while one is in use: a replay writes where the last one did."""
        self._known: OrderedDict[Hashable, Captured | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in self._known.values() if one is not None)

    def find(
        self, what: Hashable, function: Function, fixed: Tensors, own: Tensors, carried: Tensors, how: Device
    ) -> Captured | None:
        """None: it cannot be captured, and has to be run as it is. `what` names the function and all in it that is no
        tensor."""
        like = next(iter(carried.values()))
        key = (what, like.device, *(_shapes(given) for given in (fixed, own, carried)))
        if key not in self._known:
            try:
                self._known[key] = Captured(function, fixed, own, carried, how)
            except RuntimeError as error:  # torch's errors of CUDA and of memory are its children
                self._known[key] = None
                _tell(error)
            while len(self._known) > 1 and (len(self._known) > self.kept or self.nbytes > self.memory):
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def clear(self) -> None:
        with self.lock:
            self._known.clear()


CAPTURES = Captures()


def _shapes(given: Tensors) -> Hashable:
    return tuple(sorted((name, tuple(array.shape), str(array.dtype)) for name, array in given.items()))


def _tell(error: Exception) -> None:
    reason = (str(error).split("\n")[0].rstrip(". ") or type(error).__name__)[:200]
    if reason not in _REFUSED:
        _REFUSED.add(reason)
        warnings.warn(
            f"A layer's steps could not be captured as a CUDA graph ({reason}); they are started one by one, which "
            "gives the same numbers and takes longer.",
            DeviceWarning,
            stacklevel=2,
        )


class OnCuda:
    """All that is said to torch.cuda of graphs."""

    def __init__(self) -> None:
        self._side: dict[torch.device, torch.cuda.Stream] = {}
        """For first runs and captures alike: a product's workspace belongs to its stream, and all graphs share it."""
        self._last: dict[torch.device, torch.cuda.Stream] = {}

    def begin(self, device: torch.device) -> None:
        """What was replayed before, on another stream perhaps, has been read before anything is replayed again."""
        here = torch.cuda.current_stream(device)
        here.wait_stream(self._last.get(device, here))
        self._last[device] = here

    def capture(self, function: Callable[[], Made], device: torch.device) -> tuple[Replay, Made]:
        """Raises RuntimeError where the function cannot be captured."""
        with torch.cuda.device(device):
            if device not in self._side:
                self._side[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            here, side, graph = torch.cuda.current_stream(), self._side[device], torch.cuda.CUDAGraph()
            side.wait_stream(here)
            # Torch's own context does not put the stream back where the end of a capture fails: this one does.
            with torch.cuda.stream(side):
                function()
                # Other threads, a data loader's say, may do on the device what they like meanwhile.
                with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                    made = function()
            here.wait_stream(side)
        return graph.replay, made


HOW: dict[str, Device] = {"cuda": OnCuda()}
"""By the kind of device; elsewhere starting an operation costs little, and nothing is captured."""


@contextmanager
def one_by_one() -> Iterator[None]:
    """Nothing is captured meanwhile: Python starts each operation, whatever the device."""
    before = dict(HOW)
    HOW.clear()
    try:
        yield
    finally:
        HOW.update(before)
