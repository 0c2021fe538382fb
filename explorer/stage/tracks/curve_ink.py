"""The ink of curves: pens, markers, the line itself at every zoom, and the marks at the edges of its axis."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF

from engine.requests import Array
from explorer.stage import classes, glyphs, palette
from explorer.stage.cells import TimeView
from explorer.stage.layer import Layer
from explorer.stage.scales import Scale
from explorer.stage.tracks import bands, crowded
from explorer.stage.tracks.plot import Curve, Plot, Style
from explorer.theme import current as theming
from explorer.theme.routes import colour_of as tone_colour
from explorer.theme.tokens import THEMES, Theme, ThemeName

_EDGE, _SMALL_EDGE, _LOW_TRACK = 13, 8, 80
_DASHES: tuple[tuple[float, ...], ...] = ((), (3.2, 1.4), (1.1, 1.5), (5.0, 1.4, 1.0, 1.4))
_GHOST_DASHES: tuple[tuple[float, ...], ...] = ((1.2, 2.4), (4.2, 2.4), (1.2, 2.4, 4.2, 2.4), (7.0, 2.4, 1.2, 2.4))
_SPACING = 74
"""Logical pixels between the markers of a curve."""
_BY_COLUMNS = 4
"""Logical pixels a step: below, a curve is drawn column by column."""
_DOTS_FROM = 7
"""Logical pixels a step, where every step's own dot has room."""


def edge_of(height: float) -> int:
    """Logical pixels above and below the axis, for what is not on it."""
    return _EDGE if height >= _LOW_TRACK else _SMALL_EDGE


def y_of(place: float, height: float) -> float:
    """Logical pixels from the top of a track of this height: where a place on its axis is."""
    edge = edge_of(height)
    return height - edge - place * (height - 2 * edge)


def grid_of(plot: Plot, height: float) -> list[tuple[float, str]]:
    """(place, text) of the axis's lines, as many as have room."""
    return plot.axis.grid(height - 2 * edge_of(height))


def colour_of(style: Style, theme: Theme) -> QColor:
    return QColor(tone_colour(style.tone, theme))


def pen_of(style: Style, theme: Theme) -> QPen:
    width = 1.6 if style.ghost else 1.8
    pen = QPen(colour_of(style, theme), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin)
    if dashes := _dashes(style):
        pen.setDashPattern(list(dashes))
    return pen


def _dashes(style: Style) -> tuple[float, ...]:
    return (_GHOST_DASHES if style.ghost else _DASHES)[style.dash]


def draw_marker(painter: QPainter, marker: int, at: QPointF, colour: QColor, size: float = 3.0) -> None:
    """1 a dot, 2 a square, 3 a triangle, 4 a diamond, 5 a ring."""
    if not marker:
        return
    ground = QColor(theming.current().ground)
    painter.setPen(QPen(colour, 1.4) if marker == 5 else QPen(ground, 0.8))
    painter.setBrush(ground if marker == 5 else colour)
    x, y = at.x(), at.y()
    if marker in (1, 5):
        painter.drawEllipse(at, size, size)
    elif marker == 2:
        painter.drawRect(QRectF(x - size * 0.9, y - size * 0.9, 1.8 * size, 1.8 * size))
    elif marker == 3:
        tip = size * 1.2
        painter.drawPolygon(QPolygonF([QPointF(x, y - tip), QPointF(x + tip, y + size), QPointF(x - tip, y + size)]))
    else:
        tip = size * 1.3
        painter.drawPolygon(
            QPolygonF([QPointF(x, y - tip), QPointF(x + tip, y), QPointF(x, y + tip), QPointF(x - tip, y)])
        )


def draw_sample(painter: QPainter, style: Style, x: float, y: float, theme: Theme, width: float = 18) -> None:
    """A piece of the curve, for the legend."""
    if style.band:
        painter.drawImage(QPointF(x, round(y - 5)), _swatch(style.tone, style.band - 1, theme.name))
        return
    painter.setPen(pen_of(style, theme))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawLine(QPointF(x, y), QPointF(x + width, y))
    draw_marker(painter, style.marker, QPointF(x + width / 2, y), colour_of(style, theme), 2.6)


def points(curve: Curve, view: TimeView) -> tuple[Array, Array]:
    """(x in logical pixels, place on the axis) along the curve on screen; NaN where the pen is lifted. Where several
    steps share a pixel it goes from the largest of them to the smallest: none is left out."""
    cut = view.slice if len(curve.places) >= view.last else slice(view.first - 1, len(curve.places))
    places, on = curve.places[cut], curve.on[cut]
    if curve.joined:
        lifted = ~on & (curve.codes[cut] != classes.UNDEFINED)
    else:
        lifted = ~on
    if len(places) < view.last - view.first + 1:  # a pinned trace that is shorter
        missing = view.last - view.first + 1 - len(places)
        places, on = np.pad(places, (0, missing)), np.pad(on, (0, missing))
        lifted = np.pad(lifted, (0, missing), constant_values=True)
    if view.cells.crowded:
        starts = view.cells.starts
        x = (np.arange(view.width) + 0.5).repeat(2) / view.ratio
        top = np.maximum.reduceat(np.where(on, places, -np.inf), starts)
        bottom = np.minimum.reduceat(np.where(on, places, np.inf), starts)
        y = np.stack([top, bottom], axis=1).ravel()
        y[~np.isfinite(y)] = np.nan
        away = np.logical_or.reduceat(lifted, starts).repeat(2)
    else:
        x = (view.cells.left + view.cells.right) / (2 * view.ratio)
        y, away = np.where(on, places, np.nan), lifted
    if curve.joined:
        kept = ~np.isnan(y) | away
        x, y = x[kept], y[kept]
    return x, y


def draw_curve(layer: Layer, curve: Curve, view: TimeView, height: float, number: int) -> None:
    """`number`: which of the curves it is, so that their markers stand aside of each other."""
    x, places = points(curve, view)
    edge = edge_of(height)
    y = height - edge - places * (height - 2 * edge)
    by_columns = view.cells.crowded or view.pitch < _BY_COLUMNS
    if by_columns:
        _draw_columns(layer, curve, view, x, y)
    painter = layer.painter(view.ratio)
    if not by_columns:
        _draw_path(painter, curve, x, y)
    _draw_markers(painter, curve, view, height, number)
    painter.end()


def _draw_columns(layer: Layer, curve: Curve, view: TimeView, x: Array, y: Array) -> None:
    ratio = view.ratio
    if not view.cells.crowded:
        top, bottom = crowded.between(x * ratio, y, view.width)
    elif curve.joined and len(x):  # between two columns at which something was computed
        inside = np.arange(round(x[0] * ratio - 0.5), round(x[-1] * ratio - 0.5) + 1)
        top, bottom = np.full(view.width, np.nan), np.full(view.width, np.nan)
        known = ~np.isnan(y[::2])
        at = x[::2] * ratio - 0.5
        top[inside] = np.interp(inside, at[known], y[::2][known]) if known.any() else np.nan
        bottom[inside] = np.interp(inside, at[known], y[1::2][known]) if known.any() else np.nan
    elif len(y) == 2 * view.width:
        top, bottom = y[::2], y[1::2]
    else:
        return
    pen = pen_of(curve.style, theming.current())
    dashes = _dashes(curve.style)
    colour = palette.packed(pen.color().name())
    crowded.draw(
        layer.pixels(), top * ratio, bottom * ratio, colour, pen.widthF() * ratio, dashes, curve.group.from_left
    )


def _draw_path(painter: QPainter, curve: Curve, x: Array, y: Array) -> None:
    painter.setPen(pen_of(curve.style, theming.current()))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    path = QPainterPath()
    here = ~np.isnan(y)
    if not curve.group.from_left:  # the dashes must not depend on what is not reached
        x, y, here = x[::-1], y[::-1], here[::-1]
    pen_down = False
    for px, py, there in zip(x.tolist(), y.tolist(), here.tolist(), strict=True):
        if not there:
            pen_down = False
        elif pen_down:
            path.lineTo(px, py)
        else:
            path.moveTo(px, py)
            path.lineTo(px + 0.01, py)  # a lone point is seen too
            pen_down = True
    painter.drawPath(path)


def _draw_markers(painter: QPainter, curve: Curve, view: TimeView, height: float, number: int) -> None:
    theme, edge = theming.current(), edge_of(height)
    colour = colour_of(curve.style, theme)
    last = min(view.last, len(curve.places))
    if curve.dots and view.pitch >= _DOTS_FROM:
        steps, marker, size = list(range(view.first, last + 1)), 1, 2.6
    elif curve.style.marker:
        every = _SPACING / view.pitch
        shift = (number * 0.382 % 1.0) * every
        count = int((view.last - shift) / every) + 1 if view.last > shift else 0
        steps_at = {round(view.last - shift - n * every) for n in range(max(0, count))}
        steps, marker, size = [t for t in sorted(steps_at) if view.first <= t <= last], curve.style.marker, 3.0
    else:
        return
    on = curve.on
    for t in steps:
        if on[t - 1]:
            x = view.centre(t) / view.ratio
            y = height - edge - float(curve.places[t - 1]) * (height - 2 * edge)
            draw_marker(painter, marker, QPointF(x, y), colour, size)


@lru_cache(maxsize=64)
def _swatch(tone: str, part: int, name: ThemeName) -> QImage:
    """A piece of a band."""
    theme = THEMES[name]
    colour = tone_colour(tone, theme)
    layer = Layer().sized(13, 10)
    pixels = layer.pixels()
    pixels[:] = palette.packed(palette.mix(theme.ground, colour, 0.78))
    pixels[bands.texture(part, 10, 13, 1)] = palette.packed(palette.mix(theme.ground, colour, 0.3))
    del pixels
    return layer.image


_COLOURED = (classes.BELOW,)


def _stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True: [from, to)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def edge_marks(painter: QPainter, codes: classes.Codes, view: TimeView, height: float, scale: Scale) -> None:
    """What is not on the axis stands at its edges: ∞, ▲ and NaN above it, 0 and ▽ below it."""
    if codes.max() < classes.BELOW:
        return
    looks = palette.looks(scale, theming.current().name)
    edge = edge_of(height)
    if view.pitch >= glyphs.SIZE and edge == _EDGE:
        for i in np.flatnonzero(codes >= classes.BELOW):
            code = int(codes[i])
            y = height - edge / 2 if code in (classes.ZERO, classes.BELOW) else edge / 2
            mark = theming.current().text if code not in _COLOURED else looks[code].mark
            image = glyphs.glyph(code, mark if code != classes.ABOVE else theming.current().exploding, view.ratio)
            image.setDevicePixelRatio(view.ratio)
            half = glyphs.SIZE / 2
            painter.drawImage(QPointF(round(view.cells.centre(int(i)) / view.ratio - half), round(y - half)), image)
            image.setDevicePixelRatio(1.0)
        return
    thick = min(8, edge - 3)
    spread = view.cells.spread(codes)
    strip = np.repeat(spread[None, :], round(thick * view.ratio), axis=0)
    for is_low, y in ((True, height - thick - 2), (False, 2.0)):
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
