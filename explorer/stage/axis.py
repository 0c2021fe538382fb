"""The time axis above the tracks: numbers of steps, the playhead's step, and which part of the time is on screen.

A click on it, or its flag dragged, moves the playhead; dragged with Shift it chooses the steps on screen.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.stage import margins, marked
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.ticks import ticks
from explorer.theme import current as theming
from explorer.theme.tokens import GAP

HEIGHT = 26
_TIP = "Click, or drag the flag: the playhead goes there. Drag with Shift: these steps fill the stage."
_HAND = 4
"""Logical pixels around the flag at which it can be taken."""


class Axis(QWidget):
    stepPicked = Signal(int)
    """Where the playhead is wanted, from 1."""
    rangePicked = Signal(int, int)
    """First and last step that are wanted on screen."""
    playheadWanted = Signal()
    """A click on the sign of a playhead that is not on screen."""
    fitWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: TimeView | None = None
        self._now: Now | None = None
        self._data = QRect()
        self._held: int | None = None
        """The step that the playhead was put on last, while the button is down."""
        self._range: tuple[int, int] | None = None
        """The steps that are being chosen: where it began, and where the pointer is."""
        self.setAccessibleName("Time axis")
        self.setFixedHeight(HEIGHT)
        self.setToolTip(_TIP)
        self.setAccessibleDescription(_TIP)
        self.setMouseTracking(True)
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
        if old.step != now.step and not (self._view.shows(old.step) and self._view.shows(now.step)):
            self.update()
        elif old.step != now.step:
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
        """Over the playhead, but never outside of the data's column: at its edge where the playhead is beyond it."""
        width = marked.width(self._flag_text(now), theming.small(bold=True)) + 10
        left = round(self._x(now.step) - width / 2)
        return QRectF(min(max(left, self._data.left()), self._data.right() + 1 - width), 3, width, 16)

    def _flag_text(self, now: Now) -> str:
        assert self._view is not None
        if self._view.shows(now.step):
            return str(now.step)
        return f"◂ {now.step}" if now.step < self._view.first else f"{now.step} ▸"

    def _away(self, now: Now) -> bool:
        return self._view is not None and not self._view.shows(now.step)

    # -- the mouse ----------------------------------------------------------------------------------------------------

    def _step_at(self, at: QPoint) -> int:
        """The step on screen that is nearest to the pointer."""
        assert self._view is not None
        inside = min(max(0.0, (at.x() - self._data.left()) * self._view.ratio), self._view.width - 1.0)
        return self._view.step_at(inside)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        if event.button() != Qt.MouseButton.LeftButton or self._view is None or not self._data.contains(at):
            super().mousePressEvent(event)
            return
        t = self._step_at(at)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._range = t, t
            self.update()
        elif self._now is not None and self._away(self._now) and self._chip(self._now).contains(QPointF(at)):
            self.playheadWanted.emit()
        elif self._now is not None and self._on_flag(at):
            self._held = self._now.step  # taken, not moved: the flag is wider than a step
        else:
            self._held = t
            self.stepPicked.emit(t)

    def _on_flag(self, at: QPoint) -> bool:
        now = self._now
        if now is None or self._view is None or self._away(now):
            return False
        return self._chip(now).adjusted(-_HAND, -_HAND, _HAND, 0).contains(QPointF(at))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        if self._view is None:
            return
        t = self._step_at(at)
        if self._range is not None:
            if self._range[1] != t:
                self._range = self._range[0], t
                self.update()
        elif self._held is not None:
            if self._held != t:
                self._held = t
                self.stepPicked.emit(t)
        else:
            self.setCursor(Qt.CursorShape.SizeHorCursor if self._on_flag(at) else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            chosen, self._range, self._held = self._range, None, None
            self.update()
            if chosen is not None and chosen[0] != chosen[1]:
                self.rangePicked.emit(min(chosen), max(chosen))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """As over the tracks."""
        if event.button() == Qt.MouseButton.LeftButton and self._data.contains(event.position().toPoint()):
            self.fitWanted.emit()

    # -- painting -----------------------------------------------------------------------------------------------------

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
        if self._range is not None:
            self._paint_chosen(painter, self._range)
        chip = self._chip(self._now) if self._now is not None else QRectF()
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
        if self._now is not None and self._away(self._now):
            self._paint_away(painter, self._now)
        elif self._now is not None:
            self._paint_chip(painter, self._now)
        if self._range is not None and self._range[0] != self._range[1]:
            self._paint_chosen_words(painter, self._range)

    def _paint_range(self, painter: QPainter, view: TimeView) -> None:
        theme, data = theming.current(), self._data
        painter.fillRect(QRect(data.left(), 0, data.width(), 2), QColor(theme.line))
        left = data.left() + data.width() * (view.first - 1) / view.steps
        width = max(4.0, data.width() * (view.last - view.first + 1) / view.steps)
        painter.fillRect(QRectF(left, 0, width, 2), QColor(theme.muted))

    def _chosen_box(self, chosen: tuple[int, int]) -> QRectF:
        """The whole cells of the steps."""
        half = self._view.pitch / 2 if self._view is not None else 0.0
        left, right = self._x(min(chosen)) - half, self._x(max(chosen)) + half
        return QRectF(left, 0, right - left, HEIGHT - 1).intersected(QRectF(self._data))

    def _paint_chosen(self, painter: QPainter, chosen: tuple[int, int]) -> None:
        ground = QColor(theming.current().accent)
        ground.setAlpha(60)
        painter.fillRect(self._chosen_box(chosen), ground)

    def _paint_chosen_words(self, painter: QPainter, chosen: tuple[int, int]) -> None:
        theme, font = theming.current(), theming.small(bold=True)
        text = f"{min(chosen)} … {max(chosen)}"
        box = QRectF(0, 3, marked.width(text, font) + 10, 16)
        box.moveCenter(QPointF(self._chosen_box(chosen).center().x(), box.center().y()))
        box.moveLeft(min(max(box.left(), self._data.left()), self._data.right() + 1 - box.width()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.accent))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor(theme.on_accent))
        marked.draw(painter, box, text, font, Qt.AlignmentFlag.AlignHCenter)

    def _paint_away(self, painter: QPainter, now: Now) -> None:
        """Where the playhead is that is not on screen."""
        theme, box = theming.current(), self._chip(now)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.surface))
        painter.drawRect(box.adjusted(-3, -1, 3, 0))
        painter.setPen(QPen(QColor(theme.text), 1))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        marked.draw(painter, box, self._flag_text(now), theming.small(bold=True), Qt.AlignmentFlag.AlignHCenter)

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
