"""A plain axis of numbers: where they stand between two ends, and round numbers to write at it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.widgets.numbers import MINUS, short

Floats = NDArray[np.float64]
_AIR = 0.06
_FAR = 1.0
"""How far answers may widen what the targets need, in widths of it: an answer that has run away stands at the edge."""


@dataclass(frozen=True)
class Span:
    low: float
    high: float

    def places(self, values: Floats) -> Floats:
        """0 at the low end, 1 at the high one."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((values - self.low) / (self.high - self.low), np.float64)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """(place, text) of at most so many round numbers."""
        size = self.high - self.low
        exponent = math.floor(math.log10(size))
        steps = [float(f"{factor}e{exponent + more}") for more in (-2, -1, 0, 1) for factor in (1, 2, 5)]
        step = next((one for one in steps if size / one <= max(1, most)), steps[-1])
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [((k * step - self.low) / size, _written(k * step, step)) for k in range(first, last + 1)]


def span_of(needed: Floats, welcome: Floats) -> Span:
    """Holds what is needed, and of what is welcome as much as does not press that together. Not finite: left out."""
    needed, welcome = needed[np.isfinite(needed)], welcome[np.isfinite(welcome)]
    base = needed if len(needed) else welcome
    if not len(base):
        return Span(0.0, 1.0)
    low, high = float(base.min()), float(base.max())
    size = (high - low) or max(abs(high), 1e-30)
    if len(welcome):
        low = max(min(low, float(welcome.min())), low - _FAR * size)
        high = min(max(high, float(welcome.max())), high + _FAR * size)
    if not math.isfinite(high - low):  # wider than a float holds
        return Span(0.0, 1.0)
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-300):
        around = 0.5 * max(abs(high), 1e-30)
        low, high = low - around, high + around
    air = _AIR * (high - low)
    return Span(low - air, high + air)


def _written(value: float, step: float) -> str:
    """With as many digits as tell neighbours apart."""
    if abs(value) < step / 2:
        return "0"
    if step >= 1e-4 and abs(value) < 1e6:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        return f"{value:.{decimals}f}".replace("-", MINUS)
    return short(value, max(2, math.ceil(math.log10(abs(value) / step)) + 1))
