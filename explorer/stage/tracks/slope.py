"""How many decades a gradient gains or loses with each step back: the least-squares slope of its logarithm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array

_FEWEST = 3


class Slopes:
    """The slope over steps t … T for every t at once, from running sums. Only what is worth measuring counts: a line
    through the floor of subnormal numbers, or through zeros, would say nothing of how the gradient fares."""

    def __init__(self, logs: Array, worth: NDArray[np.bool_] | None = None) -> None:
        """logs (T,): log10 of the norms. worth (T,): which of them to measure (None: all that are finite)."""
        steps = len(logs)
        finite = np.isfinite(logs)
        self._good = finite if worth is None else finite & worth
        good = self._good[::-1]
        x = np.arange(steps, dtype=np.float64)  # steps back from T
        y = np.where(good, logs[::-1], 0.0)
        x = np.where(good, x, 0.0)
        n, sx, sy = np.cumsum(good), np.cumsum(x), np.cumsum(y)
        spread = n * np.cumsum(x * x) - sx * sx
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = (n * np.cumsum(x * y) - sx * sy) / spread
        self._slopes = np.where((n >= _FEWEST) & (spread > 0), slopes, np.nan)[::-1]

    def since(self, t: int) -> float | None:
        """Of steps t … T; None where fewer than three points are there to measure."""
        if not 1 <= t <= len(self._slopes) or np.isnan(self._slopes[t - 1]):
            return None
        return float(self._slopes[t - 1])

    def span(self, t: int) -> tuple[int, int] | None:
        """First and last step that `since(t)` measures, where those are not simply t … T."""
        good = self._good[t - 1 :]
        if good.all() or not good.any():
            return None
        found = np.flatnonzero(good)
        return t + int(found[0]), t + int(found[-1])
