"""A table of two norms per parameter, each with a bar on a logarithmic scale that is fixed and printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.requests import ClipRow
from explorer.cell.quantity import short
from explorer.theme import current as theme
from explorer.theme.tokens import GAP, SMALL_PX, TIGHT
from explorer.widgets import numbers

DECADES = (-9.0, 6.0)
"""Of the bars."""
_BAR = 4.0


@dataclass(frozen=True, slots=True)
class Columns:
    """What the two numbers of a row are, and what they mean as colours of the theme ("backward", "clip")."""

    first: str
    second: str
    first_colour: str
    second_colour: str


class BarTable(QWidget):
    def __init__(self, columns: Columns, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns = columns
        self._rows: tuple[ClipRow, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{columns.first} and {columns.second} of each parameter")
        theme.notifier().changed.connect(self._repaint)

    def set_rows(self, rows: Sequence[ClipRow]) -> None:
        self._rows = tuple(rows)
        text = "; ".join(f"{r.parameter} {short(r.before)}, {short(r.after)}" for r in self._rows)
        self.setAccessibleDescription(text)
        self.updateGeometry()
        self.update()

    @property
    def rows(self) -> tuple[ClipRow, ...]:
        return self._rows

    @property
    def _line(self) -> float:
        return QFontMetricsF(theme.small()).height() + TIGHT

    @property
    def _row(self) -> float:
        return self._line + 2 * _BAR + GAP

    def sizeHint(self) -> QSize:
        if not self._rows:
            return QSize(280, 0)
        return QSize(280, round(self._line + self._row * len(self._rows) + self._line))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    @Slot()
    def _repaint(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._rows:
            return
        painter = QPainter(self)
        t, font = theme.current(), theme.small()
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        column = metrics.horizontalAdvance("−8.88e-88") + GAP
        right = self.width()
        first, second = getattr(t, self._columns.first_colour), getattr(t, self._columns.second_colour)
        self._texts(painter, 0, column, right, "", self._columns.first, self._columns.second, first, second)
        y = self._line
        for row in self._rows:
            name = metrics.elidedText(row.parameter, Qt.TextElideMode.ElideMiddle, int(right - 2 * column - GAP))
            self._texts(painter, y, column, right, name, short(row.before), short(row.after), t.text, t.text)
            self._bar(painter, y + self._line, row.before, first)
            self._bar(painter, y + self._line + _BAR + 2, row.after, second)
            y += self._row
        self._axis(painter, y, metrics)
        painter.end()

    def _texts(
        self,
        painter: QPainter,
        y: float,
        column: float,
        right: float,
        name: str,
        first: str,
        second: str,
        first_colour: str,
        second_colour: str,
    ) -> None:
        t, line = theme.current(), self._line
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(t.muted))
        painter.drawText(QRectF(0, y, right - 2 * column, line), middle | Qt.AlignmentFlag.AlignLeft, name)
        for text, at, colour in ((first, right - 2 * column, first_colour), (second, right - column, second_colour)):
            special = text in ("NaN", "∞", f"{numbers.MINUS}∞")
            painter.setPen(QColor(t.exploding if special else colour))
            painter.drawText(QRectF(at, y, column, line), middle | Qt.AlignmentFlag.AlignRight, text)

    def _bar(self, painter: QPainter, y: float, value: float, colour: str) -> None:
        """Zero has no bar but a tick, what is not finite is hatched, what leaves the scale has an arrow's end."""
        t = theme.current()
        whole = QRectF(0, y, self.width(), _BAR)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(t.raised))
        painter.drawRect(whole)
        if not math.isfinite(value):
            painter.setBrush(QBrush(QColor(t.exploding), Qt.BrushStyle.BDiagPattern))
            painter.drawRect(whole)
            return
        painter.setBrush(QColor(colour))
        if value == 0:
            painter.setBrush(QColor(t.zero))
            painter.drawRect(QRectF(0, y, 2, _BAR))
            return
        share = (math.log10(abs(value)) - DECADES[0]) / (DECADES[1] - DECADES[0])
        painter.drawRect(QRectF(0, y, max(3.0, min(1.0, share) * self.width()), _BAR))
        if share > 1:
            painter.setBrush(QColor(t.exploding))
            painter.drawRect(QRectF(self.width() - 4, y, 4, _BAR))

    def _axis(self, painter: QPainter, y: float, metrics: QFontMetricsF) -> None:
        t = theme.current()
        low, high = DECADES
        tall = SMALL_PX + TIGHT
        for decade in range(int(low), int(high) + 1, 3):
            x = (decade - low) / (high - low) * self.width()
            painter.setPen(QPen(QColor(t.border), 1))
            tick = min(x, self.width() - 1)
            painter.drawLine(QPointF(tick, y - 5), QPointF(tick, y - 1))
            text = numbers.power(decade, 1)
            wide = metrics.horizontalAdvance(text)
            at = min(max(0.0, x - wide / 2), self.width() - wide)
            painter.setPen(QColor(t.muted))
            painter.drawText(QRectF(at, y, wide + 2, tall), Qt.AlignmentFlag.AlignLeft, text)
