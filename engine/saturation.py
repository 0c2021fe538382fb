"""Dead and saturated units: where squashing functions are flat, nothing comes back through them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.cells.slopes import sigmoid_slope, tanh_slope
from engine.errors import DataError
from engine.precision import arithmetic
from engine.quantities import QUANTITIES
from engine.spec_reading import shown

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

GATE_LOW, GATE_HIGH = 0.05, 0.95
"""A sigmoid beyond these has less than a fifth of its steepest slope."""
TANH_ENDS = 0.95
"""A tanh beyond this, either way, has less than a tenth of it."""


@dataclass(frozen=True, eq=False)
class Saturation:
    """Of one squashed quantity, over the steps and samples that are valid. Shares are NaN where there are none."""

    low: float | None
    """Below this counts as saturated at the low end; None for ReLU: a ≤ 0 does."""
    high: float | None
    """Above this, at the high end; None where there is no such end."""
    low_by_step: Tensor
    """(T,) float64: share of all (unit, sample) at the low end."""
    high_by_step: Tensor
    low_by_unit: Tensor
    """(H,) float64: share of all (step, sample)."""
    high_by_unit: Tensor
    flat_by_step: Tensor
    """(T,) int64: how many (unit, sample) have a slope of exactly 0 in the values' own type."""
    flat_by_unit: Tensor
    """(H,) int64: how many (step, sample)."""
    dead_by_step: Tensor
    """(T,) int64: how many units had a slope of exactly 0 at every valid step up to this one, in the layer's order; 0
    before the first that is valid."""
    dead: Tensor
    """(H,) bool: units whose slope is exactly 0 at every valid step of every sample. For ReLU: a ≤ 0 throughout."""


def saturation(
    layer: LayerTrace,
    *,
    gate_low: float = GATE_LOW,
    gate_high: float = GATE_HIGH,
    tanh_ends: float = TANH_ENDS,
    valid: Tensor | None = None,
) -> dict[str, Saturation]:
    """By symbol: every gate, every candidate, "h" of a vanilla RNN with tanh, ReLU or σ (leaky ReLU and
    the identity are nowhere flat), and "c" of the LSTM as far as it passes tanh(c).

    `valid` (T, B) or (T,) bool are the steps that count; None: all but the padding. NaN values are at neither end.
    Raises DataError.
    """
    for name, value, accepted in (
        ("gate_low", gate_low, 0 < gate_low < gate_high < 1),
        ("gate_high", gate_high, 0 < gate_low < gate_high < 1),
        ("tanh_ends", tanh_ends, 0 < tanh_ends < 1),
    ):
        if not accepted:
            raise DataError(
                f"{name} is {shown(value)}; 0 < gate_low < gate_high < 1 and 0 < tanh_ends < 1 are accepted."
            )
    T, B = layer.steps, layer.batch_size
    if valid is not None and (valid.dtype != torch.bool or tuple(valid.shape) not in ((T, B), (T,))):
        raise DataError(
            f"valid is {tuple(valid.shape)} of {valid.dtype}; ({T}, {B}) or ({T},) of torch.bool is accepted."
        )
    return _counted([(layer, valid)], layer.reverse, gate_low, gate_high, tanh_ends)


def saturation_of(stretches: Iterable[LayerTrace], reverse: bool) -> dict[str, Saturation]:
    """The same of a layer that comes a stretch at a time, in its own order: from the last one where it runs in
    reverse."""
    return _counted(((layer, None) for layer in stretches), reverse, GATE_LOW, GATE_HIGH, TANH_ENDS)


def _counted(
    stretches: Iterable[tuple[LayerTrace, Tensor | None]],
    reverse: bool,
    gate_low: float,
    gate_high: float,
    tanh_ends: float,
) -> dict[str, Saturation]:
    tallies: dict[str, _Tally] = {}
    for layer, valid in stretches:
        valid = _valid(layer, valid)
        with arithmetic(layer.x):
            for symbol, ends in _ends(layer, gate_low, gate_high, tanh_ends).items():
                tallies.setdefault(symbol, _Tally(ends.low, ends.high, reverse)).take(ends, valid)
    return {symbol: tally.result() for symbol, tally in tallies.items()}


def _valid(layer: LayerTrace, valid: Tensor | None) -> Tensor:
    """(T, B, 1) bool."""
    T, B = layer.steps, layer.batch_size
    if valid is None:
        valid = torch.ones(T, B, dtype=torch.bool, device="cpu") if layer.mask is None else layer.mask
    return valid.to(layer.x.device).reshape(T, -1, 1).expand(T, B, 1)


@dataclass(frozen=True, eq=False)
class _Ends:
    """Of one quantity, (T, B, H) bool each."""

    low: float | None
    high: float | None
    at_low: Tensor
    at_high: Tensor
    flat: Tensor


def _ends(layer: LayerTrace, gate_low: float, gate_high: float, tanh_ends: float) -> dict[str, _Ends]:
    def of_gate(v: Tensor) -> _Ends:
        return _Ends(gate_low, gate_high, v < gate_low, v > gate_high, sigmoid_slope(v) == 0)

    def of_tanh(v: Tensor) -> _Ends:
        return _Ends(-tanh_ends, tanh_ends, v < -tanh_ends, v > tanh_ends, tanh_slope(v) == 0)

    found: dict[str, _Ends] = {}
    for q in QUANTITIES[layer.cell]:
        v = layer.values[q.symbol]
        if q.kind == "gate":
            found[q.symbol] = of_gate(v)
        elif q.kind == "candidate":
            found[q.symbol] = of_tanh(v)
        elif q.symbol == "c":
            found["c"] = of_tanh(v.tanh())
    if layer.cell == "rnn":
        h, a = layer.values["h"], layer.values["a"]
        if layer.activation == "tanh":
            found["h"] = of_tanh(h)
        elif layer.activation == "sigmoid":
            found["h"] = of_gate(h)
        elif layer.activation == "relu":
            found["h"] = _Ends(None, None, a <= 0, torch.zeros_like(a, dtype=torch.bool), a <= 0)
    return found


class _Tally:
    """Counts of one quantity, as stretches of steps come in."""

    def __init__(self, low: float | None, high: float | None, reverse: bool) -> None:
        self._low, self._high, self._reverse = low, high, reverse
        self._by_step: list[tuple[Tensor, ...]] = []
        """(steps,) each: at the low end, at the high end, flat, dead so far, and entries that count."""
        self._by_unit: tuple[Tensor, ...] = ()
        """(H,) each: at the low end, at the high end, flat; and (): entries that count."""
        self._flat_so_far: Tensor | None = None
        """(H,) bool: at every valid step up to here."""
        self._begun = False
        """Whether there was any valid step."""

    def take(self, ends: _Ends, valid: Tensor) -> None:
        counted = [there & valid for there in (ends.at_low, ends.at_high, ends.flat)]
        dead = self._dead_so_far(ends.flat | ~valid, valid)
        by_step = [one.sum((1, 2)) for one in counted]
        self._by_step.append((*by_step, dead, valid.sum((1, 2)) * ends.flat.shape[2]))
        by_unit = (*(one.sum((0, 1)) for one in counted), valid.sum())
        self._by_unit = tuple(a + b for a, b in zip(self._by_unit, by_unit, strict=True)) if self._by_unit else by_unit

    def _dead_so_far(self, flat: Tensor, valid: Tensor) -> Tensor:
        """(T,) int64, from (T, B, H) bool that is True in the padding."""
        always, there = flat.all(1), valid.any(1)
        if self._reverse:
            always, there = always.flip(0), there.flip(0)
        if self._flat_so_far is not None:  # what was before stands for a step of its own
            always = torch.cat([self._flat_so_far[None], always])
            there = torch.cat([there.new_tensor([[self._begun]]), there])
        so_far, begun = always.cumprod(0), there.cummax(0).values
        counted = (so_far * begun).sum(1)
        if self._flat_so_far is not None:
            counted = counted[1:]
        self._flat_so_far, self._begun = so_far[-1].bool(), bool(begun[-1])
        return counted.flip(0) if self._reverse else counted

    def result(self) -> Saturation:
        parts = self._by_step[::-1] if self._reverse else self._by_step
        low, high, flat, dead, entries = (torch.cat(one) for one in zip(*parts, strict=True))
        low_of_unit, high_of_unit, flat_of_unit, of_unit = self._by_unit
        return Saturation(
            low=self._low,
            high=self._high,
            low_by_step=low.double() / entries,
            high_by_step=high.double() / entries,
            low_by_unit=low_of_unit.double() / of_unit,
            high_by_unit=high_of_unit.double() / of_unit,
            flat_by_step=flat,
            flat_by_unit=flat_of_unit,
            dead_by_step=dead,
            dead=(flat_of_unit == of_unit) & (of_unit > 0),
        )
