"""A slider that tells dragging from having dragged: `dragged` live, `released` once. The wheel needs the focus."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QSlider, QStyle, QStyleOptionSlider, QWidget


class DragSlider(QSlider):
    """`set_position` emits nothing and leaves a slider alone that is being dragged.

    A press beside the handle takes it there. Keys move it live and commit when they are let go, so that a held key is
    one edit; the wheel commits each notch. A double click asks for the default.
    """

    dragged = Signal(int)
    released = Signal(int)
    resetRequested = Signal()

    def __init__(self, name: str, low: int, high: int, page: int, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(low, high)
        self.setPageStep(page)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(18)
        self._busy = False
        """Moved by hand and not yet committed."""
        self._grip = 0
        self._pressed = False
        self.valueChanged.connect(self._moved)

    def set_position(self, value: int) -> None:
        if not self._busy and value != self.value():
            blocked = self.blockSignals(True)
            self.setValue(value)
            self.blockSignals(blocked)

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
        handle = self._handle()
        x = round(event.position().x())
        on_handle = handle.left() <= x <= handle.right()
        self._grip = x - handle.left() if on_handle else handle.width() // 2
        self._pressed = True
        self.setSliderDown(True)
        if not on_handle:
            self.setValue(self._value_at(x))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed:
            self.setValue(self._value_at(round(event.position().x())))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed and event.button() is Qt.MouseButton.LeftButton:
            self._pressed = False
            self.setSliderDown(False)
            self._commit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pressed = False
        self.resetRequested.emit()

    def _option(self) -> QStyleOptionSlider:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        return option

    def _handle(self) -> QRect:
        control, part = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
        return self.style().subControlRect(control, self._option(), part, self)

    def _value_at(self, x: int) -> int:
        span = self.width() - self._handle().width()
        return QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), x - self._grip, max(1, span))

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
        if not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)
        if not self._pressed:
            self._commit()
