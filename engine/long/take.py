"""`engine.trace_long`: what it accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from engine import given, intake
from engine.errors import DataError
from engine.given import whole
from engine.long.inputs import Asked, Give, Inputs, Kept, given_by
from engine.long.room import BUDGET, room_for
from engine.long.run import LongRun
from engine.long.stretched import StepsHead, Stretched
from engine.long.stretches import Borders, Stretches
from engine.long.trace import LongTrace
from engine.network import Network
from engine.spec import NO_WHAT_IF, WhatIf
from engine.spec_reading import shown
from engine.stack import Level
from engine.tracing import Initial
from engine.what_if import changed_levels, in_type

StepLoss: TypeAlias = Callable[[Tensor, slice], Tensor]
"""(y (n, B, W), steps) → (n,): the last layer's output of these steps, which count from 0, and one loss for each, which
may depend on its own step alone."""


@dataclass(frozen=True, eq=False)
class _Parts:
    """A model and its input, as far as they are taken."""

    levels: tuple[Level, ...]
    inputs: Inputs
    steps: int
    head: StepsHead
    parameters: Mapping[str, Tensor]
    reads_stream: bool
    lengths: Tensor | None


def trace_long(
    model: nn.Module | Network,
    x: Tensor | Give | Any = None,
    loss: StepLoss | None = None,
    initial: Initial = None,
    *,
    steps: int | None = None,
    budget: int = BUDGET,
    stretch: int | None = None,
    parameters: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> LongTrace:
    """Trace nn.RNN, nn.LSTM, nn.GRU, one of torch's cells, or an engine.Network over a sequence whose whole trace would
    not fit.

    `loss` is called with a stretch of the output at a time: (y (n, B, W), steps), `steps` a slice that counts from 0,
    so that `targets[steps]` are its own; it returns (n,), one loss a step, each of its own step. It is called again
    whenever a stretch is computed again, and must answer the same. `parameters`, by name: what it reads and whose
    gradients are wanted; they are in `head_grads`.

    x and `initial` are as in `engine.trace`; or x is a function that is given a slice of steps and returns their x, as
    the model takes it, the same whenever it is asked, and `steps` is T. A tensor is copied, and that counts.

    `budget`: bytes that the trace and anything that is asked of it may take, 1 GiB if nothing is said; what is more is
    refused with its size. `stretch`: steps that are computed at once; None: what seems best. Any number of layers and
    directions, packed sequences too; dropout between layers with a fresh mask at every step is refused, as torch has it
    in training mode. A Network's loss is given its read-out at every step, (n, B, O). `options`: of a module `what_if`,
    as in `engine.trace`; of a Network `iteration` and `lengths`, as in `Network.trace`. Raises DataError and SpecError.
    """
    run = long_run(
        model, x, loss, initial, steps=steps, budget=budget, stretch=stretch, parameters=parameters, **options
    )
    while not run.finished:
        run.advance()
    return run.trace


def long_run(
    model: nn.Module | Network,
    x: Tensor | Give | Any = None,
    loss: StepLoss | None = None,
    initial: Initial = None,
    *,
    steps: int | None = None,
    budget: int = BUDGET,
    stretch: int | None = None,
    parameters: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> LongRun:
    """The same, to be advanced one stretch at a time. Raises DataError and SpecError."""
    if loss is None:
        raise DataError(
            "loss is missing; give a function of the output of some steps and of these steps, as "
            "loss=lambda y, steps: …"
        )
    if not callable(loss):
        raise DataError(
            f"loss is {shown(loss)}; a function of the output of some steps and of these steps is accepted, as "
            "loss=lambda y, steps: …"
        )
    if not _takes_two(loss):
        raise DataError(
            "loss takes the output alone; in a long trace it is given a stretch of it and its steps, as "
            "loss=lambda y, steps: …, and returns one loss a step."
        )
    known = ("iteration", "lengths") if isinstance(model, Network) else ("what_if",)
    for name in options:
        if name not in known:
            whose = f"a long trace of this {type(model).__name__}"
            raise DataError(f"'{name}' is no option of {whose}; {' and '.join(known)} may be given.")
    if isinstance(model, Network):
        parts = _of_network(model, x, loss, initial, steps, **options)
    else:
        parts = _of_module(model, x, loss, initial, steps, **options)
    if stretch is not None and whole("stretch", stretch) < 1:
        raise DataError(f"stretch is {stretch}; 1 step or more is accepted.")
    if whole("budget", budget) < 1:
        raise DataError(f"budget is {budget}; a number of bytes is accepted.")
    room = room_for(parts.levels, parts.steps, parts.inputs.bytes, whole("budget", budget), stretch, parts.reads_stream)
    stretches = Stretches(parts.steps, room.size)
    layers = [layer for level in parts.levels for layer in level.layers]
    with torch.inference_mode(False):
        states, grads = Borders(layers, stretches.count), Borders(layers, stretches.count)
        losses = layers[0].weights["weight_hh"].new_empty(parts.steps)
    around = {**parts.parameters, **(parameters or {})}
    made = Stretched(
        levels=parts.levels,
        inputs=parts.inputs,
        head=parts.head,
        parameters=around,
        reads_stream=parts.reads_stream,
        lengths=parts.lengths,
        stretches=stretches,
        room=room,
        states=states,
        grads=grads,
        losses=losses,
    )
    return LongRun(made)


def _takes_two(loss: Callable[..., object]) -> bool:
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # something built in, which does not tell
        return True
    return True


def _of_module(
    module: nn.Module, x: Any, loss: StepLoss, initial: Initial, steps: int | None, what_if: WhatIf = NO_WHAT_IF
) -> _Parts:
    intake.refuse(module)
    dropout = getattr(module, "dropout", 0.0)
    if dropout and module.training and getattr(module, "num_layers", 1) > 1:
        raise DataError(
            f"The model is in training mode with dropout {dropout:g} between its layers, whose masks a long trace does "
            "not keep; model.eval() is accepted."
        )
    taken = intake.take(module, given_by(x, slice(0, 1), False) if callable(x) else x, initial)
    T, inputs = _inputs(x, taken.x, getattr(module, "batch_first", False), steps)
    levels = taken.levels
    if what_if is not NO_WHAT_IF:
        levels = changed_levels(levels, what_if, T)
        dtype = levels[0].layers[0].weights["weight_hh"].dtype
        inputs = replace(inputs, dtype=dtype) if isinstance(inputs, Asked) else Kept(in_type(taken.x, what_if))

    def head(y: Tensor, own: slice) -> tuple[Tensor | None, Any]:
        return None, loss(y, own)

    return _Parts(levels, inputs, T, head, {}, False, taken.lengths)


def _of_network(
    network: Network,
    x: Any,
    loss: StepLoss,
    initial: Initial,
    steps: int | None,
    iteration: int = 0,
    lengths: Any = None,
) -> _Parts:
    first = given_by(x, slice(0, 1), False) if callable(x) else given.sequence(x)
    first = first.detach().to(network.device, copy=True)
    T, inputs = _inputs(x, first, False, steps, network.check_input)
    if first.dim() > 1:
        lengths = given.lengths(lengths, T, first.shape[1])
    lengths = None if lengths is None else lengths.to(network.device)
    levels, readout, parameters, reads_stream = network.in_stretches(first, T, initial, iteration, lengths)

    def head(*of: Any) -> tuple[Tensor | None, Any]:
        outputs = readout(*of[:-1])
        return outputs.detach().clone(), loss(outputs, of[-1])

    return _Parts(levels, inputs, T, head, parameters, reads_stream, lengths)


def _inputs(
    x: Any, taken: Tensor, batch_first: bool, steps: int | None, check: Callable[[Tensor], None] | None = None
) -> tuple[int, Inputs]:
    """T and where x comes from; `taken` is a copy of it, or of the first step where it is a function."""
    if callable(x):
        if steps is None:
            raise DataError("steps is missing; where x is a function, the number of its steps is needed.")
        if whole("steps", steps) < 1:
            raise DataError(f"steps is {steps}; 1 or more is accepted.")
        return whole("steps", steps), Asked(x, taken, batch_first, check)
    if steps is not None and whole("steps", steps) != len(taken):
        raise DataError(f"steps is {steps}, and x has {len(taken)}; it is needed only where x is a function.")
    return len(taken), Kept(taken)
