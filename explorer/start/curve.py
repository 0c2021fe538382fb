"""The small picture on a card: log₁₀ of the gradient's norm over time, on one fixed scale for all cards.

A scale of its own for each card would make a gradient that loses a third look like one that vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from explorer.theme.current import small
from explorer.theme.tokens import Theme
from explorer.widgets.icons import renderer

LOW, HIGH = -13.0, 12.0
"""Decades from the bottom to the top of every card."""
MARK_SPACING = 15.0
Mark = Literal["above", "below", "inf", "zero", "nan"]


@dataclass(frozen=True)
class Shape:
    """What is drawn: runs of points (step, log10), and marks where there is no point on the scale."""

    runs: tuple[tuple[tuple[int, float], ...], ...]
    marks: tuple[tuple[int, int, Mark], ...]
    """(first step, last step, what it is) of each stretch of the same kind; steps count from 0."""


def classify(value: float) -> Mark | None:
    """None: a number on the scale."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "zero"
    if value > HIGH:
        return "above"
    return "below" if value < LOW else None


def shape(curve: Sequence[float]) -> Shape:
    """Break a curve into what can be drawn as a line and what cannot. +inf is an overflow, −inf an exact zero."""
    runs: list[list[tuple[int, float]]] = [[]]
    marks: list[tuple[int, int, Mark]] = []
    before: Mark | None = None
    for step, value in enumerate(curve):
        mark = classify(value)
        if mark is None:
            runs[-1].append((step, value))
        else:
            if runs[-1]:
                runs.append([])
            first = marks.pop()[0] if mark == before else step
            marks.append((first, step, mark))
        before = mark
    return Shape(tuple(tuple(run) for run in runs if run), tuple(marks))


def paint(
    painter: QPainter,
    box: QRectF,
    curve: Sequence[float],
    colour: QColor,
    theme: Theme,
    clip_norm: float | None = None,
) -> None:
    """t = 1 at the left. The dashed line is 1 = 10⁰. `clip_norm`: a line with scissors where the update is cut to."""
    middle = _y(box, 0.0)
    if clip_norm != 1:
        painter.setPen(QPen(QColor(theme.border), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(box.left(), middle), QPointF(box.right(), middle))
    if clip_norm is not None and clip_norm > 0:
        _paint_clip(painter, box, math.log10(clip_norm), theme)
    if not curve:
        return
    found = shape(curve)
    width = box.width() / max(1, len(curve) - 1)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for run in found.runs:
        points = [QPointF(box.left() + step * width, _y(box, value)) for step, value in run]
        if len(points) == 1:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(points[0], 2.0, 2.0)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            continue
        path = QPainterPath(points[0])
        for point in points[1:]:
            path.lineTo(point)
        pen = QPen(colour, 2.25, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPath(path)
    _paint_marks(painter, box, width, found.marks, theme)


def _paint_clip(painter: QPainter, box: QRectF, log10: float, theme: Theme) -> None:
    """Scissors on their line, and the words: what is cut is the update, not the curve."""
    y = _y(box, min(max(log10, LOW), HIGH))
    colour = QColor(theme.clip)
    painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine))
    painter.drawLine(QPointF(box.left() + 18, y), QPointF(box.right(), y))
    renderer("clip", colour.name()).render(painter, QRectF(box.left(), y - 7, 14, 14))
    painter.setFont(small())
    painter.setPen(colour)
    words = QRectF(box.left() + 20, y + 3, box.width() - 20, 16)
    painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, "the update is cut here")


def _y(box: QRectF, value: float) -> float:
    return box.bottom() - (value - LOW) / (HIGH - LOW) * box.height()


def _paint_marks(
    painter: QPainter, box: QRectF, width: float, marks: tuple[tuple[int, int, Mark], ...], theme: Theme
) -> None:
    """A row of signs along each stretch. Where signs would lie on each other, the worse one stays."""
    taken: list[QPointF] = []
    for first, last, mark in sorted(marks, key=_badness):
        left, right = (min(max(box.left() + t * width, box.left() + 5), box.right() - 5) for t in (first, last))
        count = max(1, int((right - left) / MARK_SPACING) + 1)
        for i in range(count):
            x = left + (right - left) * (0.5 if count == 1 else i / (count - 1))
            at = QPointF(x, _height(box, mark))
            if all(abs(at.x() - p.x()) >= MARK_SPACING - 4 or abs(at.y() - p.y()) > 10 for p in taken):
                taken.append(at)
                _paint_mark(painter, at, mark, theme)


def _badness(stretch: tuple[int, int, Mark]) -> int:
    return ("nan", "inf", "zero", "above", "below").index(stretch[2])


def _height(box: QRectF, mark: Mark) -> float:
    return {"nan": box.center().y(), "inf": box.top() + 5, "above": box.top() + 5}.get(mark, box.bottom() - 5)


def _paint_mark(painter: QPainter, at: QPointF, mark: Mark, theme: Theme) -> None:
    """▲: above the scale, with a bar over it infinite. ▼: below the scale. ○: exactly 0. ✕: not a number."""
    x, y = at.x(), at.y()
    red, blue = QColor(theme.exploding), QColor(theme.vanishing)
    painter.setPen(Qt.PenStyle.NoPen)
    if mark in ("above", "inf"):
        painter.setBrush(red)
        painter.drawPolygon(QPolygonF([QPointF(x, y - 4), QPointF(x + 4.5, y + 4), QPointF(x - 4.5, y + 4)]))
        if mark == "inf":
            painter.drawRect(QRectF(x - 4.5, y - 7, 9, 2))
    elif mark == "below":
        painter.setBrush(blue)
        painter.drawPolygon(QPolygonF([QPointF(x, y + 4), QPointF(x + 4.5, y - 4), QPointF(x - 4.5, y - 4)]))
    elif mark == "zero":
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(blue, 2))
        painter.drawEllipse(at, 3.5, 3.5)
    else:
        painter.setPen(QPen(red, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(x - 3.5, y - 3.5), QPointF(x + 3.5, y + 3.5))
        painter.drawLine(QPointF(x - 3.5, y + 3.5), QPointF(x + 3.5, y - 3.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
