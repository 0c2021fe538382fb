"""Which class was taken for which: rows the truth, columns the answer, coloured by the share of the row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.analysis.plot import Plot, fitting, width
from explorer.evaluation import shades
from explorer.evaluation.legend import Entry
from explorer.evaluation.words import percent
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.widgets.labels import label_of, lettered, spoken, written

_MOST_LEFT, _RIGHT = 76, 6
_TOP = LINE + 4
_CLOSE = 12.0
"""Pixels of a cell from which every row has its label."""
_ROOMY = 13.0
"""Pixels of a cell that has room for its count."""
_LARGEST = 64.0


class ConfusionView(Plot[tuple[int, int]]):
    """A place is (truth, answer)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Confusion matrix", 170, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._counts: NDArray[np.int64] | None = None
        self._labels: tuple[str, ...] = ()
        self._image: QImage | None = None

    def minimumSizeHint(self) -> QSize:
        return QSize(140, 80)

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_counts(self, counts: NDArray[np.int64] | None, labels: tuple[str, ...]) -> None:
        self._counts, self._labels, self._image = counts, labels, None
        if self.place is not None:
            kept = counts is not None and max(self.place) < len(counts)
            self.go(self.place if kept else None)
        self.update()

    def legend(self) -> tuple[Entry, ...]:
        return (Entry("share of the true class", "ramp"),)

    def shares(self) -> NDArray[np.float64]:
        """(classes, classes): of each row; NaN where nothing of a class has been judged."""
        assert self._counts is not None
        rows = self._counts.sum(1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.where(rows > 0, self._counts / np.maximum(rows, 1), np.nan)

    # -- places -------------------------------------------------------------------------------------------------------

    def _left(self) -> float:
        """Of the labels beside the rows."""
        widest = max((width(written(one)) for one in self._labels), default=20.0)
        if widest + 8 > _MOST_LEFT:  # they stand there as letters
            widest = max(width(one) for one in lettered(self._labels))
        return widest + 8 + LINE

    def filled(self, height: float) -> int:
        """The width that it has use for in so high a place."""
        n = 1 if self._counts is None else len(self._counts)
        return round(self._left() + min(height - _TOP - LINE - 4, n * _LARGEST)) + _RIGHT

    def plot_box(self) -> QRectF:
        n = 1 if self._counts is None else len(self._counts)
        left = self._left()
        room = min(self.width() - left - _RIGHT, self.height() - _TOP - LINE - 4)
        side = max(1.0, min(float(room), n * _LARGEST))
        if side >= 3 * n:
            side = float(int(side / n) * n)
        return QRectF(round(left), _TOP + LINE, side, side)

    def cell_box(self, truth: int, answer: int) -> QRectF:
        assert self._counts is not None
        box = self.plot_box()
        pitch = box.width() / len(self._counts)
        return QRectF(box.left() + answer * pitch, box.top() + truth * pitch, pitch, pitch)

    def place_at(self, at: QPointF) -> tuple[int, int] | None:
        box = self.plot_box()
        if self._counts is None or not box.contains(at):
            return None
        n = len(self._counts)
        row, column = ((v * n) // box.width() for v in (at.y() - box.top(), at.x() - box.left()))
        return min(n - 1, int(row)), min(n - 1, int(column))

    def moved(self, place: tuple[int, int] | None, right: int, down: int) -> tuple[int, int] | None:
        if self._counts is None:
            return None
        if place is None:
            return 0, 0
        last = len(self._counts) - 1
        return min(max(0, place[0] + down), last), min(max(0, place[1] + right), last)

    def words_at(self, place: tuple[int, int]) -> str:
        assert self._counts is not None
        truth, answer = place
        count, row = int(self._counts[truth, answer]), int(self._counts[truth].sum())
        due, said = (spoken(label_of(self._labels, one)) for one in place)
        if row == 0:
            return f"{due[0].upper()}{due[1:]} was never due."
        share = percent(count / row)
        what = "right" if truth == answer else f"taken for {said}"
        return f"{due[0].upper()}{due[1:]}, due {row:,} times: {count:,} times {what}, {share}."

    # -- painting -----------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        self._image = None

    def _pixels(self) -> QImage:
        """A pixel a cell."""
        if self._image is None:
            shares, theme = self.shares(), theming.current().name
            n = len(shares)
            colours = np.array([fill.rgb() for fill, _ in shades.shares(theme)], np.uint32)
            found = colours[np.minimum(shades.LEVELS - 1, np.nan_to_num(shares) * shades.LEVELS).astype(np.int64)]
            assert self._counts is not None
            found[self._counts == 0] = QColor(theming.current().plot).rgb()
            pixels = np.ascontiguousarray(found)
            self._image = QImage(pixels.data, n, n, 4 * n, QImage.Format.Format_RGB32).copy()
        return self._image

    def paint(self, painter: QPainter) -> None:
        theme = theming.current()
        if self._counts is None:
            return
        box, n = self.plot_box(), len(self._counts)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(box, self._pixels())
        pitch = box.width() / n
        if pitch >= 8:
            painter.setPen(QPen(QColor(theme.line), 1))
            for k in range(n + 1):
                at = round(k * pitch)
                painter.drawLine(QPointF(box.left() + at, box.top()), QPointF(box.left() + at, box.bottom()))
                painter.drawLine(QPointF(box.left(), box.top() + at), QPointF(box.right(), box.top() + at))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawRect(box.adjusted(-0.5, -0.5, 0.5, 0.5))
        if pitch >= 5:  # the diagonal, where answers are right
            painter.setPen(QPen(QColor(theme.healthy), 1))
            for k in range(n):
                painter.drawRect(self.cell_box(k, k).adjusted(0.5, 0.5, -0.5, -0.5))
        if pitch >= _ROOMY:
            self._paint_counts(painter, pitch)
        self._paint_labels(painter, box, pitch)
        if self.place is not None:
            cell = self.cell_box(*self.place).adjusted(-1, -1, 1, 1)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.plot), 4))
            painter.drawRect(cell)
            painter.setPen(QPen(QColor(theme.cursor), 2))
            painter.drawRect(cell)

    def _paint_counts(self, painter: QPainter, pitch: float) -> None:
        assert self._counts is not None
        theme, shares = theming.current(), self.shares()
        painter.setFont(theming.small())
        for row, column in zip(*np.nonzero(self._counts), strict=True):
            cell = self.cell_box(int(row), int(column))
            count = f"{int(self._counts[row, column]):,}"
            if width(count) > pitch:
                continue
            painter.setPen(shades.of_share(float(shares[row, column]), theme.name)[1])
            two = pitch >= 2 * LINE + 8 and pitch >= 46
            said = f"{count}\n{percent(float(shares[row, column]))}" if two else count
            painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, said)

    def _paint_labels(self, painter: QPainter, box: QRectF, pitch: float) -> None:
        names = [written(one) for one in self._labels] or [str(k) for k in range(round(box.width() / pitch))]
        letters = list(lettered(self._labels)) or names
        middles = [(k + 0.5) * pitch for k in range(len(names))]
        room = box.left() - LINE - 6
        shown = names if max(map(width, names)) <= room else letters
        rows = [(box.top() + m, t) for m, t in zip(middles, shown, strict=True)]
        for at, text in rows if pitch >= _CLOSE else fitting(rows, True):
            self.text(painter, QRectF(LINE, at - LINE / 2, room, LINE), text, "muted", "right")
        heads = names if max(map(width, names)) + 4 <= pitch else letters
        columns = [(box.left() + m, t) for m, t in zip(middles, heads, strict=True)]
        for at, text in columns if max(map(width, heads)) + 2 <= pitch else fitting(columns, False):
            self.text(painter, QRectF(at - 40, box.top() - LINE - 1, 80, LINE), text, "muted", "centre")
        wide = max(box.width(), 60.0)
        self.text(painter, QRectF(box.left(), box.top() - 2 * LINE - 2, wide, LINE), "answer →", "text")
        painter.save()
        painter.translate(0, box.top() + min(box.height(), 60))
        painter.rotate(-90)
        self.text(painter, QRectF(0, 0, 60, LINE), "← truth", "text", "right")
        painter.restore()
