"""The time axis above the tracks: numbers of steps, the playhead's step, and which part of the time is on screen."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.stage import margins, marked
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.ticks import ticks
from explorer.theme import current as theming
from explorer.theme.tokens import GAP

HEIGHT = 26


class Axis(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: TimeView | None = None
        self._now: Now | None = None
        self._data = QRect()
        self.setAccessibleName("Time axis")
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(600, HEIGHT)

    def set_view(self, view: TimeView | None, left: int, width: int) -> None:
        """The time view, and the data's column in this widget's logical pixels."""
        self._view = view
        self._data = QRect(left, 0, width, HEIGHT)
        self.update()

    def set_now(self, now: Now | None) -> None:
        if now is None or self._now is None or self._view is None:
            self._now = now
            self.update()
            return
        old, self._now = self._now, now
        if old.step != now.step:
            for one in (old, now):
                # The numbers that the chip hides come and go with it.
                reach = self._label_width() + 8
                self.update(self._chip(one).toAlignedRect().adjusted(-reach, -HEIGHT, reach, HEIGHT))

    def _label_width(self) -> int:
        text = str(self._view.last) if self._view is not None else ""
        return round(marked.width(text, theming.small()))

    def _x(self, t: int) -> float:
        assert self._view is not None
        return self._data.left() + self._view.centre(t) / self._view.ratio

    def _chip(self, now: Now) -> QRectF:
        """Over the playhead, but never outside of the data's column."""
        width = marked.width(str(now.step), theming.small(bold=True)) + 10
        left = round(self._x(now.step) - width / 2)
        return QRectF(min(max(left, self._data.left()), self._data.right() + 1 - width), 3, width, 16)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.surface))
        painter.fillRect(QRect(0, HEIGHT - 1, self.width(), 1), QColor(theme.line))
        font = theming.small()
        view = self._view
        if view is None:
            return
        painter.setPen(QColor(theme.muted))
        header = QRectF(GAP + 1, 0, self._data.left() - GAP - 4, HEIGHT - 1)
        said = (f"time step t of {view.steps}", f"step t of {view.steps}", f"t of {view.steps}")
        marked.draw(painter, header, margins.fitting(said, font, header.width()), font)
        chip = self._chip(self._now) if self._now is not None and view.shows(self._now.step) else QRectF()
        room = marked.width(str(view.last), font) + 28
        for t in ticks(view.first, view.last, view.pitch, room):
            x = self._x(t)
            half = marked.width(str(t), font) / 2
            at = min(max(x, self._data.left() + half + 1), self._data.right() - half)
            label = QRectF(at - half - 2, 0, 2 * half + 4, HEIGHT - 5)
            if label.intersects(QRectF(event.rect())) and not label.intersects(chip.adjusted(-3, -3, 3, 3)):
                marked.draw(painter, label, str(t), font, Qt.AlignmentFlag.AlignHCenter)
            painter.fillRect(QRectF(round(x - 0.5), HEIGHT - 5, 1, 4), QColor(theme.border))
        if (view.first, view.last) != (1, view.steps):
            self._paint_range(painter, view)
        if self._now is not None and view.shows(self._now.step):
            self._paint_chip(painter, self._now)

    def _paint_range(self, painter: QPainter, view: TimeView) -> None:
        theme, data = theming.current(), self._data
        painter.fillRect(QRect(data.left(), 0, data.width(), 2), QColor(theme.line))
        left = data.left() + data.width() * (view.first - 1) / view.steps
        width = max(4.0, data.width() * (view.last - view.first + 1) / view.steps)
        painter.fillRect(QRectF(left, 0, width, 2), QColor(theme.muted))

    def _paint_chip(self, painter: QPainter, now: Now) -> None:
        theme = theming.current()
        box = self._chip(now)
        x = self._x(now.step)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.surface))
        painter.drawRect(box.adjusted(-3, -1, 3, 0))
        painter.setBrush(QColor(theme.cursor))
        painter.drawRoundedRect(box, 4, 4)
        foot = box.bottom()
        painter.drawPolygon(QPolygonF([QPointF(x - 4, foot - 1), QPointF(x + 4, foot - 1), QPointF(x, HEIGHT - 1)]))
        painter.setPen(QColor(theme.window if theme.name == "dark" else theme.surface))
        marked.draw(painter, box, str(now.step), theming.small(bold=True), Qt.AlignmentFlag.AlignHCenter)
