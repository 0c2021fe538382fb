"""What the stage says in its middle while nothing is there yet, or in a chip over what is still there."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from explorer.theme import current as theming
from explorer.theme.tokens import GAP, RADIUS


def paint(painter: QPainter, text: str, whole: QRect, data: QRect | None) -> None:
    """`data`: the column of the data, where there is some."""
    if not text:
        return
    theme, box = theming.current(), whole
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
