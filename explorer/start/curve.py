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

from explorer.theme.tokens import Theme

LOW, HIGH = -15.0, 15.0
"""Decades from the bottom to the top of every card; the line in the middle is 1."""
Mark = Literal["above", "below", "inf", "zero", "nan"]


@dataclass(frozen=True)
class Shape:
    """What is drawn: runs of points (step, log10), and marks where there is no point on the scale."""

    runs: tuple[tuple[tuple[int, float], ...], ...]
    marks: tuple[tuple[int, Mark], ...]
    """(first step of the stretch, what it is), one for each stretch of the same kind."""


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
    marks: list[tuple[int, Mark]] = []
    before: Mark | None = None
    for step, value in enumerate(curve):
        mark = classify(value)
        if mark is None:
            runs[-1].append((step, value))
        else:
            if runs[-1]:
                runs.append([])
            if mark != before:
                marks.append((step, mark))
        before = mark
    return Shape(tuple(tuple(run) for run in runs if run), tuple(marks))


def paint(painter: QPainter, box: QRectF, curve: Sequence[float], colour: QColor, theme: Theme) -> None:
    """t = 1 at the left. The dashed line is 1 = 10⁰."""
    middle = _y(box, 0.0)
    painter.setPen(QPen(QColor(theme.line), 1, Qt.PenStyle.DashLine))
    painter.drawLine(QPointF(box.left(), middle), QPointF(box.right(), middle))
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
    for step, mark in found.marks:
        _paint_mark(painter, QPointF(box.left() + step * width, middle), box, mark, theme)


def _y(box: QRectF, value: float) -> float:
    return box.bottom() - (value - LOW) / (HIGH - LOW) * box.height()


def _paint_mark(painter: QPainter, at: QPointF, box: QRectF, mark: Mark, theme: Theme) -> None:
    """▲ at the top: above the scale, with a bar over it: infinite. ▼ at the foot: below; ○: exactly 0. ✕: NaN."""
    x = min(max(at.x(), box.left() + 5), box.right() - 5)
    red, blue = QColor(theme.exploding), QColor(theme.vanishing)
    painter.setPen(Qt.PenStyle.NoPen)
    if mark in ("above", "inf"):
        top = box.top() + (3 if mark == "inf" else 0)
        painter.setBrush(red)
        painter.drawPolygon(QPolygonF([QPointF(x, top), QPointF(x + 5, top + 8), QPointF(x - 5, top + 8)]))
        if mark == "inf":
            painter.drawRect(QRectF(x - 5, box.top() - 1, 10, 2))
    elif mark == "below":
        foot = box.bottom()
        painter.setBrush(blue)
        painter.drawPolygon(QPolygonF([QPointF(x, foot), QPointF(x + 5, foot - 8), QPointF(x - 5, foot - 8)]))
    elif mark == "zero":
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(blue, 2))
        painter.drawEllipse(QPointF(x, box.bottom() - 4), 4.0, 4.0)
    else:
        painter.setPen(QPen(red, 2.25, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(x - 4, at.y() - 4), QPointF(x + 4, at.y() + 4))
        painter.drawLine(QPointF(x - 4, at.y() + 4), QPointF(x + 4, at.y() - 4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
