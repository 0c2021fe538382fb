"""What one iteration of a training looks at: its batch as the network reads it, from the states that were carried into
it, traced. Training and the picture of an iteration are made by this one function, so that what is seen is what is
applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from engine.network import Network
from engine.sampling import sampled
from engine.tasks import Batch
from engine.tracing import Initial, Trace
from engine.training_state import CARRIED, carried_shapes
from engine.truncated_trace import as_asked

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Pass:
    batch: Batch
    full: Trace
    """With the gradients of the loss."""
    trace: Trace
    """What truncation leaves of it."""


def one_pass(network: Network, iteration: int, carried: Tensors | None = None) -> Pass:
    """`carried`: by flat names (engine.training_state); empty: from 0. Raises DataError."""
    initial = initial_of(network, carried or {})
    batch = sampled(network, network.batch(iteration), iteration, initial)
    full = network.trace(iteration=iteration, batch=batch, initial=initial)
    return Pass(batch, full, as_asked(full, network.experiment))


def initial_of(network: Network, carried: Tensors) -> Initial:
    """The states that the layers begin with, as Network.trace takes them, in the type of all that is computed."""
    found: dict[str, dict[str, Tensor]] = {}
    for name in carried_shapes(network.experiment):
        if name in carried:
            layer, state = name.removeprefix(CARRIED).split(".")
            found.setdefault(layer, {})[state] = carried[name].to(network.device, network.dtype)
    return found or None


def carried_on(network: Network, trace: Trace) -> dict[str, Tensor]:
    """What the next batch begins with, by flat names: the states that each layer ended with, in the type of the
    weights. {} where nothing is carried."""
    found: dict[str, Tensor] = {}
    for name in carried_shapes(network.experiment):
        layer, state = name.removeprefix(CARRIED).split(".")
        traced = trace.layers[layer]
        found[name] = traced.recurrence.course.at_last(traced.values[state]).to(network.weights["readout.bias"].dtype)
    return found
