"""The flow matrix as a small picture, and a curve of its sums beside it, on the same scale."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from explorer.analysis import flow_sums
from explorer.analysis.chains import FlowResult
from explorer.analysis.flow_curve import paint_curve
from explorer.analysis.flow_sums import Curve, CurveKind
from explorer.analysis.plot import Plot, width
from explorer.stage import classes, glyphs, margins, palette
from explorer.stage.blank import draw_blank
from explorer.stage.cells import Cells, cells
from explorer.stage.layer import Layer
from explorer.stage.margins import LINE
from explorer.stage.scales import Scale, magnitude
from explorer.stage.ticks import ticks
from explorer.stage.tracks.words import class_words
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT

_RAMP = 9
_MOST = 240
_STRIP = 24
"""Height of a single row."""
_CURVE = 84
NOT_REACHED = "not reached yet"
_GLYPHS = (classes.PLUS_INF, classes.ABOVE, classes.ZERO, classes.BELOW)

Cell = tuple[int, int]
"""Row and column of the picture."""


class FlowView(Plot[Cell]):
    pairPicked = Signal(int, int)
    pairDropped = Signal()
    """What was picked is picked again."""
    """Loss step t and source step k, from 1."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Flow matrix: what the loss at step t sends back to step k", 190, parent)
        self._result: FlowResult | None = None
        self._scale: Scale = magnitude()
        self._kind: CurveKind = "lag"
        self._curve: Curve | None = None
        self._picture = Layer()
        self._key: object = None
        self._picked: tuple[int, int] | None = None
        self._room = 320
        self._codes: classes.Codes | None = None
        self._widths: dict[str, int] = {}
        self._blank = Layer()
        self._back_to, self._reverse, self._whole = 1, False, False

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_result(self, result: FlowResult | None) -> None:
        old, self._result = self._result, result
        self._codes = self._key = None
        self._curve = None if result is None else flow_sums.curve(result, self._kind)
        if result is None or (old is not None and (old.norms.shape != result.norms.shape)):
            self.place = None
        self._fit()
        self.update()

    def set_decades(self, low: int, high: int) -> None:
        """The stage's gradient scale."""
        scale = magnitude(low, high)
        if scale != self._scale:
            self._scale, self._codes, self._key = scale, None, None
            self.update()

    def set_curve(self, kind: CurveKind) -> None:
        self._kind = kind
        self._curve = None if self._result is None else flow_sums.curve(self._result, kind)
        self.update()

    def set_reached(self, back_to: int) -> None:
        """The earliest step whose gradients the tape has come back to; what lies before it is an outlined blank."""
        before = self._known_columns()
        self._back_to = back_to
        now = self._known_columns()
        if now == before or self._result is None:
            return
        whole = (0, len(self._result.steps))
        if before[0] == before[1] or now[0] == now[1] or whole in (before, now):
            self.update()  # words in the blank, or all of a curve, come or go
            return
        # As the tape plays: the columns that have come, and the curve where it goes with them. No text is set again.
        changed = [a for pair in zip(before, now, strict=True) if pair[0] != pair[1] for a in pair]
        box, (_, columns) = self.picture_box(), self._cells()
        edges = [int(columns.left[n]) if n < len(columns.left) else columns.size for n in (min(changed), max(changed))]
        left, right = (edge / self.devicePixelRatioF() for edge in edges)
        self.update(QRectF(box.left() + left, box.top(), right - left, box.height()).toAlignedRect() & box)
        if self._curve is not None and (self._curve.kind == "columns" or self._single):
            self.update(self.curve_box())

    def _only_data(self) -> bool:
        """Whether what is being painted lies inside of the picture and the curve, beside which nothing has changed."""
        parts = (self.picture_box(), self.curve_box())
        rects: list[QRect] = list(self.dirty)  # type: ignore[call-overload]  # a QRegion is a range of rectangles
        return all(any(part.contains(rect) for part in parts) for rect in rects)

    def set_reverse(self, reverse: bool) -> None:
        """Whether the layer runs from T to 1: its way back goes from 1 to T."""
        if reverse != self._reverse:
            self._reverse = reverse
            self.update()

    def set_whole(self, whole: bool) -> None:
        """Whether what the tape has not reached is shown too."""
        if whole != self._whole:
            self._whole = whole
            self.update()

    def _known_columns(self) -> tuple[int, int]:
        """First and stop of the columns that are shown."""
        if self._result is None:
            return 0, 0
        count, T = len(self._result.steps), self._result.total_steps
        if self._whole or self._back_to <= 1:
            return 0, count
        if self._reverse:
            return 0, int(np.searchsorted(self._result.steps, T + 1 - self._back_to, side="right"))
        return int(np.searchsorted(self._result.steps, self._back_to)), count

    def known_of(self, curve: Curve) -> np.ndarray:
        """Which points of a curve rest on nothing but what is shown."""
        assert self._result is not None
        first, stop = self._known_columns()
        if (first, stop) == (0, len(self._result.steps)):
            return np.ones(len(curve.at), bool)
        shown = self._result.steps[first:stop]
        if curve.kind == "columns":
            return np.isin(curve.at, shown)
        if curve.kind == "lag" and self._single:
            return np.isin(curve.at, int(self._result.loss_steps[0]) - shown)
        return np.zeros(len(curve.at), bool)

    def set_picked(self, pair: tuple[int, int] | None) -> None:
        self._picked = pair
        self.update()

    def forget(self) -> None:
        self._key = None
        self._widths.clear()

    @property
    def curve(self) -> Curve | None:
        return self._curve

    # -- layout -------------------------------------------------------------------------------------------------------

    @property
    def _single(self) -> bool:
        """One row: a strip, and the curve below it."""
        return self._result is not None and len(self._result.loss_steps) == 1

    def set_room(self, width: int) -> None:
        """How wide the panel is, scroll bar included. The height hangs on that and not on this widget's own width: that
        goes with the scroll bar, and the scroll bar with the height."""
        self._room = width
        self._fit()

    def _fit(self) -> None:
        if self._single:
            self.set_height(LINE + _STRIP + 2 * LINE + TIGHT + _CURVE + LINE + 2)
        else:
            self.set_height(LINE + self._side + LINE + 2)

    @property
    def _side(self) -> int:
        return int(min(_MOST, 0.42 * self._room))

    @property
    def _axis(self) -> int:
        """Left of the picture: numbers of t."""
        return 7 + self._measured("50" if self._result is None else str(self._result.total_steps))

    def _label_width(self) -> int:
        return max(self._measured(text) for text in self._scale.ends) + TIGHT

    def _measured(self, text: str) -> int:
        """A text's width, asked for again and again while the tape plays."""
        if text not in self._widths:
            self._widths[text] = round(width(text))
        return self._widths[text]

    def picture_box(self) -> QRect:
        """Where the matrix stands."""
        if self._single:
            left = self._curve_left_single()
            return QRect(left, LINE, self.width() - left - GAP, _STRIP)
        return QRect(self._axis, LINE, self._side, self._side)

    def _curve_left_single(self) -> int:
        """Right of the curve's scale, and of the strip's t."""
        return max(TIGHT + _RAMP + 5 + self._label_width(), 7 + self._measured(self._row_words))

    @property
    def _row_words(self) -> str:
        """The strip's name, of its only row."""
        return "" if self._result is None else f"t = {self._result.loss_steps[0]:,}"

    def ramp_box(self) -> QRect:
        box = self.picture_box()
        if self._single:
            return QRect(TIGHT, box.bottom() + 1 + 2 * LINE + TIGHT, _RAMP, _CURVE)
        return QRect(box.right() + 1 + GAP, box.top(), _RAMP, box.height())

    def curve_box(self) -> QRect:
        ramp = self.ramp_box()
        left = self._curve_left_single() if self._single else ramp.right() + 5 + self._label_width()
        return QRect(left, ramp.top(), max(10, self.width() - left - GAP), ramp.height())

    def _cells(self) -> tuple[Cells, Cells]:
        """Rows and columns on device pixels."""
        assert self._result is not None
        ratio, box = self.devicePixelRatioF(), self.picture_box()
        n, K = self._result.norms.shape
        return cells(n, round(box.height() * ratio)), cells(K, round(box.width() * ratio))

    # -- pixels -------------------------------------------------------------------------------------------------------

    def codes(self) -> classes.Codes:
        """(n, K): each pair by its class. What cannot be reached is masked; what is not computed yet is not reached."""
        assert self._result is not None
        if self._codes is None:
            r = self._result
            self._codes = classes.classify(r.norms, self._scale, ~r.reached)
            self._codes[r.known :] = classes.NOT_REACHED
        return self._codes

    def _draw(self) -> None:
        ratio, theme = self.devicePixelRatioF(), theming.current()
        rows, columns = self._cells()
        key = (rows.size, columns.size, ratio, theme.name)
        if key == self._key:
            return
        self._key = key
        codes = self.codes()
        down = rows.spread(codes)
        both = np.ascontiguousarray(columns.spread(np.ascontiguousarray(down.T)).T)
        pixels = palette.table(self._scale, theme.name)[both]
        large = min(rows.pitch, columns.pitch) >= glyphs.SIZE * ratio
        palette.textured(pixels, both, self._scale, theme.name, ratio, _GLYPHS if large else ())
        self._picture.sized(columns.size, rows.size).pixels()[:] = pixels
        draw_blank(self._blank.sized(columns.size, rows.size), columns, rows, ratio)
        if large:
            self._draw_glyphs(codes, rows, columns, ratio)

    def _draw_glyphs(self, codes: classes.Codes, rows: Cells, columns: Cells, ratio: float) -> None:
        found = palette.looks(self._scale, theming.current().name)
        self._picture.image.setDevicePixelRatio(1.0)
        painter = QPainter(self._picture.image)
        half = round(glyphs.SIZE * ratio) / 2
        for code in _GLYPHS:
            image = glyphs.glyph(code, found[code].mark, ratio)
            for row, column in np.argwhere(codes == code):
                at = QPointF(columns.centre(int(column)) - half, rows.centre(int(row)) - half)
                painter.drawImage(QPoint(int(at.x() + 0.5), int(at.y() + 0.5)), image)
        painter.end()

    def paint(self, painter: QPainter) -> None:
        if self._result is None:
            return
        box = self.picture_box()
        self._draw()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        if not self._only_data():
            self.frame(painter, box)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self._paint_known(painter, box)
        only_data = self._only_data()
        if not only_data:
            self._paint_axes(painter, box)
            self._paint_ramp(painter)
        if self._curve is not None and not (only_data and not self.dirty.intersects(self.curve_box())):
            known = self.known_of(self._curve)
            paint_curve(self, painter, self.curve_box(), self._curve, self._scale, known, axis=not only_data)
            if not known.any():
                self.say_waiting(painter, self.curve_box())
        self._paint_places(painter, box)

    def _paint_known(self, painter: QPainter, box: QRect) -> None:
        """What the tape has come back to, and the blank beside it."""
        _, columns = self._cells()
        whole, ratio = self._picture.image.rect(), self.devicePixelRatioF()
        first, stop = self._known_columns()
        left = int(columns.left[first]) if first < len(columns.left) else columns.size
        right = int(columns.right[stop - 1]) if stop > first else left
        if right > left:
            self._picture.blit(painter, box.topLeft(), QRect(left, 0, right - left, whole.height()), ratio)
        for start, end in ((0, left), (right, columns.size)):
            if end > start:
                self._blank.blit(painter, box.topLeft(), QRect(start, 0, end - start, whole.height()), ratio)
        if right == left:
            self.say_waiting(painter, box)

    def say_waiting(self, painter: QPainter, box: QRect) -> None:
        """Where nothing is reached yet."""
        wide = width(NOT_REACHED) + 2 * GAP
        if wide <= box.width():
            place = QRectF(0, 0, wide, LINE)
            place.moveCenter(QRectF(box).center())
            painter.fillRect(place, QColor(theming.current().ground))
            self.text(painter, place, NOT_REACHED, "muted", "centre")

    def _paint_axes(self, painter: QPainter, box: QRect) -> None:
        if self._single:
            self.text(painter, QRectF(0, box.top(), box.left() - 5, box.height()), self._row_words, "text", "right")
        else:
            self.text(painter, QRectF(0, 0, self._axis - 5, LINE), "t", "text", "right")
            for t, y in self._marks(True):
                self.text(painter, QRectF(0, y - LINE / 2, self._axis - 5, LINE), f"{t}", "muted", "right")
        top = "step k" if self._single else "loss t ↓  step k →"
        self.text(painter, QRectF(box.left(), 0, box.width(), LINE), top, "text", "left")
        foot = box.bottom() + 1
        for k, x in self._marks(False):
            half = width(str(k)) / 2 + 1
            at = min(max(x, box.left() + half), box.right() + 1 - half)
            self.text(painter, QRectF(at - half, foot, 2 * half, LINE), f"{k}", "muted", "centre")

    def _marks(self, vertical: bool) -> list[tuple[int, float]]:
        """(step, pixel) of what has room on an axis."""
        assert self._result is not None
        steps = self._result.loss_steps if vertical else self._result.steps
        side, ratio = self._cells()[0 if vertical else 1], self.devicePixelRatioF()
        box = self.picture_box()
        origin = box.top() if vertical else box.left()
        pitch = side.pitch / ratio / self._result.every
        room = LINE + 6 if vertical else width(str(int(steps[-1]))) + 16
        found = []
        for t in ticks(int(steps[0]), int(steps[-1]), pitch, room):
            place = int(np.argmin(np.abs(steps - t)))
            if int(steps[place]) - t < max(1, self._result.every):
                found.append((int(steps[place]), origin + side.centre(place) / ratio))
        return found

    def _paint_ramp(self, painter: QPainter) -> None:
        box, scale = self.ramp_box(), self._scale
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(box, margins._column(scale, theming.current().name))
        x = box.right() + 5
        low, high = scale.ends
        self.text(painter, QRectF(x, box.top() - 2, 60, LINE), high)
        self.text(painter, QRectF(x, box.bottom() + 3 - LINE, 60, LINE), low)
        for share, text in scale.marks(max(1, (box.height() - 2 * LINE) // (2 * LINE))):
            y = box.bottom() + 1 - share * box.height()
            if box.top() + LINE <= y - LINE / 2 and y + LINE / 2 <= box.bottom() - LINE + 2:
                self.text(painter, QRectF(x, y - LINE / 2, 60, LINE), text)

    def _box_of(self, row: int, column: int) -> QRectF:
        rows, columns = self._cells()
        ratio, box = self.devicePixelRatioF(), self.picture_box()
        return QRectF(
            box.left() + int(columns.left[column]) / ratio,
            box.top() + int(rows.left[row]) / ratio,
            (int(columns.right[column]) - int(columns.left[column])) / ratio,
            (int(rows.right[row]) - int(rows.left[row])) / ratio,
        )

    def _paint_places(self, painter: QPainter, box: QRect) -> None:
        theme = theming.current()
        pair = self._picked_cell()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for place, tone, wide in ((pair, theme.loss, 2.0), (self.place, theme.cursor, 1.0)):
            if place is None:
                continue
            cell = self._box_of(*place)
            middle, halo = cell.center(), QColor(theme.ground)
            halo.setAlpha(170)
            for pen in (QPen(halo, wide + 2), QPen(QColor(tone), wide)):
                if place is pair:
                    painter.setPen(pen)
                    if not self._single:
                        painter.drawLine(QPointF(box.left(), middle.y()), QPointF(box.right() + 1, middle.y()))
                    painter.drawLine(QPointF(middle.x(), box.top()), QPointF(middle.x(), box.bottom() + 1))
                else:
                    painter.setPen(pen)
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    side = QRectF(0, 0, max(7.0, cell.width() + 1), max(7.0, cell.height() + 1))
                    side.moveCenter(middle)
                    painter.drawRect(side)

    def _picked_cell(self) -> Cell | None:
        if self._picked is None or self._result is None:
            return None
        row = np.flatnonzero(self._result.loss_steps == self._picked[0])
        column = np.flatnonzero(self._result.steps == self._picked[1])
        return (int(row[0]), int(column[0])) if len(row) and len(column) else None

    # -- pointer and keys ---------------------------------------------------------------------------------------------

    def place_at(self, at: QPointF) -> Cell | None:
        box = self.picture_box()
        if self._result is None or not QRectF(box).contains(at):
            return None
        rows, columns = self._cells()
        ratio = self.devicePixelRatioF()
        x, y = (at.x() - box.left()) * ratio, (at.y() - box.top()) * ratio
        first, last = rows.shared(int(y))
        left, right = columns.shared(int(x))
        block = self.codes()[first : last + 1, left : right + 1]
        row, column = np.argwhere(block == block.max())[0]  # the one that the pixel shows
        return first + int(row), left + int(column)

    def moved(self, place: Cell | None, right: int, down: int) -> Cell | None:
        if self._result is None:
            return None
        n, K = self._result.norms.shape
        if place is None:
            return self._picked_cell() or (n - 1, K - 1)
        return min(max(0, place[0] + down), n - 1), min(max(0, place[1] + right), K - 1)

    def words_at(self, place: Cell) -> str:
        if self._result is None:
            return ""
        first, stop = self._known_columns()
        if not first <= place[1] < stop:
            t, k = int(self._result.loss_steps[place[0]]), int(self._result.steps[place[1]])
            return f"t = {t:,}, k = {k:,}: {NOT_REACHED}"
        code = int(self.codes()[place])
        value = self._result.norms[place]
        classed = ""
        if code > classes.UNDEFINED:
            classed = class_words(value, code, self._scale)
        return " · ".join(part for part in (flow_sums.pair_words(self._result, *place), classed) if part)

    def picked(self, place: Cell) -> None:
        r = self._result
        if r is not None:
            pair = int(r.loss_steps[place[0]]), int(r.steps[place[1]])
            if pair == self._picked:
                self.pairDropped.emit()
                return
            self.set_picked(pair)
            self.pairPicked.emit(*pair)
