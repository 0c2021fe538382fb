"""The frame of a dialog that asks for a few values: below them stands at once what becomes of them, or what is wrong
with them, and OK works only where nothing is."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QLayout, QSpinBox, QVBoxLayout, QWidget

from explorer.theme.tokens import GAP, ROOM

_WIDTH = 340
# Arrows of no width, since a styled spin box with NoButtons leaves its text one pixel of room (Qt 6.11).
_NO_ARROWS = "QSpinBox::up-button, QSpinBox::down-button { width: 0; height: 0; border: none; }"


class Question(QDialog):
    """Its fields are added by whoever asks (`add`), in their order from the top."""

    def __init__(self, title: str, parent: QWidget | None = None, *, lines: int = 1) -> None:
        """`lines`: of the longest message, which has its room from the first: nothing moves while somebody types."""
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(_WIDTH)
        self.message = QLabel()
        self.message.setAccessibleName("What becomes of it, or what is wrong")
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(lines * self.message.fontMetrics().lineSpacing())
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._fields = QVBoxLayout()
        self._fields.setSpacing(GAP)
        column = QVBoxLayout(self)
        column.setContentsMargins(ROOM, ROOM, ROOM, ROOM)
        column.setSpacing(GAP)
        column.addLayout(self._fields)
        column.addWidget(self.message)
        column.addWidget(buttons)

    def add(self, part: QLayout | QWidget) -> None:
        if isinstance(part, QLayout):
            self._fields.addLayout(part)
        else:
            self._fields.addWidget(part)

    def say(self, words: str, *, good: bool = True) -> None:
        """`good`: it can be accepted."""
        self.message.setText(words)
        self.ok.setEnabled(good)

    def accept(self) -> None:
        if self.ok.isEnabled():
            super().accept()


def whole_number(name: str, value: int, low: int, high: int) -> QSpinBox:
    """A field for a whole number, in the middle of it."""
    field = QSpinBox()
    field.setRange(low, high)
    field.setValue(value)
    field.setAccessibleName(name)
    field.setStyleSheet(_NO_ARROWS)
    field.setAlignment(Qt.AlignmentFlag.AlignCenter)
    field.setMinimumWidth(72)
    return field


class NumberQuestion(Question):
    """Asks for one whole number from 0 to `last`. `look` says what becomes of it."""

    def __init__(
        self, title: str, name: str, value: int, last: int, parent: QWidget | None = None, *, lines: int = 1
    ) -> None:
        super().__init__(title, parent, lines=lines)
        self.field = whole_number(name, min(value, last), 0, last)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for part in (QLabel(name), self.field, QLabel(f"of 0 to {last:,}")):
            row.addWidget(part)
        row.addStretch(1)
        self.add(row)
        self.field.valueChanged.connect(self.look)
        self.field.setFocus()
        self.field.selectAll()

    @property
    def number(self) -> int:
        return self.field.value()

    @Slot()
    def look(self) -> None:
        """Another number stands there."""
        raise NotImplementedError
