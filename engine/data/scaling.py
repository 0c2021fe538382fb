"""Scaling of columns, fitted on the rows that are learned from alone, and the way back. Numpy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["standard", "range", "none"]


@dataclass(frozen=True, eq=False)
class Scale:
    """scaled = (value − shift)/size, column by column."""

    shift: NDArray[np.float64]
    size: NDArray[np.float64]
    """Above 0; 1 for a column that never changes."""

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values - self.shift) / self.size

    def in_units(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        return scaled * self.size + self.shift


def fitted(rows: NDArray[np.float64], kind: Kind) -> Scale:
    """Of rows (n, columns), NaN where a number is missing: zero mean and unit population variance of each column, or
    0 … 1, or as they are. A column without numbers, or with one value alone, is only shifted."""
    columns = rows.shape[1]
    shift, size = np.zeros(columns), np.ones(columns)
    if kind == "none":
        return Scale(shift, size)
    for at in range(columns):
        values = rows[:, at][~np.isnan(rows[:, at])]
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        if low == high:  # a variance that is rounding alone would blow that up
            shift[at] = low
        elif kind == "range":
            shift[at], size[at] = low, high - low
        else:
            shift[at], size[at] = values.mean(), values.std()
        if not size[at] > 0.0:  # an underflow: differences below 1e-162
            size[at] = 1.0
    return Scale(shift, size)
