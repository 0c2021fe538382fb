"""A slider that tells dragging from having dragged: `dragged` live, `released` once. The wheel scrolls the dock."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSlider, QWidget

from explorer.theme.current import current

HANDLE = 18
"""Width of the handle in logical pixels, the room around it included."""


class DragSlider(QSlider):
    """`set_position` emits nothing and leaves a slider alone that is being dragged.

    A press beside the handle takes it there. Keys move it live and commit when they are let go, so that a held key is
    one edit. A double click asks for the default.
    """

    dragged = Signal(int)
    released = Signal(int)
    resetRequested = Signal()

    def __init__(self, name: str, low: int, high: int, page: int, default: int, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(low, high)
        self.setPageStep(page)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(20)
        self._default = default
        self._busy = False
        """Moved by hand and not yet committed."""
        self._grip = 0.0
        self._pressed = False
        self.valueChanged.connect(self._moved)

    def set_position(self, value: int) -> None:
        if not self._busy and value != self.value():
            blocked = self.blockSignals(True)
            self.setValue(value)
            self.blockSignals(blocked)

    def set_default(self, position: int) -> None:
        """Where the groove is filled from."""
        if position != self._default:
            self._default = position
            self.update()

    def is_busy(self) -> bool:
        return self._busy

    def _moved(self, value: int) -> None:
        self._busy = True
        self.dragged.emit(value)

    def _commit(self) -> None:
        if self._busy:
            self._busy = False
            self.released.emit(self.value())

    # -- mouse --------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton:
            event.ignore()
            return
        x = event.position().x()
        offset = x - self._x_of(self.value())
        on_handle = abs(offset) <= HANDLE / 2
        self._grip = offset if on_handle else 0.0
        self._pressed = True
        self.setSliderDown(True)
        if not on_handle:
            self.setValue(self._value_at(x))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed:
            self.setValue(self._value_at(event.position().x() - self._grip))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed and event.button() is Qt.MouseButton.LeftButton:
            self._pressed = False
            self.setSliderDown(False)
            self._commit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pressed = False
        self.resetRequested.emit()

    # -- looks --------------------------------------------------------------------------------------------------------

    def _x_of(self, value: int) -> float:
        """The middle of the handle there."""
        share = (value - self.minimum()) / max(1, self.maximum() - self.minimum())
        return HANDLE / 2 + share * (self.width() - HANDLE)

    def _value_at(self, x: float) -> int:
        share = (x - HANDLE / 2) / max(1, self.width() - HANDLE)
        share = min(max(share, 0.0), 1.0)
        return self.minimum() + round(share * (self.maximum() - self.minimum()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The groove is filled from the default to the handle: what is shown is how far the what-if goes."""
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle = self.height() / 2
        x, home = self._x_of(self.value()), self._x_of(self._default)
        live = self.isEnabled()
        painter.setBrush(QColor(theme.border if live else theme.line))
        painter.drawRoundedRect(QRectF(HANDLE / 2, middle - 1.5, self.width() - HANDLE, 3), 1.5, 1.5)
        painter.drawRoundedRect(QRectF(home - 1, middle - 5, 2, 10), 1, 1)
        if live:
            painter.setBrush(QColor(theme.accent))
            painter.drawRoundedRect(QRectF(min(x, home), middle - 1.5, abs(x - home), 3), 1.5, 1.5)
        painter.setBrush(QColor((theme.accent if self._pressed else theme.text) if live else theme.border))
        painter.setPen(QPen(QColor(theme.surface), 1.5))
        painter.drawEllipse(QRectF(x - HANDLE / 2 + 1, middle - HANDLE / 2 + 1, HANDLE - 2, HANDLE - 2))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 1.5))
            painter.drawEllipse(QRectF(x - HANDLE / 2 + 1, middle - HANDLE / 2 + 1, HANDLE - 2, HANDLE - 2))

    # -- keys, wheel --------------------------------------------------------------------------------------------------

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        super().keyReleaseEvent(event)
        if not event.isAutoRepeat():
            self._commit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if not self._pressed:
            self._commit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # it scrolls the dock
