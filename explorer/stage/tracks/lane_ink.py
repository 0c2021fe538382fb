"""Draws a lane of the data track into a band of pixels: bars, step curves, symbols, rows of numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from engine.requests import Array
from explorer.stage import classes, marked, palette
from explorer.stage.cells import TimeView, cells
from explorer.stage.scales import Scale
from explorer.stage.tracks.lanes import Lane
from explorer.theme import current as theming
from explorer.theme.tokens import Theme
from explorer.widgets.labels import in_markup, lettered, written

Band = palette.Pixels
_DOT = 3.0
"""Radius of a target's dot, logical pixels."""
_ENOUGH = 30
"""Logical pixels, in which a long word begins legibly."""
_CELL_EDGES = 3
"""Of a cell's width, what is not its text's."""
REACH = 5
"""From its middle to where its ink surely ends."""


def colour_of(lane: Lane, theme: Theme) -> str:
    return theme.loss if lane.part == "target" else theme.forward


def draw(band: Band, lane: Lane, view: TimeView, theme: Theme, *, joined: bool) -> None:
    """Everything of a lane but its texts and targets. joined: a curve's steps are joined by uprights, where what comes
    before a step is always known before it."""
    if lane.kind == "matrix":
        _matrix(band, lane, view, theme)
    elif lane.kind == "symbols":
        if not has_room_for_text(lane, view):
            _columns(band, (lane.values[view.slice] + 1) / max(1, lane.count), lane, view, theme)
    else:
        assert lane.scale is not None
        place = places(lane.values[view.slice], lane.scale)
        if lane.kind == "bars":
            _bars(band, place, lane, view, theme)
        else:
            _steps(band, place, lane, view, theme, joined=joined)
        _special(band, lane, lane.scale, view, theme)


def places(values: Array, scale: Scale) -> NDArray[np.float64]:
    """0 at the scale's low end, 1 at its high end; NaN where it is not on it."""
    with np.errstate(all="ignore"):
        found = (values.astype(np.float64) - scale.low) / (scale.high - scale.low)
        return np.where((found >= 0) & (found <= 1), found, np.nan)


def row_of(place: NDArray[np.float64], height: int, unit: int) -> NDArray[np.float64]:
    """The middle of a line two units thick; places 0 and 1 stay inside the band."""
    return np.round((1 - place) * (height - 2 * unit)) + unit


def _limits(values: NDArray[np.float64], view: TimeView) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest of each column of pixels; NaN where there is none."""
    if not view.cells.crowded:
        spread = values[view.cells.starts]
        return spread, spread
    low = np.fmin.reduceat(values, view.cells.starts)
    return low, np.fmax.reduceat(values, view.cells.starts)


def _there(lane: Lane, view: TimeView, place: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(lane.there[view.slice], place, np.nan)


def _inside(view: TimeView, gap: float) -> NDArray[np.bool_]:
    """(width,): whether a pixel is inside its cell by that share on either side; all are where cells are narrow."""
    if view.pitch < 4:
        return np.ones(view.width, bool)
    step = view.cells.starts
    left, right = view.cells.left[step], view.cells.right[step]
    aside = np.maximum(1, np.round((right - left) * gap))
    at = np.arange(view.width)
    return (at >= left + aside) & (at < right - aside)


def _bars(band: Band, place: NDArray[np.float64], lane: Lane, view: TimeView, theme: Theme) -> None:
    assert lane.scale is not None
    height, unit = len(band), max(1, round(view.ratio))
    zero = np.asarray([-lane.scale.low / (lane.scale.high - lane.scale.low)])
    low, high = _limits(_there(lane, view, place), view)
    row = np.arange(height)[:, None]
    base = (1 - zero[0]) * height
    with np.errstate(invalid="ignore"):
        top, bottom = np.minimum((1 - high) * height, base), np.maximum((1 - low) * height, base)
        filled = (row + 0.5 >= np.round(top)) & (row + 0.5 < np.round(bottom)) & _inside(view, 0.16)[None, :]
    band[filled] = palette.packed(colour_of(lane, theme))
    foot = min(height - unit, max(0, round(base - unit)))
    line = band[foot : foot + unit]
    np.putmask(line, line == palette.packed(theme.ground), np.uint32(palette.packed(theme.border)))


def _steps(band: Band, place: NDArray[np.float64], lane: Lane, view: TimeView, theme: Theme, *, joined: bool) -> None:
    assert lane.scale is not None
    height, unit = len(band), max(1, round(view.ratio))
    if lane.scale.low < 0:
        zero = -lane.scale.low / (lane.scale.high - lane.scale.low)
        row_zero = int(row_of(np.asarray([zero]), height, unit)[0])
        band[row_zero : row_zero + unit] = palette.packed(theme.line)
    low, high = _limits(_there(lane, view, place), view)
    top, bottom = row_of(high, height, unit) - unit, row_of(low, height, unit) + unit
    if joined:
        before_top, before_bottom = np.roll(top, 1), np.roll(bottom, 1)
        before_top[0] = before_bottom[0] = np.nan
        top, bottom = np.fmin(top, before_bottom - 2 * unit), np.fmax(bottom, before_top + 2 * unit)
        gone = np.isnan(low)
        top[gone] = bottom[gone] = np.nan
    row = np.arange(height)[:, None]
    with np.errstate(invalid="ignore"):
        band[(row >= top) & (row < bottom)] = palette.packed(colour_of(lane, theme))


def _columns(band: Band, place: NDArray[np.float64], lane: Lane, view: TimeView, theme: Theme) -> None:
    """Symbols where there is no room for text: the higher the number, the taller the column."""
    height, unit = len(band), max(1, round(view.ratio))
    _, high = _limits(_there(lane, view, place), view)
    row = np.arange(height)[:, None]
    colour = colour_of(lane, theme)
    with np.errstate(invalid="ignore"):
        top = np.round((1 - high) * (height - 2 * unit))
        inside = _inside(view, 0.1)[None, :]
        band[(row >= top) & inside] = palette.packed(palette.mix(theme.ground, colour, 0.4))
        band[(row >= top) & (row < top + 2 * unit) & inside] = palette.packed(colour)


def _matrix(band: Band, lane: Lane, view: TimeView, theme: Theme) -> None:
    assert lane.scale is not None
    codes = classes.classify(lane.values[view.slice], lane.scale, ~np.repeat(
        lane.there[view.slice, None], lane.values.shape[1], 1
    ))  # fmt: skip
    codes[codes == classes.UNDEFINED] = classes.NOT_REACHED  # a step without an answer is empty
    rows = cells(codes.shape[1], len(band))
    spread = rows.spread(np.ascontiguousarray(view.cells.spread(codes).T))
    np.copyto(band, palette.table(lane.scale, theme.name)[spread], where=spread != classes.NOT_REACHED)
    palette.textured(band, spread, lane.scale, theme.name, view.ratio)


def _special(band: Band, lane: Lane, scale: Scale, view: TimeView, theme: Theme) -> None:
    """What is not a number on the scale fills the lane's height; exactly 0 is a number here."""
    codes = classes.classify(lane.values[view.slice], scale)
    codes[(codes < classes.BELOW) | (codes == classes.ZERO) | ~lane.there[view.slice]] = 0
    if not codes.any():
        return
    spread = np.broadcast_to(view.cells.spread(codes), band.shape)
    np.copyto(band, palette.table(scale, theme.name)[spread], where=spread > 0)
    palette.textured(band, spread, scale, theme.name, view.ratio, source=codes)


# -- with a painter, in logical pixels --------------------------------------------------------------------------------


def has_room_for_text(lane: Lane, view: TimeView) -> bool:
    return room_for_texts(lane.labels, lane.count, view.pitch - _CELL_EDGES)


def room_for_texts(labels: Mapping[int, str], count: int, room: float) -> bool:
    """Whether a cell of that width holds a symbol: the largest number, or the longest name as it is cut there, of which
    the beginning will do where it is a long word."""
    if not labels:
        return room >= marked.width(str(max(0, count - 1)), theming.small())
    return room >= min(_ENOUGH, _widest(names_for(labels, count, room)))


def names_for(labels: Mapping[int, str], count: int, room: float) -> Mapping[int, str]:
    """The names as they stand in cells of that width: whole, or where every one of the `count` symbols has one, by
    their first letters."""
    if len(labels) != count or room >= _widest(labels):
        return labels
    letters = lettered(tuple(labels.values()))
    if not all(written(whole).startswith(cut) for whole, cut in zip(labels.values(), letters, strict=True)):
        return labels  # nothing short of the whole tells them apart
    return dict(zip(labels, letters, strict=True))


def _widest(labels: Mapping[int, str]) -> float:
    return max(marked.width(in_markup(one), theming.small()) for one in labels.values())


def symbol_text(labels: Mapping[int, str], value: float) -> str:
    """A symbol as it stands in its cell: by its name, or where it has none by its number."""
    label = labels.get(int(value))
    return f"{value:.0f}" if label is None else in_markup(label)


def draw_texts(painter: QPainter, lane: Lane, box: QRectF, view: TimeView, theme: Theme) -> None:
    """The symbols, each in its cell, where they have room."""
    if not has_room_for_text(lane, view):
        return
    names = names_for(lane.labels, lane.count, view.pitch - _CELL_EDGES)
    font, colour = theming.small(bold=lane.part == "target"), QColor(colour_of(lane, theme))
    ground = QColor(palette.mix(theme.ground, colour_of(lane, theme), 0.16))
    for t in range(view.first, view.last + 1):
        if not lane.there[t - 1]:
            continue
        left, right = view.left(t) / view.ratio, view.right(t) / view.ratio
        cell = QRectF(left + 1, box.top(), right - left - 2, box.height())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(cell, ground)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(colour if lane.part == "target" else QColor(theme.text))
        marked.draw(painter, cell, symbol_text(names, lane.values[t - 1]), font, Qt.AlignmentFlag.AlignHCenter)


def draw_targets(painter: QPainter, lane: Lane, box: QRectF, view: TimeView, theme: Theme) -> None:
    """Of a series: a dot at every target, and a stem from what came instead. Of a matrix: a ring at the right class."""
    if lane.targets is None or lane.scale is None:
        return
    if lane.kind == "matrix":
        _rings(painter, lane, box, view, theme)
        return
    came = places(lane.values, lane.scale)
    alone = np.count_nonzero(lane.there) == 1
    for t in range(view.first, view.last + 1):
        spot = _spot(lane.targets, lane, box, view, t)
        if spot is None:
            continue
        if (view.pitch >= 5 or alone) and not np.isnan(came[t - 1]):
            foot = box.top() + (1 - came[t - 1]) * (box.height() - 2) + 1
            painter.setPen(QPen(QColor(theme.loss), 1))
            painter.drawLine(spot, QPointF(spot.x(), foot))
            if alone:
                painter.setPen(QPen(QColor(theme.forward), 2))
                painter.drawLine(QPointF(spot.x() - _DOT, foot), QPointF(spot.x() + _DOT, foot))
        _dot(painter, spot, theme)


def draw_dot(painter: QPainter, lane: Lane, box: QRectF, view: TimeView, theme: Theme, t: int) -> None:
    """One target of a series."""
    spot = None if lane.targets is None else _spot(lane.targets, lane, box, view, t)
    if spot is not None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _dot(painter, spot, theme)
        painter.restore()


def _spot(values: Array, lane: Lane, box: QRectF, view: TimeView, t: int) -> QPointF | None:
    assert lane.scale is not None
    at = float(places(values[t - 1 : t], lane.scale)[0])
    if not lane.there[t - 1] or np.isnan(at):
        return None
    x = min(max(view.centre(t) / view.ratio, _DOT + 1), view.width / view.ratio - _DOT - 1)
    return QPointF(box.left() + x, box.top() + (1 - at) * (box.height() - 2) + 1)


def _dot(painter: QPainter, spot: QPointF, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.ground), 1))
    painter.setBrush(QColor(theme.loss))
    painter.drawEllipse(spot, _DOT, _DOT)


def dots_crowd(lane: Lane, view: TimeView) -> bool:
    """Whether the steps are too narrow for a dot each: then the targets are a curve of their own."""
    return view.pitch < 2 * _DOT and int(np.count_nonzero(lane.there)) > 1


def _rings(painter: QPainter, lane: Lane, box: QRectF, view: TimeView, theme: Theme) -> None:
    assert lane.targets is not None
    each = box.height() / lane.values.shape[1]
    if view.pitch < 6 or each < 5:
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    radius = min(4.0, each / 2 - 1)
    for t in range(view.first, view.last + 1):
        if lane.there[t - 1]:
            middle = QPointF(view.centre(t) / view.ratio, box.top() + (float(lane.targets[t - 1]) + 0.5) * each)
            for colour, width in ((theme.plot, 3.0), (theme.loss, 1.5)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawEllipse(middle, radius, radius)
