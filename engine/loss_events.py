"""Events of what stands above the layers: an output that is not finite, and a loss that is not.

They are the arithmetic's too. A loss can be inf where every output is finite: a squared error needs the square's room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from engine.figures import figure
from engine.requests import Event
from engine.spec import ModelSpec

if TYPE_CHECKING:
    from engine.tracing import Trace

_LOSSES = {
    "mse": "squared error",
    "cross_entropy": "cross entropy",
    "binary_cross_entropy": "binary cross entropy",
}


def loss_events(trace: Trace, model: ModelSpec) -> Iterator[Event]:
    """Of a computed trace, in the order of the tape: the first output that is not finite, where the states that it was
    read from are finite and it is known before the loss, and the loss, where it is not finite."""
    each_step = model.readout.at == "every" and trace.outputs.dim() == 3
    outputs = trace.outputs if each_step else trace.outputs.unsqueeze(0)
    first = _first(outputs)
    if first is not None and each_step and not any(layer.reverse for layer in trace.layers.values()):
        states = [layer.values["h"][first].sum() for layer in trace.layers.values()]
        if all(bool(torch.isfinite(total)) for total in states):  # else the layer's own event says it
            kind, bad = _kind(outputs[first])
            sentence = (
                f"The output {'overflows' if kind == 'overflow' else 'holds NaN'} at t = {first + 1}: "
                f"{bad} of {outputs[first].numel()} entries, read from finite states."
            )
            yield Event(kind, "forward", first + 1, sentence)
    if not bool(torch.isfinite(trace.loss)):
        kind, _ = _kind(trace.loss)
        yield Event(kind, "loss", trace.steps, _sentence(trace, model, outputs, first, each_step))


def _sentence(trace: Trace, model: ModelSpec, outputs: Tensor, first: int | None, each_step: bool) -> str:
    what = f"The loss is {'NaN' if bool(torch.isnan(trace.loss)) else 'inf'}"
    if first is not None:
        kind, bad = _kind(outputs[first])
        where = f" at t = {first + 1}" if each_step else ""
        return f"{what}: of the output{where}, {bad} of {outputs[first].numel()} are {_NAMES[kind]}."
    largest = f"{figure(torch.finfo(trace.loss.dtype).max, 2)}, the largest {_dtype(trace.loss)}"
    at = _first(trace.losses.reshape(-1, 1))
    if at is None:
        return f"{what}: each step's loss is finite, but their sum passes {largest}."
    where = f" at t = {at + 1}" if len(trace.losses) > 1 else ""
    reach = figure(float(outputs.abs().max()), 2)
    return f"{what}: the outputs are finite (up to {reach}), but the {_LOSSES[model.loss]}{where} passes {largest}."


_NAMES = {"overflow": "inf", "nan": "NaN"}


def _kind(values: Tensor) -> tuple[Literal["overflow", "nan"], int]:
    """The worse of the two classes that is there, and how many are of it."""
    nan = int(torch.isnan(values).sum())
    return ("nan", nan) if nan else ("overflow", int(torch.isinf(values).sum()))


def _first(values: Tensor) -> int | None:
    """The first row that holds inf or NaN, from 0."""
    if bool(torch.isfinite(values.sum())):
        return None
    bad = torch.nonzero(~torch.isfinite(values).flatten(1).all(1)).flatten()
    return int(bad[0]) if len(bad) else None


def _dtype(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")
