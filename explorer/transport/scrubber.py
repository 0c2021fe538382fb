"""The tape as a scrubber: coloured phases, ticks of events, the playhead. Click, drag or use the keys to move it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QLineF, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.requests import Event
from engine.tape import Phase, Tape
from explorer.theme.current import current, notifier, small
from explorer.theme.tokens import TIGHT
from explorer.transport.event_ticks import EVENT_SIZE, EVENTS_TOP, Tick, paint_tick, placed
from explorer.transport.words import PHASE_TITLES, colour, describe
from explorer.widgets.along import Along

BAND_TOP, BAND_HEIGHT = 26, 10
LABELS_TOP = BAND_TOP + BAND_HEIGHT + 5
HEIGHT = LABELS_TOP + 17
MARGIN = 8
"""At both ends, so that the playhead's handle is never cut."""
PHASE_GAP = 2
LEAST_TICK = 5.0
"""Step ticks stand at least this many pixels apart."""
PAGE = 10


class Scrubber(Along):
    """Told the tape and its events once and the position often; a new position repaints only what lies between."""

    positionPicked = Signal(int)
    upright_keys = True

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tape = Tape(1)
        self._position = 0
        self._events: tuple[Event, ...] = ()
        self._ticks: tuple[Tick, ...] = ()
        self._layers: tuple[QPixmap, QPixmap] | None = None
        self._old_head = QRect()
        self._labelled = True
        self._starts: dict[Phase, tuple[float, float]] = {}
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(120)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Tape")
        notifier().changed.connect(self._drop_layers)
        self._measure()

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_tape(self, tape: Tape) -> None:
        if tape != self._tape:
            self._tape = tape
            self._position = min(self._position, len(tape) - 1)
            self._measure()

    def set_events(self, events: tuple[Event, ...]) -> None:
        if events != self._events:
            self._events = events
            self._ticks = placed(self._tape, events, self.x_of, self.width())
            self.update()  # the phases below stay as they are drawn

    def set_empty(self, empty: bool) -> None:
        """There is nothing to play: the phases to come alone."""
        self.setEnabled(not empty)
        self.update()

    def set_position(self, position: int) -> None:
        position = min(max(position, 0), len(self._tape) - 1)
        if position == self._position:
            return
        old_end = self._reached_rect().right()
        changed = self._newly_told(position)
        self._position = position
        for tick in changed:
            self.update(QRect(QPoint(tick.left - 7, 0), QPoint(tick.right + 7, BAND_TOP)))
        new_end = self._reached_rect().right()
        top, bottom = BAND_TOP - 2, BAND_TOP + BAND_HEIGHT + 2
        between = QRect(QPoint(min(old_end, new_end) - 2, top), QPoint(max(old_end, new_end) + 2, bottom))
        self.update(between)
        self.update(self._old_head)
        self._old_head = self._head_rect()
        self.update(self._old_head)
        if self.hasFocus():
            self.setAccessibleDescription(describe(self._tape.moment(position)))

    def _newly_told(self, position: int) -> list[Tick]:
        """The ticks that look different with the playhead there."""
        low, high = sorted((self._position, position))
        return [tick for tick in self._ticks if any(low < at <= high for at in tick.positions)]

    def sizeHint(self) -> QSize:
        return QSize(600, HEIGHT)

    # -- geometry -----------------------------------------------------------------------------------------------------

    def _measure(self) -> None:
        """Where each phase lies. Forward and backward share what the three single moments leave, in equal parts."""
        inner = self.width() - 2 * MARGIN
        metrics = QFontMetricsF(small())
        singles = (Phase.LOSS, Phase.CLIP, Phase.UPDATE)
        labels = {phase: metrics.horizontalAdvance(PHASE_TITLES[phase]) + 2 * TIGHT for phase in singles}
        roomy = sum(labels.values()) <= 0.25 * inner
        narrow = max(8.0, min(18.0, 0.05 * inner))
        widths = {phase: labels[phase] if roomy else narrow for phase in singles}
        rest = max(20.0, inner - sum(widths.values()) - 4 * PHASE_GAP)
        widths[Phase.FORWARD] = widths[Phase.BACKWARD] = rest / 2
        x = float(MARGIN)
        for phase in Phase:
            self._starts[phase] = (x, widths[phase])
            x += widths[phase] + PHASE_GAP
        self._labelled = roomy
        self._ticks = placed(self._tape, self._events, self.x_of, self.width())
        self._old_head = self._head_rect()
        self._drop_layers()

    def _cell(self, position: int) -> tuple[float, float]:
        """Left edge and width of a moment's cell."""
        moment = self._tape.moment(position)
        start, width = self._starts[moment.phase]
        span = self._tape.span(moment.phase)
        cell = width / len(span)
        return start + (position - span.start) * cell, cell

    def x_of(self, position: int) -> float:
        """The middle of a moment's cell, where the playhead stands."""
        left, width = self._cell(position)
        return left + width / 2

    def position_at(self, x: float) -> int:
        """The moment under a point; beyond the ends the first and the last."""
        for phase in Phase:
            start, width = self._starts[phase]
            span = self._tape.span(phase)
            if x < start + width + PHASE_GAP / 2 or phase is Phase.UPDATE:
                cell = int((x - start) / width * len(span))
                return span.start + min(max(cell, 0), len(span) - 1)
        raise AssertionError("the update is the last phase")

    def _reached_rect(self) -> QRect:
        left, width = self._cell(self._position)
        return QRect(0, BAND_TOP, round(left + width), BAND_HEIGHT)

    def _head_rect(self) -> QRect:
        x = round(self.x_of(self._position))
        return QRect(x - 8, BAND_TOP - 12, 17, BAND_HEIGHT + 17)

    # -- painting -----------------------------------------------------------------------------------------------------

    def _drop_layers(self) -> None:
        self._layers = None
        self.update()

    def _layer(self, reached: bool) -> QPixmap:
        """Everything but the playhead: as it looks where the tape has been, or where it has not been yet."""
        theme = current()
        ratio = self.devicePixelRatioF()
        made = QPixmap(QSize(max(1, round(self.width() * ratio)), round(HEIGHT * ratio)))
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        surface = QColor(theme.surface)
        for phase in Phase:
            start, width = self._starts[phase]
            box = QRectF(start, BAND_TOP, width, BAND_HEIGHT)
            tint = QColor(colour(phase, theme))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint if reached else _mix(tint, surface, 0.30))
            painter.drawRoundedRect(box, 2, 2)
            if not reached:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(_mix(tint, surface, 0.60), 1))
                painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)
            self._draw_ticks(painter, phase, _mix(tint, surface, 0.72) if reached else _mix(tint, surface, 0.60))
        self._draw_labels(painter)
        painter.end()
        return made

    def _draw_ticks(self, painter: QPainter, phase: Phase, tint: QColor) -> None:
        start, width = self._starts[phase]
        span = len(self._tape.span(phase))
        cell = width / span
        stride = next((s for s in _strides() if s * cell >= LEAST_TICK), span)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(tint, 1))
        # From the end of the sequence where the phase runs backward.
        steps = (span - step if phase is Phase.BACKWARD else step for step in range(stride, span, stride))
        top, foot = BAND_TOP + 1, BAND_TOP + BAND_HEIGHT - 2
        painter.drawLines([QLineF(x, top, x, foot) for x in (start + step * cell for step in steps)])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _draw_labels(self, painter: QPainter) -> None:
        font = small()
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        for phase in Phase:
            start, width = self._starts[phase]
            titles = [PHASE_TITLES[phase]]
            if phase is Phase.BACKWARD:
                titles.insert(0, "Backward through time")
            for title in titles:
                wanted = metrics.horizontalAdvance(title)
                if wanted <= width and (self._labelled or phase in (Phase.FORWARD, Phase.BACKWARD)):
                    painter.setPen(QColor(colour(phase, current())))
                    painter.drawText(
                        QRectF(start, LABELS_TOP, width, metrics.height()), Qt.AlignmentFlag.AlignHCenter, title
                    )
                    break

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._layers is None or self._layers[0].devicePixelRatio() != self.devicePixelRatioF():
            self._layers = (self._layer(False), self._layer(True))
        theme = current()
        painter = QPainter(self)
        ahead, behind = self._layers
        edge = self._reached_rect().right() + 1 if self.isEnabled() else 0
        painter.setClipRect(QRect(edge, 0, self.width() - edge, HEIGHT))
        painter.drawPixmap(0, 0, ahead)
        painter.setClipRect(QRect(0, 0, edge, HEIGHT))
        painter.drawPixmap(0, 0, behind)
        painter.setClipping(False)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._hover is not None and not self._dragging:
            x = self.x_of(self._hover)
            painter.setPen(QPen(QColor(theme.muted), 1))
            painter.drawLine(QPointF(x, BAND_TOP - 3), QPointF(x, BAND_TOP + BAND_HEIGHT + 3))
        for tick in self._ticks:
            paint_tick(painter, tick, self._position, BAND_TOP - 2)
        if self.isEnabled():
            self._draw_head(painter)

    def _draw_head(self, painter: QPainter) -> None:
        theme = current()
        x = round(self.x_of(self._position)) + 0.5
        painter.setPen(QPen(QColor(theme.surface), 4))
        painter.drawLine(QPointF(x, BAND_TOP - 1), QPointF(x, BAND_TOP + BAND_HEIGHT + 2))
        painter.setPen(QPen(QColor(theme.cursor), 2))
        painter.drawLine(QPointF(x, BAND_TOP - 1), QPointF(x, BAND_TOP + BAND_HEIGHT + 2))
        top, wide = BAND_TOP - 10, 5.5
        handle = QPolygonF(
            [
                QPointF(x - wide, top),
                QPointF(x + wide, top),
                QPointF(x + wide, top + 5),
                QPointF(x, top + 10),
                QPointF(x - wide, top + 5),
            ]
        )
        painter.setBrush(QColor(theme.cursor))
        painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.surface), 1.5))
        painter.drawPolygon(handle)

    # -- intent up ----------------------------------------------------------------------------------------------------

    def at(self, x: float) -> int:
        return self.position_at(x)

    def standing(self) -> int:
        return self._position

    def ends(self) -> tuple[int, int]:
        return 0, len(self._tape) - 1

    def page(self) -> int:
        return PAGE

    def pick(self, number: int) -> None:
        position = min(max(number, 0), len(self._tape) - 1)
        if position != self._position:
            self.set_position(position)
            self.positionPicked.emit(position)

    def hovered(self) -> None:
        self.update(QRect(0, BAND_TOP - 4, self.width(), BAND_HEIGHT + 8))

    def _tick_at(self, point: QPointF) -> Tick | None:
        if point.y() > EVENTS_TOP + EVENT_SIZE + 4:
            return None
        near = min(self._ticks, key=lambda tick: abs(tick.x - point.x()), default=None)
        return near if near is not None and abs(near.x - point.x()) <= EVENT_SIZE / 2 + 2 else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton:
            event.ignore()
            return
        tick = self._tick_at(event.position())
        if tick is not None:
            self.pick(tick.positions[0])
        else:
            self.drag_from(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        self.drag_to(x)
        if not self._dragging:
            self.hover(self.at(x))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def tip_at(self, point: QPointF) -> str:
        """What hovering says: the sentences of a tick's events, or the moment under the pointer."""
        tick = self._tick_at(point)
        if tick is None:
            return describe(self._tape.moment(self.position_at(point.x())))
        return tick.says(self._position)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.setAccessibleDescription(describe(self._tape.moment(self._position)))
        super().focusInEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()


def _strides() -> list[int]:
    return [factor * 10**power for power in range(6) for factor in (1, 2, 5)]


def _mix(over: QColor, under: QColor, share: float) -> QColor:
    """`share` of one colour over the rest of the other, opaque."""
    pairs = ((over.red(), under.red()), (over.green(), under.green()), (over.blue(), under.blue()))
    return QColor(*(round(share * a + (1 - share) * b) for a, b in pairs))
