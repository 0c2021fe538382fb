"""Singular values over time: of each step's Jacobian, and below it of the product back from the last step."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from engine.analysis_requests import FEW
from explorer.analysis.chains import SpectrumResult
from explorer.analysis.flow_curve import hatched, runs
from explorer.analysis.plot import Plot, width
from explorer.stage.classes import NAN
from explorer.stage.margins import LINE
from explorer.stage.scales import magnitude
from explorer.stage.ticks import ticks
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import MINUS

_LEFT = 46
_HIGH = 92
"""Of each of the two."""
_DEAD = 10
"""The strip at the foot for what is −∞."""
_TOP = LINE + 5


class SpectrumView(Plot[tuple[int, int]]):
    """A place is (0: of the step, 1: of the product; which of the reported steps)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Singular values over time", 2 * (_TOP + _HIGH) + LINE + 6, parent)
        self._result: SpectrumResult | None = None
        self._spans: list[tuple[float, float]] = []

    def set_result(self, result: SpectrumResult | None) -> None:
        if result is None:
            self.place, self._spans = None, []
        self._result = result
        if result is not None:
            found = [_span(result.step, _bound(result)), _span(result.product, None)]
            # A scale that is there grows, but never shrinks behind anybody's back.
            self._spans = [(min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(found, self._spans or found, strict=True)]
        self.update()

    def _data(self, which: int) -> np.ndarray:
        assert self._result is not None
        return self._result.product if which else self._result.step

    def box(self, which: int) -> QRect:
        return QRect(_LEFT, _TOP + which * (_TOP + _HIGH), max(20, self.width() - _LEFT - GAP), _HIGH)

    def _x(self, t: float) -> float:
        assert self._result is not None
        box = self.box(0)
        return box.left() + (t - 0.5) / self._result.total_steps * box.width()

    def _y(self, which: int, log: np.ndarray | float) -> np.ndarray | float:
        low, high = self._spans[which]
        box = self.box(which)
        return box.bottom() + 1 - _DEAD - (log - low) / (high - low) * (box.height() - _DEAD - 2)

    def paint(self, painter: QPainter) -> None:
        for which in (0, 1):
            self.frame(painter, self.box(which))
        r = self._result
        titles = ("σ of J_t", f"σ of J_{{{1 if r is not None and r.reverse else 'T'}}} … J_t")
        for which, title in enumerate(titles):
            box = self.box(which)
            self.text(painter, QRectF(0, box.top() - _TOP, self.width(), LINE), title, "text")
        self._legend(painter)
        if r is None:
            return
        for which in (0, 1):
            self._paint_scale(painter, which)
            self._paint_curves(painter, which)
        self._paint_axis(painter)
        self._paint_place(painter)

    def _legend(self, painter: QPainter) -> None:
        """What the curves are."""
        right = float(self.width() - GAP)
        lines = [("smallest", self._pen(FEW)), (f"largest {FEW}", self._pen(0))]
        if _bound(self._result) is not None:
            lines.insert(0, ("bound γσ_{max}", QPen(QColor(theming.current().healthy), 1, Qt.PenStyle.DashLine)))
        for text, pen in lines:
            right -= width(text)
            self.text(painter, QRectF(right, 0, width(text) + 2, LINE), text)
            painter.setPen(pen)
            painter.drawLine(QPointF(right - 17, LINE / 2 + 1), QPointF(right - 4, LINE / 2 + 1))
            right -= 24

    def _pen(self, curve: int) -> QPen:
        theme = theming.current()
        if curve == FEW:
            return QPen(QColor(theme.vanishing), 1.5, Qt.PenStyle.DotLine)
        colour = QColor(theme.backward)
        colour.setAlpha(255 if curve == 0 else 150)
        return QPen(colour, 1.5 if curve == 0 else 1.0)

    def _paint_scale(self, painter: QPainter, which: int) -> None:
        theme, box = theming.current(), self.box(which)
        low, high = self._spans[which]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        strip = QRectF(box.left(), box.bottom() + 1 - _DEAD, box.width(), 1)
        painter.fillRect(strip, QColor(theme.line))
        taken = -1e9
        for mark in _marks(low, high):
            y = float(self._y(which, mark))
            tone = QColor(theme.border if mark == 0 else theme.line)
            painter.fillRect(QRectF(box.left(), round(y), box.width(), 1), tone)
            if y - LINE / 2 >= taken and y + LINE / 2 <= box.bottom() + 1 - _DEAD + 3:
                self.text(painter, QRectF(0, y - LINE / 2, _LEFT - 5, LINE), _mark(mark, low, high), "muted", "right")
                taken = y + LINE / 2
        self.text(painter, QRectF(0, box.bottom() + 1 - LINE + 3, _LEFT - 5, LINE), f"{MINUS}∞", "muted", "right")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        factor = _bound(self._result) if which == 0 and self._result is not None else None
        if factor is not None:
            y = float(self._y(0, factor))
            painter.setPen(QPen(QColor(theme.healthy), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))

    def _paint_curves(self, painter: QPainter, which: int) -> None:
        r = self._result
        assert r is not None
        data, box = self._data(which), self.box(which)
        xs = np.array([self._x(float(t)) for t in r.steps])
        painter.save()
        painter.setClipRect(box)
        half = box.width() / r.total_steps / 2 if r.chosen == r.total_steps else box.width() / r.chosen / 2
        gap = np.flatnonzero(np.isnan(data[:, 0]))
        for place in gap:
            hatch = QRect(math.floor(xs[place] - half), box.top(), max(1, math.ceil(2 * half)), box.height())
            painter.drawImage(hatch, hatched(NAN, magnitude(), hatch.width(), hatch.height(), self.devicePixelRatioF()))
        for curve in range(FEW, -1, -1):
            logs = data[:, curve]
            fine = np.isfinite(logs)
            ys = np.asarray(self._y(which, np.where(fine, logs, 0.0)))
            painter.setPen(self._pen(curve))
            for start, stop in runs(fine):
                points = [QPointF(x, y) for x, y in zip(xs[start:stop], ys[start:stop], strict=True)]
                if stop - start == 1:
                    painter.setBrush(self._pen(curve).color())
                    painter.drawEllipse(points[0], 1.2, 1.2)
                else:
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawPolyline(QPolygonF(points))
            dead = np.isneginf(logs)
            if curve in (0, FEW):
                painter.setPen(Qt.PenStyle.NoPen)
                for start, stop in runs(dead):
                    strip = QRectF(
                        xs[start] - half, box.bottom() + 2 - _DEAD, xs[stop - 1] - xs[start] + 2 * half, _DEAD - 2
                    )
                    painter.fillRect(strip, self._pen(curve).color())
        painter.restore()

    def _paint_axis(self, painter: QPainter) -> None:
        r, box = self._result, self.box(1)
        assert r is not None
        pitch = box.width() / r.total_steps
        for t in ticks(1, r.total_steps, pitch, width(str(r.total_steps)) + 16):
            half = width(str(t)) / 2 + 1
            at = min(max(self._x(t), box.left() + half), box.right() + 1 - half)
            self.text(painter, QRectF(at - half, box.bottom() + 2, 2 * half, LINE), str(t), "muted", "centre")
        self.text(painter, QRectF(0, box.bottom() + 2, _LEFT - 12, LINE), "step t", "text", "right")

    def _paint_place(self, painter: QPainter) -> None:
        if self.place is None or self._result is None or self.place[1] >= len(self._result.steps):
            return
        x = self._x(float(self._result.steps[self.place[1]]))
        painter.setPen(QPen(QColor(theming.current().cursor), 1))
        for which in (0, 1):
            box = self.box(which)
            painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))

    # -- pointer and keys ---------------------------------------------------------------------------------------------

    def place_at(self, at: QPointF) -> tuple[int, int] | None:
        r = self._result
        if r is None or not len(r.steps):
            return None
        for which in (0, 1):
            if QRectF(self.box(which)).contains(at):
                return which, int(np.argmin([abs(self._x(float(t)) - at.x()) for t in r.steps]))
        return None

    def moved(self, place: tuple[int, int] | None, right: int, down: int) -> tuple[int, int] | None:
        r = self._result
        if r is None or not len(r.steps):
            return None
        if place is None:
            return 0, len(r.steps) - 1
        return min(max(0, place[0] + (down > 0) - (down < 0)), 1), min(max(0, place[1] + right), len(r.steps) - 1)

    def words_at(self, place: tuple[int, int]) -> str:
        r = self._result
        if r is None or place[1] >= len(r.steps):
            return ""
        which, at = place
        logs, t = self._data(which)[at], int(r.steps[at])
        dead = int((r.product_dead if which else r.step_dead)[at])
        first = "J_1" if r.reverse else "J_T"
        name = f"t = {t:,}: {f'{first} … J_t' if which else 'J_t'}"
        if math.isnan(logs[0]):
            return f"{name} is masked, or goes by way of NaN or inf"
        words = f"{name} · log₁₀σ largest {_log(logs[0])}, smallest {_log(logs[FEW])}"
        return f"{words} · {dead:,} of {r.size:,} directions dead" if dead else words


def _log(log: float) -> str:
    if math.isinf(log):
        return f"{MINUS}∞" if log < 0 else "∞"
    return f"{log:.4f}".replace("-", MINUS)


def _bound(result: SpectrumResult | None) -> float | None:
    """log₁₀ of γ·σ_max(W_hh), where the bound applies."""
    factor = math.nan if result is None or result.slope is None else result.slope.factor
    return math.log10(factor) if factor > 0 and math.isfinite(factor) else None


def _span(data: np.ndarray, also: float | None) -> tuple[float, float]:
    """Round ends that hold every finite logarithm and 0."""
    finite = data[np.isfinite(data)]
    ends = [0.0, *(() if also is None else (also,)), *((finite.min(), finite.max()) if len(finite) else ())]
    low, high = float(min(ends)), float(max(ends))
    step = _round(max(high - low, 0.2) / 4)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return (low, high) if high > low else (low - step, high + step)


def _round(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(r * power for r in (1, 2, 5, 10) if r * power >= step)


def _marks(low: float, high: float) -> list[float]:
    """From the top; 0 is always among them."""
    step = _round((high - low) / 4)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(last, first - 1, -1)]


def _mark(log: float, low: float, high: float) -> str:
    """Powers of ten where they are whole, plain factors where the range is small."""
    if high - low <= 4 and log != round(log):
        return f"{10.0**log:.2g}"
    if abs(log) < 3 and log == round(log):
        return f"{10.0**log:g}"
    return f"1e{log:g}"
