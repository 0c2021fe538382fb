"""One number a sequence: what was said against what was due. On the diagonal both are the same."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.analysis.plot import Plot
from explorer.evaluation.answers import Answers, Floats
from explorer.evaluation.legend import Entry, draw_beyond, draw_cross
from explorer.evaluation.scale import Span, span_of
from explorer.evaluation.words import number
from explorer.stage.margins import LINE
from explorer.theme import current as theming

LEFT, RIGHT, FOOT = 52, 12, 34
_NAMED = 80
"""Pixels of height from which there is room among the dots for the name of the axis."""
Mask: TypeAlias = NDArray[np.bool_]


class ScatterView(Plot[int]):
    """A place is a sequence."""

    sequencePicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Predictions against targets", 170, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._answers: Answers | None = None
        self._n = 0
        self._spans = (Span(0.0, 1.0), Span(0.0, 1.0))

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 80)

    def set_answers(self, answers: Answers | None, n: int) -> None:
        self._answers, self._n = answers, n
        if answers is not None:
            truth, said = self._numbers()
            self._spans = (span_of(truth, truth), span_of(truth, said))
        if self.place is not None and (answers is None or self.place >= answers.count):
            self.place = None
        self.update()

    def legend(self) -> tuple[Entry, ...]:
        if self._answers is None:
            return ()
        found = [Entry(self._answers.quantity, "title")] if self._answers.quantity else []
        found.append(Entry("a sequence", "point", "forward"))
        above, below, bad = self.off_the_axis()
        if above.any() or below.any():
            found.append(Entry("beyond the axis", "beyond", "forward"))
        if bad.any():
            found.append(Entry("not a number", "cross", "forward"))
        return (*found, Entry("the one chosen", "point", "backward"), Entry("right", "dash", "muted"))

    def off_the_axis(self) -> tuple[Mask, Mask, Mask]:
        """(n,) each: predictions above the axis, below it, and those that are no number."""
        places = self._spans[1].places(self._numbers()[1])
        return places > 1, places < 0, np.isnan(places)

    def _numbers(self) -> tuple[Floats, Floats]:
        assert self._answers is not None
        judged = self._answers.judged
        return np.asarray(judged.targets[:, 0], np.float64), np.asarray(judged.predictions[:, 0], np.float64)

    def plot_box(self) -> QRectF:
        return QRectF(LEFT, 6, max(1, self.width() - LEFT - RIGHT), max(1, self.height() - FOOT - 6))

    def points(self) -> tuple[Floats, Floats]:
        """Pixels; what is beyond the edges stands at them, what is no number at the foot, each as a mark of its own."""
        box, (across, up) = self.plot_box(), self._spans
        truth, said = self._numbers()
        x = box.left() + across.places(truth) * box.width()
        y = box.bottom() - up.places(said) * box.height()
        return x, np.clip(np.nan_to_num(y, nan=box.bottom()), box.top(), box.bottom())

    def place_at(self, at: QPointF) -> int | None:
        if self._answers is None:
            return None
        x, y = self.points()
        far = np.hypot(x - at.x(), y - at.y())
        nearest = int(np.argmin(far))
        return nearest if far[nearest] < 14 else None

    def moved(self, place: int | None, right: int, down: int) -> int | None:
        """By the order of the targets."""
        if self._answers is None:
            return None
        order = np.argsort(self._numbers()[0], kind="stable")
        if place is None:
            return self._n
        at = int(np.flatnonzero(order == place)[0])
        return int(order[min(max(0, at + right - down), len(order) - 1)])

    def picked(self, place: int) -> None:
        self.sequencePicked.emit(place)

    def words_at(self, place: int) -> str:
        truth, said = self._numbers()
        target = "target" if self._answers is None else self._answers.target
        off = said[place] - truth[place]
        return (
            f"Sequence {place + 1:,}: {target} {number(truth[place])}, prediction {number(said[place])}, "
            f"off by {number(off)}."
        )

    def paint(self, painter: QPainter) -> None:
        theme, box = theming.current(), self.plot_box()
        painter.fillRect(box, QColor(theme.plot))
        if self._answers is None:
            return
        across, up = self._spans
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for place, text in up.ticks(max(2, int(box.height() // 26))):
            y = round(box.bottom() - place * box.height())
            painter.fillRect(QRectF(box.left(), y, box.width(), 1), QColor(theme.line))
            self.text(painter, QRectF(0, y - LINE / 2, LEFT - 6, LINE), text, "muted", "right")
        for place, text in across.ticks(max(2, int(box.width() // 44))):
            x = round(box.left() + place * box.width())
            painter.fillRect(QRectF(x, box.top(), 1, box.height()), QColor(theme.line))
            self.text(painter, QRectF(x - 30, box.bottom() + 3, 60, LINE), text, "muted", "centre")
        foot = QRectF(box.left(), box.bottom() + 3 + LINE, box.width(), LINE)
        self.text(painter, foot, self._answers.target, "muted", "centre")
        if box.height() >= _NAMED:
            self.text(painter, QRectF(box.left() + 6, box.top() + 12, 80, LINE), "prediction", "muted")
        painter.save()
        painter.setClipRect(box)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.muted), 1.2, Qt.PenStyle.DashLine))
        ends = np.array([across.low, across.high])
        feet = box.bottom() - up.places(ends) * box.height()
        painter.drawLine(QLineF(box.left(), float(feet[0]), box.right(), float(feet[1])))
        painter.restore()
        xs, ys = self.points()
        signs = self._signs()
        for n, (a, b) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            if n != self._n:
                self._mark(painter, QPointF(a, b), signs[n], "forward", 4.0)
        self._mark(painter, QPointF(xs[self._n], ys[self._n]), signs[self._n], "backward", 6.0)
        if self.place is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.cursor), 1.6))
            painter.drawEllipse(QPointF(float(xs[self.place]), float(ys[self.place])), 8, 8)

    def _signs(self) -> list[str]:
        """Of each sequence: what cannot stand where it belongs is no dot."""
        above, below, bad = self.off_the_axis()
        found = np.select([bad, above, below], ["cross", "above", "below"], "dot")
        return [str(one) for one in found]

    @staticmethod
    def _mark(painter: QPainter, at: QPointF, sign: str, tone: str, size: float) -> None:
        theme = theming.current()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(getattr(theme, tone))
        painter.setPen(QPen(QColor(theme.plot), 1))
        painter.setBrush(colour)
        if sign == "dot":
            painter.drawEllipse(at, size, size)
        elif sign == "cross":
            draw_cross(painter, at + QPointF(0, -size - 2), size, colour)
        else:
            draw_beyond(painter, at, 2 * size, colour, up=sign == "above")
