"""Show steps: which of them fill the stage, typed as two numbers."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from explorer.theme.tokens import GAP
from explorer.widgets.question import Question, whole_number


class StepsDialog(Question):
    """Accepted, `span` are the first and the last step, from 1."""

    def __init__(self, span: tuple[int, int], steps: int, parent: QWidget | None = None) -> None:
        super().__init__("Show steps", parent, lines=2)
        self.first = whole_number("First step", span[0], 1, steps)
        self.last = whole_number("Last step", span[1], 1, steps)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for part in (QLabel("Steps"), self.first, QLabel("to"), self.last, QLabel(f"of {steps:,}")):
            row.addWidget(part)
        row.addStretch(1)
        self.add(row)
        for field in (self.first, self.last):
            field.valueChanged.connect(self._look)
        self.first.setFocus()
        self.first.selectAll()
        self._look()

    @property
    def span(self) -> tuple[int, int]:
        return self.first.value(), self.last.value()

    @Slot()
    def _look(self) -> None:
        first, last = self.span
        if first <= last:
            count = last - first + 1
            self.say(f"{count:,} step{'s' if count != 1 else ''}")
        else:
            said = f"The first step is {first}, the last {last}: the last must not come before it."
            self.say(said, good=False)
