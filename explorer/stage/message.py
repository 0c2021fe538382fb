"""What the stage says in its middle while nothing is there yet, or in a chip over what is still there.

In the middle a second line may follow: then the first is what to do, and the second what will be there.
"""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from explorer.theme import current as theming
from explorer.theme.tokens import GAP, RADIUS, TEXT_PX

_WIDEST = 440


def paint(painter: QPainter, text: str, whole: QRect, data: QRect | None) -> None:
    """`data`: the column of the data, where there is some."""
    if not text:
        return
    theme, box = theming.current(), whole
    first, _, second = text.partition("\n")
    if data is None and second:
        _paint_two(painter, first, second, whole)
        return
    if data is not None:
        box = QRect(data.left(), 8, data.width(), 30)
    painter.setFont(theming.font())
    text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, box.width() - 4 * GAP)
    if data is not None:
        chip = QRectF(0, 0, painter.fontMetrics().horizontalAdvance(text) + 3 * GAP, 28)
        chip.moveCenter(QRectF(box).center())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.border))
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(chip.adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
    painter.setPen(QColor(theme.muted if data is None else theme.text))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _paint_two(painter: QPainter, first: str, second: str, whole: QRect) -> None:
    theme, room = theming.current(), min(_WIDEST, whole.width() - 4 * GAP)
    flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
    parts = ((first, theming.font(TEXT_PX + 2, bold=True), theme.text), (second, theming.font(), theme.muted))
    boxes = []
    for text, font, _ in parts:
        painter.setFont(font)
        boxes.append(painter.boundingRect(QRect(0, 0, room, whole.height()), flags, text))
    y = whole.center().y() - (sum(box.height() for box in boxes) + GAP) // 2
    for (text, font, colour), box in zip(parts, boxes, strict=True):
        painter.setFont(font)
        painter.setPen(QColor(colour))
        painter.drawText(QRect(whole.center().x() - room // 2, y, room, box.height()), flags, text)
        y += box.height() + GAP
