"""Where the tape stands within a time step: after a layer, or after one operation inside a cell. Plain data.

The tape (engine.tape) counts time steps. A step of it is finer where somebody wants it to be: forward the levels of the
stack come one after the other, from the input on, backward from the top down (both directions of a level together), and
in the level whose cell is looked at, each operation of that cell (engine.operations_of_cell).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.operations_of_cell import CellOperation, Way, operations
from engine.spec import CellKind
from engine.tape import Phase, Tape

Granularity = Literal["step", "layer", "gate"]
_WAYS: dict[Phase, Way] = {Phase.FORWARD: "forward", Phase.BACKWARD: "backward"}


@dataclass(frozen=True, slots=True)
class Within:
    """The tape is inside a time step. What comes before `level` (on this way) is done, what comes after it is not."""

    level: int
    """From 0, from the input on: "l1" and "l1_reverse" are level 1."""
    operation: int | None = None
    """The last operation that is done of the level's cell, from 0; None: all of them are."""


@dataclass(frozen=True, slots=True)
class Inside:
    """How a step of a stack is made up. `None` where a `Within` is meant stands for the whole step."""

    levels: int
    focus: int
    """The level whose cell is looked at: its operations are single steps, the others' are not."""
    cell: CellKind
    layer_norm: bool = False

    @classmethod
    def of(cls, layers: Sequence[str], focus: str, cell: CellKind, layer_norm: bool = False) -> Inside:
        """`layers` and `focus` by name: "l0", "l0_reverse", "l1"."""
        return cls(level_of(layers[-1]) + 1, level_of(focus), cell, layer_norm)

    def operations(self, way: Way) -> tuple[CellOperation, ...]:
        return operations(self.cell, way, self.layer_norm)

    def order(self, way: Way) -> range:
        """The levels as they are done."""
        return range(self.levels) if way == "forward" else range(self.levels - 1, -1, -1)

    def moments(self, way: Way, granularity: Granularity) -> tuple[Within | None, ...]:
        """A step's moments in their order; the last one is the whole step's end."""
        if granularity == "step" or (granularity == "layer" and self.levels == 1):
            return (None,)
        found: list[Within] = []
        for level in self.order(way):
            if granularity == "gate" and level == self.focus:
                found += [Within(level, number) for number in range(len(self.operations(way)))]
            else:
                found.append(Within(level))
        return tuple(found)

    def fitted(self, within: Within | None, way: Way | None) -> Within | None:
        """As it can be here: in another phase, stack or cell there may be no such place.

        Where its level has gone from the top of the stack, what is below it is done forward, and about to be backward.
        """
        if within is None or way is None or within.level < 0:
            return None
        if within.level >= self.levels:
            return self.moments(way, "gate")[-1 if way == "forward" else 0]
        if within.operation is None:
            return within
        if within.level != self.focus or not 0 <= within.operation < len(self.operations(way)):
            return Within(within.level)
        return within

    def done(self, within: Within | None, way: Way) -> tuple[int, int]:
        """How much of a step: (levels that are whole, operations of the next one). All: (levels, 0)."""
        if within is None:
            return self.levels, 0
        place = self.order(way).index(within.level)
        if within.operation is None or within.operation + 1 >= len(self.operations(way)):
            return place + 1, 0
        return place, within.operation + 1

    def whole(self, within: Within | None, way: Way) -> bool:
        return self.done(within, way)[0] == self.levels

    def operations_done(self, within: Within | None, way: Way) -> int:
        """Of the cell that is looked at."""
        levels, more = self.done(within, way)
        place = self.order(way).index(self.focus)
        every = len(self.operations(way))
        return every if levels > place else more if levels == place else 0

    def current(self, within: Within | None, way: Way) -> CellOperation | None:
        """The operation that has just been done in the cell that is looked at."""
        if within is None or within.operation is None or within.level != self.focus:
            return None
        return self.operations(way)[within.operation]


def level_of(layer: str) -> int:
    """ "l1_reverse" → 1."""
    return int(layer.removesuffix("_reverse")[1:])


def way_of(phase: Phase) -> Way | None:
    """None: a moment without time steps."""
    return _WAYS.get(phase)


def stepped(
    tape: Tape, position: int, within: Within | None, count: int, granularity: Granularity, inside: Inside
) -> tuple[int, Within | None, int]:
    """Where `count` steps lead: position, within, and how many were left over at an end of the tape (signed).

    From a step that is shown as a whole, finer steps begin inside of that step: it is the one that somebody looks at.
    """
    on = count > 0
    for left in range(abs(count), 0, -1):
        way = way_of(tape.moment(position).phase)
        moments: tuple[Within | None, ...] = (None,) if way is None else inside.moments(way, granularity)
        if on and within is None and len(moments) > 1:
            within = moments[0]
            continue
        if way is not None:
            here = inside.done(within, way)
            ahead = [m for m in moments if (inside.done(m, way) > here if on else inside.done(m, way) < here)]
            if ahead:
                within = ahead[0] if on else ahead[-1]
                continue
        following = position + (1 if on else -1)
        if not 0 <= following < len(tape):
            return position, within, left if on else -left
        position = following
        way = way_of(tape.moment(position).phase)
        there = (None,) if way is None else inside.moments(way, granularity)
        within = there[0] if on else there[-1]
    return position, within, 0
