"""One unit: of which unit a track is wanted, typed as a number."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from explorer.widgets.question import NumberQuestion


class UnitDialog(NumberQuestion):
    """Accepted, `track` is wanted of unit `number`, from 0."""

    def __init__(self, track: str, title: str, unit: int, last: int, parent: QWidget | None = None) -> None:
        super().__init__("One unit", "Unit", unit, last, parent)
        self.track, self._title = track, title
        self.look()

    @Slot()
    def look(self) -> None:
        self.say(f"{self._title}, unit {self.number}: a track of its own.")
