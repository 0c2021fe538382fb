"""How far the tape has come in every row of the unrolled network, as stretches of pixels: numbers, no ink."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from explorer.stage.now import Now
from explorer.stage.tracks.anatomy import Anatomy

State: TypeAlias = Literal["blank", "values", "grads"]
BLANK: State = "blank"
VALUES: State = "values"
GRADS: State = "grads"
Stretch: TypeAlias = tuple[int, int, tuple[State, State]]
"""From a pixel to another, and how far forward and reverse rows are there."""


class Reached(NamedTuple):
    """A moment, from the left."""

    now: Now
    """All of it: inside a step the position stays while what is reached is another."""
    rows: list[Stretch]
    gaps: list[Stretch]
    """Only where they are further than the rows: a cell's gradient comes out of it upright as soon as it is known, but
    its level wires begin in its middle, where those of the next step end."""
    above: list[Stretch]
    """Of the gap between the rows and the loss, where everything but gradients is there as soon as the loss is."""


class Reach:
    def __init__(self, anatomy: Anatomy) -> None:
        self.a = anatomy
        self._made: Reached | None = None

    def cuts(self, now: Now, *, whole: bool = False) -> tuple[int, int, int, int]:
        """Where what is known ends or begins: values and gradients of forward rows, of reverse rows. `whole`: at a
        cell's edge instead of its middle."""
        view, a = self.a.view, self.a
        values, grads = view.until(now.forward), view.since(now.backward)
        known, gone = now.values(True)[0], now.grads(True)[1]
        back_values, back_grads = view.since(known), view.until(gone)
        if not view.cells.crowded:
            if view.shows(now.forward) and now.forward < view.steps:
                values = a.right(now.forward)
            if view.shows(now.backward):
                grads = a.left(now.backward) if whole else int(view.centre(now.backward))
            if view.shows(known) and known > 1:
                back_values = a.left(known)
            if view.shows(gone):
                back_grads = a.right(gone) if whole else int(view.centre(gone)) + 1
        return values, max(grads, 0), back_values, back_grads

    def at(self, now: Now) -> Reached:
        if self._made is None or self._made.now != now:
            rows, gaps = self._stretches(self.cuts(now)), self._stretches(self.cuts(now, whole=True))
            before: State = VALUES if now.loss else BLANK
            above = [
                (start, end, (first if first == GRADS else before, second if second == GRADS else before))
                for start, end, (first, second) in gaps
            ]
            self._made = Reached(now, rows, [one for one in gaps if one not in rows], above)
        return self._made

    def _stretches(self, cuts: tuple[int, int, int, int]) -> list[Stretch]:
        width = self.a.view.width
        values, grads, back_values, back_grads = cuts
        forward: list[tuple[int, State]] = [(min(values, grads), VALUES), (grads, BLANK), (width, GRADS)]
        reverse: list[tuple[int, State]] = [(back_grads, GRADS), (max(back_values, back_grads), BLANK), (width, VALUES)]
        if self.a.one_way:
            reverse = forward
        edges = sorted({0, *(end for end, _ in forward + reverse)})
        found: list[Stretch] = []
        for start, end in pairwise(edges):
            first = next(state for stop, state in forward if stop > start)
            second = next(state for stop, state in reverse if stop > start)
            found.append((start, end, (first, second)))
        return found
