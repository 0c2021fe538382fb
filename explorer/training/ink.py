"""The ink of the training's curves: frames, curves, points, marks at the edges, legends, the marker and the readout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from explorer.stage import palette
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, TIGHT, Theme
from explorer.training.axes import Axis
from explorer.training.curves import Columns, Curves, Floats, Whole, columns, crowd, smoothed
from explorer.training.words import baseline_words, layer_words

_EDGE = 5.0
"""Logical pixels of a mark for what is off the axis."""
LAYER_TONES = (2, 3, 5, 1, 4, 0)
"""Of theme.series: the first ones that neither curve above has."""


@dataclass(frozen=True)
class Entry:
    """Of a legend."""

    words: str
    colour: str
    kind: str = "line"
    """ "thin", "line", "dash", "point", or "" for words alone."""


def evaluation_losses(curves: Curves) -> Floats:
    return np.array([one.loss for one in curves.evaluations], np.float64)


def of_baseline(curves: Curves) -> Floats:
    return np.array([] if curves.baseline is None else [curves.baseline], np.float64)


def tone_of_layer(number: int, theme: Theme) -> str:
    return theme.series[LAYER_TONES[number % len(LAYER_TONES)]]


# -- frames -----------------------------------------------------------------------------------------------------------


def draw_frame(painter: QPainter, box: QRectF, axis: Axis, upright: Sequence[float]) -> None:
    """Ground, lines of the axis with their numbers, and the lines of the iterations."""
    theme = theming.current()
    painter.fillRect(box, QColor(theme.plot))
    painter.setFont(theming.small())
    metrics = QFontMetricsF(theming.small())
    most = max(1, int(box.height() // (metrics.height() + 6)))
    painter.setPen(QPen(QColor(theme.line), 1))
    marks = axis.marks(most)
    for place, _ in marks:
        y = round(box.bottom() - place * box.height()) + 0.5
        painter.drawLine(QLineF(box.left(), y, box.right(), y))
    for x in upright:
        painter.drawLine(QLineF(round(x) + 0.5, box.top(), round(x) + 0.5, box.bottom()))
    painter.setPen(QColor(theme.muted))
    half = metrics.height() / 2
    for place, text in marks:
        y = min(max(box.bottom() - place * box.height(), box.top() + half - 3), box.bottom() - half + 3)
        where = QRectF(0, y - half, box.left() - 6, 2 * half)
        painter.drawText(where, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)


def draw_empty(painter: QPainter, box: QRectF, words: str) -> None:
    painter.setFont(theming.font())
    painter.setPen(QColor(theming.current().muted))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


def draw_kept(painter: QPainter, xs: Floats, top: float) -> None:
    """Ticks below the axis where an iteration's state is kept: from there nothing has to be replayed."""
    painter.setPen(QPen(QColor(theming.current().border), 1))
    lines = [QLineF(x + 0.5, top + 1, x + 0.5, top + 5) for x in np.unique(np.round(xs)).tolist()]
    painter.drawLines(lines)


# -- curves -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rows:
    """Where the rows of the curves stand."""

    x: Floats
    """(n,): pixels, rising."""
    starts: Whole | None
    """Where several share a pixel: its first row."""
    over: int
    """Rows that the bold curve is a mean of."""

    @classmethod
    def at(cls, x: Floats, over: int) -> Rows:
        return cls(x, crowd(x), over)

    def of(self, places: Floats) -> Columns:
        return columns(places, self.x, self.starts)

    def mean(self, values: Floats, axis: Axis) -> Columns:
        """One of each pixel: at its last row."""
        last = None if self.starts is None else np.append(self.starts[1:], len(values)) - 1
        x = self.x if self.starts is None else np.floor(self.x[self.starts]) + 0.5
        return columns(axis.places(smoothed(values, self.over, last)), x, None)


def draw_loss(
    painter: QPainter, box: QRectF, axis: Axis, curves: Curves, rows: Rows, x_of: Callable[[float], float]
) -> None:
    theme = theming.current()
    if curves.baseline is not None and 0 <= (place := float(axis.places(np.array([curves.baseline]))[0])) <= 1:
        y = box.bottom() - place * box.height()
        painter.setPen(QPen(QColor(theme.muted), 1.2, Qt.PenStyle.DashLine))
        painter.drawLine(QLineF(box.left(), y, box.right(), y))
    found = rows.of(axis.places(curves.losses))
    if rows.over > 1:
        _draw_columns(painter, box, found, palette.mix(theme.plot, theme.loss, 0.6), 1.0)
        _draw_line(painter, box, rows.mean(curves.losses, axis), theme.loss, 2.0)
    else:
        _draw_columns(painter, box, found, theme.loss, 1.0)
    _draw_edges(painter, box, found)
    for one in curves.evaluations:
        place = float(axis.places(np.array([one.loss]))[0])
        if np.isfinite(place):
            y = box.bottom() - min(max(place, 0.0), 1.0) * box.height()
            draw_point(painter, QPointF(x_of(one.iteration), y), theme.text)


def draw_norms(painter: QPainter, box: QRectF, axis: Axis, curves: Curves, rows: Rows) -> None:
    theme = theming.current()
    for number, norms in enumerate(curves.layer_norms.values()):
        _draw_line(painter, box, rows.of(axis.places(norms)), tone_of_layer(number, theme), 1.4)
    before = rows.of(axis.places(curves.grad_norms))
    _draw_columns(painter, box, before, theme.backward, 1.0)
    if curves.clipped.any():
        _draw_columns(painter, box, rows.of(axis.places(curves.clipped_norms)), theme.clip, 1.0)
    _draw_edges(painter, box, before)


def _ys(box: QRectF, places: Floats) -> Floats:
    return box.bottom() - places * box.height()


def _draw_columns(painter: QPainter, box: QRectF, found: Columns, colour: str, width: float) -> None:
    """A thin curve: where iterations share a pixel, from the least to the most of them."""
    if not len(found.x):
        return
    top, bottom = _ys(box, found.high), _ys(box, found.low)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(QColor(colour), width))
    tall = np.flatnonzero(bottom - top > 0.75)
    painter.drawLines([QLineF(found.x[i], top[i], found.x[i], bottom[i]) for i in tall.tolist()])
    _draw_line(painter, box, found, colour, width)


def _draw_line(painter: QPainter, box: QRectF, found: Columns, colour: str, width: float) -> None:
    """Through the middle of every column; lifted where there is nothing on the axis."""
    if not len(found.x):
        return
    y = _ys(box, (found.low + found.high) / 2)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, width > 1)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(colour), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    here = ~np.isnan(y)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], here.astype(np.int8), [0]))))
    for start, end in edges.reshape(-1, 2).tolist():
        points = [QPointF(a, b) for a, b in zip(found.x[start:end].tolist(), y[start:end].tolist(), strict=True)]
        if len(points) == 1:  # a lone point is seen too
            points.append(points[0] + QPointF(1.0, 0.0))
        painter.drawPolyline(QPolygonF(points))


def _draw_edges(painter: QPainter, box: QRectF, found: Columns) -> None:
    """What is not on the axis stands at its edges: ▲ above, ▽ below or exactly 0, × for what is not a number."""
    theme = theming.current()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for mask, draw in ((found.above, _above), (found.below, _below), (found.bad, _bad)):
        last = -np.inf
        for x in found.x[mask].tolist():
            if x - last >= _EDGE:
                draw(painter, box, x, theme)
                last = x


def _above(painter: QPainter, box: QRectF, x: float, theme: Theme) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.exploding))
    top, half = box.top() + 1, _EDGE / 2
    painter.drawPolygon(QPolygonF([QPointF(x, top), QPointF(x + half, top + 5), QPointF(x - half, top + 5)]))


def _below(painter: QPainter, box: QRectF, x: float, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.vanishing), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    foot, half = box.bottom() - 1, _EDGE / 2
    painter.drawPolygon(QPolygonF([QPointF(x, foot), QPointF(x + half, foot - 5), QPointF(x - half, foot - 5)]))


def _bad(painter: QPainter, box: QRectF, x: float, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.text), 1.4))
    top = box.top() + 8
    painter.drawLine(QPointF(x - 2.5, top), QPointF(x + 2.5, top + 5))
    painter.drawLine(QPointF(x + 2.5, top), QPointF(x - 2.5, top + 5))


def draw_point(painter: QPainter, at: QPointF, colour: str, size: float = 4.0) -> None:
    """An evaluation: a diamond, outlined so that it stands out of the curve."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theming.current().plot), 1))
    painter.setBrush(QColor(colour))
    x, y = at.x(), at.y()
    painter.drawPolygon(
        QPolygonF([QPointF(x, y - size), QPointF(x + size, y), QPointF(x, y + size), QPointF(x - size, y)])
    )


# -- legends ----------------------------------------------------------------------------------------------------------


def loss_legend(curves: Curves, over: int) -> list[Entry]:
    theme = theming.current()
    entries = [Entry("Loss", theme.text, "")]
    if len(curves):
        colour = palette.mix(theme.plot, theme.loss, 0.6) if over > 1 else theme.loss
        entries.append(Entry("each iteration", colour, "thin"))
    if over > 1:
        entries.append(Entry(f"mean of {over:,}", theme.loss, "line"))
    if curves.evaluations:
        entries.append(Entry("validation", theme.text, "point"))
    if curves.baseline is not None:
        entries.append(Entry(baseline_words(curves.baseline), theme.muted, "dash"))
    return entries


def norm_legend(curves: Curves) -> list[Entry]:
    theme = theming.current()
    entries = [Entry("Gradient norm", theme.text, "")]
    if len(curves):
        clipped = bool(curves.clipped.any())
        entries.append(Entry("before clipping" if clipped else "of all parameters", theme.backward, "thin"))
        if clipped:
            entries.append(Entry("after clipping", theme.clip, "thin"))
    for number, name in enumerate(curves.layer_norms):
        entries.append(Entry(layer_words(name), tone_of_layer(number, theme), "line"))
    return entries


def draw_legend(painter: QPainter, box: QRectF, entries: Sequence[Entry]) -> None:
    """From the left; what has no room is left out, the last ones first."""
    theme = theming.current()
    x, middle = box.left(), box.center().y()
    for entry in entries:
        font = theming.small(bold=not entry.kind)
        width = QFontMetricsF(font).horizontalAdvance(entry.words)
        sample = {"": 0.0, "point": 12.0}.get(entry.kind, 22.0)
        if x + sample + width > box.right() + 1:
            return
        if entry.kind == "point":
            draw_point(painter, QPointF(x + 5, middle), entry.colour, 3.5)
        elif entry.kind:
            style = Qt.PenStyle.DashLine if entry.kind == "dash" else Qt.PenStyle.SolidLine
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(QColor(entry.colour), 2 if entry.kind == "line" else 1, style))
            painter.drawLine(QLineF(x, round(middle) + 0.5, x + 16, round(middle) + 0.5))
        painter.setFont(font)
        painter.setPen(QColor(theme.text if not entry.kind else theme.muted))
        painter.drawText(
            QRectF(x + sample, box.top(), width + 2, box.height()), Qt.AlignmentFlag.AlignVCenter, entry.words
        )
        x += sample + width + PAD


# -- what stands over the curves --------------------------------------------------------------------------------------


def draw_marker(painter: QPainter, x: float, both: QRectF, *, focus: bool) -> None:
    """The iteration on the stage: a line through both plots with a handle."""
    theme = theming.current()
    x = round(x) + 0.5
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.plot), 4))
    painter.drawLine(QPointF(x, both.top()), QPointF(x, both.bottom()))
    painter.setPen(QPen(QColor(theme.cursor), 1.6))
    painter.drawLine(QPointF(x, both.top()), QPointF(x, both.bottom()))
    painter.setBrush(QColor(theme.cursor))
    painter.setPen(QPen(QColor(theme.accent if focus else theme.surface), 1.5))
    top = both.top() - 3
    painter.drawPolygon(
        QPolygonF(
            [
                QPointF(x - 5, top),
                QPointF(x + 5, top),
                QPointF(x + 5, top + 4),
                QPointF(x, top + 9),
                QPointF(x - 5, top + 4),
            ]
        )
    )


def draw_readout(painter: QPainter, x: float, both: QRectF, room: QRect, lines: Sequence[str]) -> None:
    """The exact numbers beside the pointer, where there is more room."""
    theme = theming.current()
    bold, small = theming.small(bold=True), theming.small()
    metrics = QFontMetricsF(bold)
    width = max(metrics.horizontalAdvance(line) for line in lines) + 2 * GAP
    height = len(lines) * metrics.lineSpacing() + 2 * TIGHT
    left = x + 10 if x + 10 + width < room.right() else x - 10 - width
    box = QRectF(max(2.0, left), min(both.top() + 6, max(2.0, room.height() - height - 2)), width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.border), 1))
    painter.setBrush(QColor(theme.raised))
    painter.drawRoundedRect(box, TIGHT, TIGHT)
    painter.setPen(QColor(theme.text))
    y = box.top() + TIGHT
    for number, line in enumerate(lines):
        painter.setFont(bold if number == 0 else small)
        painter.drawText(QRectF(box.left() + GAP, y, width, metrics.lineSpacing()), Qt.AlignmentFlag.AlignVCenter, line)
        y += metrics.lineSpacing()
