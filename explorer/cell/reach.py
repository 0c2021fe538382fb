"""What the tape has reached of the cell on screen: which step, which values and gradients, and what was done last."""

from __future__ import annotations

from dataclasses import dataclass

from engine.operations_of_cell import Way, known
from engine.requests import Excerpt
from engine.tape import Tape
from engine.within import Inside, Within, way_of
from explorer.cell.quantity import Number

_BACKWARD = ("grads.", "back.", "centre.", "along.")


@dataclass(frozen=True, slots=True)
class Reached:
    forward: bool
    """Its values, or some of them."""
    backward: bool
    """Its gradients, or some of them."""
    way: Way | None = None
    """The tape is inside this step, on this way; None: what is reached is whole."""
    keys: frozenset[str] = frozenset()
    """What the cell's operations have yielded so far on that way (engine.operations_of_cell)."""
    now: frozenset[str] = frozenset()
    """What the last of them has yielded."""

    def phase(self, way: Way) -> bool:
        return self.forward if way == "forward" else self.backward

    def has(self, number: Number, way: Way) -> bool:
        """Whether a number that belongs to this way is known."""
        return self.phase(way) and (self.way is None or all(self._known(key) for key in number.needs))

    def made(self, key: str, way: Way) -> bool:
        return self.phase(way) and self._known(key)

    def is_now(self, number: Number) -> bool:
        """Whether it is what the last operation has yielded."""
        return bool(self.now) and len(number.needs) == 1 and number.needs[0] in self.now

    def _known(self, key: str) -> bool:
        if self.way is None or (key.startswith(_BACKWARD) != (self.way == "backward")):
            return True  # on the way back the values are all there
        return key in self.keys


NOTHING_REACHED = Reached(False, False)


def own_step(step: int, steps: int, *, reverse: bool) -> int:
    """Where a layer is when the tape is at step t, and the other way round."""
    return steps + 1 - step if reverse else step


def inside_of(excerpt: Excerpt) -> Inside:
    focus = excerpt.focus
    return Inside.of(tuple(excerpt.layers), excerpt.layer, focus.cell, focus.layer_norm)


def reached_at(excerpt: Excerpt, position: int, within: Within | None) -> tuple[int, Reached]:
    """The step whose cell is shown, t from 1, and what is reached of it.

    That is the one that the layer is at, which the stage has a frame around: of a reverse layer, which has gone as many
    of its own steps, T + 1 − t.
    """
    tape, focus = Tape(excerpt.steps), excerpt.focus
    moment = tape.moment(position)
    way = way_of(moment.phase)
    inside = inside_of(excerpt)
    within = inside.fitted(within, way)
    step = own_step(moment.step, excerpt.steps, reverse=focus.reverse)
    if within is None or way is None:
        return step, Reached(
            moment.step <= tape.forward_reached(position), moment.step >= tape.backward_reached(position)
        )
    keys = known(focus.cell, way, inside.operations_done(within, way), focus.layer_norm)
    operation = inside.current(within, way)
    now = frozenset() if operation is None else frozenset(operation.yields(way))
    return step, Reached(True, way == "backward", way, keys, now)
