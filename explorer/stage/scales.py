"""Scales: from a number to a place between two ends. A scale is chosen once and then stays (design: Honest numbers)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.quantities import Quantity
from engine.requests import Array, Excerpt

ScaleKind = Literal["gate", "signed", "magnitude"]

MINUS = "−"
DEFAULT_DECADES = (-20, 2)
"""Gradient magnitudes from 1e-20 to 1e2."""


@dataclass(frozen=True, slots=True)
class Scale:
    """gate: from low to high. signed: from low = −high to high, 0 in the middle. magnitude: |x|, logarithmic, from low
    to high, powers of ten an even number of decades apart, in bands of two decades."""

    kind: ScaleKind
    low: float
    high: float

    @property
    def decades(self) -> tuple[int, int]:
        """Of a magnitude: the exponents of its ends."""
        return round(math.log10(self.low)), round(math.log10(self.high))

    @property
    def bands(self) -> int:
        low, high = self.decades
        return (high - low) // 2

    @property
    def ends(self) -> tuple[str, str]:
        """The ends in words."""
        if self.kind == "magnitude":
            low, high = self.decades
            return f"1e{low}", f"1e{high}"
        return number(self.low), number(self.high)


def number(value: float) -> str:
    """An end of a scale: "0", "−2", "0.05", "1e-20"."""
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{abs(value):.0e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{abs(value):g}"
    return f"{MINUS}{text}" if value < 0 else text


GATE = Scale("gate", 0.0, 1.0)


def signed(bound: float) -> Scale:
    return Scale("signed", -bound, bound)


def magnitude(low: int = DEFAULT_DECADES[0], high: int = DEFAULT_DECADES[1]) -> Scale:
    """|x| from 10^low to 10^high; an odd number of decades gets one more at the bottom."""
    if high <= low:
        raise ValueError(f"a scale from 1e{low} to 1e{high} is empty")
    low -= (high - low) % 2
    return Scale("magnitude", float(f"1e{low}"), float(f"1e{high}"))


def round_bound(data: Array) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 × 10^k at or above every finite |x|; 1 where there is none but zeros."""
    top = largest(data)
    if top == 0:
        return 1.0
    exponent = math.floor(math.log10(top))
    for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 20):
        bound = float(f"{factor}e{exponent}")
        if bound >= top:
            return bound
    return top


def largest(data: Array) -> float:
    """The largest finite |x|, 0.0 if there is none."""
    if data.size == 0:
        return 0.0
    top = float(np.max(np.abs(data)))
    if math.isfinite(top):
        return top
    finite = np.isfinite(data)
    return float(np.max(np.abs(data), where=finite, initial=0.0))


def for_values(quantity: Quantity, excerpt: Excerpt, data: Array) -> Scale:
    """Gates 0 … 1, what is bounded by its bounds, everything else by the data it is first seen with."""
    if quantity.kind == "gate":
        return GATE
    if quantity.high is not None:
        return signed(quantity.high)
    if quantity.symbol == "h" and (excerpt.cell == "gru" or excerpt.activation == "tanh"):
        return signed(1.0)  # tanh, and the GRU's mixture of tanh (from a state within the bounds)
    return signed(round_bound(data))


def for_gradients(excerpt: Excerpt) -> Scale:
    """1e-20 … 1e2, unless a state's gradient norm is larger: then upwards, as far as the norms go."""
    norms = [a for key, a in excerpt.norms.items() if key in ("grads.h", "grads.c")]
    finite = [a[np.isfinite(a) & (a > 0)] for a in norms]
    known = np.concatenate(finite) if finite else np.empty(0)
    low, high = DEFAULT_DECADES
    if known.size and known.max() > 10.0**high:
        high = _even(math.ceil(math.log10(float(known.max()))), up=True)
        low = max(low, _even(math.floor(math.log10(float(known.min()))) - 4, up=False))
        low = min(low, high - 12)
    return magnitude(low, min(high, 40 if excerpt.dtype == "float32" else 308))


def _even(exponent: int, *, up: bool) -> int:
    return exponent + (exponent % 2 if up else -(exponent % 2))
