"""A short pulse along the wires of the unrolled network, on its way into the moment that the tape has come to."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QPainter

from engine.requests import Array
from engine.tape import Phase
from explorer.stage import palette
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scales import Scale
from explorer.stage.tracks.anatomy import Anatomy
from explorer.stage.tracks.network_rows import LayerRow
from explorer.stage.tracks.network_wires import Measures, WireInk
from explorer.theme import current as theming

_NARROWEST = 5.0
"""Logical pixels a step below which a pulse would not be seen."""
_RADIUS = (2.0, 4.8)
_NOTHING = Layer()


def _way(now: Now, *, reverse: bool) -> tuple[int, int] | None:
    """From which step to which the tape has just gone in a row; None: it has not moved there."""
    if now.phase not in (Phase.FORWARD, Phase.BACKWARD):
        return None
    there = now.step
    back = there - 1 if now.phase is Phase.FORWARD else there + 1
    if reverse:
        there, back = now.steps + 1 - there, now.steps + 1 - back
    return (back, there) if 1 <= back <= now.steps else None


def boxes(a: Anatomy, now: Now) -> list[tuple[int, int]]:
    if a.view.pitch < _NARROWEST:
        return []
    found = []
    for reverse in {row.kind.reverse for row in a.rows}:
        way = _way(now, reverse=reverse)
        if way is not None and a.view.shows(way[0]) and a.view.shows(way[1]):
            found.append((a.view.left(min(way)), a.view.right(max(way))))
    return found


def paint(
    painter: QPainter,
    origin: QPoint,
    a: Anatomy,
    rows: tuple[LayerRow, ...],
    scale: Scale,
    now: Now,
    share: float,
    *,
    severed: bool = False,
) -> None:
    """`share` of the way, 0 … 1: from cell to cell, and at the same time up (values) or down (gradients). `severed`:
    truncation lets nothing go back from the step before."""
    theme = theming.current()
    backward = now.phase is Phase.BACKWARD
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(palette.mix(theme.backward if backward else theme.forward, theme.cursor, 0.7)))
    painter.translate(origin)
    ink = WireInk(a, _NOTHING, Measures(scale), a.view.steps)
    for place, (row, data) in enumerate(zip(a.rows, rows, strict=True)):
        way = _way(now, reverse=row.kind.reverse)
        if (
            way is None
            or (severed and backward)
            or not (a.view.shows(way[0]) and a.view.shows(way[1]))
            or max(way) > data.length
        ):
            continue
        start, end = (a.view.centre(t) / a.ratio for t in way)
        for symbol in row.kind.states:
            top, bottom = row.lanes[symbol]
            if backward and data.partly is not None and data.partly[way[1] - 1]:
                radius = _radius(ink, data.wires[symbol], way[1])  # what does come over the border
            else:
                radius = _radius(ink, data.norms[symbol], way[0]) if backward else 2.6
            radius = min(radius, (bottom - top) / a.ratio / 2)
            if radius > 0:
                painter.drawEllipse(
                    QPointF(start + (end - start) * share, a.lane_centre(place, symbol)), radius, radius
                )
    for gap in a.gaps:
        if gap is a.top_gap or gap.height < 4 * a.ratio or a.slot_rows(gap) is not None:
            continue
        for wire, (left, right) in zip(gap.wires, a.slots(gap), strict=True):
            way = _way(now, reverse=a.rows[wire.row].kind.reverse)
            if way is None or not a.view.shows(way[1]) or way[1] > rows[wire.row].length:
                continue
            i = way[1] - a.view.first
            x = (left[i] + right[i]) / 2 / a.ratio
            gone = share if backward else 1 - share
            y = (gap.top + (gap.bottom - gap.top) * gone) / a.ratio
            radius = _radius(ink, rows[wire.row].way(wire), way[1]) if backward else 2.2
            radius = min(radius, (right[i] - left[i]) / a.ratio / 2)
            painter.drawEllipse(QPointF(x, y), radius, radius)
    painter.restore()


def _radius(ink: WireInk, norms: Array, t: int) -> float:
    """As large as the gradient that is on its way."""
    _, share = ink.measures.of(norms[t - 1 : t])
    return _RADIUS[0] + (_RADIUS[1] - _RADIUS[0]) * float(share[0])
