"""Go to an iteration: its number typed."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from engine.history import Evaluation
from explorer.widgets.numbers import short
from explorer.widgets.question import NumberQuestion


class IterationDialog(NumberQuestion):
    """Accepted, `number` is one of the iterations that are done, from 0."""

    def __init__(
        self,
        shown: int,
        done: int,
        best: Evaluation | None,
        out_of_reach: Callable[[int], str],
        parent: QWidget | None = None,
    ) -> None:
        """`out_of_reach`: why one cannot go to an iteration; "" where one can."""
        some = any(out_of_reach(iteration) for iteration in (1, done))
        super().__init__("Go to iteration", "Iteration", shown, done, parent, lines=3 if some else 2)
        self._shown, self._best, self._out_of_reach = shown, best, out_of_reach
        self.look()

    @Slot()
    def look(self) -> None:
        if why := self._out_of_reach(self.number):
            self.say(why, good=False)
            return
        said = []
        if self.number == self._shown:
            said.append("It is on the stage now.")
        if self._best is not None:
            least = f"the least validation loss, {short(self._best.loss, 3)}"
            if self.number == self._best.iteration:
                said.append(f"It has {least}.")
            else:
                said.append(f"Iteration {self._best.iteration:,} has {least}.")
        self.say(" ".join(said))
