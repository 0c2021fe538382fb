"""A curve of magnitudes on a gradient scale: what is no number on it stands at its edge, by the look of its class."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from explorer.analysis.flow_sums import Curve
from explorer.analysis.plot import Plot, width
from explorer.stage import classes, palette
from explorer.stage.layer import Layer
from explorer.stage.margins import LINE
from explorer.stage.scales import Scale
from explorer.stage.ticks import ticks
from explorer.theme import current as theming
from explorer.widgets.numbers import MINUS

_EDGE = 6
"""Height of the strip at an edge."""


def paint_curve(
    plot: Plot[Any],
    painter: QPainter,
    box: QRect,
    curve: Curve,
    scale: Scale,
    known: np.ndarray,
    *,
    axis: bool = True,
) -> None:
    """`known` (n,): which of its points are drawn; of the others there is only the axis. `axis`: with its numbers."""
    theme = theming.current()
    plot.frame(painter, box)
    if not len(curve.at):
        return
    low, high = scale.decades
    for share, _ in scale.marks(8):
        y = box.bottom() + 1 - share * box.height()
        painter.fillRect(QRectF(box.left(), y, box.width(), 1), QColor(theme.line))
    first, last = int(curve.at[0]), int(curve.at[-1])
    xs = box.left() + (curve.at - first + 0.5) / (last - first + 1) * box.width()
    codes = classes.classify(curve.values, scale)
    codes[~known] = classes.FIRST
    on_scale = (codes >= classes.FIRST) & (codes <= classes.LAST) & known
    with np.errstate(divide="ignore", invalid="ignore"):
        ys = box.bottom() + 1 - (np.log10(curve.values) - low) / (high - low) * box.height()
    painter.save()
    painter.setClipRect(box)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.backward), 1.5))
    painter.setBrush(QColor(theme.backward))
    for start, stop in runs(on_scale):
        points = [QPointF(x, y) for x, y in zip(xs[start:stop], ys[start:stop], strict=True)]
        if stop - start == 1:
            painter.drawEllipse(points[0], 1.5, 1.5)
        else:
            painter.drawPolyline(QPolygonF(points))
    _paint_edges(plot, painter, box, xs, codes, scale)
    painter.restore()
    if axis:
        _paint_axis(plot, painter, box, curve)


def runs(where: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and stop of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], where, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _paint_edges(
    plot: Plot[Any], painter: QPainter, box: QRect, xs: np.ndarray, codes: classes.Codes, scale: Scale
) -> None:
    half = max(1.0, box.width() / max(1, len(xs)) / 2)
    ratio = plot.devicePixelRatioF()
    for code in classes.present(codes):
        for start, stop in runs(codes == code):
            left, right = math.floor(xs[start] - half), math.ceil(xs[stop - 1] + half)
            if code == classes.NAN:
                strip = QRect(left, box.top(), max(2, right - left), box.height())
            elif code in (classes.ABOVE, classes.PLUS_INF, classes.MINUS_INF):
                strip = QRect(left, box.top(), max(2, right - left), _EDGE)
            else:
                strip = QRect(left, box.bottom() + 1 - _EDGE, max(2, right - left), _EDGE)
            painter.drawImage(strip, hatched(code, scale, strip.width(), strip.height(), ratio))


def hatched(code: int, scale: Scale, wide: int, high: int, ratio: float) -> QImage:
    """A class as it looks where cells are narrow."""
    theme = theming.current().name
    codes = np.full((max(1, round(high * ratio)), max(1, round(wide * ratio))), code, np.uint8)
    pixels = palette.table(scale, theme)[codes]
    palette.textured(pixels, codes, scale, theme, ratio)
    layer = Layer().sized(codes.shape[1], codes.shape[0])
    layer.pixels()[:] = pixels
    return layer.image


def _paint_axis(plot: Plot[Any], painter: QPainter, box: QRect, curve: Curve) -> None:
    name = {"lag": "t − k", "rows": "t", "columns": "k"}[curve.kind]
    plot.text(painter, QRectF(box.left(), box.top() - LINE, box.width(), LINE), name, "text", "left")
    first, last = int(curve.at[0]), int(curve.at[-1])
    pitch = box.width() / (last - first + 1)
    for x in ticks(first, last, pitch, width(str(last)) + 16):
        at = box.left() + (x - first + 0.5) * pitch
        half = width(str(x)) / 2 + 1
        at = min(max(at, box.left() + half), box.right() + 1 - half)
        plot.text(
            painter, QRectF(at - half, box.bottom() + 1, 2 * half, LINE), str(x).replace("-", MINUS), "muted", "centre"
        )
