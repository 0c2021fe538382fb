"""What the parts of the cell panel paint alike: numbers that fit their place, a number's colour, a wire's width."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter

from explorer.cell.figures import Figures
from explorer.cell.quantity import Reading
from explorer.theme import current as theme
from explorer.theme.tokens import SMALL_PX


def text_scale() -> float:
    """How much larger than usual small text is: what is drawn around it grows as well."""
    return max(1, theme.small().pixelSize()) / SMALL_PX


def colour_of(reading: Reading, colour: str) -> str:
    """A number's colour: what is not finite stands out, what is zero or unknown steps back."""
    t = theme.current()
    if not reading.finite:
        return t.exploding
    if reading.value is None or reading.value == 0:
        return t.muted
    return colour


def draw_fitted(
    painter: QPainter, box: QRectF, text: str, figures: Figures, *, centred: bool = True, bar: bool = False
) -> None:
    """Text in a box, in the painter's font and pen; narrower letters where it is too long, so that it never runs into
    its neighbour. `bar`: a line over it, as over a mean. `figures` are those of the painter's font."""
    width, room = figures.width(text), box.width() + 2
    baseline = box.top() + (box.height() + figures.ascent - figures.descent) / 2
    if bar:
        left = box.left() + (max(0.0, box.width() - width) / 2 if centred else 0)
        y = round(baseline - figures.cap_height - 2.5) + 0.5
        painter.drawLine(QPointF(left, y), QPointF(left + min(width, room), y))
    if width <= room:
        figures.draw(painter, box.left() + ((box.width() - width) / 2 if centred else 0), baseline, text)
        return
    squeeze = max(0.6, room / width)
    painter.save()
    painter.translate(box.left() - 1, baseline)
    painter.scale(squeeze, 1)
    figures.draw(painter, 0, 0, text)
    painter.restore()


def log_width(value: float, low: float, high: float, thinnest: float, thickest: float) -> float:
    """Thickness of a wire by log₁₀|value|: thinnest at 10^low and below, thickest at 10^high and above."""
    if math.isnan(value) or math.isinf(value):
        return thickest
    if value == 0:
        return thinnest
    share = (math.log10(abs(value)) - low) / (high - low)
    return thinnest + (thickest - thinnest) * min(1.0, max(0.0, share))
