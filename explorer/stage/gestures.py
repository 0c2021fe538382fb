"""What the mouse does on the stage. It turns into calls of the canvas and of the stage's slots, never into an edit."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from explorer.stage.canvas import Canvas
from explorer.stage.geometry import Slot
from explorer.stage.reorder import Reorder
from explorer.stage.time_range import TimeRange
from explorer.stage.tracks.base import MAX_HEIGHT, MIN_HEIGHT

NOTCH = 1.25
"""What a notch of the wheel zooms by."""


class Hands(Protocol):
    """What the stage does with gestures."""

    def pick(self, t: int) -> None: ...
    def take_pick_back(self) -> None: ...
    def pick_cell(self, layer: str, t: int) -> None: ...
    def pick_iteration(self, iteration: int) -> None: ...
    def pick_unit(self, unit: int) -> None: ...
    def heights_done(self) -> None: ...
    def select(self, key: str) -> None: ...
    def toggle_collapsed(self, key: str) -> None: ...
    def move_to(self, key: str, place: int) -> None: ...
    def menu_for(self, key: str, at: QPoint) -> None: ...
    def fit_scale(self, key: str) -> None: ...
    def said(self, text: str) -> None: ...
    def take_focus(self) -> None: ...


class Gestures(QObject):
    """An event filter on the canvas's viewport."""

    def __init__(self, canvas: Canvas, hands: Hands, time_range: TimeRange, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas, self._hands, self._time_range = canvas, hands, time_range
        self._resized: tuple[Slot, int] | None = None
        self._pressed: QPoint | None = None
        self._pan_from = 0
        self._panning = False
        self._reorder = Reorder(canvas, self)
        canvas.viewport().installEventFilter(self)

    @property
    def dragging(self) -> bool:
        """Whether a track is being dragged to another place."""
        return self._reorder.dragging

    def cancel(self) -> None:
        """Let go of what is dragged; everything stays where it was."""
        self._reorder.cancel()
        self._canvas.viewport().setCursor(Qt.CursorShape.ArrowCursor)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QContextMenuEvent):
            return self._menu(event)
        if isinstance(event, QWheelEvent):
            return self._wheel(event)
        if isinstance(event, QMouseEvent):
            kind = event.type()
            if kind == QEvent.Type.MouseMove:
                return self._move(event)
            if event.button() == Qt.MouseButton.LeftButton:
                if kind == QEvent.Type.MouseButtonPress:
                    return self._press(event)
                if kind == QEvent.Type.MouseButtonRelease:
                    return self._release(event)
                if kind == QEvent.Type.MouseButtonDblClick:
                    return self._double(event)
        if event.type() == QEvent.Type.Leave:
            self._canvas.hover_at(None)
            self._hands.said("")
        return False

    def _data_x(self, at: QPoint) -> float:
        """Device pixels from the data's left edge."""
        ratio = self._canvas.view.ratio if self._canvas.view else 1.0
        return (at.x() - self._canvas.columns.header) * ratio

    def _press(self, event: QMouseEvent) -> bool:
        at = event.position().toPoint()
        self._hands.take_focus()
        edge, header = self._canvas.edge_at(at.y()), self._canvas.header_at(at)
        if edge is not None:
            self._resized = (edge, at.y())
        elif self._canvas.chevron_at(at) is not None and header is not None:
            self._hands.toggle_collapsed(header.track.key)
        elif header is not None:
            self._hands.select(header.track.key)
            self._reorder.lift(header.track.key, at)
        elif (misfit := self._canvas.misfit_at(at)) is not None:
            self._hands.fit_scale(misfit.track.key)
        elif self._canvas.data_box.contains(at) and self._canvas.view is not None:
            self._pressed = at
            self._pan_from = self._canvas.view.first
            self._panning = False
        return True

    def _move(self, event: QMouseEvent) -> bool:
        at = event.position().toPoint()
        canvas, view = self._canvas, self._canvas.view
        if self._resized is not None:
            slot, start = self._resized
            height = min(max(MIN_HEIGHT, slot.height + at.y() - start), MAX_HEIGHT)
            canvas.set_heights({**canvas.heights, slot.track.key: height})
            return True
        if self._reorder.lifted:
            self._reorder.move(at)
            return True
        if self._pressed is not None and view is not None:
            moved = at.x() - self._pressed.x()
            if abs(moved) >= QApplication.startDragDistance() and view.last - view.first + 1 < view.steps:
                self._panning = True
            if self._panning:
                canvas.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
                canvas.hover_at(None)
                self._time_range.pan_to(self._pan_from - round(moved / view.pitch))
                return True
        canvas.viewport().setCursor(self._cursor_at(at))
        said = canvas.hover_at(at)
        self._hands.said(said.text if said else "")
        return True

    def _cursor_at(self, at: QPoint) -> Qt.CursorShape:
        if self._canvas.edge_at(at.y()) is not None:
            return Qt.CursorShape.SplitVCursor
        if self._canvas.chevron_at(at) is not None or self._canvas.misfit_at(at) is not None:
            return Qt.CursorShape.PointingHandCursor
        movable = self._canvas.header_at(at) is not None and len(self._canvas.slots) > 1
        return Qt.CursorShape.OpenHandCursor if movable else Qt.CursorShape.ArrowCursor

    def _release(self, event: QMouseEvent) -> bool:
        at = event.position().toPoint()
        if self._resized is not None:
            self._resized = None
            self._hands.heights_done()
        elif self._reorder.lifted:
            moved = self._reorder.drop()
            if moved is not None:
                self._hands.move_to(*moved)
        elif self._pressed is not None and not self._panning and self._canvas.view is not None:
            said = self._canvas.hover_at(at)
            t = self._canvas.view.step_at(self._data_x(at))
            if said is not None and said.cell:
                self._hands.pick_cell(said.cell, t)
            else:
                self._hands.pick(t)
            if said is not None and said.iteration is not None:
                self._hands.pick_iteration(said.iteration)
            if said is not None and said.unit is not None and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._hands.pick_unit(said.unit)
        self._pressed, self._panning = None, False
        self._canvas.viewport().setCursor(self._cursor_at(at))
        return True

    def _double(self, event: QMouseEvent) -> bool:
        at = event.position().toPoint()
        header = self._canvas.header_at(at)
        if self._canvas.data_box.contains(at):
            self._hands.take_pick_back()
            self._time_range.fit()
        elif header is not None:
            self._hands.toggle_collapsed(header.track.key)
        return True

    def _wheel(self, event: QWheelEvent) -> bool:
        """Over the data the wheel zooms time at the pointer, with Shift it moves along; over headers and scales it
        scrolls."""
        at = event.position().toPoint()
        ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if self._canvas.view is None or not (ctrl or self._canvas.data_box.contains(at)):
            return False
        sideways, upright = event.angleDelta().x(), event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            sideways, upright = sideways or upright, 0
        if sideways and abs(sideways) > abs(upright):
            view = self._canvas.view
            self._time_range.pan_to(view.first - round(sideways / 120 * max(1, (view.last - view.first + 1) // 10)))
            return True
        self._time_range.zoom_at(self._data_x(at), NOTCH ** (upright / 120))
        return True

    def _menu(self, event: QContextMenuEvent) -> bool:
        slot = self._canvas.slot_at(event.pos().y())
        if slot is None:
            return False
        self._hands.select(slot.track.key)
        self._hands.menu_for(slot.track.key, event.globalPos())
        return True
