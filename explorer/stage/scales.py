"""Scales: from a number to a place between two ends. A scale is chosen once and then stays (design: Honest numbers)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.quantities import Quantity
from engine.requests import Array, Excerpt, ShownLayer

ScaleKind = Literal["gate", "signed", "magnitude"]

MINUS = "−"
DEFAULT_DECADES = (-20, 2)
"""Gradient magnitudes from 1e-20 to 1e2."""
LINEAR_DECADES = 4
"""Values whose steps differ by more decades get a signed logarithm."""
MOST_DECADES = 40
MOST_BANDS = 240
"""Of a magnitude: each is a code of its own (explorer.stage.classes)."""
FINEST, FINE, MIDDLE = 3, 6, 14
"""Magnitudes over up to so many decades have bands of a quarter of a decade, of half a one, and of one; over more, of
two."""
_ROOTS = ("1", "1.778279410038922801225421195", "3.162277660168379331998893544", "5.623413251903490803949510398")
"""10^(k/4), with more digits than any type holds: edges within a decade are rounded once."""


@dataclass(frozen=True, slots=True)
class Scale:
    """gate: from low to high. signed: from low = −high to high, 0 in the middle. magnitude: |x|, logarithmic, from low
    to high, powers of ten a whole number of bands apart."""

    kind: ScaleKind
    low: float
    high: float
    linear: float = 0.0
    """Of a signed logarithm: within ± this it is linear. 0: linear everywhere."""

    @property
    def decades(self) -> tuple[int, int]:
        """Of a magnitude: the exponents of its ends."""
        return round(math.log10(self.low)), round(math.log10(self.high))

    @property
    def band_decades(self) -> float:
        """Of a magnitude: how many decades a band has. The narrower the range, the finer: 8 to 14 bands or so, of one
        decade four."""
        low, high = self.decades
        if high - low <= FINEST:
            return 0.25
        return 0.5 if high - low <= FINE else 1 if high - low <= MIDDLE else 2

    @property
    def bands(self) -> int:
        low, high = self.decades
        return math.ceil((high - low) / self.band_decades)

    def edge(self, band: int) -> float:
        """Where a band begins, exactly: they are counted from 0 at the low end."""
        quarters = round(4 * (self.decades[0] + band * self.band_decades))
        return float(f"{_ROOTS[quarters % 4]}e{quarters // 4}")

    @property
    def band_words(self) -> str:
        return {0.25: "¼ decade", 0.5: "½ decade", 1: "1 decade", 2: "2 decades"}[self.band_decades] + " a band"

    @property
    def ends(self) -> tuple[str, str]:
        """The ends in words."""
        if self.kind == "magnitude":
            low, high = self.decades
            return f"1e{low}", f"1e{high}"
        return number(self.low), number(self.high)

    @property
    def linear_share(self) -> float:
        """Of a signed logarithm: the part of each half that the linear zone takes, at least wide enough to be seen."""
        return max(0.12, 1 / (math.log10(self.high / self.linear) + 1))

    def share(self, size: Array) -> Array:
        """Of a signed scale: where |x| stands between the middle (0) and an end (1)."""
        if not self.linear:
            return size * size.dtype.type(1 / self.high)
        zone = self.linear_share
        with np.errstate(divide="ignore"):
            decades = np.log10(size / size.dtype.type(self.linear)) / math.log10(self.high / self.linear)
        return np.where(size <= self.linear, size * (zone / self.linear), zone + (1 - zone) * decades)

    def marks(self, most: int) -> list[tuple[float, str]]:
        """(place, text) of the numbers between the ends, from below, about `most`. Place: 0 the low end, 1 the high."""
        if self.kind == "gate":
            return [(0.5, number((self.low + self.high) / 2))]
        if self.kind == "magnitude":
            low, high = self.decades
            least = () if self.band_decades == 2 else (1, 2)
            every = next((n for n in (*least, 4, 8, 12, 20, 40, 80, 160) if (high - low) / n <= most), 320)
            found = range(-(-(low + 1) // every) * every, high, every)
            return [((decade - low) / (high - low), f"1e{decade}") for decade in found]
        return [(0.5, f"±{number(self.linear)}" if self.linear else "0")]


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
    """|x| from 10^low to 10^high. With two decades a band, an odd number of decades gets one more at the bottom."""
    if high <= low:
        raise ValueError(f"a scale from 1e{low} to 1e{high} is empty")
    if high - low > MIDDLE:
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


def for_values(quantity: Quantity, layer: ShownLayer, data: Array) -> Scale:
    """Gates 0 … 1, what is bounded by its bounds, everything else by the data it is first seen with."""
    if quantity.kind == "gate":
        return GATE
    if quantity.high is not None:
        return signed(quantity.high)
    if quantity.symbol == "h" and (layer.cell == "gru" or layer.activation == "tanh"):
        return signed(1.0)  # tanh, and the GRU's mixture of tanh (from a state within the bounds)
    return signed_log(data) or signed(round_bound(data))


def signed_log(data: Array) -> Scale | None:
    """Up to the next power of ten, linear where the quietest step is; None where a linear scale shows every step.

    A step is measured by its largest number: single numbers near zero do not make a scale logarithmic.
    """
    with np.errstate(invalid="ignore"):
        each = np.max(np.where(np.isfinite(data), np.abs(data), 0), axis=1)
    each = each[each > 0]
    if not each.size or float(each.max()) <= float(each.min()) * 10.0**LINEAR_DECADES:
        return None
    high = math.ceil(math.log10(float(each.max())))
    low = max(math.floor(math.log10(float(each.min()))), high - MOST_DECADES)
    bound = float(f"1e{high}")
    return Scale("signed", -bound, bound, float(f"1e{low}")) if math.isfinite(bound) else None


def for_gradients(excerpt: Excerpt) -> Scale:
    """1e-20 … 1e2, unless a state's gradient norm is larger: then upwards, as far as the norms go."""
    known = _state_norms(excerpt)
    low, high = DEFAULT_DECADES
    if known.size and known.max() > 10.0**high:
        high = _even(math.ceil(math.log10(float(known.max()))), up=True)
        low = max(low, _even(math.floor(math.log10(float(known.min()))) - 4, up=False))
        low = min(low, high - 12)
    return magnitude(low, min(high, 40 if excerpt.dtype == "float32" else 308))


def reaching(scale: Scale, excerpt: Excerpt) -> Scale:
    """A magnitude's scale that goes up to the largest gradient norm of a state: its wires and curves are on it too."""
    largest_norm = float(np.max(_state_norms(excerpt), initial=0.0))
    low, high = scale.decades
    if largest_norm > scale.high:
        high = min(math.ceil(math.log10(largest_norm)), 308)
    return magnitude(low, high)


def _state_norms(excerpt: Excerpt) -> Array:
    """Those of every layer's ∂L/∂h and ∂L/∂c that are numbers, and not zero."""
    states = ("grads.h", "grads.c")
    norms = [a for layer in excerpt.layers.values() for key, a in layer.norms.items() if key in states]
    finite = [a[np.isfinite(a) & (a > 0)] for a in norms]
    return np.concatenate(finite) if finite else np.empty(0)


def with_sign(of: Scale) -> Scale:
    """A signed logarithm with the range of a magnitude's scale: linear below its low end."""
    return Scale("signed", -of.high, of.high, of.low)


def of_sizes(data: Array) -> Scale:
    """For |values|: up to the largest, down to where the quietest step is and a little further."""
    with np.errstate(invalid="ignore"):
        each = np.max(np.where(np.isfinite(data), np.abs(data), 0), axis=1, initial=0.0)
    each = each[each > 0].astype(np.float64)
    if not each.size:
        return magnitude(-12, 0)
    high = _even(math.ceil(math.log10(float(each.max()))), up=True)
    low = _even(math.floor(math.log10(float(each.min()))) - 4, up=False)
    return magnitude(max(high - MOST_DECADES, min(low, high - 12)), min(high, 308))


def fitted_sizes(data: Array) -> Scale | None:
    """Whole decades around |data|: up to the largest, down to the quietest step and to all but one in fifty of the
    numbers. Single ones near zero do not make a scale wide. None where nothing has a size."""
    size = np.abs(data.astype(np.float64)).reshape(len(data), -1)
    size[~np.isfinite(size)] = 0
    each = np.max(size, axis=1, initial=0.0)
    each, every = each[each > 0], np.sort(size[size > 0])
    if not every.size:
        return None
    quiet = min(float(each.min()), float(every[len(every) // 50]))
    low, high = math.floor(math.log10(quiet)), math.ceil(math.log10(float(every[-1])))
    if high > 308:  # a double ends within the decade above
        high = 308
    low = max(min(low, high - 1), high - 2 * MOST_BANDS + 2)
    return magnitude(max(low, -320), high)


def fitted(kind: ScaleKind, data: Array) -> Scale | None:
    """What shows these numbers best; None where there are none."""
    if kind == "magnitude":
        return fitted_sizes(data)
    finite = data[np.isfinite(data)].astype(np.float64)
    if not finite.size:
        return None
    if kind == "signed":
        return signed_log(data) or signed(round_bound(data))
    low, high = float(finite.min()), float(finite.max())
    unit = 10.0 ** math.floor(math.log10(max(high - low, 1e-6)))
    first, last = math.floor(low / unit + 1e-9), math.ceil(high / unit - 1e-9)
    places = max(0, -round(math.log10(unit)))
    return Scale("gate", round(max(0.0, first * unit), places), round(min(1.0, max(last, first + 1) * unit), places))


def _even(exponent: int, *, up: bool) -> int:
    return exponent + (exponent % 2 if up else -(exponent % 2))
