"""How many decades a gradient gains or loses with each step back: the least-squares slope of its logarithm."""

from __future__ import annotations

import numpy as np

from engine.requests import Array

_FEWEST = 3


class Slopes:
    """The slope over steps t … T for every t at once, from running sums. Only finite logarithms count."""

    def __init__(self, logs: Array) -> None:
        """logs (T,): log10 of the norms."""
        steps = len(logs)
        good = np.isfinite(logs)[::-1]
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
