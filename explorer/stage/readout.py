"""The box with the exact value under the pointer."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from explorer.stage import marked
from explorer.stage.tracks.base import Readout
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, SMALL_PX, TEXT_PX

_AWAY = 14


def box_of(readout: Readout, at: QPoint, inside: QRect, avoid: Sequence[QRect] = ()) -> QRect:
    """Beside the pointer: right and below, where there is room, else on the other side; where it cuts
    none of the words to be avoided, if there is such a place."""
    lines = _lines(readout)
    width = int(max(marked.width(text, font) for text, font, _ in lines)) + 2 * GAP + 2
    height = sum(_height(font.pixelSize()) for _, font, _ in lines) + 10
    width = min(width, inside.width())
    right, left = at.x() + _AWAY, at.x() - _AWAY - width
    below, above = at.y() + _AWAY, at.y() - _AWAY - height
    if right + width > inside.right():
        right = left
    if below + height > inside.bottom():
        below = above
    beside = at.y() - height // 2
    boxes = [
        QRect(max(inside.left(), x), max(inside.top(), y), width, height)
        for y in (below, above, beside)
        for x in dict.fromkeys((right, left))
        if (x, y) == (right, below) or (x >= inside.left() and inside.top() <= y <= inside.bottom() - height)
    ]
    return min(boxes, key=lambda box: _covered(box, avoid))


def _covered(box: QRect, words: Sequence[QRect]) -> tuple[int, int]:
    """How many of the words are cut by a box, which looks broken, and how many it covers or cuts."""
    touched = [one for one in words if box.intersects(one)]
    return sum(not box.contains(one) for one in touched), len(touched)


def paint(painter: QPainter, readout: Readout, box: QRect) -> None:
    theme = theming.current()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.border), 1))
    painter.setBrush(QColor(theme.raised))
    painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
    y = box.top() + 5.0
    for text, font, tone in _lines(readout):
        height = _height(font.pixelSize())
        painter.setPen(QColor(getattr(theme, tone)))
        marked.draw(
            painter, QRectF(box.left() + GAP, y, box.width() - 2 * GAP, height), text, font, Qt.AlignmentFlag.AlignLeft
        )
        y += height
    painter.restore()


def _lines(readout: Readout) -> list[tuple[str, QFont, str]]:
    value, small = theming.font(TEXT_PX, bold=True), theming.small()
    found = [(readout.where, small, "muted")] if readout.where else []
    found += [(text, value, "text") for text in readout.values]
    if readout.note:
        found.append((readout.note, small, "muted"))
    return found


def _height(pixels: int) -> int:
    return pixels + (7 if pixels > SMALL_PX else 6)
