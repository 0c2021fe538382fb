"""The ink of the training's curves: frames, curves, points, marks at the edges, the marker and the readout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from explorer.stage import palette
from explorer.theme import current as theming
from explorer.theme.routes import colour_of
from explorer.theme.tokens import GAP, TIGHT, Theme
from explorer.training.axes import Axis
from explorer.training.curves import Columns, Curves, Floats, Whole, columns, crowd, smoothed
from explorer.widgets.points import draw_uprights, polygon

_EDGE = 5.0
"""Logical pixels of a mark for what is off the axis."""
LAYER_TONES = ("series.2", "series.3", "series.5", "series.1", "forward", "muted")
"""Of a tone: neither that of the norm before clipping nor that of the norm after it."""
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (8, 2, 2, 2, 2, 2), (1, 2.5))
"""By layer too, in widths of the line: colour alone tells nobody apart."""
GHOST_TONES = ("forward", "series.5", "series.3")
"""Of earlier runs: to be seen from the back of a room, and of none of the present run's own curves."""
_GHOST_AFTER = (1.5, 1.5)
"""Dashes of an earlier run's norm after clipping."""
READ_OUT = "readout"
LEARNED_NOTHING, REPEATED = (5.0, 3.0), (1.0, 2.5)
"""Dashes of the baseline, and dots of the last value repeated, in widths of the line."""
OUT_OF_REACH = "cannot be gone back to"
_CROWDED = 12.0
"""Logical pixels from one evaluation to the next, below which they are a line, with a point now and then."""
_SPARSE = 48.0
_DOT = 2.5
PALE = 0.6
"""Of the loss of each iteration, below its mean."""
_FAINT = 0.4
"""Of a band's colour on the plot's: what stands over it is to be seen."""


def evaluation_losses(curves: Curves) -> Floats:
    return np.array([one.loss for one in curves.evaluations], np.float64)


def of_baseline(curves: Curves) -> Floats:
    return np.array([] if curves.baseline is None else [curves.baseline], np.float64)


def of_persistence(curves: Curves) -> Floats:
    return np.array([] if curves.persistence is None else [curves.persistence], np.float64)


def pen_of_layer(name: str, number: int, theme: Theme) -> QPen:
    """The read-out's is the colour of text; every layer has a colour and a dash of its own."""
    turn = len(_DASHES) - 1 if name == READ_OUT else number
    colour = theme.text if name == READ_OUT else colour_of(LAYER_TONES[number % len(LAYER_TONES)], theme)
    pen = QPen(QColor(colour), 1.4)
    if dashes := _DASHES[turn % len(_DASHES)]:
        pen.setDashPattern(list(dashes))
    return pen


def faint(colour: str, theme: Theme) -> str:
    """Of the band that iterations fill where several share a pixel."""
    return palette.mix(theme.plot, colour, _FAINT)


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


def draw_out_of_reach(painter: QPainter, box: QRectF, *, words: bool = False) -> None:
    """Shaded, and ended by a line: the shade alone is not to be relied on. `words`: what it means stands there too,
    where there is room."""
    if box.width() <= 0:
        return
    theme = theming.current()
    painter.fillRect(box, QColor(palette.mix(theme.plot, theme.muted, 0.14)))
    painter.setPen(QPen(QColor(theme.muted), 1))
    x = round(box.right()) + 0.5
    painter.drawLine(QLineF(x, box.top(), x, box.bottom()))
    metrics, room = QFontMetricsF(theming.small()), box.adjusted(GAP, TIGHT, -GAP, 0)
    if words and metrics.horizontalAdvance(OUT_OF_REACH) <= room.width():
        painter.setFont(theming.small())
        painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, OUT_OF_REACH)


def draw_empty(painter: QPainter, box: QRectF, choices: Sequence[str]) -> None:
    """The first of the sentences that has room, on a ground of its own: no line of the axis goes through it."""
    metrics = QFontMetricsF(theming.font())
    fitting = (one for one in choices if metrics.horizontalAdvance(one) <= box.width() - 2 * TIGHT)
    words = next(fitting, choices[-1])
    ground = QRectF(0, 0, metrics.horizontalAdvance(words) + 2 * TIGHT, metrics.height() + 2)
    ground.moveCenter(box.center())
    painter.fillRect(ground.intersected(box), QColor(theming.current().plot))
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
    breaks: Whole
    """Rows at which values begin that are not to be compared with those before: no line leads there."""

    @classmethod
    def at(cls, x: Floats, over: int, breaks: Whole | None = None) -> Rows:
        return cls(x, crowd(x), over, np.zeros(0, np.int64) if breaks is None else breaks)

    @property
    def _lifted(self) -> Whole:
        """The breaks by column."""
        if self.starts is None or not len(self.breaks):
            return self.breaks
        return np.asarray(np.searchsorted(self.starts, self.breaks, side="right") - 1)

    def of(self, places: Floats) -> Columns:
        return replace(columns(places, self.x, self.starts), lifted=self._lifted)

    def only(self, found: Columns, those: NDArray[np.bool_]) -> Columns:
        """The columns in which one of those rows is, and the ones beside them, to which their line leads; `those`:
        (n,)."""
        some = those if self.starts is None else np.logical_or.reduceat(those, self.starts)
        some = some | np.append(some[1:], False) | np.append(False, some[:-1])
        return replace(found, low=np.where(some, found.low, np.nan), high=np.where(some, found.high, np.nan))

    def mean(self, values: Floats, axis: Axis) -> Columns:
        """One of each pixel: at its last row."""
        x, means = self._means(values)
        return replace(columns(axis.places(means), x, None), lifted=self._lifted)

    def cut(self, values: Floats, axis: Axis) -> Columns:
        """As `mean`, but what is beyond the axis stays there: a line leaves the plot instead of ending in it."""
        x, means = self._means(values)
        places = np.clip(axis.places(means), -1.0, 2.0)
        nothing = np.zeros(len(x), bool)
        return Columns(x, places, places, nothing, nothing, nothing, self._lifted)

    def _means(self, values: Floats) -> tuple[Floats, Floats]:
        last = None if self.starts is None else np.append(self.starts[1:], len(values)) - 1
        x = self.x if self.starts is None else np.floor(self.x[self.starts]) + 0.5
        return x, smoothed(values, self.over, last, self.breaks)


def draw_loss(
    painter: QPainter, box: QRectF, axis: Axis, curves: Curves, rows: Rows, xs_of: Callable[[Whole], Floats]
) -> Iterator[None]:
    """The curve, the evaluations, the mean: one with each step of the iteration."""
    theme = theming.current()
    for level, dashes in ((curves.baseline, LEARNED_NOTHING), (curves.persistence, REPEATED)):
        if level is not None and 0 <= (place := float(axis.places(np.array([level]))[0])) <= 1:
            y = box.bottom() - place * box.height()
            painter.setPen(level_pen(dashes, theme))
            painter.drawLine(QLineF(box.left(), y, box.right(), y))
    found = rows.of(axis.places(curves.losses))
    mean = rows.over > 1
    _draw_columns(painter, box, found, palette.mix(theme.plot, theme.loss, PALE) if mean else theme.loss, 1.0)
    yield
    xs = xs_of(np.array([one.iteration for one in curves.evaluations], np.int64))
    draw_evaluations(painter, box, xs, axis.places(evaluation_losses(curves)), curves.evaluation_breaks())
    yield
    if mean:
        _draw_line(painter, box, rows.mean(curves.losses, axis), _pen(theme.loss, 2.0))
    _draw_edges(painter, box, found)


def level_pen(dashes: tuple[float, float], theme: Theme) -> QPen:
    """Of a loss that is the same at every iteration; told apart by their dashes alone."""
    pen = QPen(QColor(theme.muted), 1.2 if dashes == LEARNED_NOTHING else 2.0)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pen.setDashPattern(dashes)
    return pen


def ghost_pen(number: int, theme: Theme, *, after: bool = False) -> QPen:
    """Solid, each in a colour of its own; its name stands at its end. `after`: of its norm after clipping, dotted."""
    pen = QPen(QColor(colour_of(GHOST_TONES[number % len(GHOST_TONES)], theme)), 1.4 if after else 2.2)
    if after:
        pen.setDashPattern(list(_GHOST_AFTER))
    return pen


def draw_ghost(painter: QPainter, box: QRectF, axis: Axis, values: Floats, rows: Rows, pen: QPen) -> QPointF | None:
    """An earlier run: its mean alone, cut at the edges. Where it is seen last; None where it is not seen at all."""
    found = rows.cut(values, axis)
    painter.save()
    painter.setClipRect(box)
    _draw_line(painter, box, found, pen)
    painter.restore()
    return _end(box, found)


def _end(box: QRectF, found: Columns) -> QPointF | None:
    """Where a line is seen last: where it ends, or where it leaves the plot for good; None where it is never seen."""
    known = np.flatnonzero(~np.isnan(found.low))
    x, place = found.x[known], found.low[known]
    inside = np.flatnonzero((place >= 0) & (place <= 1) & (x >= box.left()) & (x <= box.right()))
    if not len(inside):
        return None
    last = int(inside[-1])
    at, height = float(x[last]), float(place[last])
    if last + 1 < len(x) and not 0 <= place[last + 1] <= 1:
        edge = 1.0 if place[last + 1] > 1 else 0.0
        at += (edge - height) / (float(place[last + 1]) - height) * (float(x[last + 1]) - at)
        height = edge
    return QPointF(at, box.bottom() - height * box.height())


def are_crowded(xs: Floats) -> bool:
    """Whether points at these pixels, rising, would hide what they stand on."""
    return len(xs) > 1 and float(xs[-1] - xs[0]) / (len(xs) - 1) < _CROWDED


def draw_evaluations(painter: QPainter, box: QRectF, xs: Floats, places: Floats, lifted: Whole | None = None) -> None:
    """A diamond each; where they crowd a thin line through all of them, lifted before some, and a small diamond now
    and then. What is beyond the edges stands at them."""
    theme = theming.current()
    crowded = are_crowded(xs)
    ys = _ys(box, np.clip(places, 0.0, 1.0))
    if crowded:
        within = np.clip(places, 0.0, 1.0)
        nothing = np.zeros(len(xs), bool)
        breaks = np.zeros(0, np.int64) if lifted is None else lifted
        _draw_line(painter, box, Columns(xs, within, within, nothing, nothing, nothing, breaks), _pen(theme.text, 1.1))
    last = -np.inf
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if np.isfinite(y) and x - last >= (_SPARSE if crowded else 0.0):
            draw_point(painter, QPointF(x, y), theme.text, 3.0 if crowded else 4.0)
            last = x


def draw_norms(painter: QPainter, box: QRectF, axis: Axis, curves: Curves, rows: Rows) -> Iterator[None]:
    """Before and after clipping: what the iterations of a pixel fill, their mean over it; above both the layers.
    Where nothing is clipped both are one, and it is the norm's own colour that is seen. A curve or two with each step
    of the iteration."""
    theme, mean = theming.current(), rows.over > 1
    before = rows.of(axis.places(curves.grad_norms))
    clipped = bool(curves.clipped.any())
    after = rows.only(rows.of(axis.places(curves.clipped_norms)), curves.clipped) if clipped else None
    if mean:
        _draw_columns(painter, box, before, faint(theme.backward, theme), 1.0)
        yield
        if after is not None:
            _draw_columns(painter, box, after, faint(theme.clip, theme), 1.0)
            yield
            _draw_line(painter, box, rows.mean(curves.clipped_norms, axis), _pen(theme.clip, 2.0))
        _draw_line(painter, box, rows.mean(curves.grad_norms, axis), _pen(theme.backward, 2.0))
    else:
        if clipped:
            _draw_columns(painter, box, rows.of(axis.places(curves.clipped_norms)), theme.clip, 1.0)
            yield
        _draw_columns(painter, box, before, theme.backward, 1.0)
    for number, (name, norms) in enumerate(curves.layer_norms.items()):
        yield
        found = rows.mean(norms, axis) if mean else rows.of(axis.places(norms))
        _draw_line(painter, box, found, pen_of_layer(name, number, theme))
    _draw_edges(painter, box, before)


def _pen(colour: str, width: float) -> QPen:
    return QPen(QColor(colour), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)


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
    if len(tall):
        draw_uprights(painter, found.x[tall], top[tall], bottom[tall])
    _draw_line(painter, box, found, _pen(colour, width))


def _draw_line(painter: QPainter, box: QRectF, found: Columns, pen: QPen) -> None:
    """Through the middle of every column; lifted where there is nothing on the axis. What stands alone is a dot."""
    if not len(found.x):
        return
    y = _ys(box, (found.low + found.high) / 2)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, pen.widthF() > 1)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen)
    here = ~np.isnan(y)
    for start, end in _stretches(here, found.lifted):
        if end - start == 1:
            _draw_dot(painter, QPointF(found.x[start], y[start]), pen)
        else:
            painter.drawPolyline(polygon(found.x[start:end], y[start:end]))


def _stretches(here: NDArray[np.bool_], lifted: Whole) -> list[list[int]]:
    """[first, behind the last] of each part that one line goes through."""
    steps = np.flatnonzero(np.diff(np.concatenate(([0], here.astype(np.int8), [0]))))
    lifted = np.unique(lifted[(lifted > 0) & (lifted < len(here))])
    inside = lifted[here[lifted] & here[lifted - 1]]
    found: list[list[int]] = np.sort(np.concatenate((steps, np.repeat(inside, 2)))).reshape(-1, 2).tolist()
    return found


def _draw_dot(painter: QPainter, at: QPointF, pen: QPen) -> None:
    """One iteration that has nothing beside it, as the first of all."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(pen.color())
    painter.drawEllipse(at, _DOT, _DOT)
    painter.restore()


def draw_value(painter: QPainter, x: float, box: QRectF, axis: Axis, value: float, colour: str) -> None:
    """One number of a curve, over the marker; none that is beyond the axis, which stands at the edge."""
    place = float(axis.places(np.array([value]))[0])
    if 0 <= place <= 1:
        painter.save()
        painter.setClipRect(box.adjusted(-_EDGE, 0, _EDGE, 0))  # not over the words between the plots
        painter.setPen(QPen(QColor(theming.current().plot), 1))
        painter.setBrush(QColor(colour))
        painter.drawEllipse(QPointF(round(x) + 0.5, box.bottom() - place * box.height()), _DOT + 1, _DOT + 1)
        painter.restore()


def _draw_edges(painter: QPainter, box: QRectF, found: Columns) -> None:
    """What is not on the axis stands at its edges: ▲ above, ▽ below or exactly 0, × for what is not a number."""
    theme = theming.current()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for mask, draw in ((found.above, above_mark), (found.below, below_mark), (found.bad, bad_mark)):
        last = -np.inf
        for x in found.x[mask].tolist():
            if x - last >= _EDGE:
                draw(painter, box, x, theme)
                last = x


def above_mark(painter: QPainter, box: QRectF, x: float, theme: Theme) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.exploding))
    top, half = box.top() + 1, _EDGE / 2
    painter.drawPolygon(QPolygonF([QPointF(x, top), QPointF(x + half, top + 5), QPointF(x - half, top + 5)]))


def below_mark(painter: QPainter, box: QRectF, x: float, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.vanishing), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    foot, half = box.bottom() - 1, _EDGE / 2
    painter.drawPolygon(QPolygonF([QPointF(x, foot), QPointF(x + half, foot - 5), QPointF(x - half, foot - 5)]))


def bad_mark(painter: QPainter, box: QRectF, x: float, theme: Theme) -> None:
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


def draw_turns(painter: QPainter, xs: Floats, boxes: Sequence[QRectF]) -> None:
    """Where training was changed on its way: dotted."""
    theme = theming.current()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for x in np.unique(np.round(xs)).tolist():
        draw_upright(painter, x + 0.5, boxes, turn_pen(theme))


def turn_pen(theme: Theme) -> QPen:
    pen = QPen(QColor(theme.muted), 1)
    pen.setDashPattern([2, 2])
    return pen


# -- what stands over the curves --------------------------------------------------------------------------------------


def draw_marker(painter: QPainter, x: float, boxes: Sequence[QRectF], *, focus: bool) -> None:
    """The iteration on the stage: a line through the plots, not through the words between them, with a handle."""
    theme = theming.current()
    x = round(x) + 0.5
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in ((theme.plot, 4.0), (theme.cursor, 1.6)):
        draw_upright(painter, x, boxes, QPen(QColor(colour), width))
    painter.setBrush(QColor(theme.cursor))
    painter.setPen(QPen(QColor(theme.accent if focus else theme.surface), 1.5))
    top = boxes[0].top() - 3
    outline = ((x - 5, top), (x + 5, top), (x + 5, top + 4), (x, top + 9), (x - 5, top + 4))
    painter.drawPolygon(QPolygonF([QPointF(a, b) for a, b in outline]))


def draw_upright(painter: QPainter, x: float, boxes: Sequence[QRectF], pen: QPen) -> None:
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.setPen(pen)
    for box in boxes:
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))


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
