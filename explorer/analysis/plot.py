"""What the section's pictures have in common: a place under the pointer or under the keys, and what is said of it."""

from __future__ import annotations

from typing import Generic, TypeVar

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QRegion
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.stage import marked
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.widgets.buttons import BY_KEY

Place = TypeVar("Place")

_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_FAR = 10


class Plot(QWidget, Generic[Place]):
    """Told a result once. `said` tells what is under the pointer, or where the arrow keys have gone; "" nothing."""

    said = Signal(str)

    def __init__(self, name: str, height: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._height = height
        self._ring = False
        self.place: Place | None = None
        """Under the pointer or the keys."""
        self.dirty = QRegion()
        """What is being painted."""
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theming.notifier().changed.connect(self._restyle)

    def sizeHint(self) -> QSize:
        return QSize(276, self._height)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self._height)

    def set_height(self, height: int) -> None:
        if height != self._height:
            self._height = height
            self.updateGeometry()

    # -- for the picture itself to fill in ----------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        raise NotImplementedError

    def place_at(self, at: QPointF) -> Place | None:
        """What is under a point."""
        raise NotImplementedError

    def moved(self, place: Place | None, right: int, down: int) -> Place | None:
        """Where the arrow keys lead from there; None: nowhere."""
        raise NotImplementedError

    def words_at(self, place: Place) -> str:
        raise NotImplementedError

    def picked(self, place: Place) -> None:
        """A click, or Enter."""

    def forget(self) -> None:
        """The theme is another: cached pixels are gone."""

    # -- pointer and keys ---------------------------------------------------------------------------------------------

    def go(self, place: Place | None) -> None:
        if place != self.place:
            self.place = place
            self.update()
        words = "" if place is None else self.words_at(place)
        self.setAccessibleDescription(words)
        self.said.emit(words)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.go(self.place_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if not self.hasFocus():
            self.go(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.go(self.place_at(event.position()))
            if self.place is not None:
                self.picked(self.place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _ARROWS and event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.ShiftModifier,
            Qt.KeyboardModifier.KeypadModifier,
        ):
            far = _FAR if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
            right, down = _ARROWS[key]
            found = self.moved(self.place, right * far, down * far)
            if found is not None:
                self.go(found)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.place is not None:
            self.picked(self.place)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._ring = event.reason() in BY_KEY
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._ring = False
        if not self.underMouse():
            self.go(None)
        self.update()

    # -- looks --------------------------------------------------------------------------------------------------------

    @Slot()
    def _restyle(self) -> None:
        self.forget()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.dirty = event.region()
        self.paint(painter)
        if self._ring:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theming.current().accent), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def text(self, painter: QPainter, box: QRectF, text: str, tone: str = "muted", align: str = "left") -> None:
        """A small line."""
        flags = {
            "left": Qt.AlignmentFlag.AlignLeft,
            "right": Qt.AlignmentFlag.AlignRight,
            "centre": Qt.AlignmentFlag.AlignHCenter,
        }
        painter.setPen(QColor(getattr(theming.current(), tone)))
        marked.draw(painter, box, text, theming.small(), flags[align])

    def frame(self, painter: QPainter, box: QRect) -> None:
        theme = theming.current()
        painter.fillRect(box, QColor(theme.plot))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawRect(QRectF(box).adjusted(-0.5, -0.5, 0.5, 0.5))


def width(text: str) -> float:
    return marked.width(text, theming.small())


def fitting(marks: list[tuple[float, str]], vertical: bool) -> list[tuple[float, str]]:
    """Of marks (pixel, text), in order, those that do not run into the one before."""
    found: list[tuple[float, str]] = []
    last = -1e9
    for at, text in marks:
        half = LINE / 2 if vertical else width(text) / 2 + 4
        if at - half >= last:
            found.append((at, text))
            last = at + half
    return found
