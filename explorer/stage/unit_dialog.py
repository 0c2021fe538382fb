"""One unit: of which unit a track is wanted, typed as a number."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from explorer.theme.tokens import GAP
from explorer.widgets.question import Question, whole_number


class UnitDialog(Question):
    """Accepted, `track` is wanted of `unit`, from 0."""

    def __init__(self, track: str, title: str, unit: int, last: int, parent: QWidget | None = None) -> None:
        super().__init__("One unit", parent)
        self.track, self._title = track, title
        self.field = whole_number("Unit", min(unit, last), 0, last)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for part in (QLabel("Unit"), self.field, QLabel(f"of 0 to {last:,}")):
            row.addWidget(part)
        row.addStretch(1)
        self.add(row)
        self.field.valueChanged.connect(self._look)
        self.field.setFocus()
        self.field.selectAll()
        self._look()

    @property
    def unit(self) -> int:
        return self.field.value()

    @Slot()
    def _look(self) -> None:
        self.say(f"{self._title}, unit {self.unit}: a track of its own.")
