"""A table of one or two norms per parameter, each with a bar on a logarithmic scale that is printed and stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.requests import ClipRow
from explorer.theme import current as theme
from explorer.theme.tokens import GAP, PAD, SMALL_PX, TIGHT
from explorer.widgets import numbers

DECADES = (-9, 6)
"""Of the bars, unless the first rows of a document reach further."""
_STEP = 3
_BAR = 4.0
_END = 7.0
STAYS = "0*"
"""A change of 0 that is the arithmetic's: the step was smaller than the spacing of the weights."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the two numbers of a row are, and what they mean as colours of the theme ("backward", "clip")."""

    first: str
    second: str
    """"": there is one number only."""
    first_colour: str
    second_colour: str


class BarTable(QWidget):
    def __init__(self, columns: Columns, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns = columns
        self._rows: tuple[ClipRow, ...] = ()
        self._stays: frozenset[str] = frozenset()
        self._decades: tuple[int, int] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._name()
        theme.notifier().changed.connect(self._repaint)

    def _name(self) -> None:
        both = " and ".join(name for name in (self._columns.first, self._columns.second) if name)
        self.setAccessibleName(f"{both} of each parameter")

    def set_columns(self, columns: Columns) -> None:
        if columns != self._columns:
            self._columns = columns
            self._name()
            self.updateGeometry()
            self.update()

    def set_rows(self, rows: Sequence[ClipRow], stays: frozenset[str] = frozenset()) -> None:
        """`stays`: the parameters whose second number is 0 only because the arithmetic has no smaller step."""
        self._rows, self._stays = tuple(rows), stays
        if self._rows and self._decades is None:
            self._decades = decades(self._rows)
        text = "; ".join(f"{row.parameter} {', '.join(self._numbers(row))}" for row in self._rows)
        self.setAccessibleDescription(text)
        self.updateGeometry()
        self.update()

    def forget_scale(self) -> None:
        """Another document follows: its first rows choose the scale."""
        self._decades = None

    @property
    def columns(self) -> Columns:
        return self._columns

    @property
    def scale(self) -> tuple[int, int]:
        """The exponents of the ends of the bars."""
        return self._decades or DECADES

    def _numbers(self, row: ClipRow) -> list[str]:
        found = [numbers.short(row.before)]
        if self._columns.second:
            found.append(STAYS if row.parameter in self._stays else numbers.short(row.after))
        return found

    @property
    def rows(self) -> tuple[ClipRow, ...]:
        return self._rows

    @property
    def _line(self) -> float:
        return QFontMetricsF(theme.small()).height() + TIGHT

    @property
    def _row(self) -> float:
        return self._line + (2 if self._columns.second else 1) * _BAR + GAP

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
        heads = [name for name in (self._columns.first, self._columns.second) if name]
        colours = [getattr(t, self._columns.first_colour), getattr(t, self._columns.second_colour)][: len(heads)]
        self._texts(painter, 0, column, "", heads, colours)
        y = self._line
        for row in self._rows:
            room = int(self.width() - len(heads) * column - GAP)
            name = metrics.elidedText(row.parameter, Qt.TextElideMode.ElideMiddle, room)
            self._texts(painter, y, column, name, self._numbers(row), [t.text] * len(heads))
            for number, (value, colour) in enumerate(zip((row.before, row.after), colours, strict=False)):
                self._bar(painter, y + self._line + number * (_BAR + 2), value, colour)
            y += self._row
        self._axis(painter, y, metrics)
        painter.end()

    def _texts(
        self, painter: QPainter, y: float, column: float, name: str, texts: Sequence[str], colours: Sequence[str]
    ) -> None:
        t, line, right = theme.current(), self._line, self.width()
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(t.muted))
        painter.drawText(QRectF(0, y, right - len(texts) * column, line), middle | Qt.AlignmentFlag.AlignLeft, name)
        for number, (text, colour) in enumerate(zip(texts, colours, strict=True)):
            special = text in ("NaN", "∞", f"{numbers.MINUS}∞")
            painter.setPen(QColor(t.exploding if special else colour))
            at = right - (len(texts) - number) * column
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
        low, high = self.scale
        share = (math.log10(abs(value)) - low) / (high - low)
        painter.drawRect(QRectF(0, y, max(3.0, min(1.0, share) * self.width()), _BAR))
        if not 0 <= share <= 1:
            self._end(painter, y, colour, above=share > 1)

    def _end(self, painter: QPainter, y: float, colour: str, *, above: bool) -> None:
        """An arrow's head where a bar would go on beyond the scale."""
        tip, back = (self.width(), self.width() - _END) if above else (0.0, _END)
        middle = y + _BAR / 2
        painter.setBrush(QColor(theme.current().surface))
        painter.drawRect(QRectF(min(tip, back), y, _END, _BAR))
        painter.setBrush(QColor(colour))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        head = [QPointF(tip, middle), QPointF(back, middle - _BAR), QPointF(back, middle + _BAR)]
        painter.drawPolygon(QPolygonF(head))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _axis(self, painter: QPainter, y: float, metrics: QFontMetricsF) -> None:
        t = theme.current()
        low, high = self.scale
        tall = SMALL_PX + TIGHT
        room = metrics.horizontalAdvance("1e-88") + PAD
        ticks = next(
            n
            for n in range(_STEP, high - low + _STEP, _STEP)
            if n * self.width() >= room * (high - low) or n >= high - low
        )
        for exponent in range(low, high + 1, ticks):
            x = (exponent - low) / (high - low) * self.width()
            painter.setPen(QPen(QColor(t.border), 1))
            tick = min(x, self.width() - 1)
            painter.drawLine(QPointF(tick, y - 5), QPointF(tick, y - 1))
            text = numbers.decade(exponent)
            wide = metrics.horizontalAdvance(text)
            at = min(max(0.0, x - wide / 2), self.width() - wide)
            painter.setPen(QColor(t.muted))
            painter.drawText(QRectF(at, y, wide + 2, tall), Qt.AlignmentFlag.AlignLeft, text)


def decades(rows: Sequence[ClipRow]) -> tuple[int, int]:
    """The ends of a scale that holds every finite number of the rows, a multiple of three decades apart."""
    logs = [math.log10(v) for row in rows for v in (row.before, row.after) if v > 0 and math.isfinite(v)]
    low = min([DECADES[0], *(math.floor(x / _STEP) * _STEP for x in logs)])
    high = max([DECADES[1], *(math.ceil(x / _STEP) * _STEP for x in logs)])
    return low, high
