"""An axis of iterations under somebody's hands: travelled by dragging along it and by keys, zoomed and moved as
the time of the stage is: wheel, Shift and wheel, drag of the axis or with Shift, double click, + − 0."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from explorer.stage.gestures import NOTCH
from explorer.training.span import Span
from explorer.widgets.along import Along

_PAGE = 10
"""Parts of what there is that a page is one of."""
_PANS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


class Zoomed(Along):
    """Whoever derives from it draws the stretch of iterations that is shown."""

    def __init__(self, span: Span, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._span = span
        self._panned: tuple[float, int] | None = None
        """Where a drag of the axis began, and the iteration that was at the left edge then."""
        self._before_press = 0
        """The iteration that was asked for before a press: a double click takes back where its first half went."""

    # -- what lies there ----------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Iterations that are done."""
        raise NotImplementedError

    def across(self) -> tuple[float, float]:
        """Where the plot begins, and its width, in logical pixels."""
        raise NotImplementedError

    def on_axis(self, at: QPointF) -> bool:
        """Whether a point is on the axis below the plot, by which a stretch is moved along."""
        raise NotImplementedError

    def span_changed(self) -> None:
        """Another stretch is shown."""
        raise NotImplementedError

    def ends(self) -> tuple[int, int]:
        return 0, self.count

    def page(self) -> int:
        return max(1, self.count // _PAGE)

    def at(self, x: float) -> int:
        """The one under a point, as far as it has been reached."""
        return self.under(x, self.count)

    def under(self, x: float, last: int) -> int:
        """The one under a point, at most the last."""
        left, width = self.across()
        return min(max(0, round(self._span.at((x - left) / width))), last)

    def x_of(self, iteration: float) -> float:
        left, width = self.across()
        return left + self._span.place(iteration) * width

    # -- the stretch --------------------------------------------------------------------------------------------------

    @property
    def span(self) -> Span:
        """What is shown."""
        return self._span

    @property
    def last(self) -> int:
        """The iteration at the right end of all."""
        return self._span.end

    @property
    def panning(self) -> bool:
        return self._panned is not None

    def set_span(self, span: Span) -> None:
        if span != self._span:
            self._span = span
            self._hover = None
            self.span_changed()

    @Slot()
    def fit(self) -> None:
        """All iterations."""
        self.set_span(Span.whole(self._span.end))

    def _pan(self, pages: float) -> None:
        """By a share of what is on screen, at least one iteration."""
        span = self._span
        by = max(1, round(abs(pages) * (span.last - span.first + 1)))
        self.set_span(span.panned(span.first + (by if pages > 0 else -by)))

    def _zoom_at_marker(self, factor: float) -> None:
        place = self._span.place(self.standing())
        self.set_span(self._span.zoomed(place if 0 <= place <= 1 else 0.5, factor))

    # -- pointer and keys ---------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if not self._span.is_whole and (self.on_axis(event.position()) or shifted):
            self._panned = event.position().x(), self._span.first
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self.count:
            self._before_press = self.standing()
            self.drag_from(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        if self._panned is None:
            self.drag_to(x)
            return
        start, first = self._panned
        pitch = self.across()[1] / (self._span.last - self._span.first)
        self.set_span(self._span.panned(first - round((x - start) / pitch)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if event.button() is Qt.MouseButton.LeftButton:
            if self._panned is not None:
                self._panned = None
                self.unsetCursor()
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.pick(self._before_press)
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms at the pointer, with Shift it moves along: as over the data of the stage."""
        left, width = self.across()
        sideways, upright = event.angleDelta().x(), event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            sideways, upright = sideways or upright, 0
        if sideways and abs(sideways) > abs(upright):
            self._pan(-sideways / 120 / 10)
        elif upright:
            place = min(max(0.0, (event.position().x() - left) / width), 1.0)
            self.set_span(self._span.zoomed(place, NOTCH ** (upright / 120)))
        event.accept()

    def pick_by_key(self, number: int) -> None:
        super().pick_by_key(number)
        self.set_span(self._span.showing(self.standing()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._zoom_key(event):
            super().keyPressEvent(event)

    def _zoom_key(self, event: QKeyEvent) -> bool:
        """Whether it was one: the same as on the stage."""
        mods = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        pans = {Qt.Key.Key_Left: -0.5, Qt.Key.Key_Right: 0.5}
        if mods == _PANS and event.key() in pans:
            self._pan(pans[Qt.Key(event.key())])
        elif mods & ~Qt.KeyboardModifier.ShiftModifier:
            return False
        elif event.text() in ("+", "-"):
            self._zoom_at_marker(2.0 if event.text() == "+" else 0.5)
        elif not mods and event.key() in (Qt.Key.Key_0, Qt.Key.Key_F):
            self.fit()
        else:
            return False
        return True
