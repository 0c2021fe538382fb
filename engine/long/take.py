"""`engine.trace_long`: what it accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from engine import intake
from engine.errors import DataError
from engine.given import whole
from engine.long.inputs import Asked, Give, Inputs, Kept, given_by
from engine.long.room import BUDGET, room_for
from engine.long.run import LongRun
from engine.long.stretched import Stretched
from engine.long.stretches import Borders, Stretches
from engine.long.trace import LongTrace
from engine.spec_reading import shown
from engine.stack import Level
from engine.tracing import Initial

StepLoss: TypeAlias = Callable[[Tensor, slice], Tensor]
"""(y (n, B, W), steps) → (n,): the last layer's output of these steps, which count from 0, and one loss for each, which
may depend on its own step alone."""


def trace_long(
    model: nn.Module,
    x: Tensor | Give | Any,
    loss: StepLoss,
    initial: Initial = None,
    *,
    steps: int | None = None,
    budget: int = BUDGET,
    stretch: int | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> LongTrace:
    """Trace nn.RNN, nn.LSTM, nn.GRU, or one of torch's cells over a sequence whose whole trace would not fit.

    `loss` is called with a stretch of the output at a time: (y (n, B, W), steps), `steps` a slice that counts from 0,
    so that `targets[steps]` are its own; it returns (n,), one loss a step, each of its own step. It is called again
    whenever a stretch is computed again, and must answer the same. `parameters`, by name: what it reads and whose
    gradients are wanted; they are in `head_grads`.

    x and `initial` are as in `engine.trace`; or x is a function that is given a slice of steps and returns their x, as
    the model takes it, the same whenever it is asked, and `steps` is T. A tensor is copied, and that counts.

    `budget`: bytes that the trace and anything that is asked of it may take, 1 GiB if nothing is said; what is more is
    refused with its size. `stretch`: steps that are computed at once; None: what seems best. Any number of layers and
    directions, packed sequences too; dropout between layers in training mode is refused. Raises DataError.
    """
    run = long_run(model, x, loss, initial, steps=steps, budget=budget, stretch=stretch, parameters=parameters)
    while not run.finished:
        run.advance()
    return run.trace


def long_run(
    model: nn.Module,
    x: Tensor | Give | Any,
    loss: StepLoss,
    initial: Initial = None,
    *,
    steps: int | None = None,
    budget: int = BUDGET,
    stretch: int | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> LongRun:
    """The same, to be advanced one stretch at a time. Raises DataError."""
    _check_module(model)
    if not callable(loss):
        raise DataError(
            f"loss is {shown(loss)}; a function of the output of some steps and of these steps is accepted, as "
            "loss=lambda y, steps: …"
        )
    inputs: Inputs
    if callable(x) and not isinstance(x, nn.Module):
        T, first = _checked_steps(steps), given_by(x, slice(0, 1), False)
        taken = intake.take(model, first, initial)
        inputs = Asked(x, taken.x, getattr(model, "batch_first", False))
    else:
        taken = intake.take(model, x, initial)
        T, inputs = len(taken.x), Kept(taken.x)
        if steps is not None and whole("steps", steps) != T:
            raise DataError(f"steps is {steps}, and x has {T}; it is needed only where x is a function.")
    return LongRun(stretched(taken.levels, inputs, T, loss, parameters, taken.lengths, budget, stretch))


def stretched(
    levels: tuple[Level, ...],
    inputs: Inputs,
    steps: int,
    loss: StepLoss,
    parameters: Mapping[str, Tensor] | None,
    lengths: Tensor | None,
    budget: int,
    stretch: int | None,
) -> Stretched:
    """A stack that is ready to run. Raises DataError where the budget is too small."""
    if stretch is not None and whole("stretch", stretch) < 1:
        raise DataError(f"stretch is {stretch}; 1 step or more is accepted.")
    if whole("budget", budget) < 1:
        raise DataError(f"budget is {budget}; a number of bytes is accepted.")
    room = room_for(levels, steps, inputs.bytes, whole("budget", budget), stretch)
    stretches = Stretches(steps, room.size)
    layers = [layer for level in levels for layer in level.layers]
    with torch.inference_mode(False):
        states, grads = Borders(layers, stretches.count), Borders(layers, stretches.count)
        losses = layers[0].weights["weight_hh"].new_empty(steps)

    def head(y: Tensor, own: slice) -> tuple[Tensor | None, Any]:
        return None, loss(y, own)

    return Stretched(levels, inputs, head, parameters or {}, False, lengths, stretches, room, states, grads, losses)


def _check_module(model: Any) -> None:
    intake.refuse(model)
    dropout = getattr(model, "dropout", 0.0)
    if dropout and model.training and model.num_layers > 1:
        raise DataError(
            f"The model is in training mode with dropout {dropout:g} between its layers, whose masks a long trace does "
            "not keep; model.eval() is accepted."
        )


def _checked_steps(steps: int | None) -> int:
    if steps is None:
        raise DataError("steps is missing; where x is a function, the number of its steps is needed.")
    if whole("steps", steps) < 1:
        raise DataError(f"steps is {steps}; 1 or more is accepted.")
    return whole("steps", steps)
