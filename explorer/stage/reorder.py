"""A track that is dragged by its header to another place. The canvas shows where it would land; Esc lets it be."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from explorer.stage.canvas import Canvas
from explorer.stage.geometry import place_of_drop

_EDGE = 32
"""So near to the upper or lower end the tracks scroll by themselves."""
_TICK_MS = 16


class Reorder(QObject):
    def __init__(self, canvas: Canvas, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._key = ""
        self._from = self._at = QPoint()
        self._scrolling = QTimer(self)
        self._scrolling.setInterval(_TICK_MS)
        self._scrolling.timeout.connect(self._scroll)

    @property
    def lifted(self) -> bool:
        """The button is down on a header."""
        return bool(self._key)

    @property
    def dragging(self) -> bool:
        return self._canvas.drop is not None

    def lift(self, key: str, at: QPoint) -> None:
        self._key, self._from, self._at = key, at, at

    def move(self, at: QPoint) -> None:
        self._at = at
        far = abs(at.y() - self._from.y()) >= QApplication.startDragDistance()
        if self.dragging or (far and len(self._canvas.slots) > 1):
            self._canvas.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
            self._canvas.hover_at(None)
            self._show()
            if self._speed() and not self._scrolling.isActive():
                self._scrolling.start()

    def drop(self) -> tuple[str, int] | None:
        """The track's key and its new place, counted without it; None where it stays."""
        key, target = self._key, self._canvas.drop
        self.cancel()
        keys = [slot.track.key for slot in self._canvas.slots]
        if target is None or key not in keys:
            return None
        old = keys.index(key)
        new = target - 1 if target > old else target
        return (key, new) if new != old else None

    def cancel(self) -> None:
        self._key = ""
        self._scrolling.stop()
        self._canvas.set_drop("", None)

    def _show(self) -> None:
        self._canvas.set_drop(self._key, place_of_drop(self._canvas.slots, self._at.y() + self._canvas.offset))

    def _speed(self) -> int:
        """Pixels a tick: the further over the edge, the faster."""
        y, height = self._at.y(), self._canvas.viewport().height()
        if y < _EDGE:
            return -max(1, min(24, (_EDGE - y) // 3))
        return max(1, min(24, (y - height + _EDGE) // 3)) if y > height - _EDGE else 0

    @Slot()
    def _scroll(self) -> None:
        bar, speed = self._canvas.verticalScrollBar(), self._speed()
        before = bar.value()
        bar.setValue(before + speed)
        if not speed or bar.value() == before:
            self._scrolling.stop()
        else:
            self._show()
