"""The live curves: loss above, gradient norm below, over one axis of iterations. Dragging along them travels; they are
zoomed and moved as the time of the stage is: wheel, Shift and wheel, drag of the axis or with Shift, double click."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT
from explorer.training import ink, legends, names
from explorer.training.axes import Axis, AxisChoice, has_run_away, last_iteration, linear_axis, log_axis, loss_axis
from explorer.training.curves import Curves, Floats, Whole, window
from explorer.training.span import Span, within
from explorer.training.words import at_iteration
from explorer.training.zoomed import Zoomed
from explorer.widgets.buttons import BY_KEY

LEFT, RIGHT, FOOT, LEGEND = 46, 14, 20, 18
"""Logical pixels: numbers of the axes, the end, numbers of the iterations, and above each plot its legend."""
_BETWEEN = 6
_NEAR = 4.0
"""Logical pixels from the pointer to a mark that is spoken of."""
_LEAST_ROOM = 64
"""For both plots; with less there is the loss alone."""
_ROOM_PER_NUMBER = 56
_EMPTY = ("No iteration has been trained yet: ▶ Train begins.", "Not trained yet: ▶ Train begins.", "Not trained yet")
"""The first that has room."""

Which = Literal["loss", "norm"]


@dataclass(frozen=True)
class _Boxes:
    loss: QRectF
    norm: QRectF | None

    @property
    def both(self) -> QRectF:
        return self.loss if self.norm is None else self.loss.united(self.norm)

    @property
    def each(self) -> tuple[QRectF, ...]:
        return (self.loss,) if self.norm is None else (self.loss, self.norm)


class _Drawing:
    """A picture on its way."""

    def __init__(self, picture: QPixmap, pieces: Iterator[None]) -> None:
        self.picture, self._pieces = picture, pieces
        self.seconds = 0.0
        """That it has taken so far."""

    def go_on(self) -> bool:
        """Draw one more piece; False where there is none."""
        began = time.perf_counter()
        more = next(self._pieces, self) is not self
        self.seconds += time.perf_counter() - began
        return more


class CurvesView(Zoomed):
    """Told the curves often, and where the stage is; asks to travel."""

    travelWanted = Signal(int)
    """To an iteration: dragged, clicked, or gone to by keys."""
    menuWanted = Signal(object)
    """A global position."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Span.whole(last_iteration(0)), parent)
        self._curves = Curves()
        self._loss_choice: AxisChoice = "auto"
        self._axes = (linear_axis(None), log_axis(None))
        """Of the loss and of the norms."""
        self._layer_norms: tuple[str, ...] = ()
        self._shown, self._wished = 0, 0
        """The iteration on the stage, and the one that is asked for."""
        self._ring = False
        self._picture: QPixmap | None = None
        self._next: _Drawing | None = None
        """The picture after it, of curves that have gone on: drawn a piece at a time, so that frames come between."""
        self._known_boxes: tuple[QSize, _Boxes] | None = None
        self._go_on = QTimer(self)
        self._go_on.setInterval(0)
        self._go_on.timeout.connect(self._draw_a_piece)
        self.cost = 0.0
        """Seconds that the last picture took."""
        self.setAccessibleName("Curves of the training")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theming.notifier().changed.connect(self._forget)

    def sizeHint(self) -> QSize:
        return QSize(480, 220)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 40)

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_curves(self, curves: Curves, *, anew: bool = False) -> None:
        """`anew`: of another training: axes begin anew. They do too where these do not go on from those before."""
        anew = anew or not curves.goes_on_from(self._curves)
        if self._next is not None:
            self._finish()
        self._curves = curves
        if anew:
            self._begin_axes()
            self._span = Span.whole(self._span.end)
        before = self._span, self._axes
        self._fit_axes()
        if anew or self._picture is None or (self._span, self._axes) != before or not self.isVisible():
            self._forget()  # what is drawn over the picture stands on other axes
        else:
            self._next = self._begun()
            self._go_on.start()

    def set_iteration(self, shown: int, wished: int) -> None:
        """The one on the stage, and the one that is on its way there."""
        if (shown, wished) != (self._shown, self._wished):
            self._shown, self._wished = shown, wished
            self._describe()
            self.update()

    def set_loss_axis(self, choice: AxisChoice) -> None:
        if choice != self._loss_choice:
            self._loss_choice = choice
            self._begin_axes()
            self._fit_axes()
            self._forget()

    @property
    def loss_axis_choice(self) -> AxisChoice:
        return self._loss_choice

    @property
    def count(self) -> int:
        return self._curves.count

    def standing(self) -> int:
        return self._wished

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Of the loss and of the norms."""
        return self._axes

    def span_changed(self) -> None:
        self._describe()
        self._forget()

    def _begin_axes(self) -> None:
        self._axes = (linear_axis(None), log_axis(None))

    def _fit_axes(self) -> None:
        c = self._curves
        self._span = self._span.until(last_iteration(c.furthest))
        loss, norm = self._axes
        # A run that ran away would press this one together: it is cut at the edges.
        beside = [one.curves for one in c.ghosts if not has_run_away(one.curves.losses, ink.of_baseline(c))]
        judged = np.concatenate([ink.evaluation_losses(c), ink.of_persistence(c), *(one.losses for one in beside)])
        self._axes = (
            loss_axis(loss, self._loss_choice, c.losses, judged, ink.of_baseline(c)),
            log_axis(norm, c.grad_norms, c.clipped_norms, *c.layer_norms.values(), *(one.grad_norms for one in beside)),
        )

    # -- places -------------------------------------------------------------------------------------------------------

    def _boxes(self) -> _Boxes:
        if self._known_boxes is None or self._known_boxes[0] != self.size():
            self._known_boxes = self.size(), self._measured()
        return self._known_boxes[1]

    def _measured(self) -> _Boxes:
        width = max(1.0, self.width() - LEFT - RIGHT)
        room = self.height() - FOOT - 2 * LEGEND - _BETWEEN
        if room < _LEAST_ROOM:  # then the loss has all of it
            loss = QRectF(LEFT, LEGEND, width, max(1, self.height() - FOOT - LEGEND))
            return _Boxes(loss, None)
        upper = max(1, round(room / 2))
        loss = QRectF(LEFT, LEGEND, width, upper)
        return _Boxes(loss, QRectF(LEFT, loss.bottom() + _BETWEEN + LEGEND, width, max(1, room - upper)))

    def on_axis(self, at: QPointF) -> bool:
        return at.y() > self._boxes().both.bottom()

    def across(self) -> tuple[float, float]:
        box = self._boxes().loss
        return box.left(), box.width()

    def _xs(self, iterations: Whole) -> Floats:
        box, span = self._boxes().loss, self._span
        return np.asarray(box.left() + (iterations - span.first) * (box.width() / (span.last - span.first)))

    # -- painting -----------------------------------------------------------------------------------------------------

    @Slot()
    def _forget(self) -> None:
        self._go_on.stop()
        self._picture = self._next = None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._picture is None or self._picture.devicePixelRatio() != self.devicePixelRatioF():
            self._next = self._begun()
            self._finish()
        assert self._picture is not None
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        self._draw_marker(painter)
        if self._hover is not None and not self._dragging:
            self._draw_hover(painter)
        if self._ring and self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theming.current().accent), 1.5))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), TIGHT, TIGHT)

    def _begun(self) -> _Drawing:
        ratio = self.devicePixelRatioF()
        made = QPixmap(QSize(max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))))
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        return _Drawing(made, self._pieces(made))

    @Slot()
    def _draw_a_piece(self) -> None:
        if self._next is None or not self._next.go_on():
            self._finish()
            self.update()

    def _finish(self) -> None:
        """Whatever is still to be drawn of the next picture, now; it is the one that is shown from here on."""
        self._go_on.stop()
        if self._next is not None:
            while self._next.go_on():
                pass
            self._picture, self.cost, self._next = self._next.picture, self._next.seconds, None

    def _pieces(self, made: QPixmap) -> Iterator[None]:
        """Draws the curves as they are; nothing may become another before it has come to its end."""
        painter = QPainter(made)
        try:
            yield from self._draw(painter)
        finally:
            painter.end()

    def _draw(self, painter: QPainter) -> Iterator[None]:
        """Everything but the marker, a piece with each step of the iteration."""
        boxes, curves = self._boxes(), self._curves
        loss_axis, norm_axis = self.axes
        over = window(len(curves))
        part = within(curves, self._span, over)
        rows = ink.Rows.at(self._xs(part.iterations), over, part.breaks())
        ink.draw_frame(painter, boxes.loss, loss_axis, self._upright())
        self._draw_out_of_reach(painter, boxes.loss, upper=True)
        ends = self._draw_ghosts(painter, boxes.loss, loss_axis, "loss")
        with self._clipped(painter, boxes.loss):
            yield from ink.draw_loss(painter, boxes.loss, loss_axis, part, rows, self._xs)
        yield
        loss_words, norm_words = self._legends()
        named = names.draw_names(painter, boxes.loss, ends)
        legends.draw_legend(painter, self._legend_box(boxes.loss), legends.without(loss_words, named))
        yield
        if boxes.norm is not None:
            ink.draw_frame(painter, boxes.norm, norm_axis, self._upright())
            self._draw_out_of_reach(painter, boxes.norm)
            ends = self._draw_ghosts(painter, boxes.norm, norm_axis, "norm")
            with self._clipped(painter, boxes.norm):
                yield from ink.draw_norms(painter, boxes.norm, norm_axis, part, rows)
            yield
            named = names.draw_names(painter, boxes.norm, ends)
            legends.draw_legend(painter, self._legend_box(boxes.norm), legends.without(norm_words, named))
        turns = self._xs(np.array([one.iteration for one in part.turns if self._on_screen(one.iteration)], np.int64))
        ink.draw_turns(painter, turns, boxes.each)
        self._draw_iterations(painter, boxes.both.bottom(), part.kept)
        if not len(curves) and not curves.ghosts:
            ink.draw_empty(painter, boxes.loss, _EMPTY)

    def _draw_out_of_reach(self, painter: QPainter, box: QRectF, *, upper: bool = False) -> None:
        """The stretch that was recorded and can no longer be travelled to. It is said once, in the upper plot."""
        if self._curves.known_from > 1:
            left, right = max(box.left(), self.x_of(0)), min(box.right(), self.x_of(self._curves.known_from))
            ink.draw_out_of_reach(painter, QRectF(left, box.top(), right - left, box.height()), words=upper)

    def _draw_ghosts(self, painter: QPainter, box: QRectF, axis: Axis, which: Which) -> list[names.Name]:
        """Behind the present run; their names are drawn over it."""
        theme, found = theming.current(), []
        for ghost in self._curves.ghosts:
            over = window(len(ghost.curves))
            part = within(ghost.curves, self._span, over)
            rows = ink.Rows.at(self._xs(part.iterations), over, part.breaks())
            pen = ink.ghost_pen(ghost.number, theme)
            values = part.losses if which == "loss" else part.grad_norms
            if which == "norm" and part.clipped.any():
                after = ink.ghost_pen(ghost.number, theme, after=True)
                ink.draw_ghost(painter, box, axis, part.clipped_norms, rows, after)
            if (end := ink.draw_ghost(painter, box, axis, values, rows, pen)) is not None:
                found.append((ghost.name, end, pen))
        return found

    @contextmanager
    def _clipped(self, painter: QPainter, box: QRectF) -> Iterator[None]:
        """Of a stretch the rows at its edges lie outside."""
        painter.save()
        if not self._span.is_whole:
            painter.setClipRect(box.adjusted(-1, -LEGEND / 2, 1, 1))
        try:
            yield
        finally:  # also of a picture that is let go
            painter.restore()

    def _on_screen(self, iteration: int) -> bool:
        return self._span.first <= iteration <= self._span.last

    def _legends(self) -> tuple[list[legends.Entry], list[legends.Entry]]:
        c, (loss, norm) = self._curves, self._axes
        over = window(len(c))
        away = self._loss_choice == "auto" and loss.kind == "log"
        return legends.loss_legend(c, over, loss, ran_away=away), legends.norm_legend(c, over, norm)

    @staticmethod
    def _legend_box(box: QRectF) -> QRectF:
        return QRectF(LEFT, box.top() - LEGEND, box.width() + RIGHT, LEGEND)

    def event(self, event: QEvent) -> bool:
        """What a legend has no room for is said on hovering."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at = QPointF(event.pos())
            boxes = zip(self._boxes().each, self._legends(), strict=False)
            words = next((legends.said(entries) for box, entries in boxes if self._legend_box(box).contains(at)), "")
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    def _upright(self) -> list[float]:
        return [self.x_of(k) for k in self._numbers()]

    def _numbers(self) -> list[int]:
        """The iterations that are written at the axis."""
        span = self._span
        pitch = self._boxes().loss.width() / (span.last - span.first)
        rounds = (factor * 10**k for k in range(7) for factor in (1, 2, 5))
        every = next(every for every in rounds if every * pitch >= _ROOM_PER_NUMBER or every >= span.end)
        return list(range(-(-span.first // every) * every, span.last + 1, every))

    def _draw_iterations(self, painter: QPainter, top: float, kept: Whole) -> None:
        theme = theming.current()
        painter.setFont(theming.small())
        metrics = QFontMetricsF(theming.small())
        ink.draw_kept(painter, self._xs(kept), top)
        painter.setPen(QColor(theme.muted))
        for number, k in enumerate(self._numbers()):
            text = f"iteration {k:,}" if number == 0 else f"{k:,}"
            width = metrics.horizontalAdvance(text) + TIGHT
            x = min(max(2.0 if number == 0 else LEFT - 6.0, self.x_of(k) - width / 2), self.width() - width)
            painter.drawText(QRectF(x, top + 5, width, FOOT - 5), Qt.AlignmentFlag.AlignCenter, text)

    def _draw_marker(self, painter: QPainter) -> None:
        """The iteration on the stage; beside it the one that is asked for, as long as it is not there."""
        if not len(self._curves) and not self._curves.count:
            return
        theme, boxes = theming.current(), self._boxes()
        if self._wished != self._shown and self._on_screen(self._wished):
            x = round(self.x_of(self._wished)) + 0.5
            ink.draw_upright(painter, x, boxes.each, QPen(QColor(theme.muted), 1, Qt.PenStyle.DashLine))
        if not self._on_screen(self._shown):
            return
        x = self.x_of(self._shown)
        ink.draw_marker(painter, x, boxes.each, focus=self.hasFocus())
        self._draw_at_marker(painter, x, boxes)
        evaluations = self._curves.evaluations
        at = bisect_left(evaluations, self._shown, key=lambda one: one.iteration)
        for one in evaluations[at : at + 1]:
            if one.iteration == self._shown:  # the marker stands on it
                ink.draw_evaluations(painter, boxes.loss, np.array([x]), self._axes[0].places(np.array([one.loss])))

    def _draw_at_marker(self, painter: QPainter, x: float, boxes: _Boxes) -> None:
        """The curves' own numbers at the iteration on the stage, which the marker hides; not below a mean, which is
        another number."""
        c, row = self._curves, self._curves.row(self._shown)
        if row is None or int(c.iterations[row]) != self._shown or window(len(c)) > 1:
            return
        ink.draw_value(painter, x, boxes.loss, self._axes[0], c.losses[row], theming.current().loss)
        if boxes.norm is not None:
            if c.clipped[row]:
                ink.draw_value(painter, x, boxes.norm, self._axes[1], c.clipped_norms[row], theming.current().clip)
            ink.draw_value(painter, x, boxes.norm, self._axes[1], c.grad_norms[row], theming.current().backward)

    def _draw_hover(self, painter: QPainter) -> None:
        assert self._hover is not None
        x, boxes = self.x_of(self._hover), self._boxes()
        ink.draw_upright(painter, round(x) + 0.5, boxes.each, QPen(QColor(theming.current().muted), 1))
        reach = _NEAR * (self._span.last - self._span.first) / boxes.loss.width()
        lines = at_iteration(self._curves, self._hover, max(0.5, reach))
        ink.draw_readout(painter, x, boxes.both, self.rect(), lines)

    # -- pointer and keys ---------------------------------------------------------------------------------------------

    def pick(self, number: int) -> None:
        iteration = min(max(0, number), self._curves.count)
        if iteration != self._wished or iteration == self._curves.count:  # the end may have gone on since it was drawn
            self._wished = iteration
            self.update()
            self.travelWanted.emit(iteration)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        if not self.panning:
            inside = self._boxes().both.adjusted(-GAP, 0, GAP, FOOT).contains(event.position())
            under = self.under(event.position().x(), self._curves.furthest)
            self.hover(under if inside and self._curves.furthest else None)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menuWanted.emit(event.globalPos())

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._ring = event.reason() in BY_KEY
        self._describe()
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def _describe(self) -> None:
        if self.hasFocus():
            said = list(at_iteration(self._curves, self._wished))
            if not self._span.is_whole:
                said.append(f"Iterations {self._span.first:,} to {self._span.last:,} are shown; 0 shows all")
            self.setAccessibleDescription(". ".join(said))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._forget()

    def data_rect(self) -> QRect:
        """Of both plots together."""
        return self._boxes().both.toRect()
