"""The crosshair over all tracks, and the exact value under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QPainter, QRegion

from explorer.stage import readout, strip
from explorer.stage.geometry import Slot
from explorer.stage.tracks.base import Readout, Taken, Worded
from explorer.theme import current as theming

if TYPE_CHECKING:
    from explorer.stage.canvas import Canvas


class Crosshair:
    """Where the pointer is on a canvas, and what is said there. It asks for the repainting of what it changes."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._pointer: QPoint | None = None
        """Where the pointer rests, also while nothing is there to be said."""
        self._at: tuple[QPoint, Readout | None, Slot] | None = None
        self._box = QRect()
        """Where the readout is."""

    @property
    def said(self) -> Readout | None:
        return self._at[1] if self._at else None

    @property
    def taken(self) -> tuple[str, tuple[Taken, ...]] | None:
        """The track under the pointer and its values there; None where there are none."""
        if self._at is None or self._at[1] is None or not self._at[1].taken:
            return None
        return self._at[2].track.key, self._at[1].taken

    def forget(self) -> None:
        """Everything is painted anew anyway."""
        self._at = self._pointer = None

    def move(self, at: QPoint | None) -> Readout | None:
        """Show it at a point of the viewport; None takes it away."""
        viewport = self._canvas.viewport()
        viewport.update(self.region())
        self._at, self._pointer = None, at
        if at is not None:
            self._look(at)
            viewport.update(self.region())
        return self.said

    def again(self) -> None:
        """The moment, the trace or the track under it is another, the pointer stays."""
        if self._pointer is not None:
            self.move(self._pointer)

    def _look(self, at: QPoint) -> None:
        canvas = self._canvas
        view, now, slot = canvas.view, canvas.now, canvas.slot_at(at.y())
        if view is None or now is None or slot is None:
            return
        said: Readout | None = None
        place, ratio = canvas.place(slot), view.ratio
        if strip.is_painted(slot):
            slot.track.prepare(view, round((slot.height - 1) * ratio))
            if place.contains(at):
                x, y = int((at.x() - place.left()) * ratio), int((at.y() - place.top()) * ratio)
                said = slot.track.hover(x, y, now)
            elif at.x() > place.right():
                said = slot.track.hover_scale(now)
        self._at = (at, said, slot)
        if said is not None:
            corner, track = place.topLeft(), slot.track
            words = track.words_at(now) if isinstance(track, Worded) and strip.is_painted(slot) else []
            avoid = [one.translated(corner) for one in words]
            self._box = readout.box_of(said, at, canvas.viewport().rect(), avoid)

    def _lines(self) -> list[QRect]:
        canvas = self._canvas
        if self._at is None or not canvas.data_box.contains(self._at[0]):
            return []
        at, _, slot = self._at
        place = canvas.place(slot)
        level = [QRect(place.left(), at.y(), place.width(), 1)] if place.contains(at) else []
        return [QRect(at.x(), 0, 1, min(canvas.foot, canvas.viewport().height())), *level]

    def region(self) -> QRegion:
        found = QRegion()
        for line in self._lines():
            found += line
        if self._at is not None and self._at[1] is not None:
            found += self._box
        return found

    def paint_lines(self, painter: QPainter) -> None:
        colour = QColor(theming.current().cursor)
        colour.setAlpha(120)
        for line in self._lines():
            painter.fillRect(line, colour)

    def paint_readout(self, painter: QPainter) -> None:
        said = self.said
        if self._at is not None and said is not None:
            readout.paint(painter, said, self._box)
