"""How the magnitudes of a gradient are spread: bars on the stage's scale, and one bar for each class beside them."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from explorer.analysis import words
from explorer.analysis.chains import HistogramResult
from explorer.analysis.flow_curve import hatched
from explorer.analysis.plot import Plot, fitting, width
from explorer.stage import classes, glyphs, palette
from explorer.stage.margins import LINE
from explorer.stage.scales import Scale, magnitude
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import short

_HIGH = 110
_LEFT, _TOP = 38, 6
_SLOT, _APART = 16, 10
CODES = (classes.ZERO, classes.BELOW, classes.ABOVE, classes.PLUS_INF, classes.NAN)
"""In the order of words.CLASSES."""


class HistogramView(Plot[int]):
    """A place is a bar: the bins from the low end, then the classes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Histogram of log₁₀ of magnitudes", _TOP + _HIGH + LINE + 6, parent)
        self._result: HistogramResult | None = None

    def set_result(self, result: HistogramResult | None) -> None:
        self._result = result
        if result is None or (self.place is not None and self.place >= len(result.counts.bins) + len(CODES)):
            self.place = None
        self.update()

    @property
    def _scale(self) -> Scale:
        r = self._result
        return magnitude() if r is None else magnitude(r.choice.low, r.choice.high)

    def plot_box(self) -> QRect:
        return QRect(_LEFT, _TOP, max(40, self.width() - _LEFT - GAP), _HIGH)

    def bins_box(self) -> QRectF:
        """Between the classes below the range and those above."""
        box = self.plot_box()
        left, right = 2 * _SLOT + _APART, 3 * _SLOT + _APART
        return QRectF(box.left() + left, box.top(), box.width() - left - right, box.height())

    def bar_box(self, place: int) -> QRectF:
        """The column of a bar, all of the height."""
        bins, box, n = self.bins_box(), self.plot_box(), self._count()
        if place < n:
            wide = bins.width() / n
            return QRectF(bins.left() + place * wide, box.top(), wide, box.height())
        number = place - n
        left = box.left() + number * _SLOT if number < 2 else box.right() + 1 - (5 - number) * _SLOT
        return QRectF(left, box.top(), _SLOT, box.height())

    def _count(self) -> int:
        return 44 if self._result is None else len(self._result.counts.bins)

    def shares(self) -> np.ndarray:
        """(bins + classes,) of all numbers."""
        r = self._result
        assert r is not None
        return np.array([*r.counts.bins, *words.class_counts(r)], float) / max(1, r.counts.total)

    def top(self) -> float:
        """The share at the top of the picture, 5, 10, 25, 50 or 100 %, as the bars on the scale need it. A class that
        has more is torn off, and says how much it has."""
        shares = self.shares()
        most = float(shares[: self._count()].max()) or float(shares.max())
        return next(top for top in (0.05, 0.1, 0.25, 0.5, 1.0) if top >= most)

    def paint(self, painter: QPainter) -> None:
        theme, box, scale = theming.current(), self.plot_box(), self._scale
        self.frame(painter, box)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        bins = self.bins_box()
        for x in (bins.left() - _APART / 2, bins.right() + _APART / 2):
            painter.fillRect(QRectF(round(x), box.top(), 1, box.height()), QColor(theme.line))
        self._paint_classes(painter, scale)
        self._paint_axis(painter, scale)
        r = self._result
        if r is None:
            return
        top = self.top()
        for share in (0.5, 1.0):
            y = box.bottom() + 1 - share * box.height()
            painter.fillRect(QRectF(box.left(), round(y), box.width(), 1), QColor(theme.line))
            self.text(
                painter,
                QRectF(0, max(y - LINE / 2, 0.0), _LEFT - 4, LINE),
                f"{short(100 * share * top, 2)} %",
                "muted",
                "right",
            )
        ramp = palette.ramp("magnitude", theme.name, scale.bands)
        for place, share in enumerate(self.shares()):
            if not share:
                continue
            column = self.bar_box(place)
            torn, high = share > top, max(2.0, min(1.0, share / top) * column.height())
            left, right = math.floor(column.left()), math.floor(column.right())
            bar = QRect(left, round(column.bottom() - high), max(1, right - left - 1), round(high))
            if place < self._count():
                band = min(int(place / (scale.band_decades * r.per_decade)), scale.bands - 1)
                painter.fillRect(bar, QColor(*(int(c) for c in ramp[band])))
                if bar.height() > 4:
                    painter.setPen(QPen(QColor(theme.border), 1))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRect(bar.adjusted(0, 0, -1, -1))
            else:
                bar.adjust(2, 0, -1, 0)
                code = CODES[place - self._count()]
                painter.drawImage(bar, hatched(code, scale, bar.width(), bar.height(), self.devicePixelRatioF()))
                painter.setPen(QPen(QColor(theme.border), 1))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(bar.adjusted(0, 0, -1, -1))
                if torn:
                    self._tear(painter, bar, share, leftwards=place - self._count() >= 2)
        if self.place is not None:
            painter.setPen(QPen(QColor(theme.cursor), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.bar_box(self.place).toRect().adjusted(-1, 0, 0, -1))

    def _tear(self, painter: QPainter, bar: QRect, share: float, leftwards: bool) -> None:
        """The bar is longer than the picture is high."""
        theme = theming.current()
        y = bar.top() + 16
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.plot), 4))
        painter.drawLine(QPointF(bar.left() - 1, y + 4), QPointF(bar.right() + 2, y - 4))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        words = f"{short(100 * share, 2)} %"
        wide = width(words) + 6
        left = bar.left() - wide - 2 if leftwards else bar.right() + 4
        box = QRectF(left, bar.top() + 2, wide, LINE)
        painter.fillRect(box, QColor(theme.plot))
        self.text(painter, box, words, "text", "centre")

    def _paint_classes(self, painter: QPainter, scale: Scale) -> None:
        theme = theming.current()
        for number, code in enumerate(CODES):
            column = self.bar_box(self._count() + number)
            box = QRectF(column.left(), column.bottom() + 1, column.width(), LINE + 4)
            glyphs.draw(painter, code, box, theme.text)

    def _paint_axis(self, painter: QPainter, scale: Scale) -> None:
        theme, bins = theming.current(), self.bins_box()
        low, high = scale.decades
        least = 1 if scale.band_decades < 2 else 2
        every = next((n for n in (least, 2, 4, 8, 12, 20, 40, 80, 160) if bins.width() / (high - low) * n >= 40), 320)
        marks = []
        for decade in range(-(-low // every) * every, high + 1, every):
            x = bins.left() + (decade - low) / (high - low) * bins.width()
            painter.fillRect(QRectF(round(x), bins.bottom() + 1, 1, 3), QColor(theme.border))
            marks.append((x, f"1e{decade}"))
        inside = [(x, text) for x, text in marks if x + width(text) / 2 < bins.right() + _APART / 2]
        for x, text in fitting(inside, False):
            self.text(painter, QRectF(x - 30, bins.bottom() + 4, 60, LINE), text, "muted", "centre")

    # -- pointer and keys ---------------------------------------------------------------------------------------------

    def _order(self) -> list[int]:
        """The bars from left to right."""
        n = self._count()
        return [n, n + 1, *range(n), n + 2, n + 3, n + 4]

    def place_at(self, at: QPointF) -> int | None:
        if self._result is None:
            return None
        return next(
            (place for place in self._order() if self.bar_box(place).adjusted(0, 0, 0, LINE + 4).contains(at)), None
        )

    def moved(self, place: int | None, right: int, down: int) -> int | None:
        if self._result is None:
            return None
        order = self._order()
        if place is None:
            return int(np.argmax(self.shares()))
        return order[min(max(0, order.index(place) + right - down), len(order) - 1)]

    def words_at(self, place: int) -> str:
        return "" if self._result is None else words.bar(self._result, place)
