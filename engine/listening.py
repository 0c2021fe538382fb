"""What is kept of a module while somebody else runs it: copies of what went in and came out, and the gradients that
came back. Nothing of theirs is replaced, and nothing of theirs is kept alive.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

from engine import intake
from engine.autocast import Casting
from engine.intake import Dropping
from engine.layout import Layout
from engine.stack import Layer

_LOOKED_AT = 64
"""So many nodes of the graph."""
Arrival = Callable[[Tensor, int], None]
"""(the gradient, the number of the backward pass)"""


@dataclass(frozen=True, eq=False)
class Copies:
    """A module's weights as they were at a call."""

    layers: tuple[Layer, ...]
    """With these weights, without initial states."""
    originals: tuple[tuple[int, int], ...] | None
    """Which parameters they are copies of (id, version). None: of tensors that come and go."""

    @classmethod
    def of(cls, module: nn.Module, before: Copies | None, thoroughly: bool) -> Copies:
        """Those of the call before, if they are still right. Every writing in place raises a tensor's version, except
        one through `.data`: `thoroughly` looks at the numbers, too."""
        weights = used_weights(module)
        originals = None
        if all(isinstance(weight, nn.Parameter) for weight in weights.values()):
            originals = tuple((id(weight), weight._version) for weight in weights.values())
        if before is not None and not thoroughly and originals is not None and before.originals == originals:
            return before
        if before is not None and _same(before.layers, intake.layers_of(module, weights)):
            return cls(before.layers, originals)
        copies = {name: copy_of(weight) for name, weight in weights.items()}
        return cls(tuple(intake.layers_of(module, copies)), originals)


def _same(old: tuple[Layer, ...], new: list[Layer]) -> bool:
    pairs = [(a.weights[name], b.weights[name]) for a, b in zip(old, new, strict=True) for name in a.weights]
    return all(a.dtype == b.dtype and a.device == b.device and torch.equal(a, b) for a, b in pairs)


def used_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights that the last forward used, by torch's full names. A parametrisation may change its own state when it
    is asked (spectral_norm iterates), so it is not asked again as in training."""
    if isinstance(module, nn.RNNBase):
        return dict(zip(module._flat_weights_names, module._flat_weights, strict=True))  # type: ignore[arg-type]
    return {name: _quietly(module, name) for name in intake.weight_names(module)}


def _quietly(module: nn.Module, name: str) -> Tensor:
    found: Tensor | None = module._parameters.get(name)
    if found is None and not parametrize.is_parametrized(module, name):
        found = getattr(module, name)
    if found is not None:
        return found
    chains = module.parametrizations
    assert isinstance(chains, nn.ModuleDict)
    chain = chains[name]
    modes = [(part, part.training) for part in chain.modules()]
    try:
        chain.eval()
        made: Tensor = chain()
    finally:
        for part, mode in modes:
            part.training = mode
    return made


@dataclass(eq=False)
class Call:
    """One call of a module."""

    x: Tensor
    """As it was given; of a packed sequence its data."""
    outputs: Mapping[str, Tensor]
    """"output" of a layer, "h" and "c": h_n and c_n of a layer, the new states of a cell."""
    arrived: dict[int, dict[str, Tensor]] = field(default_factory=lambda: defaultdict(dict))
    """What entered the graph behind each output, by backward pass. Where autograd had nothing to send, nothing."""
    handles: list[RemovableHandle] = field(default_factory=list)

    def total(self, name: str) -> Tensor | None:
        """Of all backward passes, added up in their order as autograd adds to .grad."""
        found: Tensor | None = None
        for grads in self.arrived.values():
            if name in grads:
                found = grads[name] if found is None else found + grads[name]
        return found


@dataclass(frozen=True)
class Place:
    """Where in the sequence a run began."""

    node: int
    """The number of its node, counted as the graph was made; of what is run again within a backward pass, that of the
    node for which it is (a checkpoint's)."""
    again: bool
    """It was run again within a backward pass, which comes to the last stretch of a sequence first."""

    @classmethod
    def of(cls, output: Tensor) -> Place:
        within: Any = torch._C._current_autograd_node()
        made_by: Any = output.grad_fn if within is None else within
        return cls(0 if made_by is None else made_by._sequence_nr(), within is not None)


@dataclass(eq=False)
class Run:
    """One way through a sequence: a single call of a layer, or consecutive calls of a cell."""

    number: int
    """Of its first call, from 1."""
    place: Place
    copies: Copies | None
    """None: it was refused."""
    initial: Mapping[str, Tensor] | None
    """As it was given. None: zeros."""
    layout: Layout
    dropping: Dropping | None = None
    random_state: tuple[Tensor, ...] = ()
    """Before the call, of the CPU and of the layer's device, where something was drawn."""
    low: torch.dtype | None = None
    """What torch.autocast cast the module to (engine.autocast); None where it did not."""
    calls: list[Call] = field(default_factory=list)
    refusal: str = ""
    """Why there can be no trace, as what follows the module's name."""
    torn: bool = False
    """Of a cell: it goes on from states of an earlier run that were changed on their way."""
    arrivals: int = 0
    """How many gradients have come so far."""

    @property
    def casting(self) -> Casting:
        outputs = self.calls[0].outputs
        return Casting(self.low, outputs["output" if "output" in outputs else "h"].dtype)

    def stop(self) -> None:
        for call in self.calls:
            for handle in call.handles:
                handle.remove()
            call.handles.clear()


def in_order(runs: Iterable[Run]) -> list[Run]:
    """As they come in the sequence: in the order of the calls, unless some of them were run again on the way back."""
    runs = list(runs)
    if any(run.place.again for run in runs):
        return sorted(runs, key=lambda run: (run.place.node, run.number))
    return sorted(runs, key=lambda run: run.number)


def listen(tensor: Tensor, arrival: Arrival) -> RemovableHandle | None:
    """Calls `arrival` with a copy of each gradient that enters the graph behind `tensor`, summed over everything that
    was made of it. None where no gradient can come.

    It listens at the node of the graph and not at the tensor: so it hears what is left after the hooks that somebody
    has put on the tensor, hears nothing of a gradient that is only asked for and goes no further, and returns nothing,
    which leaves the gradient as it is. What is written in place into a view goes past the view's node: there it listens
    at its base. The hook holds no tensor, for the graph would then hold itself.
    """
    if not tensor.requires_grad:
        return None
    base = tensor._base if tensor._is_view() else None
    at = tensor if base is None else base
    node, number = at.grad_fn, at.output_nr
    if node is None:
        return None
    base_form = (tuple(at.shape), at.stride())
    form = (tuple(tensor.shape), tensor.stride(), tensor.storage_offset() - at.storage_offset())
    is_view = base is not None

    def heard(grads: tuple[Tensor | None, ...]) -> None:
        grad = grads[number]
        if grad is None:
            return
        if not is_wrapped(grad):
            grad = grad.detach()
            if is_view:
                laid = torch.empty_strided(*base_form, dtype=grad.dtype, device=grad.device)
                grad = laid.copy_(grad).as_strided(*form)
            else:
                grad = grad.clone()
        arrival(grad, torch._C._current_graph_task_id())

    handle: RemovableHandle = node.register_prehook(heard)
    return handle


def copy_of(tensor: Tensor) -> Tensor:
    """A copy that lies in memory as the tensor does: with its strides, and as far from a multiple of 64 bytes, for the
    last bit of a product hangs on that, too."""
    tensor = tensor.detach()
    ahead = tensor.data_ptr() % 64 // tensor.element_size() if tensor.device.type == "cpu" else 0
    if not ahead:
        return tensor.clone()
    strides = tensor.stride() if tensor.is_contiguous() else torch.empty_like(tensor, device="meta").stride()
    room = tensor.new_empty(ahead + tensor.numel())
    return room.as_strided(tensor.shape, strides, ahead).copy_(tensor)


def is_wrapped(tensor: Tensor) -> bool:
    """Whether it stands for something else, inside a transform of torch.func or with is_grads_batched."""
    functorch = torch._C._functorch
    return functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)


def place_in_graph(tensor: Tensor) -> tuple[int, ...] | None:
    """What tells a tensor from every other one in the graph, and from itself after something was written into it.

    A module with full backward hooks hands out and takes in tensors through a node that changes nothing: the place is
    the one behind it.
    """
    node, number = _made_by(tensor)
    if node is None:
        return None
    return node._sequence_nr(), number, tensor._version, threading.get_ident()


def leads_back(tensor: Tensor, to: Container[tuple[int, int]]) -> bool:
    """Whether it was made, a few nodes of the graph back, of something from one of these nodes (the first two numbers
    of its `place_in_graph`), and is not that itself."""
    start = _made_by(tensor)
    seen, ahead = {start}, deque([start])
    while ahead and len(seen) <= _LOOKED_AT:
        node, number = ahead.popleft()
        if node is None:
            continue
        if (node._sequence_nr(), number) in to:
            if (node, number) != start:
                return True
            continue
        for place in node.next_functions:
            if place not in seen:
                seen.add(place)
                ahead.append(place)
    return False


def _made_by(tensor: Tensor) -> tuple[Any, int]:
    node: Any = tensor.grad_fn
    number = tensor.output_nr
    while node is not None and node.name() == "BackwardHookFunctionBackward":
        node, number = node.next_functions[number]
    return node, number


def random_state(device: torch.device) -> tuple[Tensor, ...]:
    """Of the CPU, and of another device that draws for itself."""
    if device.type == "cuda":
        return torch.get_rng_state(), torch.cuda.get_rng_state(device)
    if device.type == "mps":
        return torch.get_rng_state(), torch.mps.get_rng_state()
    return (torch.get_rng_state(),)


def set_random_state(state: tuple[Tensor, ...], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state[1])


def given_to(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """(input, hx) of a call."""
    x = args[0] if args else kwargs["input"]
    hx = args[1] if len(args) > 1 else kwargs.get("hx")
    return x, hx
