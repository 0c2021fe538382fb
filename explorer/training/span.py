"""Which iterations the training's curves show: all of them, or a stretch that somebody has zoomed to. Plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from explorer.stage.timespan import clamped, zoomed
from explorer.training.curves import Curves


@dataclass(frozen=True)
class Span:
    """The iterations first … last of 0 … `end`, at the edges of the plots."""

    first: int
    last: int
    end: int

    @classmethod
    def whole(cls, end: int) -> Span:
        return cls(0, end, end)

    @property
    def is_whole(self) -> bool:
        return (self.first, self.last) == (0, self.end)

    def until(self, end: int) -> Span:
        """Of an axis that ends elsewhere now: all of it stays all of it, a stretch stays where it is."""
        return Span.whole(end) if self.is_whole else Span(self.first, self.last, end)._moved(self.first, self.last)

    def place(self, iteration: float) -> float:
        """0 at the left edge, 1 at the right one."""
        return (iteration - self.first) / (self.last - self.first)

    def at(self, place: float) -> float:
        return self.first + place * (self.last - self.first)

    def zoomed(self, place: float, factor: float) -> Span:
        """So that the iteration at a place stays there. `factor` above 1 zooms in."""
        count = max(2, zoomed((self.first + 1, self.last + 1), self.end + 1, factor))
        first = round(self.at(place) - place * (count - 1))
        return self._moved(first, first + count - 1)

    def panned(self, first: int) -> Span:
        """To begin at another iteration, as far as there are some."""
        return self._moved(first, first + self.last - self.first)

    def showing(self, iteration: int) -> Span:
        """Moved, where it has to be, so that an iteration is on screen: in the middle."""
        if self.first <= iteration <= self.last:
            return self
        return self.panned(iteration - (self.last - self.first) // 2)

    def _moved(self, first: int, last: int) -> Span:
        first, last = clamped((first + 1, last + 1), self.end + 1)
        return Span(first - 1, last - 1, self.end)


def within(curves: Curves, span: Span, before: int) -> Curves:
    """What is drawn of the curves: the rows on screen, one more on either side, and `before` rows that a mean of the
    first ones needs."""
    rows = curves.iterations
    if span.is_whole:
        return curves
    first = max(0, int(np.searchsorted(rows, span.first)) - 1 - before)
    behind = min(len(rows), int(np.searchsorted(rows, span.last, side="right")) + 1)
    part = slice(first, behind)
    return replace(
        curves,
        iterations=rows[part],
        losses=curves.losses[part],
        grad_norms=curves.grad_norms[part],
        clipped_norms=curves.clipped_norms[part],
        clipped=curves.clipped[part],
        layer_norms={name: norms[part] for name, norms in curves.layer_norms.items()},
        turns=tuple(turn for turn in curves.turns if span.first <= turn.iteration <= span.last or turn.apart),
        kept=curves.kept[(curves.kept >= span.first) & (curves.kept <= span.last)],
    )
