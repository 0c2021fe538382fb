"""The axes of the training's curves: which numbers they hold, how they grow, and what is written at them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.widgets.numbers import decade, short

Floats = NDArray[np.float64]
AxisKind = Literal["linear", "log"]
AxisChoice = Literal["auto", "linear", "log"]
"""auto: linear, unless the loss has run away."""

_ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
LEAST_DECADE, MOST_DECADE = -20, 40
_USUAL = 98.0
"""Percentile: what few iterations alone have stands at the edge, marked, instead of pressing the rest together."""
_FEW = 50
"""Values, of which each one is more than is left over by that percentile: the axis holds them all."""
LEAST_ITERATIONS = 10
_MOST_DECIMALS, _LONG = 3, 1e5
"""Beyond them a number is too long for the margin."""
_ENOUGH = 4000
"""Values, to know what is usual."""
_RUN_AWAY = 1000.0
"""Times what it began with, or what having learned nothing loses: on a linear axis the rest would lie on 0."""


@dataclass(frozen=True)
class Axis:
    """From low to high; of a logarithmic one both are powers of ten."""

    kind: AxisKind
    low: float
    high: float

    def places(self, values: Floats) -> Floats:
        """0 at the low end, 1 at the high one; beyond them below 0 and above 1. NaN stays, 0 on a logarithmic axis is
        −inf."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.kind == "linear":
                return (values - self.low) / (self.high - self.low)
            low, high = math.log10(self.low), math.log10(self.high)
            return (np.log10(values) - low) / (high - low)

    def marks(self, most: int) -> list[tuple[float, str]]:
        """(place, text) of about `most` numbers, the ends among them."""
        if self.kind == "log":
            low, high = round(math.log10(self.low)), round(math.log10(self.high))
            every = next((n for n in (1, 2, 3, 4, 5, 10, 20) if (high - low) / n <= most), 40)
            return [((k - low) / (high - low), decade(k)) for k in range(low, high + 1, every)]
        step = next(step for step in _steps(self.high) if self.high / step <= most)
        count = int(self.high / step + 1.001)
        return [(n * step / self.high, _number(n * step, step, self.high) if n else "0") for n in range(count)]


def _number(value: float, step: float, high: float) -> str:
    """Exact, since they are round: all of an axis with as many decimals as its step has, "0.5", "1.0"; with exponents
    where the margin has no room for that."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}" if decimals <= _MOST_DECIMALS and high < _LONG else short(value, 2)


def _steps(high: float) -> Iterator[float]:
    """Round ones, rising, from a twentieth of it on."""
    exponent = math.floor(math.log10(high / 20))
    for more in range(4):
        for factor in (1, 2, 5):
            yield float(f"{factor}e{exponent + more}")


def linear_axis(now: Axis | None, *values: Floats) -> Axis:
    """From 0 to a round number that holds what is usual among the values, all where they are few; it grows and never
    shrinks."""
    needed = max(_ends(values, _USUAL), default=0.0)
    if now is not None and now.kind == "linear" and needed <= now.high:
        return now
    return Axis("linear", 0.0, ceiling(1.02 * needed) if needed > 0 else 1.0)


def log_axis(now: Axis | None, *values: Floats) -> Axis:
    """Decades that hold what is usual among the values, all where they are few, at least two; they grow and never
    shrink."""
    few = (one[:: max(1, len(one) // _ENOUGH)] for one in values)
    found = [one[one > 0] for one in few]
    low = min(_ends(found, 100 - _USUAL), default=0.1)
    high = max(_ends(found, _USUAL), default=1.0)
    first = max(LEAST_DECADE, math.floor(math.log10(low)))
    last = min(MOST_DECADE, math.ceil(math.log10(high) - 1e-9))
    if now is not None and now.kind == "log":
        first = min(first, round(math.log10(now.low)))
        last = max(last, round(math.log10(now.high)))
    last = max(last, first + 1)
    if last - first < 2:
        first -= 1
    if now is not None and (now.low, now.high) == (float(f"1e{first}"), float(f"1e{last}")):
        return now
    return Axis("log", float(f"1e{first}"), float(f"1e{last}"))


def loss_axis(now: Axis | None, choice: AxisChoice, losses: Floats, judged: Floats, baseline: Floats) -> Axis:
    """Of the losses, of those of the evaluations, and of having learned nothing. Gone over to logarithms it stays with
    them until it begins anew."""
    away = choice == "auto" and ((now is not None and now.kind == "log") or has_run_away(losses, baseline))
    return (log_axis if choice == "log" or away else linear_axis)(now, losses, judged, baseline)


def has_run_away(losses: Floats, baseline: Floats) -> bool:
    """Whether what is usual, single iterations aside, is far above where it began and what is lost by nothing."""
    begun = max([float(one[0]) for one in (losses[np.isfinite(losses)], baseline) if len(one)], default=0.0)
    return 0 < _RUN_AWAY * begun < max(_percentiles((losses,), _USUAL), default=0.0)


def last_iteration(count: int) -> int:
    """Where the axis of iterations ends: a round number, so that it moves on in steps. A goal has no part in it: what
    has been trained would be a sliver for long, and a pause would change the axis."""
    return max(LEAST_ITERATIONS, round(ceiling(float(max(1, count)))))


def ceiling(value: float) -> float:
    """The next round number at or above one that is positive."""
    exponent = math.floor(math.log10(value))
    for factor in _ROUND:
        rounded = float(f"{factor:g}e{exponent}")
        if rounded >= value * (1 - 1e-12):
            return rounded
    return float(f"1e{exponent + 1}")


def _ends(values: Iterable[Floats], q: float) -> list[float]:
    """Up to where an axis goes: the percentile, of few values the least or the most."""
    finite = [one[np.isfinite(one)] for one in values]
    few = [float(one.max() if q > 50 else one.min()) for one in finite if 0 < len(one) <= _FEW]
    return few + _percentiles([one for one in finite if len(one) > _FEW], q)


def _percentiles(values: Iterable[Floats], q: float) -> list[float]:
    """Of very many values, of every so many."""
    few = (one[:: max(1, len(one) // _ENOUGH)] for one in values)
    found = (one[np.isfinite(one)] for one in few)
    return [float(np.percentile(one, q)) for one in found if len(one)]
