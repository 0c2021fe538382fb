"""The pens of the norm curves, and the marks at the edges of their scale."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from explorer.stage import classes, glyphs, palette
from explorer.stage.cells import TimeView
from explorer.stage.layer import Layer
from explorer.stage.scales import Scale
from explorer.theme import current as theming

EDGE = 13
"""Logical pixels above and below the scale, for what is not on it."""


def pen_of(symbol: str, colour: QColor) -> QPen:
    """h is solid, c is dashed: told apart without colour too."""
    pen = QPen(colour, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin)
    if symbol == "c":
        pen.setDashPattern([3.2, 1.4])
    return pen


_COLOURED = (classes.BELOW,)


def _stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True: [from, to)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def edge_marks(painter: QPainter, codes: classes.Codes, view: TimeView, height_px: int, scale: Scale) -> None:
    """What is not on the scale stands at its edges: ∞, ▲ and NaN above it, 0 and ▽ below it."""
    if codes.max() < classes.BELOW:
        return
    looks = palette.looks(scale, theming.current().name)
    height, middle = height_px / view.ratio, EDGE / 2
    if view.pitch >= glyphs.SIZE:
        for i in np.flatnonzero(codes >= classes.BELOW):
            code = int(codes[i])
            y = height - middle if code in (classes.ZERO, classes.BELOW) else middle
            mark = theming.current().text if code not in _COLOURED else looks[code].mark
            image = glyphs.glyph(code, mark if code != classes.ABOVE else theming.current().exploding, view.ratio)
            image.setDevicePixelRatio(view.ratio)
            half = glyphs.SIZE / 2
            painter.drawImage(QPointF(round(view.cells.centre(int(i)) / view.ratio - half), round(y - half)), image)
            image.setDevicePixelRatio(1.0)
        return
    spread = view.cells.spread(codes)
    strip = np.repeat(spread[None, :], round(8 * view.ratio), axis=0)
    for is_low, y in ((True, height - 10), (False, 2.0)):
        layer = Layer().sized(view.width, strip.shape[0])
        pixels = layer.pixels()
        theme = theming.current()
        np.take(palette.table(scale, theme.name), strip, out=pixels, mode="clip")
        palette.textured(pixels, strip, scale, theme.name, view.ratio)
        del pixels
        low = (spread == classes.ZERO) | (spread == classes.BELOW)
        mine = low if is_low else (spread >= classes.BELOW) & ~low
        layer.image.setDevicePixelRatio(view.ratio)
        for start, end in _stretches(mine):
            part = QRectF(start, 0, end - start, strip.shape[0])
            painter.drawImage(QPointF(start / view.ratio, y), layer.image, part)
