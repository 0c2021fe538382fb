"""What the parts of the cell panel paint alike: numbers that fit their place, a number's colour, a wire's width."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter

from explorer.cell.quantity import Reading
from explorer.theme import current as theme


def colour_of(reading: Reading, colour: str) -> str:
    """A number's colour: what is not finite stands out, what is zero or unknown steps back."""
    t = theme.current()
    if not reading.finite:
        return t.exploding
    if reading.value is None or reading.value == 0:
        return t.muted
    return colour


def draw_fitted(
    painter: QPainter,
    box: QRectF,
    text: str,
    font: QFont,
    metrics: QFontMetricsF,
    colour: str,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignHCenter,
) -> None:
    """Text in a box; narrower letters where it is too long, so that it never runs into its neighbour."""
    painter.setPen(QColor(colour))
    painter.setFont(font)
    width = metrics.horizontalAdvance(text)
    flags = align | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip
    if width <= box.width() + 2:
        painter.drawText(box, flags, text)
        return
    squeeze = max(0.6, (box.width() + 2) / width)
    painter.save()
    painter.translate(box.left(), 0)
    painter.scale(squeeze, 1)
    painter.drawText(QRectF(-1, box.top(), box.width() / squeeze + 2, box.height()), flags, text)
    painter.restore()


def log_width(value: float, low: float, high: float, thinnest: float, thickest: float) -> float:
    """Thickness of a wire by log₁₀|value|: thinnest at 10^low and below, thickest at 10^high and above."""
    if math.isnan(value) or math.isinf(value):
        return thickest
    if value == 0:
        return thinnest
    share = (math.log10(abs(value)) - low) / (high - low)
    return thinnest + (thickest - thinnest) * min(1.0, max(0.0, share))
