"""A series: target and prediction over the steps that they are about, what the network says running free, and below
them the squared forecast error of each step, the anomaly score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.analysis.plot import Plot
from explorer.evaluation.answers import Answers, Floats
from explorer.evaluation.legend import Entry
from explorer.evaluation.scale import Span, span_of
from explorer.evaluation.words import at_number
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.labels import written
from explorer.widgets.numbers import short

LEFT, RIGHT, FOOT = 52, 12, 18
_STRIP, _BETWEEN, _LOW = 0.26, LINE + 4, 150
"""Share of the height that the errors get; they go where the picture is lower than that."""
_MOST_DOTS = 60
"""Steps up to which each has a dot."""


class SeriesView(Plot[int]):
    """A place is an answer, from 0; after the last come those said running free."""

    def __init__(self, tone: str = "forward", parent: QWidget | None = None) -> None:
        """`tone`: of the prediction."""
        super().__init__("Target and prediction", 170, parent)
        self._tone = tone
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._answers: Answers | None = None
        self._n = 0
        self._span = Span(0.0, 1.0)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 80)

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_answers(self, answers: Answers | None, n: int) -> None:
        self._answers, self._n = answers, n
        if answers is not None:
            free = answers.free(n)
            said = np.concatenate([answers.answer(n), np.zeros(0) if free is None else free])
            came = answers.came(n)
            needed = np.concatenate([answers.truth(n), self._context()[1], np.zeros(0) if came is None else came])
            self._span = span_of(needed, said)
        if self.place is not None:
            self.go(None if self.place >= self._count() else self.place)
        self.update()

    @property
    def span(self) -> Span:
        return self._span

    def legend(self) -> tuple[Entry, ...]:
        a = self._answers
        if a is None:
            return ()
        found = [Entry(a.quantity, "title")] if a.quantity and a.target != written(a.quantity) else []
        found += [] if a.every else [Entry("read", "line", "muted")]
        kind, due = "line" if a.every else "point", "line" if a.every or a.judged.came is not None else "point"
        found += [Entry(a.target, due, "text"), Entry("prediction", kind, self._tone)]
        if a.judged.free is not None:
            found.append(Entry("running free", "dash", "backward"))
        return tuple(found)

    # -- what there is ------------------------------------------------------------------------------------------------

    def _context(self) -> tuple[Floats, Floats]:
        """What is read, where one answer a sequence is given about what comes after it."""
        a = self._answers
        if a is None or a.every:
            return np.zeros(0), np.zeros(0)
        read = a.read(self._n)
        return np.arange(1.0, len(read) + 1), read

    def steps(self) -> Floats:
        """The steps that the answers are about."""
        assert self._answers is not None
        return self._answers.about(self._n).astype(np.float64)

    def free_steps(self) -> Floats:
        a = self._answers
        assert a is not None
        free = a.free(self._n)
        return np.zeros(0) if free is None else a.length(self._n) + np.arange(1.0, len(free) + 1)

    def _count(self) -> int:
        return 0 if self._answers is None else len(self.steps()) + len(self.free_steps())

    def _has_strip(self) -> bool:
        a = self._answers
        return a is not None and a.every and a.judged.errors is not None and self.height() >= _LOW

    # -- places -------------------------------------------------------------------------------------------------------

    def plot_box(self) -> QRectF:
        high = self.height() - FOOT - 6
        if self._has_strip():
            high = round(high * (1 - _STRIP)) - _BETWEEN
        return QRectF(LEFT, 6, max(1, self.width() - LEFT - RIGHT), max(1, high))

    def strip_box(self) -> QRectF:
        plot = self.plot_box()
        top = plot.bottom() + _BETWEEN
        return QRectF(LEFT, top, plot.width(), max(1.0, self.height() - FOOT - top))

    def _ends(self) -> tuple[float, float]:
        a = self._answers
        assert a is not None
        first = self.steps()[0] if a.every else 1.0
        return first - 0.5, float(np.append(self.steps(), self.free_steps()).max()) + 0.5

    def x_of(self, steps: Floats) -> Floats:
        low, high = self._ends()
        box = self.plot_box()
        return np.asarray(box.left() + (steps - low) / (high - low) * box.width())

    def y_of(self, values: Floats) -> Floats:
        box = self.plot_box()
        return np.asarray(box.bottom() - self._span.places(values) * box.height())

    def place_at(self, at: QPointF) -> int | None:
        if self._answers is None or not LEFT - 6 <= at.x() <= self.width():
            return None
        xs = self.x_of(np.concatenate([self.steps(), self.free_steps()]))
        nearest = np.abs(xs - at.x())
        return int(np.argmin(nearest))

    def moved(self, place: int | None, right: int, down: int) -> int | None:
        count = self._count()
        if not count:
            return None
        return 0 if place is None else min(max(0, place + right - down), count - 1)

    def words_at(self, place: int) -> str:
        return "" if self._answers is None else at_number(self._answers, self._n, place)

    # -- painting -----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        theme, box, a = theming.current(), self.plot_box(), self._answers
        painter.fillRect(box, QColor(theme.plot))
        if a is None:
            return
        self._paint_axis(painter, box, self._span)
        self._paint_steps(painter)
        painter.save()
        painter.setClipRect(box.adjusted(-1, -1, 1, 1))
        steps, truth, said = self.steps(), a.truth(self._n), a.answer(self._n)
        context, read = self._context()
        free, free_steps = a.free(self._n), self.free_steps()
        if free is not None and len(free):
            ground = QRectF(float(self.x_of(free_steps[:1])[0]), box.top(), box.right(), box.height())
            painter.fillRect(ground, QColor(theme.ground))
            self._curve(painter, free_steps, free, "backward", Qt.PenStyle.DashLine)
        if len(context):
            self._paint_leaps(painter, (context[-1], read[-1]), (truth[0], said[0]))
        self._curve(painter, context, read, "muted")
        self._curve(painter, steps, truth, "text", dots=len(steps) == 1)
        if (came := a.came(self._n)) is not None and len(free_steps):
            self._curve(painter, free_steps, came, "text")
        self._curve(painter, steps, said, self._tone, dots=len(steps) <= _MOST_DOTS)
        painter.restore()
        if self._has_strip():
            self._paint_errors(painter)
        if self.place is not None:
            self._paint_place(painter, self.place)

    def _curve(
        self,
        painter: QPainter,
        steps: Floats,
        values: Floats,
        tone: str,
        style: Qt.PenStyle = Qt.PenStyle.SolidLine,
        *,
        dots: bool = False,
    ) -> None:
        """Lifted where there is no number; at the edges marks for what is beyond them."""
        if not len(steps):
            return
        theme, box = theming.current(), self.plot_box()
        colour = QColor(getattr(theme, tone))
        xs, ys = self.x_of(steps), self.y_of(values)
        here = np.isfinite(ys)
        clipped = np.clip(ys, box.top() - 4, box.bottom() + 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 1.6, style))
        alone = []
        for start, end in unbroken(steps, here):
            if end - start == 1:
                alone.append(start)
            x, y = thinned(xs[start:end], clipped[start:end])
            painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]))
        dotted = np.flatnonzero(here) if dots else np.array(alone, np.int64)
        painter.setPen(QPen(QColor(theme.plot), 1))
        painter.setBrush(colour)
        size = 4.0 if len(steps) == 1 else 2.5
        for x, y in zip(xs[dotted].tolist(), clipped[dotted].tolist(), strict=True):
            painter.drawEllipse(QPointF(x, y), size, size)
        self._edge_marks(painter, xs, ys, colour)

    def _paint_leaps(self, painter: QPainter, last: tuple[float, float], ends: tuple[float, float]) -> None:
        """From the last number that was read to the target and to the prediction."""
        xs, ys = self.x_of(np.array([last[0], self.steps()[0]])), self.y_of(np.array([last[1], *ends]))
        ys = np.clip(ys, self.plot_box().top() - 4, self.plot_box().bottom() + 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for y, tone in zip(ys[1:].tolist(), ("text", self._tone), strict=True):
            if np.isfinite([ys[0], y]).all():
                painter.setPen(QPen(QColor(getattr(theming.current(), tone)), 1.2, Qt.PenStyle.DotLine))
                painter.drawLine(QLineF(float(xs[0]), float(ys[0]), float(xs[1]), y))

    def _edge_marks(self, painter: QPainter, xs: Floats, ys: Floats, colour: QColor) -> None:
        box = self.plot_box()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        for beyond, y, way in ((ys < box.top(), box.top() + 1, 1), (ys > box.bottom(), box.bottom() - 1, -1)):
            last = -np.inf
            for x in xs[beyond].tolist():
                if x - last >= 8:
                    last = x
                    points = [QPointF(x, y), QPointF(x + 3.5, y + 6 * way), QPointF(x - 3.5, y + 6 * way)]
                    painter.drawPolygon(QPolygonF(points))
        bad = np.isnan(ys)
        painter.setPen(QPen(colour, 1.4))
        last = -np.inf
        for x in xs[bad].tolist():
            if x - last >= 8:
                last, top = x, box.top() + 10
                painter.drawLine(QLineF(x - 2.5, top, x + 2.5, top + 5))
                painter.drawLine(QLineF(x + 2.5, top, x - 2.5, top + 5))

    def _paint_axis(self, painter: QPainter, box: QRectF, span: Span) -> None:
        theme = theming.current()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for place, text in span.ticks(max(2, int(box.height() // 26))):
            y = round(box.bottom() - place * box.height())
            painter.fillRect(QRectF(box.left(), y, box.width(), 1), QColor(theme.line))
            where = min(max(y - LINE / 2, box.top() - 4), box.bottom() - LINE + 4)
            self.text(painter, QRectF(0, where, LEFT - 6, LINE), text, "muted", "right")

    def _paint_steps(self, painter: QPainter) -> None:
        theme, box = theming.current(), self.plot_box()
        low, high = self._ends()
        foot = self.strip_box().bottom() if self._has_strip() else box.bottom()
        size = high - low
        every = next(k for k in (f * 10**e for e in range(12) for f in (1, 2, 5)) if k / size * box.width() >= 46)
        a = self._answers
        assert a is not None
        first = max(1, -(-int(np.ceil(low)) // every) * every)
        for k in range(first, int(high) + 1, every):
            x = float(self.x_of(np.array([float(k)]))[0])
            painter.fillRect(QRectF(round(x), foot, 1, 3), QColor(theme.border))
            words = a.place(k) if k == first else a.written(k)
            wide = 78.0 if k == first else 48.0
            left = min(max(x - wide / 2, LEFT - wide / 2 + 4), self.width() - wide)
            self.text(painter, QRectF(left, foot + 3, wide, LINE), words, "muted", "centre")

    def _paint_errors(self, painter: QPainter) -> None:
        theme, box, a = theming.current(), self.strip_box(), self._answers
        assert a is not None
        errors = a.errors(self._n)
        assert errors is not None
        painter.fillRect(box, QColor(theme.plot))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        title = QRectF(box.left(), box.top() - LINE, box.width(), LINE)
        self.text(painter, title, "squared error: the anomaly score", "clip")
        finite = errors[np.isfinite(errors)]
        most = float(finite.max(initial=0.0)) or 1.0
        self.text(painter, QRectF(0, box.top() - 4, LEFT - 6, LINE), short(most, 2), "muted", "right")
        self.text(painter, QRectF(0, box.bottom() - LINE + 4, LEFT - 6, LINE), "0", "muted", "right")
        painter.fillRect(QRectF(box.left(), box.bottom(), box.width(), 1), QColor(theme.line))
        xs = self.x_of(self.steps())
        pitch = float(xs[1] - xs[0]) if len(xs) > 1 else 12.0
        wide = min(12.0, max(1.0, pitch - (1 if pitch >= 3 else 0)))
        shown = np.where(np.isfinite(errors), errors, most)
        columns = np.floor(xs).astype(np.int64) if pitch < 1 else np.arange(len(xs))
        starts = np.flatnonzero(np.diff(columns, prepend=columns[0] - 1))
        highs = np.maximum.reduceat(shown, starts) / most * box.height()
        for x, high in zip(xs[starts].tolist(), highs.tolist(), strict=True):
            painter.fillRect(QRectF(x - wide / 2, box.bottom() - high, wide, high), QColor(theme.clip))

    def _paint_place(self, painter: QPainter, place: int) -> None:
        theme, box, a = theming.current(), self.plot_box(), self._answers
        assert a is not None
        steps = np.concatenate([self.steps(), self.free_steps()])
        x = round(float(self.x_of(steps[place : place + 1])[0])) + 0.5
        painter.setPen(QPen(QColor(theme.cursor), 1))
        for part in (box, *((self.strip_box(),) if self._has_strip() else ())):  # not through the words between
            painter.drawLine(QLineF(x, part.top(), x, part.bottom()))
        free = a.free(self._n)
        said = np.concatenate([a.answer(self._n), np.zeros(0) if free is None else free])
        marks = [(said[place], self._tone if place < len(self.steps()) else "backward")]
        came = a.came(self._n)
        due = a.truth(self._n) if came is None else np.concatenate([a.truth(self._n), came])
        if place < len(due) and not np.isnan(due[place]):
            marks.insert(0, (due[place], "text"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.plot), 1.5))
        for value, tone in marks:
            y = float(self.y_of(np.array([value]))[0])
            if box.top() - 1 <= y <= box.bottom() + 1:
                painter.setBrush(QColor(getattr(theme, tone)))
                painter.drawEllipse(QPointF(x, y), 4.5, 4.5)


def unbroken(steps: Floats, here: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a line goes on: over numbers that are there, and no gap in what they are about."""
    if not len(steps):
        return []
    apart = np.diff(steps)
    gap = apart > 1.5 * np.median(apart) if len(apart) else np.zeros(0, np.bool_)
    begins = here & np.concatenate(([True], gap | ~here[:-1]))
    ends = here & np.concatenate((gap | ~here[1:], [True]))
    return list(zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True))


def thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Where several points share a pixel, the first, the lowest, the highest and the last of them."""
    if len(x) < 3 * GAP or len(x) <= 3 * (x[-1] - x[0] + 1):
        return x, y
    pixel = np.floor(x).astype(np.int64)
    starts = np.flatnonzero(np.diff(pixel, prepend=pixel[0] - 1))
    ends = np.append(starts[1:], len(x)) - 1
    found = np.stack([y[starts], np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts), y[ends]], 1)
    return np.repeat(pixel[starts] + 0.5, 4), found.ravel()
