"""Events: what on the tape is worth a tick. The first underflow, overflow and NaN of each direction, gates that
saturate, units that are dead (engine.flat_events), and clipping.

Underflow and overflow are the arithmetic's: they are looked for in the dtype of the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from engine.exact_zeros import FLAT, why_zero
from engine.figures import figure
from engine.flat_events import flat_events
from engine.quantities import STATES, layer_title
from engine.requests import ClipReport, Event
from engine.spec import CellKind

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

Direction = Literal["forward", "backward"]
Why = Callable[[str, int, Tensor], str]
"""Of a state, a step in the layer's order, and entries (B, H): why their gradient has become exactly 0 there."""


def events(
    cell: CellKind,
    values: Mapping[str, Tensor],
    grads: Mapping[str, Tensor],
    valid: Tensor | None = None,
    *,
    passing: Mapping[str, Tensor] | None = None,
    reverse: bool = False,
    why: Why | None = None,
) -> tuple[Event, ...]:
    """The events of a layer in the order of the tape, without clipping.

    `values` and `grads` hold (T, B, H) for the states and, where overflow and NaN are to be looked for in them too,
    for the other quantities; `valid` (T, B) is False in the padding. `passing`: the states' gradients as far as they
    go on to the step before, where truncation stops some (`LayerTrace.passing`). Everything in the order in which the
    layer runs: with `reverse` the first of them is step T. `why`: asked where a gradient becomes exactly 0; without it
    only a slope can be the reason.
    """
    steps = len(values["h"])
    found = [*_not_finite("forward", values), *_not_finite("backward", grads)]
    under = _underflow(grads, grads if passing is None else passing, STATES[cell], valid, why)
    if under is not None:
        found.append(under)
    return tuple(_said(event, steps, reverse) for event in sorted(found, key=lambda event: event.position(steps)))


def _said(event: Event, steps: int, reverse: bool) -> Event:
    """From a place in the layer's order to t."""
    t = steps + 1 - event.step if reverse else event.step
    return replace(event, step=t, sentence=event.sentence.replace("{t}", str(t)), reverse=reverse)


def of_layers(layers: Mapping[str, LayerTrace]) -> tuple[Event, ...]:
    """Those of every layer, in the order of the tape. Where there are several, each says whose it is."""
    found = []
    for name, layer in layers.items():
        values, grads, passing = (
            {symbol: array.flip(0) if layer.reverse else array for symbol, array in part.items()}
            for part in (layer.values, layer.grads, {} if layer.passing is layer.grads else layer.passing)
        )
        mask = layer.recurrence.course.mask
        valid = None if mask is None else (mask.flip(0) if layer.reverse else mask).squeeze(-1)
        why = partial(_why, layer)
        own = events(layer.cell, values, grads, valid, passing=passing or None, reverse=layer.reverse, why=why)
        for event in (*own, *flat_events(layer)):
            whose = f"L{layer_title(name)[1:]}: {event.sentence}" if len(layers) > 1 else event.sentence
            found.append(replace(event, sentence=whose, layer=name))
    steps = next(iter(layers.values())).steps
    return tuple(sorted(found, key=lambda event: event.position(steps)))


def _why(layer: LayerTrace, state: str, step: int, fallen: Tensor) -> str:
    """From a step in the layer's order to the place of the one after it in its arrays."""
    return why_zero(layer, state, layer.steps - 1 - step if layer.reverse else step, fallen)


def clip_events(clip: ClipReport | None, steps: int) -> tuple[Event, ...]:
    """Clipping, where it fired: it stands after everything else."""
    return (Event("clip", "clip", steps, clip.sentence),) if clip is not None and clip.fired else ()


def _not_finite(direction: Direction, arrays: Mapping[str, Tensor]) -> list[Event]:
    """The first inf and the first NaN in the direction of travel, and in which quantity (the first named one, where
    several turn bad at the same step)."""
    found = []
    # The sum of an array is finite only if every entry is: one cheap pass before the two that look for the place.
    suspects = {symbol: array for symbol, array in arrays.items() if not bool(torch.isfinite(array.sum()))}
    for kind, is_bad in (("overflow", torch.isinf), ("nan", torch.isnan)):
        first: tuple[int, str] | None = None
        for symbol, array in suspects.items():
            bad = torch.nonzero(is_bad(array).flatten(1).any(1)).flatten()
            if len(bad):
                step = int(bad[0] if direction == "forward" else bad[-1]) + 1
                if first is None or (step < first[0] if direction == "forward" else step > first[0]):
                    first = step, symbol
        if first is not None:
            found.append(_bad_event("overflow" if kind == "overflow" else "nan", direction, arrays, first))
    return found


def _bad_event(
    kind: Literal["overflow", "nan"], direction: Direction, arrays: Mapping[str, Tensor], first: tuple[int, str]
) -> Event:
    step, symbol = first
    array = arrays[symbol][step - 1]
    bad = torch.isinf(array) if kind == "overflow" else torch.isnan(array)
    what = symbol if direction == "forward" else f"∂L/∂{symbol}"
    count = f"{int(bad.sum())} of {array.numel()} entries{_of_samples(array)}"
    if kind == "overflow":
        dtype, largest = _name(array.dtype), torch.finfo(array.dtype).max
        sentence = f"{what} overflows {dtype} at t = {{t}}: {count} pass {figure(largest, 2)} and become inf."
    else:
        sentence = f"{what} holds the first NaN at t = {{t}}: {count}."
    return Event(kind, direction, step, sentence)


def _underflow(
    grads: Mapping[str, Tensor],
    passing: Mapping[str, Tensor],
    states: tuple[str, ...],
    valid: Tensor | None,
    why: Why | None,
) -> Event | None:
    """Going backward, the first step at which a state's gradient becomes subnormal or exactly zero where what went on
    to it from the step after was a normal number. What truncation stops has not become small: it does not go on."""
    first: tuple[int, str] | None = None
    for symbol in states:
        grad = grads[symbol]
        if len(grad) < 2:
            continue
        tiny = torch.finfo(grad.dtype).tiny
        steps = torch.nonzero(_fallen(grad, passing[symbol], tiny, valid).flatten(1).any(1)).flatten()
        if len(steps) and (first is None or int(steps[-1]) + 1 > first[0]):
            first = int(steps[-1]) + 1, symbol
    if first is None:
        return None
    step, symbol = first
    now, after = grads[symbol][step - 1], passing[symbol][step]
    tiny = torch.finfo(now.dtype).tiny
    fallen = _fallen(grads[symbol], passing[symbol], tiny, valid)[step - 1]
    if bool((now[fallen] == 0).all()) and float(after[fallen].abs().min()) > tiny**0.5:
        # A step cannot shrink a number that much: it was multiplied by an exact zero, or stopped.
        reason = FLAT if why is None else why(symbol, step, fallen)
        sentence = (
            f"∂L/∂{symbol} becomes exactly 0 at t = {{t}} for {int(fallen.sum())} of {now.numel()} entries"
            f"{_of_samples(now)}: {reason}."
        )
    else:
        sentence = (
            f"∂L/∂{symbol} starts to underflow {_name(now.dtype)} at t = {{t}}: {int(fallen.sum())} of {now.numel()} "
            f"entries{_of_samples(now)} fall below {figure(tiny, 2)} and lose digits."
        )
    return Event("underflow", "backward", step, sentence)


def _fallen(grad: Tensor, passing: Tensor, tiny: float, valid: Tensor | None) -> Tensor:
    """(T − 1, …) bool: below the normal numbers at step t, and among them what goes on to it from t + 1.

    Not where terms cancelled to exactly 0, as they do in every 256th sum of a bfloat16: nothing has died there, and one
    step on (at the first step, in the sample's other units) the gradient is as large as before.
    """
    small = grad.abs() < tiny
    alive = ~small
    goes_on = torch.cat([alive[:1].any(-1, keepdim=True).expand_as(alive[:1]), alive[:-1]])
    cancelled = (grad == 0) & goes_on
    came = alive[1:] if passing is grad else passing[1:].abs() >= tiny
    fallen = small[:-1] & came & ~cancelled[:-1]
    return fallen if valid is None else fallen & valid[:-1].unsqueeze(-1)


def _of_samples(array: Tensor) -> str:
    """What the entries of a step (B, H) are counted over: a track counts those of one sample."""
    return f" of all {len(array)} samples" if len(array) > 1 else ""


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
