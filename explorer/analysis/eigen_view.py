"""Eigenvalues of one block of W_hh in the complex plane, with the unit circle."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from engine.analysis_requests import BlockPart
from explorer.analysis.plot import Plot, width
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.widgets.numbers import MINUS, exact, short

SIDE, LEAST_SIDE = 168, 138
_ON = 1e-6
"""An |eigenvalue| this close to 1 is drawn as on the circle."""
_MANY = 150
"""Eigenvalues from which the dots are smaller."""
_ROUND = (1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


class EigenView(Plot[int]):
    """A dot inside the circle, a triangle outside, a diamond on it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Eigenvalues of W_hh in the complex plane", SIDE, parent)
        self._part: BlockPart | None = None
        self.setMinimumWidth(LEAST_SIDE)
        self.setMaximumWidth(SIDE)

    def set_part(self, part: BlockPart | None) -> None:
        self._part = part
        self.place = None
        self.update()

    def _values(self) -> np.ndarray:
        return np.empty(0, complex) if self._part is None else self._part.eigenvalues

    @property
    def extent(self) -> float:
        """Half a side of the picture: a round number that holds the circle and every eigenvalue."""
        radius = 0.0 if self._part is None else self._part.spectral_radius
        radius = 1.0 if math.isnan(radius) else max(1.0, radius)
        power = 10.0 ** math.floor(math.log10(radius))
        return next(r * power for r in _ROUND if r * power >= 1.08 * radius)

    @property
    def side(self) -> int:
        """Of the square: a narrow panel leaves less."""
        return min(self.width(), SIDE)

    def _at(self, value: complex) -> QPointF:
        half = self.side / 2
        scale = (half - 2) / self.extent
        return QPointF(half + value.real * scale, half - value.imag * scale)

    def paint(self, painter: QPainter) -> None:
        theme, side = theming.current(), self.side
        half = side / 2
        painter.fillRect(QRectF(0, 0, side, side), QColor(theme.plot))
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawRect(QRectF(0.5, 0.5, side - 1, side - 1))
        painter.drawLine(QPointF(1, half), QPointF(side - 1, half))
        painter.drawLine(QPointF(half, 1), QPointF(half, side - 1))
        corner = self._at(complex(-1, 1))
        painter.setPen(QPen(QColor(theme.border), 1, Qt.PenStyle.DashLine))
        painter.drawEllipse(QRectF(corner, QPointF(side - corner.x(), side - corner.y())))
        # In the corners, where the circle and what is near it never come.
        self.text(painter, QRectF(5, 2, 60, LINE), "Im λ")
        self.text(painter, QRectF(5, side - LINE - 3, 80, LINE), f"axes to ±{self.extent:g}")
        self.text(painter, QRectF(0, side - LINE - 3, side - 5, LINE), "Re λ", "muted", "right")
        if self._part is None:
            return
        if not len(self._values()) or math.isnan(self._part.spectral_radius):
            self._note(painter, "no eigenvalues: NaN or inf")
            return
        for value in self._values()[::-1]:
            self._dot(painter, complex(value))
        if self.place is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.cursor), 1.5))
            painter.drawEllipse(self._at(complex(self._values()[self.place])), 6, 6)

    def _note(self, painter: QPainter, words: str) -> None:
        box = QRectF(0, 0, width(words) + 8, LINE + 4)
        box.moveCenter(QPointF(self.side / 2, self.side / 2))
        painter.fillRect(box, QColor(theming.current().plot))
        self.text(painter, box, words, "text", "centre")

    def _dot(self, painter: QPainter, value: complex) -> None:
        theme, at, size = theming.current(), self._at(value), abs(value)
        painter.setPen(QPen(QColor(theme.plot), 1))
        if abs(size - 1) <= _ON:
            painter.setBrush(QColor(theme.healthy))
            shape = [QPointF(at.x() + x, at.y() + y) for x, y in ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0))]
        elif size > 1:
            painter.setBrush(QColor(theme.exploding))
            shape = [QPointF(at.x() + x, at.y() + y) for x, y in ((0, -4.5), (4.2, 3.2), (-4.2, 3.2))]
        else:
            painter.setBrush(QColor(theme.vanishing))
            few = len(self._values()) <= _MANY
            painter.drawEllipse(at, 3.2 if few else 2.2, 3.2 if few else 2.2)
            return
        painter.drawPolygon(QPolygonF(shape))

    def place_at(self, at: QPointF) -> int | None:
        values = self._values()
        if not len(values) or np.isnan(values[0].real):
            return None
        points = [self._at(complex(v)) for v in values]
        distances = [math.hypot(p.x() - at.x(), p.y() - at.y()) for p in points]
        nearest = int(np.argmin(distances))
        return nearest if distances[nearest] <= 10 else None

    def moved(self, place: int | None, right: int, down: int) -> int | None:
        count = len(self._values())
        if not count:
            return None
        return 0 if place is None else min(max(0, place + right + down), count - 1)

    def words_at(self, place: int) -> str:
        value = complex(self._values()[place])
        sign = "+" if value.imag >= 0 or math.isnan(value.imag) else MINUS
        plain = exact(value.real)
        if value.imag:
            plain += f" {sign} {exact(abs(value.imag))} i"
        return f"λ = {plain} · |λ| = {short(abs(value), 4)} · {place + 1} of {len(self._values()):,}"
