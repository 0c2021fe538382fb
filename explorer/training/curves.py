"""What the training's curves show, as frozen data, and how many iterations become a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.history import Evaluation

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

_SMOOTH_OVER = 40
"""The bold curve is a mean over about that part of what there is."""


def _none() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Curves:
    """Of a training: one number for each of `iterations`, rising."""

    iterations: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    losses: Floats = field(default_factory=_none)
    grad_norms: Floats = field(default_factory=_none)
    """Before clipping."""
    clipped_norms: Floats = field(default_factory=_none)
    """After it."""
    clipped: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    layer_norms: Mapping[str, Floats] = field(default_factory=dict)
    """Before clipping, of the layers that are wanted."""
    evaluations: tuple[Evaluation, ...] = ()
    baseline: float | None = None
    kept: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    count: int = 0
    """Iterations that are done."""
    goal: int | None = None
    """Where training stops by itself, if it does."""
    seconds: float = 0.0
    """That the last iteration took."""

    def __len__(self) -> int:
        return len(self.iterations)

    def row(self, iteration: int) -> int | None:
        """The nearest row to an iteration; None where there is none."""
        if not len(self):
            return None
        after = int(np.searchsorted(self.iterations, iteration))
        around = [i for i in (after - 1, after) if 0 <= i < len(self)]
        return min(around, key=lambda i: abs(int(self.iterations[i]) - iteration))


def window(count: int) -> int:
    """Over how many rows the bold curve is a mean: a power of two, so that it seldom changes."""
    return 1 << max(0, (count // _SMOOTH_OVER).bit_length() - 1) if count >= _SMOOTH_OVER else 1


def smoothed(values: Floats, over: int) -> Floats:
    """(n,): the mean of each value and those before it, `over` in all; NaN where one of them is not finite."""
    if over <= 1:
        return np.where(np.isfinite(values), values, np.nan)
    finite = np.isfinite(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(finite, values, 0.0))))
    bad = np.concatenate(([0], np.cumsum(~finite)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - over)
    means = (sums[ends] - sums[starts]) / (ends - starts)
    return np.where(bad[ends] > bad[starts], np.nan, means)


@dataclass(frozen=True, eq=False)
class Columns:
    """A curve in columns of pixels: of those iterations that share one, the least and the most."""

    x: Floats
    low: Floats
    """Places on the axis; NaN: nothing that is on it."""
    high: Floats
    above: NDArray[np.bool_]
    """Something in it is beyond the high end, or infinite."""
    below: NDArray[np.bool_]
    bad: NDArray[np.bool_]
    """Something in it is not a number."""


def columns(places: Floats, x: Floats) -> Columns:
    """`places` on an axis (0 … 1; NaN: no number) at pixels `x`, rising. Nothing is left out: the extremes of a column
    are drawn, and what is off the axis is marked."""
    if not len(places):
        none = np.zeros(0, bool)
        return Columns(_none(), _none(), _none(), none, none, none)
    pixel = np.floor(x).astype(np.int64)
    starts = np.flatnonzero(np.diff(pixel, prepend=pixel[0] - 1))
    on = (places >= 0) & (places <= 1)
    low = np.minimum.reduceat(np.where(on, places, np.inf), starts)
    high = np.maximum.reduceat(np.where(on, places, -np.inf), starts)
    empty = ~np.isfinite(low)
    low[empty] = high[empty] = np.nan
    crowded = len(starts) < len(places)
    return Columns(
        (pixel[starts] + 0.5).astype(np.float64) if crowded else x,
        low,
        high,
        np.logical_or.reduceat(places > 1, starts),
        np.logical_or.reduceat(places < 0, starts),
        np.logical_or.reduceat(np.isnan(places), starts),
    )
