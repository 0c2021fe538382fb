"""The glyphs of the classes, drawn once per colour and size and then copied."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from explorer.stage.classes import ABOVE, BELOW, MINUS_INF, NAN, PLUS_INF, ZERO
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
    elif code == NAN:
        painter.setPen(QPen(ink, 1.6))
        painter.drawLine(QPointF(x - 3, y - 3), QPointF(x + 3, y + 3))
        painter.drawLine(QPointF(x - 3, y + 3), QPointF(x + 3, y - 3))
    else:
        text, pixels = {ZERO: ("0", 10), PLUS_INF: ("∞", 12), MINUS_INF: ("∞", 10)}[code]
        painter.setPen(ink)
        painter.setFont(theming.font(pixels, bold=True))
        aside = 0.0
        if code == MINUS_INF:
            aside = 1.8
            painter.fillRect(QRectF(x - 5.4, y - 0.6, 3, 1.2), ink)
        painter.drawText(box.adjusted(aside - 4, -4, aside + 4, 4), Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()
