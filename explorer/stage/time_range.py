"""The steps on screen: zoomed, moved along, fitted. What somebody has chosen is kept until there is a trace for it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from explorer.stage import timespan
from explorer.stage.canvas import Canvas
from explorer.stage.cells import cells


class TimeRange(QObject):
    """Of a canvas. Told how many steps there are; `changed` says that somebody wanted others on screen."""

    changed = Signal(int, int)

    def __init__(self, canvas: Canvas, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._steps = 0
        self._span: tuple[int, int] | None = None

    def set_steps(self, steps: int) -> None:
        """Of another trace. 0: of another document, which has none yet; its steps on screen are chosen anew."""
        self._steps = steps
        if not steps:
            self._span = None
        self._canvas.set_time(steps, *self.shown)

    def set(self, first: int, last: int) -> None:
        """Steps on screen, from 1; kept until they can be fitted to a trace."""
        self._span = (first, last)
        if self._steps:
            self._canvas.set_time(self._steps, *self.shown)

    @property
    def shown(self) -> tuple[int, int]:
        """First and last step on screen; (1, 1) while there is nothing."""
        steps = max(1, self._steps)
        return timespan.clamped(self._span, steps) if self._span else (1, steps)

    # -- what somebody wants ------------------------------------------------------------------------------------------

    def zoom(self, factor: float) -> None:
        """Zoom at the playhead, or at the middle where it is not on screen."""
        view, now = self._canvas.view, self._canvas.now
        if view is not None and now is not None:
            self.zoom_at(view.centre(now.step) if view.shows(now.step) else view.width / 2, factor)

    def zoom_at(self, pixel: float, factor: float) -> None:
        """Zoom so that the step under this device pixel of the data stays there."""
        view = self._canvas.view
        if view is None:
            return
        count = timespan.zoomed((view.first, view.last), view.steps, factor)
        inside = min(max(0.0, pixel), view.width - 1.0)
        first = view.step_at(inside) - cells(count, view.width).at(inside)
        self._look(timespan.clamped((first, first + count - 1), view.steps))

    def pan(self, pages: float) -> None:
        """By a share of what is on screen: −0.5 half a screen earlier."""
        view = self._canvas.view
        if view is not None:
            count = view.last - view.first + 1
            self.pan_to(view.first + (1 if pages > 0 else -1) * max(1, round(abs(pages) * count)))

    def pan_to(self, first: int) -> None:
        view = self._canvas.view
        if view is not None:
            self._look(timespan.panned((view.first, view.last), view.steps, first))

    @Slot(int, int)
    def show(self, first: int, last: int) -> None:
        """These and no others, as far as there are such steps."""
        if self._steps:
            self._look(timespan.clamped((first, last), self._steps))

    @Slot()
    def reveal_playhead(self) -> None:
        """In the middle, where it is not on screen."""
        view, now = self._canvas.view, self._canvas.now
        if view is not None and now is not None and not view.shows(now.step):
            self.pan_to(now.step - (view.last - view.first) // 2)

    @Slot()
    def fit(self) -> None:
        """Show all steps."""
        if self._steps:
            self._look((1, self._steps))

    def _look(self, span: tuple[int, int]) -> None:
        if span == self.shown:
            return
        self._span = None if span == (1, self._steps) else span
        self._canvas.set_time(self._steps, *span)
        self.changed.emit(*span)
