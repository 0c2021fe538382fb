"""Whether a loss has run away: it is finite still, and so far above where it began that nothing is being learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.figures import figure

if TYPE_CHECKING:
    from engine.history import Log

TIMES = 1000.0
"""Times the larger of what the loss began with and what is lost by answers that have learned nothing."""
LATELY = 10
"""Iterations. Their median counts: few that jump out of a batch, or over a cliff and back, are no running away."""


@dataclass(frozen=True)
class RunAway:
    """A loss that has run away."""

    iteration: int
    """The last one that was looked at."""
    lately: float
    """Median of the last LATELY losses."""
    begun: float
    """The larger of the first loss and the baseline."""
    from_baseline: bool
    """Whether that is the baseline."""
    good: int
    """The last iteration whose loss was not above `begun`."""

    @property
    def times(self) -> float:
        """Its ratio to what it began with; above TIMES."""
        return self.lately / self.begun

    @property
    def sentence(self) -> str:
        """For people; true for as long as these iterations are there."""
        than = "the baseline" if self.from_baseline else "what it began with"
        return (
            f"At iteration {self.iteration:,} the loss has run away: the median of {LATELY} losses is "
            f"{figure(self.lately, 2)}, {figure(self.times, 2)} times {than} ({figure(self.begun)}); "
            f"iteration {self.good:,} was the last not above that."
        )


def is_away(first: float, last: NDArray[np.float64], baseline: float | None) -> bool:
    """By the first loss and the last ones, (n,) in order; of fewer than LATELY it is too early to say."""
    begun = _begun(first, baseline)
    lately = last[-LATELY:]
    if len(lately) < LATELY or not np.isfinite(lately).all():
        return False
    return bool(0 < TIMES * begun < np.median(lately))


def run_away(
    iterations: NDArray[np.int64], losses: NDArray[np.float64], baseline: float | None = None
) -> RunAway | None:
    """Of all losses that there are, (n,) with their iterations, (n,), in order; None where it has not.

    `baseline`: the loss of having learned nothing; None: nobody knows.
    """
    if not len(losses) or not is_away(float(losses[0]), losses, baseline):
        return None
    begun = _begun(float(losses[0]), baseline)
    good = np.flatnonzero(losses <= begun)[-1]  # the first one, if no other
    lately = float(np.median(losses[-LATELY:]))
    return RunAway(int(iterations[-1]), lately, begun, bool(begun > losses[0]), int(iterations[good]))


def has_run_away(log: Log, baseline: float | None) -> bool:
    """Of a training's records the first one and the last ones alone are read: it can be asked after each chunk."""
    chunks = log.scalars.chunks
    return bool(chunks) and is_away(float(chunks[0]["losses"][0]), log.scalars.last("losses", LATELY), baseline)


def of_log(log: Log, baseline: float | None) -> RunAway | None:
    """`run_away` of a training's records."""
    return run_away(log.iterations, log.column("losses"), baseline) if has_run_away(log, baseline) else None


def _begun(first: float, baseline: float | None) -> float:
    """0 where it cannot be told."""
    return max(first, baseline or 0.0) if np.isfinite(first) else 0.0
