"""Go to an iteration: its number typed."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from engine.history import Evaluation
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import short
from explorer.widgets.question import Question, whole_number


class IterationDialog(Question):
    """Accepted, `iteration` is one of those that are done, from 0."""

    def __init__(self, shown: int, done: int, best: Evaluation | None, parent: QWidget | None = None) -> None:
        super().__init__("Go to iteration", parent, lines=2)
        self._shown, self._best = shown, best
        self.field = whole_number("Iteration", shown, 0, done)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for part in (QLabel("Iteration"), self.field, QLabel(f"of 0 to {done:,}")):
            row.addWidget(part)
        row.addStretch(1)
        self.add(row)
        self.field.valueChanged.connect(self._look)
        self.field.setFocus()
        self.field.selectAll()
        self._look()

    @property
    def iteration(self) -> int:
        return self.field.value()

    @Slot()
    def _look(self) -> None:
        said = []
        if self.iteration == self._shown:
            said.append("It is on the stage now.")
        if self._best is not None:
            least = f"the least validation loss, {short(self._best.loss, 3)}"
            if self.iteration == self._best.iteration:
                said.append(f"It has {least}.")
            else:
                said.append(f"Iteration {self._best.iteration:,} has {least}.")
        self.say(" ".join(said))
