"""Show steps: which of them fill the stage, typed as two numbers."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from explorer.theme.tokens import GAP, ROOM

# Arrows of no width, since a styled spin box with NoButtons leaves its text one pixel of room (Qt 6.11).
_NO_ARROWS = "QSpinBox::up-button, QSpinBox::down-button { width: 0; height: 0; border: none; }"


class StepsDialog(QDialog):
    """Accepted, `span` are the first and the last step, from 1."""

    def __init__(self, span: tuple[int, int], steps: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Show steps")
        self.first, self.last = _field("First step", span[0], steps), _field("Last step", span[1], steps)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for part in (QLabel("Steps"), self.first, QLabel("to"), self.last, QLabel(f"of {steps:,}")):
            row.addWidget(part)
        row.addStretch(1)
        self.message = QLabel()
        self.message.setAccessibleName("What is wrong")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(ROOM, ROOM, ROOM, ROOM)
        column.setSpacing(GAP)
        column.addLayout(row)
        column.addWidget(self.message)
        column.addWidget(buttons)
        self.setMinimumWidth(320)
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
        self.ok.setEnabled(first <= last)
        count = last - first + 1
        said = f"{count:,} step{'s' if count != 1 else ''}" if first <= last else ""
        self.message.setText(said or f"The first step is {first}, the last {last}: the last must not come before it.")


def _field(name: str, value: int, steps: int) -> QSpinBox:
    field = QSpinBox()
    field.setRange(1, steps)
    field.setValue(value)
    field.setAccessibleName(name)
    field.setStyleSheet(_NO_ARROWS)
    field.setMinimumWidth(72)
    return field
