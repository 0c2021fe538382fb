"""Dead and saturated units: where squashing functions are flat, nothing comes back through them."""

from __future__ import annotations

from collections.abc import Callable
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
    if valid is None:
        valid = torch.ones(T, B, dtype=torch.bool, device="cpu") if layer.mask is None else layer.mask
    if valid.dtype != torch.bool or tuple(valid.shape) not in ((T, B), (T,)):
        raise DataError(
            f"valid is {tuple(valid.shape)} of {valid.dtype}; ({T}, {B}) or ({T},) of torch.bool is accepted."
        )
    valid = valid.to(layer.x.device).reshape(T, -1, 1)
    reverse = layer.reverse
    found: dict[str, Saturation] = {}
    with arithmetic(layer.x):
        for q in QUANTITIES[layer.cell]:
            v = layer.values[q.symbol]
            if q.kind == "gate":
                found[q.symbol] = _squashed(v, sigmoid_slope, gate_low, gate_high, valid, reverse)
            elif q.kind == "candidate":
                found[q.symbol] = _squashed(v, tanh_slope, -tanh_ends, tanh_ends, valid, reverse)
            elif q.symbol == "c":
                found["c"] = _squashed(v.tanh(), tanh_slope, -tanh_ends, tanh_ends, valid, reverse)
        if layer.cell == "rnn":
            h, a = layer.values["h"], layer.values["a"]
            if layer.activation == "tanh":
                found["h"] = _squashed(h, tanh_slope, -tanh_ends, tanh_ends, valid, reverse)
            elif layer.activation == "sigmoid":
                found["h"] = _squashed(h, sigmoid_slope, gate_low, gate_high, valid, reverse)
            elif layer.activation == "relu":
                found["h"] = _summed(a <= 0, torch.zeros_like(a, dtype=torch.bool), a <= 0, valid, reverse, None, None)
    return found


def _squashed(
    v: Tensor, slope: Callable[[Tensor], Tensor], low: float, high: float, valid: Tensor, reverse: bool
) -> Saturation:
    return _summed(v < low, v > high, slope(v) == 0, valid, reverse, low, high)


def _summed(
    at_low: Tensor,
    at_high: Tensor,
    flat: Tensor,
    valid: Tensor,
    reverse: bool,
    low: float | None,
    high: float | None,
) -> Saturation:
    T, B, H = flat.shape
    valid = valid.expand(T, B, 1)
    entries = valid.sum((1, 2)) * H, valid.sum()

    def shares(there: Tensor) -> tuple[Tensor, Tensor]:
        counted = there & valid
        return counted.sum((1, 2)).double() / entries[0], counted.sum((0, 1)).double() / entries[1]

    low_by_step, low_by_unit = shares(at_low)
    high_by_step, high_by_unit = shares(at_high)
    counted = flat & valid
    by_unit = counted.sum((0, 1))
    return Saturation(
        low=low,
        high=high,
        low_by_step=low_by_step,
        high_by_step=high_by_step,
        low_by_unit=low_by_unit,
        high_by_unit=high_by_unit,
        flat_by_step=counted.sum((1, 2)),
        flat_by_unit=by_unit,
        dead_by_step=_dead_so_far(flat | ~valid, valid, reverse),
        dead=(by_unit == entries[1]) & (entries[1] > 0),
    )


def _dead_so_far(flat: Tensor, valid: Tensor, reverse: bool) -> Tensor:
    """(T,) int64, from (T, B, H) bool that is True in the padding."""
    always, begun = flat.all(1), valid.any(1)
    if reverse:
        always, begun = always.flip(0), begun.flip(0)
    counted = (always.cumprod(0) * begun.cummax(0).values).sum(1)
    return counted.flip(0) if reverse else counted
