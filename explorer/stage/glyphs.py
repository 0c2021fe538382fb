"""The glyphs of the classes, drawn once per colour and size and then copied."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from explorer.stage.classes import ABOVE, BELOW, NAN, PLUS_INF, ZERO
from explorer.theme import current as theming

SIZE = 11
"""Logical pixels; a cell needs this much room for its glyph."""


@lru_cache(maxsize=128)
def glyph(code: int, colour: str, ratio: float) -> QImage:
    """A transparent square of `SIZE` logical pixels with the mark in its middle."""
    side = round(SIZE * ratio)
    image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    painter.scale(side / SIZE, side / SIZE)
    draw(painter, code, QRectF(0, 0, SIZE, SIZE), colour)
    painter.end()
    return image


def _draw_infinity(painter: QPainter, x: float, y: float, ink: QColor, *, negative: bool) -> None:
    """A lying eight of two rings: a font's own would be a blot at this size, and a minus before it read as "-8"."""
    ring, pen = (1.55, 1.2) if negative else (2.0, 1.4)
    painter.setPen(QPen(ink, pen))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    aside = 2.0 if negative else 0.0
    for way in (-1, 1):
        painter.drawEllipse(QPointF(x + aside + way * ring, y), ring, ring)
    if negative:
        painter.drawLine(QPointF(x - 5.2, y), QPointF(x - 2.6, y))


def draw(painter: QPainter, code: int, box: QRectF, colour: str) -> None:
    """The mark of a class in the middle of a box."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ink, c = QColor(colour), box.center()
    x, y = c.x(), c.y()
    if code == BELOW:
        painter.setPen(QPen(ink, 1.2))
        painter.drawPolygon(QPolygonF([QPointF(x - 3.6, y - 2.6), QPointF(x + 3.6, y - 2.6), QPointF(x, y + 3.2)]))
    elif code == ABOVE:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawPolygon(QPolygonF([QPointF(x - 4, y + 3), QPointF(x + 4, y + 3), QPointF(x, y - 3.6)]))
    elif code == NAN:  # the checkerboard of the cells
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        left, top = round(x - 4.5), round(y - 4.5)
        for place in range(0, 9, 2):
            painter.fillRect(left + place % 3 * 3, top + place // 3 * 3, 3, 3, ink)
    elif code == ZERO:
        painter.setPen(ink)
        painter.setFont(theming.font(10, bold=True))
        painter.drawText(box.adjusted(-4, -4, 4, 4), Qt.AlignmentFlag.AlignCenter, "0")
    else:
        _draw_infinity(painter, x, y, ink, negative=code != PLUS_INF)
    painter.restore()
