"""Where the cells of a long row of symbols stand when it is broken into lines. Plain numbers, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lines:
    starts: Whole
    """(lines + 1,): the first cell of each line, and the number of cells."""
    left: Floats
    """(cells,)"""
    widths: Floats

    @property
    def count(self) -> int:
        return len(self.starts) - 1

    def line_of(self, cell: int) -> int:
        return int(np.searchsorted(self.starts, cell, side="right")) - 1

    def cells(self, line: int) -> range:
        return range(int(self.starts[line]), int(self.starts[line + 1]))

    def at(self, line: int, x: float) -> int | None:
        """The cell of a line at x; None beside them."""
        if not 0 <= line < self.count:
            return None
        first, behind = int(self.starts[line]), int(self.starts[line + 1])
        found = int(np.searchsorted(self.left[first:behind], x, side="right")) - 1 + first
        return found if found >= first and x < self.left[found] + self.widths[found] else None

    def nearest(self, line: int, x: float) -> int:
        """The cell of a line whose middle is nearest to x."""
        first, behind = int(self.starts[line]), int(self.starts[line + 1])
        middles = self.left[first:behind] + self.widths[first:behind] / 2
        return first + int(np.argmin(np.abs(middles - x)))


def broken(widths: Floats, room: float, after: NDArray[np.bool_] | None = None, gap: float = 1.0) -> Lines:
    """Cells of these widths in lines no wider than `room` (a wider cell has one of its own); a line ends `after` some
    cells whatever room is left."""
    count = len(widths)
    ends = np.cumsum(widths + gap)
    forced = np.flatnonzero(after) + 1 if after is not None else np.zeros(0, np.int64)
    starts, here = [0], 0
    while here < count:
        begun = ends[here - 1] if here else 0.0
        fits = int(np.searchsorted(ends, begun + room + gap, side="right"))
        fits = max(fits, here + 1)
        place = int(np.searchsorted(forced, here + 1))
        if place < len(forced):
            fits = min(fits, int(forced[place]))
        here = min(fits, count)
        starts.append(here)
    left = ends - widths - gap
    for first, behind in pairwise(starts):
        left[first:behind] -= left[first]
    return Lines(np.array(starts, np.int64), left, widths)
