"""What stands under a symbol: which series of an excerpt, at which step, through which function.

For one unit every number is that unit's. For all units what lies between 0 and 1 (gates, slopes) is a mean over the
units, and everything else a Euclidean norm: of a series the excerpt has it; of a product it must be made from the
arrays, since ‖f⊙c‖ is not ‖f‖·‖c‖. Where the arrays are not there the number is unknown, and nothing is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine import dtypes
from engine.requests import Excerpt
from explorer.widgets import numbers

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Part:
    """A series of `Excerpt.cell_series`, so many steps on along the layer's own way: of a reverse layer +1 is t − 1."""

    key: str
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """A number that belongs to a step. Without a function it is its only part."""

    parts: tuple[Part, ...]
    function: Callable[..., Array] | None = None
    """Elementwise, of the parts; computed in the trace's dtype, as the engine does."""
    series: str = ""
    """A series that has the result at the first part's step, where the excerpt has it (exact, also as a norm)."""
    beyond: float | None = 0.0
    """Its value where a part lies beyond the last step: no gradient comes from there, and no value is there (None)."""
    difference: bool = False
    """The first part less the function of the others: digits cancel, so it is known only up to a bound."""
    mean: bool = False
    """For all units the mean and not the norm: gates and slopes, whose norm would pass 1 and read like a mistake."""
    made: str = ""
    """The key under which an operation of the cell yields it (engine.operations_of_cell); "": those of its parts."""

    own: str = ""
    """A series that has it at the step itself, wherever the parts lie, where the excerpt has it: what goes from a step
    to the one before is known of the first step too, and of a truncated trace it is not what the parts come to."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The keys of the step's own operations without which it is not there."""
        if self.made:
            return (self.made,)
        return tuple(
            p.key for p in self.parts if not p.shift and not p.key.endswith("_prev") and p.key[:4] not in _GIVEN
        )

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(part.key for part in self.parts)


@dataclass(frozen=True, slots=True)
class Reading:
    value: float | None
    """None: unknown, or there is no such thing at this step."""
    bound: float = 0.0
    """Where the digits have cancelled: the value is not larger than this, and more cannot be said."""
    mean: bool = False
    """A mean over the units: drawn with a bar over it."""
    beyond: bool = False
    """There is no such thing, since there is no step after the last."""
    before: bool = False
    """It belongs to the state before the first step, whose gradient the excerpt does not have."""
    subnormal: bool = False
    """Below the smallest normal number of the trace's type: its digits are going, and its text says so by a sign."""

    @property
    def text(self) -> str:
        """As it stands under a symbol: "0.941", "−1.2e-9", "≈2.8e-45" (subnormal), "< 3e-8", "none"; "–": unknown."""
        if self.bound:
            return f"< {numbers.short(self.bound, 1)}"
        if self.value is None:
            return "none" if self.beyond else "–"
        return f"{numbers.UNSURE if self.subnormal else ''}{short(self.value)}"

    @property
    def finite(self) -> bool:
        return self.value is None or math.isfinite(self.value)


NOTHING = Reading(None)


def short(value: float) -> str:
    """Three digits where they are cheap, else two."""
    digits = 3 if 0.1 <= abs(value) < 1e4 else 2
    return numbers.short(value, digits)


_GIVEN = ("gamm", "beta")
"""Weights are there before any operation."""
_GATES = frozenset(f"values.{gate}" for gate in ("f", "i", "o", "z", "r"))


@cache
def series(key: str, shift: int = 0) -> Number:
    """A series as it is, the same object wherever it is shown, so that it is read once. Beyond the last step a gradient
    is 0, a value does not exist."""
    beyond = 0.0 if key.startswith("grads.") else None
    return Number((Part(key, shift),), beyond=beyond, mean=key in _GATES)


@cache
def ahead(symbol: str) -> Number:
    """A state's gradient at the step after, as far as it goes on to this one: truncation may stop some, or all, of
    it."""
    return Number((Part(f"grads.{symbol}", 1),), own=f"ahead.{symbol}")


def plain_series(number: Number, excerpt: Excerpt) -> Array | None:
    """The series of which the number at step t is entry t − 1, where it is no more than that, as most are."""
    if number.own and number.own in excerpt.cell_series:
        return excerpt.cell_series[number.own]
    if len(number.parts) > 1 or number.parts[0].shift or number.function is not None or number.series:
        return None
    return None if number.mean and excerpt.unit is None else excerpt.cell_series.get(number.parts[0].key)


def read(number: Number, excerpt: Excerpt, step: int) -> Reading:
    """The number at step t (from 1). For one unit or as a norm over all, as the excerpt is."""
    if number.own and number.own in excerpt.cell_series:
        return Reading(float(excerpt.cell_series[number.own][step - 1]))
    for part in number.parts:
        if part.shift and not 1 <= place(excerpt, step, part.shift) <= excerpt.length:
            if part.shift < 0:
                return Reading(None, before=True)
            return Reading(number.beyond, beyond=number.beyond is None)
    first = place(excerpt, step, number.parts[0].shift) - 1
    if number.series and number.series in excerpt.cell_series:
        return Reading(float(excerpt.cell_series[number.series][first]))
    mean = number.mean and excerpt.unit is None
    if number.function is None and not mean:
        found = excerpt.cell_series.get(number.parts[0].key)
        return NOTHING if found is None else Reading(float(found[first]))
    if number.difference and not 1 <= place(excerpt, first + 1, 1) <= excerpt.length:
        return Reading(0.0)  # nothing comes from beyond the last step
    operands = [_operand(part, excerpt, step) for part in number.parts]
    if number.difference and excerpt.unit is None and all(o is not None and not o.any() for o in operands[1:]):
        # Nothing is taken away: the norm of the rest is the norm of the whole.
        return Reading(float(excerpt.cell_series[number.parts[0].key][first]))
    if any(operand is None for operand in operands):
        return NOTHING
    known = [operand for operand in operands if operand is not None]
    with np.errstate(all="ignore"):
        result = known[0] if number.function is None else number.function(*known)
        if mean:
            return Reading(float(np.add.reduce(result, dtype=np.float64)) / result.size, mean=True)
        value = _size(result) if excerpt.unit is None else float(result[0])
        if number.difference:
            whole = known[0].astype(np.float64)
            taken = whole - result  # the sum of everything that was taken away
            noise = 4 * dtypes.epsilon(excerpt.dtype) * max(_size(whole), _size(taken))
            size = value if excerpt.unit is None else _size(result)
            if size < noise and any(operand.any() for operand in known[1:]):
                return Reading(None, noise)
    return Reading(value)


def place(excerpt: Excerpt, step: int, shift: int) -> int:
    """The step that is `shift` further on the way of the layer on screen."""
    return step - shift if shift and excerpt.focus.reverse else step + shift


_SQUARED = 1e-150, 1e150
"""Between these a float64 can be squared, and what matters beside it too."""


def _size(array: Array) -> float:
    """The Euclidean norm, also where the squares would leave the range."""
    wide = array.astype(np.float64)
    largest = float(np.abs(wide).max())
    if largest == 0 or not math.isfinite(largest) or _SQUARED[0] < largest < _SQUARED[1]:
        return math.sqrt(np.add.reduce(np.square(wide)))
    return largest * math.sqrt(np.add.reduce(np.square(wide / largest)))


def _operand(part: Part, excerpt: Excerpt, step: int) -> Array | None:
    """One unit's value as (1,), or all units' (H,), in the trace's dtype. None: the excerpt does not have it."""
    at = place(excerpt, step, part.shift)
    dtype = dtypes.array_type(excerpt.dtype)
    found = excerpt.cell_series.get(part.key)
    if found is not None and (excerpt.unit is not None or found[at - 1] == 0):
        with np.errstate(all="ignore"):
            one = np.asarray(found[at - 1], dtype).reshape(1)
        return one if excerpt.unit is not None else np.zeros(excerpt.focus.hidden_size, dtype)
    if excerpt.unit is not None:
        return None
    key = part.key
    if key.endswith("_prev"):
        key, at = key.removesuffix("_prev"), place(excerpt, at, -1)
        if not 1 <= at <= excerpt.length:
            return np.asarray(excerpt.focus.initial[key.removeprefix("values.")])
    whole = excerpt.arrays.get(f"{excerpt.layer}.{key}")
    return None if whole is None else np.asarray(whole[at - 1])
