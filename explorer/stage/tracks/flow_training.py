"""The flow over training: ‖∂L/∂h_t‖ of every iteration, the first one on top, over the time axis of the stage.

It is on the scale of all gradients, unless it was given one of its own, and shows their classes. The iteration on
screen has a marker, a click goes to another. The tape does not matter to it: what is blank has not been trained yet.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from engine.requests import Array, Excerpt
from engine.tracks import FLOW_TRAINING
from explorer.stage import margins, marked
from explorer.stage.cells import TimeView
from explorer.stage.classes import NO_STEP
from explorer.stage.now import Now
from explorer.stage.past import Past
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale
from explorer.stage.ticks import ticks
from explorer.stage.tracks import words
from explorer.stage.tracks.base import Block, Readout, TableData, Taken
from explorer.stage.tracks.flow_picture import FlowPicture
from explorer.stage.tracks.flow_rows import FlowRows, size_words
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT
from explorer.widgets.numbers import short

TITLE = "Flow over training"
SYMBOL = "‖∂L/∂h_t‖"
WHAT_TO_DO = "No iteration is recorded yet: Train, Ctrl+Enter"
RECORDED = "A recorded trace has no training."
WAITING = "not trained yet"
_CLICK = {
    margins.FIT: "A click fits a scale of its own to what is shown; that of all other gradients stays.",
    margins.BACK: "A click puts it back on the scale of all gradients.",
}
_TICK = 4
_ARROW = 5
_LOW = 40
"""A picture that is not higher gets thinner markers."""
_BOX = 7
"""Logical pixels of a row, from which on a marker goes around it instead of through it."""


class FlowTraining:
    thin = True

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = True
        self.chosen: int | None = None
        """The iteration whose row is being chosen by keys; None: none is."""
        self.cost = 0.0
        """Seconds that the last change of its pixels took."""
        self._past = Past()
        self._excerpt: Excerpt | None = None
        self._scale: Scale | None = None
        self._shared: Scale | None = None
        """That of all other gradients."""
        self._own = False
        """Whether this one is for these rows alone."""
        self._found = FlowRows()
        self._picture = FlowPicture()
        self._stale = (0, 0)
        """Rows (from, to) that have been classified and not drawn yet."""
        self._names: tuple[str, ...] = ()

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt, self._scale = excerpt, book.over_training(excerpt)
        self._own = FLOW_TRAINING in book.chosen
        self._shared = book.gradients(excerpt)

    def set_past(self, past: Past) -> None:
        self._past = past
        if self.chosen is not None:
            self.chosen = min(self.chosen, max(0, (past.log.next or 1) - 1)) if len(past.log) else None

    @property
    def past(self) -> Past:
        return self._past

    def title(self) -> str:
        return TITLE

    def height_hint(self) -> int:
        return 150

    def stretch(self) -> float:
        return 2.6

    def forget_pixels(self) -> None:
        self._picture.forget()

    def _classified(self) -> FlowRows:
        """What there is of the log, classified. Of what has been already nothing is done again."""
        if self._scale is not None:
            first, last = self._found.take(self._past.log, self._scale)
            if first < last:
                old = self._stale
                self._stale = (min(old[0], first), max(old[1], last)) if old[0] < old[1] else (first, last)
        return self._found

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        began = time.perf_counter()
        found = self._classified()
        self._picture.draw(found, self._stale, view, height, found.room_for(self._past.last))
        self._stale = (0, 0)
        if self._picture.redrawn != (0, 0):
            self.cost = time.perf_counter() - began

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        self._picture.blit(painter, origin, part)

    def _paint_notes(self, painter: QPainter, origin: QPoint) -> None:
        """What the blank is."""
        if not self._found.count:
            box = self._box(origin, 0, self._picture.rows.size)
            if box.height() >= margins.LINE:
                margins.paint_note(painter, box, WHAT_TO_DO if self._past.trains else RECORDED)
            return
        left = self._picture.rows.size - self._picture.reached
        blank = self._box(origin, self._picture.reached, left)
        if blank.height() >= 3 * margins.LINE and blank.width() > 160:
            margins.paint_note(painter, blank, WAITING)

    def _box(self, origin: QPoint, top: int, height: int) -> QRect:
        """Of device rows from `top` on, in logical pixels of the viewport."""
        ratio = self._picture.view.ratio
        start, end = round(top / ratio), round((top + height) / ratio)
        return QRect(origin.x(), origin.y() + start, round(self._picture.view.width / ratio), end - start)

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        self._paint_notes(painter, origin)
        if not self._found.count:
            return
        theme = theming.current()
        self._paint_marker(painter, origin, self._past.shown, theme.cursor, Qt.PenStyle.SolidLine)
        if self.chosen is not None:
            self._paint_marker(painter, origin, self.chosen, theme.accent, Qt.PenStyle.DashLine)

    def _paint_marker(self, painter: QPainter, origin: QPoint, iteration: int, tone: str, line: Qt.PenStyle) -> None:
        """A line through the row of an iteration, or around it where there is room, with an arrowhead at both ends."""
        top, bottom = self._rows_of(iteration)
        left, right = float(origin.x()), origin.x() + self._picture.view.width / self._picture.view.ratio
        y0, y1 = origin.y() + top, origin.y() + bottom
        halo = QColor(theming.current().ground)
        halo.setAlpha(190)
        painter.save()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        middle = (y0 + y1) / 2
        wide = 1 if self._picture.rows.size < _LOW * self._picture.view.ratio else 2
        for pen in (QPen(halo, 2 * wide), QPen(QColor(tone), wide, line)):
            painter.setPen(pen)
            if bottom - top >= _BOX:
                painter.drawRect(QRectF(left + 1, y0 + 0.5, right - left - 2, y1 - y0 - 1))
            else:
                painter.drawLine(QPointF(left, middle), QPointF(right, middle))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(halo, 1))
        painter.setBrush(QColor(tone))
        for x, way in ((left, 1), (right, -1)):
            tip = QPointF(x + way * 1.6 * _ARROW, middle)
            painter.drawPolygon(QPolygonF([QPointF(x, middle - _ARROW), tip, QPointF(x, middle + _ARROW)]))
        painter.restore()

    def _rows_of(self, iteration: int) -> tuple[float, float]:
        """Logical pixels from the data's corner (from, to) of the row of an iteration."""
        rows, ratio = self._picture.rows, self._picture.view.ratio
        row = min(self._found.row_of(iteration), rows.count - 1)
        return int(rows.left[row]) / ratio, int(rows.right[row]) / ratio

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        return []

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        lines = self._lines()
        margins.paint_title(painter, box, TITLE, "backward", tuple((line, "muted") for line in lines))
        if self._found.count:
            self._paint_ticks(painter, box, margins.title_boxes(box, TITLE, lines))

    def _lines(self) -> tuple[str, ...]:
        e, log = self._excerpt, self._past.log
        found = [f"log_{{10}} {SYMBOL}"]
        if self._own:
            found.append("scale of its own")
        if e is not None and len(e.layers) > 1:
            found.append(words.layer(e.of()))
        if len(log):
            found.append(f"iteration {self._past.shown:,}")
            if log.flow.stride > 1:
                found.append(f"every {log.flow.stride:,}th is kept")
        if e is not None:
            found += margins.mean_of(e.batch_size)[-1:]
        return tuple(found)

    def _paint_ticks(self, painter: QPainter, box: QRect, words: list[QRectF]) -> None:
        """Round iterations at the right edge of the header, beside its words; the one on screen before all."""
        theme, font, found = theming.current(), theming.small(), self._found
        first, last = found.first, found.iteration_of(self._picture.rows.count - 1)
        pitch = self._picture.rows.pitch / self._picture.view.ratio / found.stride
        marked_ones = [(self._past.shown, "▸", theme.text)]
        if self.chosen is not None:
            marked_ones.insert(0, (self.chosen, "▹", theme.accent))
        usual = [(iteration, "", theme.muted) for iteration in ticks(first, last, pitch, 2 * margins.LINE)]
        taken: list[float] = []
        for iteration, sign, tone in (*marked_ones, *usual):
            y = box.top() + self._middle_of(iteration)
            painter.fillRect(QRectF(box.right() + 1 - _TICK, round(y - 0.5), _TICK, 1), QColor(theme.muted))
            line = QRectF(box.left() + GAP, y - margins.LINE / 2, box.width() - GAP - _TICK - TIGHT, margins.LINE)
            line.moveTop(max(line.top(), box.top() + 1.0))
            line.moveBottom(min(line.bottom(), box.bottom() + 1.0))
            said = f"{sign} {iteration:,}" if sign else f"{iteration:,}"
            written = QRectF(line)
            written.setLeft(line.right() - marked.width(said, font) - GAP)
            free = not any(written.intersects(one) for one in words)
            if free and all(abs(line.top() - other) >= margins.LINE for other in taken):
                taken.append(line.top())
                painter.setPen(QColor(tone))
                marked.draw(painter, line, said, font, Qt.AlignmentFlag.AlignRight)

    def _middle_of(self, iteration: int) -> float:
        top, bottom = self._rows_of(iteration)
        return (top + bottom) / 2

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        if self._scale is not None:
            counts, hatched = self._classified().counts(), self._picture.hatched
            gone = self._no_step()
            notes = margins.Notes(offer=self._offer(), uncounted={NO_STEP: gone} if gone else {})
            margins.paint_scale(painter, box, self._scale, counts, hatched=hatched, notes=notes)

    def scale_says(self, now: Now) -> object:
        return self._scale, self._classified().counts(), self._picture.hatched, self._offer(), self._no_step()

    def _no_step(self) -> tuple[str, str] | None:
        """What is said of the steps that iterations did not have; None where all had them."""
        lengths = [length for length in self._found.lengths() if length < self._picture.view.steps]
        return words.no_step(lengths) if lengths else None

    def _offer(self) -> tuple[str, ...]:
        """What a click on the scale does. Where training is healthy all rows are in a few bands of the shared scale."""
        found = self._classified()
        if self._own:
            return margins.BACK
        if self._scale is None or not found.count:
            return ()
        return margins.FIT if 0 < 2 * found.bands() <= self._scale.bands else ()

    def misfit(self, now: Now) -> bool:
        return bool(self._offer())

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return False, False

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        """Of the iteration on screen, or of the one that is being chosen."""
        iteration = self._past.shown if self.chosen is None else self.chosen
        found = self._classified()
        if not found.count:
            return "not trained yet" if self._past.trains else ""
        row = found.row_of(iteration)
        if row >= found.count:
            return f"{WAITING} · iteration {iteration:,}"
        value, note = self._value(row, now.step)
        said = note if note and value in ("", "NaN", "0") else short(float(value))
        return f"{said} · iteration {found.iteration_of(row):,}"

    def _value(self, row: int, t: int) -> tuple[str, str]:
        """(number, its class) in words at a row and a step; number "": there is none."""
        logs, bad = self._found.at(row)
        if t > len(logs):
            return "", ": ".join(words.no_step((len(logs),)))
        log = logs[t - 1]
        if np.isnan(log):
            if not bad:
                return "", words.PADDING
            sure = self._excerpt is None or not self._excerpt.longest or not np.isnan(logs[t - 1 :]).all()
            return "NaN", "not a number" if sure else "not a number, or padding"
        scale = self._scale
        code = int(self._found.codes[row, t - 1])
        return size_words(log), "" if scale is None else words.code_words(code, scale.ends)

    def taken(self, now: Now) -> tuple[Taken, ...]:
        found = self._classified()
        row = found.row_of(self._past.shown)
        return self._taken(row, now.step) if row < found.count else ()

    def _taken(self, row: int, t: int) -> tuple[Taken, ...]:
        value, _ = self._value(row, t)
        if not value or self._excerpt is None:
            return ()
        layer, samples = self._excerpt.layer, self._excerpt.batch_size
        unit = f"iteration {self._found.iteration_of(row)}"
        sample = f"mean of {samples:,} samples" if samples > 1 else "one sample"
        return (Taken("‖∂L/∂h‖", t, value, layer, unit, sample),)

    def table(self, now: Now) -> TableData | None:
        """A column an iteration: its numbers, with the digits that the record is good for."""
        found = self._classified()
        if not found.count:
            return None
        rows = self._past.log.flow_table()
        if len(self._names) != found.count or self._names[-1:] != (_name(found.iteration_of(found.count - 1)),):
            self._names = tuple(_name(iteration) for iteration in rows.iterations.tolist())
        steps = rows.flow.shape[1]
        bad = rows.bad & (np.arange(steps)[:, None] < rows.steps)
        block = Block(self._names, rows.flow.T, (1, steps), self._scale, logarithms_bad=bad, had=rows.steps)
        return TableData(f"{TITLE}: ‖∂L/∂h‖", (block,))

    def numbers(self) -> Array:
        """What a scale is fitted to."""
        return self._classified().sizes()

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        found, view, rows = self._found, self._picture.view, self._picture.rows
        if not found.count:
            return None
        t = view.step_at(x)
        first_row, last_row = rows.shared(y)
        if first_row >= found.count:
            return Readout(f"iteration {found.iteration_of(rows.at(y)):,} · t = {t:,}", (SYMBOL,), WAITING)
        first, last = view.steps_at(x)
        block = found.codes[first_row : min(last_row + 1, found.count), first - 1 : last]
        if not block.size:
            return self.readout(first_row, t)
        most = np.argwhere(block == block.max())
        down, along = most[len(most) // 2]
        return self.readout(first_row + int(down), first + int(along), block.size)

    def readout(self, row: int, t: int, shared: int = 1) -> Readout:
        """What is said of a row at step t; `shared`: how many numbers stand in its pixel."""
        value, note = self._value(row, t)
        iteration = self._found.iteration_of(row)
        if shared > 1:
            note = " · ".join(part for part in (note, f"the one shown of {shared:,} in this pixel") if part)
        said = f"{SYMBOL} = {value}" if value else SYMBOL
        where = f"iteration {iteration:,} · t = {t:,}"
        return Readout(where, (said,), note, iteration=iteration, taken=self._taken(row, t))

    def hover_scale(self, now: Now) -> Readout | None:
        if self._scale is None or not self._found.count:
            return None
        said = words.scale_readout(self._scale, self._found.counts(), 0, 0)
        more: tuple[str, ...] = ()
        if gone := self._no_step():
            more += (f"{self._found.absent(self._picture.view.steps):,} {': '.join(gone)}",)
        if self._own and self._shared is not None:
            more += (f"of this track alone; all other gradients: {' … '.join(self._shared.ends)}",)
        if offer := self._offer():
            more += (_CLICK[offer],)
        return replace(said, values=(*said.values, *more))

    # -- by keys ------------------------------------------------------------------------------------------------------

    def choose(self, rows: int | None) -> bool:
        """Begin at the iteration on screen (0), or go so many rows on; None leaves it. Whether anything is chosen."""
        found = self._classified()
        if rows is None or not found.count:
            self.chosen = None
            return False
        at = found.row_of(self._past.shown if self.chosen is None else self.chosen) + rows
        self.chosen = found.iteration_of(min(max(0, at), found.count - 1))
        return True

    @property
    def page(self) -> int:
        """Rows that Page Up and Page Down go."""
        return max(2, self._found.count // 10)


def _name(iteration: int) -> str:
    return f"iteration {iteration:,}"
