"""Scaling of columns, fitted on the rows that are learned from alone, and the way back. Numpy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data.cells import Reading, finished, within
from engine.data.datasets import pieces_of

_AT_ONCE = 2**18
"""Numbers that are added together before others have their turn."""
Kind: TypeAlias = Literal["standard", "range", "none"]


@dataclass(frozen=True, eq=False)
class Scale:
    """scaled = (value − shift)/size, column by column."""

    shift: NDArray[np.float64]
    size: NDArray[np.float64]
    """Above 0; 1 for a column that never changes."""

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values - self.shift) / self.size

    def scaling(self, values: NDArray[np.float64]) -> Reading[NDArray[np.float64]]:
        """`scaled`, piece by piece."""
        found = np.empty(values.shape)
        for first, behind in pieces_of(values.shape):
            np.subtract(values[first:behind], self.shift, out=found[first:behind])
            np.divide(found[first:behind], self.size, out=found[first:behind])
            yield behind / len(values)
        return found

    def in_units(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        return scaled * self.size + self.shift


def fitted(rows: NDArray[np.float64], kind: Kind) -> Scale:
    """Of rows (n, columns), NaN where a number is missing: zero mean and unit population variance of each column, or
    0 … 1, or as they are. A column without numbers, or with one value alone, is only shifted."""
    return finished(fitting(rows, kind))


def fitting(rows: NDArray[np.float64], kind: Kind) -> Reading[Scale]:
    """The same piece by piece."""
    columns = rows.shape[1]
    shift, size = np.zeros(columns), np.ones(columns)
    if kind == "none":
        return Scale(shift, size)
    for at in range(columns):
        values = yield from within(_known(rows[:, at]), at / columns, (at + 0.3) / columns)
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        if low == high:  # a variance that is rounding alone would blow that up
            shift[at] = low
        elif kind == "range":
            shift[at], size[at] = low, high - low
        else:
            shift[at] = mean = (yield from within(_total(values, 0.0, 0), (at + 0.4) / columns, 1.0)) / len(values)
            size[at] = np.sqrt((yield from within(_total(values, mean, 2), (at + 0.7) / columns, 1.0)) / len(values))
        if not size[at] > 0.0:  # an underflow: differences below 1e-162
            size[at] = 1.0
        yield (at + 1) / columns
    return Scale(shift, size)


def _known(column: NDArray[np.float64]) -> Reading[NDArray[np.float64]]:
    """The numbers of a column that are there."""
    kept = np.empty(len(column))
    count = 0
    for first, behind in pieces_of(column.shape):
        piece = column[first:behind]
        piece = piece[~np.isnan(piece)]
        kept[count : count + len(piece)] = piece
        count += len(piece)
        yield behind / len(column)
    return kept[:count]


def _total(values: NDArray[np.float64], less: float, power: Literal[0, 2]) -> Reading[float]:
    """The sum of the numbers, or of the squares of what they are more than `less`.

    In halves as numpy adds them (pairwise, so that errors stay small), and so to the same bits as of all at once: what
    was trained on a scale has to find the same one again.
    """
    count = len(values)
    if count <= _AT_ONCE:
        piece = values if power == 0 else np.square(values - less)
        yield 0.0
        return float(np.add.reduce(piece))
    half = count // 2
    half -= half % 8
    first = yield from _total(values[:half], less, power)
    return first + (yield from _total(values[half:], less, power))
