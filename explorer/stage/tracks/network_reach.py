"""How far the tape has come in every row of the unrolled network, as stretches of pixels: numbers, no ink."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, TypeAlias

from explorer.stage.now import Now
from explorer.stage.tracks.anatomy import Anatomy, Gap

State: TypeAlias = Literal["blank", "values", "grads"]
BLANK: State = "blank"
VALUES: State = "values"
GRADS: State = "grads"
Stretch: TypeAlias = tuple[int, int, tuple[State, ...]]
"""From a pixel to another, and the state of each wire (or the one of a row)."""


class Reach:
    def __init__(self, anatomy: Anatomy) -> None:
        self.a = anatomy
        self._made: tuple[int, list[tuple[int, int, list[Stretch]]]] | None = None

    def cuts(self, now: Now) -> tuple[int, int, int, int]:
        """Where what is known ends or begins: values and gradients of forward rows, of reverse rows."""
        view, a = self.a.view, self.a
        values, grads = view.until(now.forward), view.since(now.backward)
        known, gone = now.values(True)[0], now.grads(True)[1]
        back_values, back_grads = view.since(known), view.until(gone)
        if not view.cells.crowded:
            if view.shows(now.forward) and now.forward < view.steps:
                values = a.right(now.forward)
            if view.shows(now.backward):
                grads = int(view.centre(now.backward))
            if view.shows(known) and known > 1:
                back_values = a.left(known)
            if view.shows(gone):
                back_grads = int(view.centre(gone)) + 1
        return values, grads, back_values, back_grads

    def bands(self, now: Now) -> list[tuple[int, int, list[Stretch]]]:
        """(top, bottom, stretches) for every band of rows, from the gap below the loss down to the foot."""
        if self._made is None or self._made[0] != now.position:
            self._made = (now.position, list(self._bands(now)))
        return self._made[1]

    def _bands(self, now: Now) -> Iterator[tuple[int, int, list[Stretch]]]:
        a = self.a
        forward, reverse = self._stretches(now)
        yield a.top_gap.top, a.top_gap.bottom, self._of_gap(a.top_gap, *self._to_the_loss(forward, reverse, now))
        if a.one_way:
            yield a.cells_top, a.height, _single(forward)
            return
        for row, gap in zip(reversed(a.rows), reversed(a.gaps[:-1]), strict=True):
            yield row.top, row.bottom, _single(reverse if row.kind.reverse else forward)
            yield gap.top, gap.bottom, self._of_gap(gap, forward, reverse)
        yield a.inputs_top, a.height, self._of_inputs(forward, reverse)

    def _stretches(self, now: Now) -> tuple[list[tuple[int, State]], list[tuple[int, State]]]:
        """For both directions: (end, state) from the left."""
        width = self.a.view.width
        values, grads, back_values, back_grads = self.cuts(now)
        grads = max(grads, 0)
        forward: list[tuple[int, State]] = [(min(values, grads), VALUES), (grads, BLANK), (width, GRADS)]
        reverse: list[tuple[int, State]] = [(back_grads, GRADS), (max(back_values, back_grads), BLANK), (width, VALUES)]
        return forward, reverse

    def _to_the_loss(
        self, forward: list[tuple[int, State]], reverse: list[tuple[int, State]], now: Now
    ) -> tuple[list[tuple[int, State]], list[tuple[int, State]]]:
        """Above the rows what waits for its gradient is there as soon as the loss is."""
        before: State = VALUES if now.loss else BLANK
        first, second = (
            [(end, state if state == GRADS else before) for end, state in stretches] for stretches in (forward, reverse)
        )
        return first, second

    def _of_gap(self, gap: Gap, forward: list[tuple[int, State]], reverse: list[tuple[int, State]]) -> list[Stretch]:
        ways = [reverse if self.a.rows[wire.row].kind.reverse else forward for wire in gap.wires]
        return _merged(ways)

    def _of_inputs(self, forward: list[tuple[int, State]], reverse: list[tuple[int, State]]) -> list[Stretch]:
        """An input is there as soon as one of the directions has read it."""
        found: list[Stretch] = []
        for start, end, states in _merged([forward, reverse]):
            found.append((start, end, (VALUES if set(states) != {BLANK} else BLANK,)))
        return found


def _single(stretches: list[tuple[int, State]]) -> list[Stretch]:
    return _merged([stretches])


def _merged(ways: list[list[tuple[int, State]]]) -> list[Stretch]:
    """Cut at every end of any of them."""
    edges = sorted({0, *(end for way in ways for end, _ in way)})
    found: list[Stretch] = []
    for start, end in pairwise(edges):
        states = tuple(next(state for stop, state in way if stop > start) for way in ways)
        found.append((start, end, states))
    return found
