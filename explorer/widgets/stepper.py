"""A whole number between two small arrows: ‹ 3 of 16 ›. For picking one of many: an iteration, a sample, a unit."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSpinBox, QWidget

from explorer.theme.current import current
from explorer.theme.tokens import RADIUS
from explorer.widgets.buttons import FlatButton
from explorer.widgets.typed import undone_here

HEIGHT = 28


class _Field(QSpinBox):
    """A spin box without frame and arrows; the wheel scrolls what it stands in, as over every other field."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def is_typed(self) -> bool:
        special = self.specialValueText()
        lowest = bool(special) and self.value() == self.minimum()
        shown = special if lowest else f"{self.prefix()}{self.textFromValue(self.value())}{self.suffix()}"
        return self.text() != shown

    def finish(self) -> None:
        self.interpretText()

    def restore(self) -> None:
        blocked = self.blockSignals(True)
        self.setValue(self.value())  # writes its text anew
        self.blockSignals(blocked)

    def event(self, event: QEvent) -> bool:
        undone = undone_here(self, event)
        return super().event(event) if undone is None else undone


class Stepper(QWidget):
    """`set_value` does not emit; `picked` is what a person chose with arrows, keys or typing."""

    picked = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = _Field(self)
        # Its arrows have no width, since a styled spin box with NoButtons leaves its text one pixel of room (Qt 6.11).
        self.field.setProperty("role", "plain")
        self.field.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.field.setKeyboardTracking(False)
        self.field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.field.setAccessibleName(name)
        self.field.lineEdit().setAccessibleName(name)
        self.field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.field.setMinimumWidth(10)
        self.field.installEventFilter(self)
        self.down = FlatButton("chevron-left", f"{name}: previous", parent=self)
        self.up = FlatButton("chevron-right", f"{name}: next", parent=self)
        for button in (self.down, self.up):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the field's own arrow keys do the same
            button.setAutoRepeat(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 0, 2, 0)
        row.setSpacing(0)
        row.addWidget(self.down)
        row.addWidget(self.field, 1)
        row.addWidget(self.up)
        self.setFixedHeight(HEIGHT)
        self.setFocusProxy(self.field)
        self.down.clicked.connect(self.field.stepDown)
        self.up.clicked.connect(self.field.stepUp)
        self.field.valueChanged.connect(self._changed)
        self._show_ends()

    def value(self) -> int:
        return self.field.value()

    def set_words(self, before: str = "", after: str = "", lowest: str = "") -> None:
        """What stands before and after the number, and what is shown instead of the lowest number."""
        field = self.field
        if (before, after, lowest) != (field.prefix(), field.suffix(), field.specialValueText()):
            blocked = field.blockSignals(True)
            field.setPrefix(before)
            field.setSuffix(after)
            field.setSpecialValueText(lowest)
            field.blockSignals(blocked)

    def set_value(self, value: int, low: int, high: int) -> None:
        """Range and value, without a signal. What is being typed stays until it is finished."""
        field = self.field
        if (value, low, high) == (field.value(), field.minimum(), field.maximum()):
            return
        blocked = field.blockSignals(True)
        field.setRange(low, max(low, high))
        field.setValue(value)
        field.blockSignals(blocked)
        self._show_ends()

    def _changed(self, value: int) -> None:
        self._show_ends()
        self.picked.emit(value)

    def _show_ends(self) -> None:
        self.down.setEnabled(self.field.value() > self.field.minimum())
        self.up.setEnabled(self.field.value() < self.field.maximum())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(theme.raised))
        painter.setPen(QPen(QColor(theme.accent if self.field.hasFocus() else theme.line), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
