"""n cells side by side on so many device pixels: steps along the time axis, units down a heatmap.

Where there are fewer cells than pixels each gets whole pixels, equal to within one. Where there are more, several share
a pixel, and `spread` lets the worst class win, otherwise the largest magnitude.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from explorer.stage.classes import Codes


class Cells:
    """`count` cells on `size` pixels. `left[i]`, `right[i]`: the pixels of cell i, the right one excluded."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, max(1, size)
        self.crowded = count > self.size
        pixels = np.arange(self.size)
        if self.crowded:
            self.starts = pixels * count // self.size
            """The first cell of each pixel."""
            ends = (np.arange(count) + 1) * self.size
            self.left = -(-ends // count) - 1
            self.right = self.left + 1
        else:
            edges = (2 * np.arange(count + 1) * self.size + count) // (2 * count)
            self.left, self.right = edges[:-1], edges[1:]
            self.starts = np.searchsorted(edges, pixels, side="right") - 1

    @property
    def pitch(self) -> float:
        """Pixels per cell."""
        return self.size / self.count

    def shared(self, pixel: int) -> tuple[int, int]:
        """First and last cell of a pixel."""
        pixel = min(max(0, pixel), self.size - 1)
        first = int(self.starts[pixel])
        if not self.crowded or pixel == self.size - 1:
            return first, first if not self.crowded else self.count - 1
        return first, int(self.starts[pixel + 1]) - 1

    def at(self, pixel: float) -> int:
        """The cell of a pixel; of several the middle one."""
        first, last = self.shared(int(pixel))
        return (first + last) // 2

    def centre(self, cell: int) -> float:
        return (int(self.left[cell]) + int(self.right[cell])) / 2

    def until(self, cells: int) -> int:
        """How many pixels from the left show nothing but the first `cells` cells."""
        if cells <= 0:
            return 0
        if cells >= self.count:
            return self.size
        return int(np.searchsorted(self.starts, cells, side="left")) - (1 if self._splits(cells) else 0)

    def since(self, cell: int) -> int:
        """The first pixel that shows nothing before `cell`."""
        if cells_before := max(0, cell):
            return self.size if cells_before >= self.count else int(np.searchsorted(self.starts, cell, side="left"))
        return 0

    def _splits(self, cell: int) -> bool:
        """Whether a pixel holds both `cell` and the one before."""
        at = int(np.searchsorted(self.starts, cell, side="left"))
        return at == self.size or int(self.starts[at]) != cell

    @property
    def down(self) -> NDArray[np.intp]:
        """(size,): which row of `spread`'s (crowded) or of the cells each pixel shows."""
        return np.arange(self.size) if self.crowded else self.starts

    def spread(self, codes: Codes) -> Codes:
        """Codes (count, …) to pixels (size, …)."""
        if self.crowded:
            return self._largest(codes)
        if self.count == self.size:
            return codes
        return codes[self.starts]

    def _largest(self, codes: Codes) -> Codes:
        """The maximum over the cells of each pixel. They are n or n + 1, so two windows of 2^k ≤ n cells that overlap
        are enough, and all maxima over windows of 2^k take k passes: several times faster than `reduceat`."""
        ends = np.append(self.starts[1:], self.count)
        window = 1
        while 2 * window <= self.count // self.size:
            codes = np.maximum(codes[:-window], codes[window:])
            window *= 2
        found: Codes = np.maximum(codes[self.starts], codes[ends - window])
        return found


@lru_cache(maxsize=64)
def cells(count: int, size: int) -> Cells:
    return Cells(count, size)


class TimeView:
    """Steps `first` … `last` (t from 1) of T on `width` device pixels."""

    def __init__(self, steps: int, first: int, last: int, width: int, ratio: float = 1.0) -> None:
        self.steps, self.first, self.last = steps, first, last
        self.width, self.ratio = max(1, width), ratio
        self.cells = cells(last - first + 1, self.width)

    @property
    def key(self) -> tuple[int, int, int, int, float]:
        return self.steps, self.first, self.last, self.width, self.ratio

    @property
    def slice(self) -> slice:
        return slice(self.first - 1, self.last)

    @property
    def pitch(self) -> float:
        """Logical pixels per step."""
        return self.cells.pitch / self.ratio

    def shows(self, t: int) -> bool:
        return self.first <= t <= self.last

    def left(self, t: int) -> int:
        """Device pixel of step t's left edge; outside the view its ends."""
        if t > self.last:
            return self.width
        return 0 if t < self.first else int(self.cells.left[t - self.first])

    def right(self, t: int) -> int:
        if t < self.first:
            return 0
        return self.width if t > self.last else int(self.cells.right[t - self.first])

    def centre(self, t: int) -> float:
        if self.shows(t):
            return self.cells.centre(t - self.first)
        return -1e6 if t < self.first else 1e6

    def step_at(self, pixel: float) -> int:
        return self.first + self.cells.at(min(max(0.0, pixel), self.width - 1.0))

    def steps_at(self, pixel: float) -> tuple[int, int]:
        first, last = self.cells.shared(int(min(max(0.0, pixel), self.width - 1.0)))
        return self.first + first, self.first + last

    def until(self, t: int) -> int:
        """How many pixels from the left show steps 1 … t and nothing later."""
        return self.cells.until(t - self.first + 1)

    def since(self, t: int) -> int:
        """The first pixel that shows t … T and nothing earlier."""
        return self.cells.since(t - self.first)
