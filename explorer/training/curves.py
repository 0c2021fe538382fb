"""What the training's curves show, as frozen data, and how many iterations become a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.history import Evaluation
from engine.rows import Kept
from explorer.document.turns import Turn

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

_SMOOTH_OVER = 40
"""The bold curve is a mean over about that part of what there is."""

_COMPARED = 64
"""Iterations by which one training is known from another: the last ones differ where any do."""


def _none() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Ghost:
    """An earlier run, drawn behind the present one."""

    name: str
    number: int
    """Of its colour, and in the list of those that are kept."""
    curves: Curves


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
    persistence: float | None = None
    """Of series the loss of repeating the last value."""
    kept: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    known_from: int = 0
    """One cannot travel to iterations before it, unless they are kept."""
    ghosts: tuple[Ghost, ...] = ()
    """Earlier runs, to compare with."""
    turns: tuple[Turn, ...] = ()
    """Where training was changed on its way."""
    count: int = 0
    """Iterations that are done."""
    scaled: bool = False
    """The losses are of scaled numbers, not of the data's own."""
    goal: int | None = None
    """Where training stops by itself, if it does."""
    seconds: float = 0.0
    """That the last iteration took."""

    def __len__(self) -> int:
        return len(self.iterations)

    @property
    def furthest(self) -> int:
        """The last iteration that there is anything to draw of, ghosts included."""
        return max(self.count, *(ghost.curves.count for ghost in self.ghosts)) if self.ghosts else self.count

    def breaks(self) -> Whole:
        """(m,): the rows at which losses begin that are not to be compared with those before."""
        apart = np.array([turn.iteration for turn in self.turns if turn.apart], np.int64)
        rows = np.unique(np.searchsorted(self.iterations, apart))
        return rows[(rows > 0) & (rows < len(self))]

    def evaluation_breaks(self) -> Whole:
        """(m,): the evaluations that are the first after such a change. That of the iteration at which it was made is
        of what was trained before."""
        apart = np.array([turn.iteration for turn in self.turns if turn.apart], np.int64)
        of = np.array([one.iteration for one in self.evaluations], np.int64)
        return np.unique(np.searchsorted(of, apart, side="right"))

    def out_of_reach(self, iteration: int) -> bool:
        """As explorer.document.state.State.out_of_reach."""
        return 0 < iteration < self.known_from and iteration not in self.kept

    def turn_at(self, iteration: float, reach: float = 0.5) -> Turn | None:
        """The nearest turn within reach of an iteration."""
        near = min(self.turns, key=lambda turn: abs(turn.iteration - iteration), default=None)
        return near if near is not None and abs(near.iteration - iteration) <= reach else None

    def goes_on_from(self, old: Curves) -> bool:
        """Whether the iterations of both are the same, as far as both have them, and none is gone: else these are
        of another training, and axes begin anew."""
        if self.count < old.count:
            return False
        if not len(old) or not len(self):
            return not len(old)
        rows = np.unique(np.linspace(0, len(old) - 1, _COMPARED).round().astype(np.int64))
        at = np.minimum(np.searchsorted(self.iterations, old.iterations[rows]), len(self) - 1)
        shared = self.iterations[at] == old.iterations[rows]  # a long past is thinned
        return bool(np.array_equal(self.losses[at[shared]], old.losses[rows[shared]], equal_nan=True))

    def row(self, iteration: int) -> int | None:
        """The nearest row to an iteration; None where there is none."""
        if not len(self):
            return None
        after = int(np.searchsorted(self.iterations, iteration))
        around = [i for i in (after - 1, after) if 0 <= i < len(self)]
        return min(around, key=lambda i: abs(int(self.iterations[i]) - iteration))


def last_losses(kept: Kept, most: int) -> tuple[Whole, Floats]:
    """(n,) each: iterations and losses of the last rows, `most` of them at most. However many there are, no more is
    read."""
    losses, last = kept.last("losses", most), len(kept)
    first = kept.chunks[0].first if kept.chunks else 0
    return first + kept.stride * np.arange(last - len(losses), last, dtype=np.int64), losses


def window(count: int) -> int:
    """Over how many rows the bold curve is a mean: a power of two, so that it seldom changes."""
    return 1 << max(0, (count // _SMOOTH_OVER).bit_length() - 1) if count >= _SMOOTH_OVER else 1


def smoothed(values: Floats, over: int, rows: Whole | None = None, breaks: Whole | None = None) -> Floats:
    """(n,): the mean of each value and those before it, `over` in all; NaN where one of them is not finite. Of these
    `rows` alone, if they are given. No mean goes over a break, the row at which other values begin."""
    ends = np.arange(1, len(values) + 1) if rows is None else rows + 1
    finite = np.isfinite(values)
    if over <= 1:
        return np.where(finite, values, np.nan)[ends - 1]
    starts = np.maximum(0, ends - over)
    if breaks is not None and len(breaks):
        begins = np.append(0, breaks)
        starts = np.maximum(starts, begins[np.searchsorted(begins, ends - 1, side="right") - 1])
    whole = bool(finite.all())
    sums = np.zeros(len(values) + 1)
    np.cumsum(values if whole else np.where(finite, values, 0.0), out=sums[1:])
    means = (sums[ends] - sums[starts]) / (ends - starts)
    if whole:
        return means
    bad = np.zeros(len(values) + 1, np.int64)
    np.cumsum(~finite, out=bad[1:])
    return np.where(bad[ends] > bad[starts], np.nan, means)


def crowd(x: Floats) -> Whole | None:
    """Where several rows share a pixel (`x`, rising): the row at which each pixel begins. None: they have room."""
    if not len(x):
        return None
    pixel = np.floor(x).astype(np.int64)
    starts = np.flatnonzero(np.diff(pixel, prepend=pixel[0] - 1))
    return starts if len(starts) < len(x) else None


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
    lifted: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    """Columns to which no line leads from the one before."""


def columns(places: Floats, x: Floats, starts: Whole | None) -> Columns:
    """`places` on an axis (0 … 1; NaN: no number) at pixels `x`; `starts` as `crowd` says. Nothing is left out: the
    extremes of a pixel are drawn, and what is off the axis is marked."""
    above, below, bad = places > 1, places < 0, np.isnan(places)
    off = above | below | bad
    some = bool(off.any())
    low, high = (np.where(off, np.inf, places), np.where(off, -np.inf, places)) if some else (places, places)
    if starts is not None:
        low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        if some:
            above, below, bad = (np.logical_or.reduceat(one, starts) for one in (above, below, bad))
        else:
            above = below = bad = np.zeros(len(starts), bool)
        x = np.floor(x[starts]) + 0.5
    empty = np.isinf(low)
    return Columns(x, np.where(empty, np.nan, low), np.where(empty, np.nan, high), above, below, bad)
