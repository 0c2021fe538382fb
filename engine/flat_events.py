"""Events of functions that have gone flat: a gate that saturates, units that are dead. No gradient passes either.

The thresholds are those of engine.saturation. A gate that is held at a value says nothing: it was put there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.cells.slopes import sigmoid_slope, tanh_slope
from engine.figures import figure
from engine.precision import arithmetic
from engine.quantities import QUANTITIES
from engine.requests import Event
from engine.saturation import GATE_HIGH, GATE_LOW

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

MOST = (9, 10)
"""A gate is saturated where more than nine tenths of its (unit, sample) are beyond the thresholds."""


def flat_events(layer: LayerTrace) -> tuple[Event, ...]:
    """Of each gate the first step, in the layer's own direction, at which it is saturated; of each squashed quantity
    its dead units, at the end of the forward pass."""
    mask = layer.mask
    with arithmetic(layer.x):
        return (*_saturated(layer, mask), *_dead(layer, mask))


def _saturated(layer: LayerTrace, mask: Tensor | None) -> Iterator[Event]:
    for q in QUANTITIES[layer.cell]:
        if q.kind != "gate" or q.symbol in layer.held:
            continue
        gate = layer.values[q.symbol]
        low, high = gate < GATE_LOW, gate > GATE_HIGH
        beyond = low.logical_or(high)
        if mask is not None:
            beyond = beyond & mask.unsqueeze(-1)
        samples = (
            mask.sum(1) if mask is not None else torch.tensor([gate.shape[1]], device=gate.device).expand(len(gate))
        )
        enough = beyond.flatten(1).sum(1) * MOST[1] > samples * layer.hidden_size * MOST[0]
        if not bool(enough.any()):
            continue
        steps = torch.nonzero(enough).flatten()
        at = int(steps[-1] if layer.reverse else steps[0])
        here = beyond[at]
        below, above = int((low[at] & here).sum()), int((high[at] & here).sum())
        entries = layer.hidden_size * int(samples[at])
        share = figure(100 * (below + above) / entries, 3)
        count = int(samples[at])
        whose = f"values of all {count} samples" if count > 1 else "values"
        sentence = (
            f"The {q.title.lower()} {q.symbol} saturates at t = {at + 1}: {share} % of its {whose} are nearly flat "
            f"({below} below {GATE_LOW}, {above} above {GATE_HIGH})."
        )
        yield Event("saturated", "forward", at + 1, sentence, reverse=layer.reverse)


def _dead(layer: LayerTrace, mask: Tensor | None) -> Iterator[Event]:
    last = 1 if layer.reverse else layer.steps
    for symbol, flat in _flatness(layer):
        dead = _always(flat, mask)
        count = int(dead.sum())
        if count:
            which = "" if count > 4 else f" ({', '.join(str(int(u)) for u in torch.nonzero(dead).flatten())})"
            noun, verb = ("unit", "is") if count == 1 else ("units", "are")
            sentence = (
                f"{count} {noun} of {symbol}{which} {verb} dead: at every step of every sample the slope is exactly 0, "
                "and no gradient comes through."
            )
            yield Event("dead", "forward", last, sentence, reverse=layer.reverse)


def _flatness(layer: LayerTrace) -> Iterator[tuple[str, tuple[Tensor, str]]]:
    """By symbol the squashed values and the kind of squashing, of everything that is squashed."""
    for q in QUANTITIES[layer.cell]:
        if q.kind in ("gate", "candidate") and q.symbol not in layer.held:
            yield q.symbol, (layer.values[q.symbol], "sigmoid" if q.kind == "gate" else "tanh")
        elif q.symbol == "c":
            yield "tanh c", (layer.values["c"], "tanh of")
    if layer.cell == "rnn" and layer.activation in ("tanh", "sigmoid", "relu"):
        relu = layer.activation == "relu"
        yield "h", (layer.values["a" if relu else "h"], layer.activation)


def _is_flat(values: Tensor, kind: str) -> Tensor:
    if kind == "relu":
        return values <= 0
    if kind == "sigmoid":
        return sigmoid_slope(values) == 0
    return tanh_slope(values.tanh() if kind == "tanh of" else values) == 0


def _always(flat: tuple[Tensor, str], mask: Tensor | None) -> Tensor:
    """(H,) bool. Most traces are done with after a look at a step in the middle: whoever is not flat there is alive."""
    values, kind = flat
    middle = len(values) // 2
    suspects = _is_flat(values[middle], kind)
    if mask is not None:
        suspects = suspects | ~mask[middle].unsqueeze(-1)
    if not bool(suspects.all(0).any()):
        return suspects.new_zeros(suspects.shape[-1])
    found = _is_flat(values, kind)
    if mask is not None:
        found = found | ~mask.unsqueeze(-1)
    return found.flatten(0, 1).all(0)
