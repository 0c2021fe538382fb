"""What a step of the tape is: a small button that opens the choice. Up and Down choose as well."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QKeyEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolButton, QWidget

from engine.within import Granularity
from explorer.theme.tokens import TIGHT

GRANULARITIES: dict[Granularity, str] = {
    "step": "A time step",
    "layer": "A layer within the step",
    "gate": "One operation inside the cell (a gate, a product, a state)",
}


class GranularityButton(QToolButton):
    """Shows "by step"."""

    picked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: Granularity = "step"
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        menu = QMenu(self)
        menu.setAccessibleName("What a step of the tape is")
        group = QActionGroup(menu)
        self._entries: dict[Granularity, QAction] = {}
        for value, words in GRANULARITIES.items():
            entry = menu.addAction(words)
            entry.setData(value)
            entry.setCheckable(True)
            group.addAction(entry)
            self._entries[value] = entry
        menu.triggered.connect(self._chosen)
        self.setMenu(menu)
        self._before = "by "
        self.set_value("step")
        self.set_worded(True)

    @property
    def value(self) -> Granularity:
        return self._value

    def set_value(self, value: Granularity) -> None:
        """Show it, without a signal."""
        self._value = value
        self._entries[value].setChecked(True)
        self.setText(self._before + value)
        self.setAccessibleName(f"A step of the tape is: {GRANULARITIES[value].lower()}")
        self.setToolTip(f"→ and ← go on by: {GRANULARITIES[value].lower()}. Shift+→ and Shift+← go gate by gate.")

    def set_worded(self, worded: bool) -> None:
        """ "by step", or where there is little room "step"."""
        self._before = "by " if worded else ""
        self.setStyleSheet("" if worded else f"padding: {TIGHT}px 2px;")
        widest = max(self.fontMetrics().horizontalAdvance(self._before + value) for value in GRANULARITIES)
        self.setFixedWidth(widest + (26 if worded else 8))
        self.setText(self._before + self._value)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        values = list(GRANULARITIES)
        turn = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if turn is None or event.modifiers():
            super().keyPressEvent(event)
        elif 0 <= (there := values.index(self._value) + turn) < len(values):
            self.picked.emit(values[there])

    def _chosen(self, entry: QAction) -> None:
        self.picked.emit(entry.data())
