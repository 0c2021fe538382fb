"""The ticks of events over the tape: a glyph for each kind, side by side where few, one for many where dense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from engine.requests import Event
from engine.tape import Tape
from explorer.theme.current import current, small
from explorer.transport.words import EVENT_TONES, event_position, worst
from explorer.widgets.icons import renderer

EVENTS_TOP, EVENT_SIZE = 2, 10
STEP = EVENT_SIZE + 2
"""Between the middles of two glyphs."""
MOST_SIDE_BY_SIDE = 3
"""More events than this that would lie on each other share one glyph, with their number beside it."""
_HOLLOW = 3.4
"""Radius of the ring of what is to come: two beside each other stay apart."""
_COUNT_WIDTH = 14
_MOST_SENTENCES = 8
NOT_REACHED = "An event, not reached yet"


@dataclass(frozen=True, slots=True)
class Tick:
    """Events that share a glyph, in the order of the tape."""

    x: float
    """The middle of the glyph."""
    at: tuple[float, ...]
    """Where the moments of the events are."""
    positions: tuple[int, ...]
    """Those moments on the tape."""
    events: tuple[Event, ...] = field(default=())

    @property
    def left(self) -> int:
        return int(min(self.x, *self.at))

    @property
    def right(self) -> int:
        return int(max(self.x, *self.at)) + (_COUNT_WIDTH if len(self.events) > 1 else 0)

    def reached(self, position: int) -> tuple[Event, ...]:
        """The events that the playhead has come to."""
        return tuple(event for event, at in zip(self.events, self.positions, strict=True) if at <= position)

    def says(self, position: int) -> str:
        reached = self.reached(position)
        waiting = len(self.events) - len(reached)
        lines = [event.sentence for event in reached[:_MOST_SENTENCES]]
        if len(reached) > _MOST_SENTENCES:
            lines.append(f"… and {len(reached) - _MOST_SENTENCES} more")
        if waiting:
            lines.append(NOT_REACHED if waiting == 1 else f"{waiting} events, not reached yet")
        return "\n".join(lines)


def placed(tape: Tape, events: Sequence[Event], x_of: Callable[[int], float], width: int) -> tuple[Tick, ...]:
    """The ticks from the left, none over another and all inside of the width."""
    spots = sorted(((event_position(tape, event), event) for event in events), key=lambda spot: spot[0])
    bunches: list[list[tuple[int, Event]]] = []
    for spot in spots:
        # Of those that would lie on the first of a bunch, it may be that all share its glyph.
        if bunches and x_of(spot[0]) - x_of(bunches[-1][0][0]) < STEP:
            bunches[-1].append(spot)
        else:
            bunches.append([spot])
    made: list[Tick] = []
    for bunch in bunches:
        shared = [bunch] if len(bunch) > MOST_SIDE_BY_SIDE else [[spot] for spot in bunch]
        for group in shared:
            at = tuple(x_of(position) for position, _ in group)
            made.append(Tick(at[0], at, tuple(p for p, _ in group), tuple(event for _, event in group)))
    return _apart(made, width)


def _apart(ticks: list[Tick], width: int) -> tuple[Tick, ...]:
    xs: list[float] = []
    for n, tick in enumerate(ticks):
        least = xs[-1] + _room(ticks[n - 1]) if xs else 0.0
        xs.append(max(tick.x, least))
    limit = width - EVENT_SIZE / 2
    for n in range(len(ticks) - 1, -1, -1):
        limit -= _room(ticks[n]) - STEP
        if xs[n] <= limit:
            break
        xs[n] = limit
        limit -= STEP
    return tuple(Tick(x, tick.at, tick.positions, tick.events) for x, tick in zip(xs, ticks, strict=True))


def _room(tick: Tick) -> int:
    return STEP + (_COUNT_WIDTH if len(tick.events) > 1 else 0)


def paint_tick(painter: QPainter, tick: Tick, position: int, foot: int) -> None:
    """What is not reached yet is a hollow mark: its glyph would give away what is going to happen."""
    theme, x = current(), tick.x
    reached = tick.reached(position)
    if not reached:
        middle = QPointF(x, EVENTS_TOP + EVENT_SIZE / 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QPointF(x, middle.y() + _HOLLOW + 1), QPointF(tick.at[0], foot))
        painter.setPen(QPen(QColor(theme.muted), 1.4))
        painter.drawEllipse(middle, _HOLLOW, _HOLLOW)
        if len(tick.events) > 1:
            _paint_count(painter, x, len(tick.events))
        return
    kind = worst(reached).kind
    tint = QColor(getattr(theme, EVENT_TONES[kind]))
    painter.setPen(QPen(tint, 1))
    painter.drawLine(QPointF(x, EVENTS_TOP + EVENT_SIZE + 1), QPointF(tick.at[0], foot))
    renderer(kind, tint.name()).render(painter, QRectF(x - EVENT_SIZE / 2, EVENTS_TOP, EVENT_SIZE, EVENT_SIZE))
    if len(reached) > 1:
        _paint_count(painter, x, len(reached))


def _paint_count(painter: QPainter, x: float, count: int) -> None:
    """Beside the one glyph of several events."""
    painter.setPen(QColor(current().muted))
    painter.setFont(small(bold=True))
    box = QRectF(x + EVENT_SIZE / 2 + 2, EVENTS_TOP - 1, _COUNT_WIDTH, EVENT_SIZE + 2)
    painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, f"{count}")
