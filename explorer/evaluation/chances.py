"""The likeliest answers at a place, as bars beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from explorer.evaluation.answers import Floats, top
from explorer.evaluation.words import percent
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT
from explorer.widgets.labels import label_of, written

_BAR, _LEAST, _MOST = 56, 20.0, 120.0
_LINE = 16


@dataclass(frozen=True)
class Chance:
    label: str
    share: float
    is_truth: bool


def chances_of(labels: Sequence[str], chances: Floats, truth: float) -> list[Chance]:
    """The five likeliest, and the truth where it is not among them."""
    found = [Chance(written(label_of(labels, one)), share, one == truth) for one, share in top(chances)]
    if not any(one.is_truth for one in found):
        found.append(Chance(written(label_of(labels, truth)), float(chances[int(truth)]), True))
    return found


def within(rows: Sequence[Chance], height: float) -> list[Chance]:
    """As many of the likeliest as are seen whole in so high a place; the truth is always among them."""
    most = max(1, int((height - 2 * TIGHT - 2) // _LINE) - 1)
    truth = next((row for row in rows if row.is_truth), None)
    if len(rows) <= most or truth is None or rows.index(truth) < most:
        return list(rows[:most])
    return [*rows[: most - 1], truth]


def draw(painter: QPainter, beside: QRectF, room: QRectF, title: str, rows: Sequence[Chance]) -> None:
    """Below what it is about, or above it where there is more room. The truth has a tick."""
    theme, small, bold = theming.current(), theming.small(), theming.small(bold=True)
    rows = within(rows, room.height())
    metrics = QFontMetricsF(bold)
    names = min(_MOST, max(_LEAST, *(metrics.horizontalAdvance(row.label) for row in rows))) + GAP
    numbers = metrics.horizontalAdvance("> 99.9 %") + TIGHT
    width = max(names + _BAR + numbers + 18, metrics.horizontalAdvance(title)) + 2 * GAP
    height = (len(rows) + 1) * _LINE + 2 * TIGHT
    left = min(max(room.left() + 1, beside.center().x() - width / 2), room.right() - width - 1)
    below = beside.bottom() + 4
    top_edge = below if below + height <= room.bottom() else max(room.top() + 1, beside.top() - height - 4)
    if top_edge + height > beside.top() and top_edge < beside.bottom():  # no room above nor below: beside
        left = beside.right() + 6 if beside.right() + 6 + width <= room.right() else beside.left() - 6 - width
        left = max(room.left() + 1, left)
        top_edge = max(room.top() + 1, min(beside.center().y() - height / 2, room.bottom() - height - 1))
    box = QRectF(left, top_edge, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.border), 1))
    painter.setBrush(QColor(theme.raised))
    painter.drawRoundedRect(box, TIGHT, TIGHT)
    y = box.top() + TIGHT
    vertical = Qt.AlignmentFlag.AlignVCenter
    painter.setPen(QColor(theme.muted))
    painter.setFont(small)
    painter.drawText(QRectF(box.left() + GAP, y, width, _LINE), vertical, title)
    for row in rows:
        y += _LINE
        x = box.left() + GAP
        painter.setFont(bold if row.is_truth else small)
        painter.setPen(QColor(theme.text))
        shown = metrics.elidedText(row.label, Qt.TextElideMode.ElideRight, names - GAP + 2)
        painter.drawText(QRectF(x, y, names, _LINE), vertical, shown)
        bar = QRectF(x + names, y + 4, _BAR, _LINE - 8)
        painter.fillRect(bar, QColor(theme.line))
        painter.fillRect(QRectF(bar.left(), bar.top(), _BAR * row.share, bar.height()), QColor(theme.forward))
        painter.drawText(
            QRectF(bar.right() + 2, y, numbers, _LINE), vertical | Qt.AlignmentFlag.AlignRight, percent(row.share)
        )
        if row.is_truth:
            tick = bar.right() + numbers + 8
            middle = y + _LINE / 2
            painter.setPen(QPen(QColor(theme.healthy), 1.8))
            painter.drawPolyline(
                [
                    QRectF(tick, middle, 0, 0).topLeft(),
                    QRectF(tick + 3, middle + 3, 0, 0).topLeft(),
                    QRectF(tick + 9, middle - 4, 0, 0).topLeft(),
                ]
            )
