"""How far the tape has come in every row of the unrolled network, as stretches of pixels: numbers, no ink."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

from explorer.stage.now import Now
from explorer.stage.tracks.anatomy import Anatomy

State: TypeAlias = Literal["blank", "values", "grads"]
BLANK: State = "blank"
VALUES: State = "values"
GRADS: State = "grads"
Stretch: TypeAlias = tuple[int, int, tuple[State, State]]
"""From a pixel to another, and how far forward and reverse rows are there."""


class Reach:
    def __init__(self, anatomy: Anatomy) -> None:
        self.a = anatomy
        self._made: tuple[int, list[Stretch], list[Stretch]] | None = None

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

    def stretches(self, now: Now) -> tuple[list[Stretch], list[Stretch]]:
        """From the left: of the rows, and of the gap between them and the loss, where everything but gradients is there
        as soon as the loss is."""
        if self._made is None or self._made[0] != now.position:
            body = self._body(now)
            before: State = VALUES if now.loss else BLANK
            above = [
                (start, end, (first if first == GRADS else before, second if second == GRADS else before))
                for start, end, (first, second) in body
            ]
            self._made = (now.position, body, above)
        return self._made[1:]

    def _body(self, now: Now) -> list[Stretch]:
        width = self.a.view.width
        values, grads, back_values, back_grads = self.cuts(now)
        grads = max(grads, 0)
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
