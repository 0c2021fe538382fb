"""Chooses whose numbers are shown: one unit's, or norms and means over all."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QHBoxLayout, QSpinBox, QToolButton, QWidget

from explorer.theme import current as theme

ALL = -1
"""The spin box's value for all units."""


class UnitPicker(QWidget):
    """‹ unit 3 › — units count from 0, as in torch; before 0 stands "all units"."""

    picked = Signal(object)
    """The user wants this unit (int), or all (None)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._asked: int | None = None
        self._late = False
        tip = "One unit’s numbers, or norms and means over all units. Units count from 0, as in torch."
        self._box = QSpinBox(self)
        self._box.setRange(ALL, ALL)
        self._box.setSpecialValueText("all units")
        self._box.setPrefix("unit ")
        # A styled spin box with NoButtons leaves its text one pixel of room (Qt 6.11); buttons of no width do not.
        self._box.setStyleSheet("QSpinBox::up-button, QSpinBox::down-button { width: 0; border: none; }")
        self._box.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._box.setKeyboardTracking(False)
        self._box.setAccessibleName("Unit whose numbers are shown; all units: norms and means")
        self._box.setToolTip(tip)
        self._box.valueChanged.connect(self._changed)
        self._less = self._button("‹", "The unit before")
        self._more = self._button("›", "The next unit")
        self._less.clicked.connect(self._box.stepDown)
        self._more.clicked.connect(self._box.stepUp)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for part in (self._less, self._box, self._more):
            row.addWidget(part)
        self.setFocusProxy(self._box)
        theme.notifier().changed.connect(self._restyle)
        self._restyle()

    def _button(self, text: str, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        button.setAccessibleName(name)
        button.setToolTip(name)
        button.setAutoRepeat(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrow keys do the same in the field
        button.setStyleSheet("padding: 0px; min-width: 16px;")
        return button

    @property
    def unit(self) -> int | None:
        return None if self._box.value() == ALL else self._box.value()

    @property
    def box(self) -> QSpinBox:
        return self._box

    def set_unit(self, unit: int | None) -> None:
        """Show this unit, without asking for it."""
        self._asked = None
        self._set(unit)

    def answered(self, unit: int | None, hidden_size: int) -> None:
        """Numbers of this unit have come. What the user has asked for since they were asked for stays: one answer may
        still be under way, a second one means that the unit was chosen elsewhere."""
        with QSignalBlocker(self._box):
            self._box.setRange(ALL, hidden_size - 1)
        value = ALL if unit is None else unit
        late = self._asked is not None and self._asked != value and self._asked < hidden_size and not self._late
        self._late = late
        if not late:
            self._asked = None
            self._set(unit)
        self._enable()

    def _set(self, unit: int | None) -> None:
        with QSignalBlocker(self._box):
            if unit is not None and unit > self._box.maximum():
                self._box.setMaximum(unit)  # the excerpt of the larger layer is still on its way
            self._box.setValue(ALL if unit is None else unit)
        self._enable()

    def _enable(self) -> None:
        self._less.setEnabled(self._box.value() > self._box.minimum())
        self._more.setEnabled(self._box.value() < self._box.maximum())

    @Slot(int)
    def _changed(self, value: int) -> None:
        self._asked, self._late = value, False
        self._enable()
        self.picked.emit(None if value == ALL else value)

    @Slot()
    def _restyle(self) -> None:
        metrics = QFontMetricsF(theme.font())
        self._box.setFixedWidth(round(metrics.horizontalAdvance("unit 8888")) + 22)
