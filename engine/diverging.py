"""Where a training meets the first number that is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.clipping import Clipped
from engine.quantities import layer_title, quantity
from engine.tracing import Trace
from engine.training_requests import Diverged, Phase
from engine.training_state import CARRIED, OPTIMIZER

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace


@dataclass(frozen=True)
class _Found:
    tensor: str
    """What it is called."""
    phase: Phase
    sentence: str
    """What is the matter with it, as the second half of a sentence."""
    layer: str = ""
    step: int | None = None


def first_bad(iteration: int, trace: Trace, clipping: Clipped, after: Mapping[str, Tensor]) -> Diverged | None:
    """The first tensor of an iteration that is not finite, in the order in which it is computed: forward step by step,
    the loss, backward step by step, the parameters' gradients, the clipped ones, and the state `after` it. None where
    the loss, the gradients and that state are finite: an inf that a tanh has made a 1 of does no harm."""
    everything = [trace.loss, *clipping.before.values(), *after.values()]
    with torch.no_grad():
        largest = torch.stack([norm.double() for norm in torch._foreach_norm(everything, math.inf)])
        if bool(torch.isfinite(largest).all()):
            return None
        found = next(_in_order(trace, clipping, after), None)
    if found is None:
        return None
    sentence = f"Training stopped before iteration {iteration:,}: {found.sentence}."
    return Diverged(iteration, found.tensor, sentence, found.phase, found.layer, found.step)


def _in_order(trace: Trace, clipping: Clipped, after: Mapping[str, Tensor]) -> Iterator[_Found]:
    """Everything that is not finite, the first one first."""
    forward = _of_layers(trace, backward=False)
    if forward is not None:
        symbol, layer, step, kind = forward
        name = f"{symbol} of {layer_title(layer)}"
        yield _Found(name, "forward", f"{name} {_VERBS[kind]} at t = {step} (forward pass)", layer, step)
    if not _finite(trace.outputs):
        each = trace.outputs.dim() == 3 and len(trace.outputs) == trace.steps
        first = _steps(trace.outputs)[0] + 1 if each else None
        kind = _kind(trace.outputs if first is None else trace.outputs[first - 1])
        at = "" if first is None else f" at t = {first}"
        yield _Found("output", "forward", f"the output {_VERBS[kind]}{at} (forward pass)", step=first)
    if not _finite(trace.loss):
        yield _Found("loss", "loss", f"the loss would be {_kind(trace.loss)}, though every output is finite")
    backward = _of_layers(trace, backward=True)
    if backward is not None:
        symbol, layer, step, kind = backward
        name = f"∂L/∂{symbol} of {layer_title(layer)}"
        yield _Found(name, "backward", f"{name} {_VERBS[kind]} at t = {step} (backward pass)", layer, step)
    for name, grad in clipping.before.items():
        yield from _of_tensor(f"gradient of {name}", grad, "backward", "after the backward pass")
    for name, grad in clipping.grads.items():
        yield from _of_tensor(f"clipped gradient of {name}", grad, "clipping", "after clipping")
    for name, tensor in sorted(after.items(), key=lambda item: _rank(item[0])):  # what an optimiser keeps comes first
        if name.startswith(OPTIMIZER):
            what, _, of = name.removeprefix(OPTIMIZER).partition(".")
            yield from _of_tensor(f"{what} of {of}", tensor, "optimizer", "in the update")
        elif name.startswith(CARRIED):
            layer, _, state = name.removeprefix(CARRIED).partition(".")
            yield from _of_tensor(f"carried {state} of {layer}", tensor, "update", "after the update")
        else:
            yield from _of_tensor(name, tensor, "update", "after the update")


def _rank(name: str) -> int:
    return 0 if name.startswith(OPTIMIZER) else 2 if name.startswith(CARRIED) else 1


def _of_tensor(name: str, tensor: Tensor, phase: Phase, when: str) -> Iterator[_Found]:
    count = int((~torch.isfinite(tensor)).sum())
    if count:
        some = "is" if count == 1 else "are"
        words = f"{count:,} of the {tensor.numel():,} numbers in the {name} {some} not finite {when}"
        yield _Found(name, phase, words)


# -- step by step -----------------------------------------------------------------------------------------------------


def _of_layers(trace: Trace, *, backward: bool) -> tuple[str, str, int, str] | None:
    """Symbol, layer, t and kind of the first of all layers' values, or of their gradients, that is not finite. A layer
    above one of two directions waits for all its steps; else all layers take step after step."""
    waits = any(layer.reverse for layer in trace.layers.values())
    names = list(trace.layers)
    found = []
    for place, (name, layer) in enumerate(trace.layers.items()):
        first = _of_layer(layer, backward=backward)
        if first is None:
            continue
        taken, symbol, step = first
        depth = int(name.removeprefix("l").removesuffix("_reverse"))
        if backward:
            depth, place = -depth, len(names) - place
        found.append(((depth if waits else 0, taken, place), symbol, name, step))
    if not found:
        return None
    _, symbol, name, step = min(found)
    arrays = trace.layers[name].grads if backward else trace.layers[name].values
    return symbol, name, step, _kind(arrays[symbol][step - 1])


def _of_layer(layer: LayerTrace, *, backward: bool) -> tuple[int, str, int] | None:
    """How many steps it had taken before it, symbol and t."""
    first = None
    turned = layer.reverse is not backward  # from T to 1
    for symbol, array in (layer.grads if backward else layer.values).items():
        if _finite(array):
            continue
        steps = _steps(array)
        step = (steps[-1] if turned else steps[0]) + 1
        order = _ORDER[quantity(layer.cell, symbol).kind], symbol == "h"
        if backward:
            order = -order[0], not order[1]
        candidate = (layer.steps - step if turned else step - 1, order, symbol, step)
        first = candidate if first is None else min(first, candidate)
    return None if first is None else (first[0], first[2], first[3])


_ORDER = {"preactivation": 0, "gate": 1, "candidate": 2, "state": 3}
"""In which a step computes them; h is the last of the states."""
_VERBS = {"infinite": "overflows", "NaN": "becomes NaN"}


def _kind(tensor: Tensor) -> str:
    return "NaN" if bool(tensor.isnan().any()) else "infinite"


def _finite(tensor: Tensor) -> bool:
    """The sum is finite only if every entry is: one cheap pass before the one that looks at each, which is needed where
    finite ones have too large a sum."""
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def _steps(array: Tensor) -> list[int]:
    """The steps that hold something that is not finite, from 0."""
    found: list[int] = torch.nonzero(~torch.isfinite(array).flatten(1).all(1)).flatten().tolist()
    return found
