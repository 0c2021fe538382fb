"""The names of earlier runs, at the ends of their curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from explorer.theme import current as theming
from explorer.theme.tokens import TIGHT

Name: TypeAlias = tuple[str, QPointF, QPen]
"""Of an earlier run: its name, where its line ends, and its pen."""
_NAME_SHARE = 0.45
"""Of the plot's width, that a name takes at most."""
_VEIL = 0.82
"""Of the ground of a name: the curves below it are still to be made out."""


def draw_names(painter: QPainter, box: QRectF, names: Sequence[Name]) -> list[str]:
    """Each at the end of its line, before the plot's edge; where lines end together the names stand one below the
    other. Those that have found room."""
    theme, metrics = theming.current(), QFontMetricsF(theming.small(bold=True))
    height = metrics.height()
    ground = QColor(theme.plot)
    ground.setAlphaF(_VEIL)
    painter.setFont(theming.small(bold=True))
    ordered = sorted(names, key=lambda one: one[1].y())
    texts = [metrics.elidedText(name, Qt.TextElideMode.ElideRight, _NAME_SHARE * box.width()) for name, _, _ in ordered]
    wanted = []
    for text, (_, end, _) in zip(texts, ordered, strict=True):
        width = metrics.horizontalAdvance(text) + 2 * TIGHT + 3
        left = end.x() + TIGHT if end.x() + TIGHT + width <= box.right() else box.right() - width
        wanted.append(QRectF(left, end.y() - height - 2, width, height))
    drawn = []
    for where, text, (name, _, pen) in zip(_apart(wanted, box), texts, ordered, strict=True):
        if where.top() < box.top():
            continue
        drawn.append(name)
        painter.fillRect(where, ground)
        painter.fillRect(QRectF(where.left(), where.top() + 1, 3, height - 2), pen.color())
        painter.setPen(QColor(theme.text))
        painter.drawText(where.adjusted(TIGHT + 3, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
    return drawn


def _apart(wanted: Sequence[QRectF], box: QRectF) -> list[QRectF]:
    """Boxes in their order, from the top, as near as may be to where they are wanted, none on another: moved down, and
    up again from the foot of the plot."""
    found: list[QRectF] = []
    for one in wanted:
        top = max([box.top() + 1, one.top(), *(above.bottom() for above in found if _share_columns(above, one))])
        found.append(QRectF(one.left(), top, one.width(), one.height()))
    for number in range(len(found) - 1, -1, -1):
        one = found[number]
        below = [other.top() for other in found[number + 1 :] if _share_columns(other, one)]
        one.moveBottom(min([one.bottom(), box.bottom() - 1, *below]))
    return found


def _share_columns(one: QRectF, other: QRectF) -> bool:
    return one.left() < other.right() and other.left() < one.right()
