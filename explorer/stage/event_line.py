"""A calm line over the tracks: what happens where the playhead stands, how many events there have been, and the way on.

A document may open with a prompt: it stands there until it is answered. The line is there as long as a document has
events, or had a prompt, and as high as the longest of its sentences needs: they are shown whole, and nothing moves
while the tape plays.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from engine.requests import Event
from engine.tape import Tape
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT
from explorer.transport.words import EVENT_TONES, event_position, worst
from explorer.widgets.buttons import FlatButton
from explorer.widgets.elided import ElidedLabel
from explorer.widgets.icons import renderer
from explorer.widgets.wrapped import WrappedLabel, height_of, lines_needed

HEIGHT = 28
"""Of one line."""
_PROMPT_HEIGHT = 34
_MOST_LINES = 3
_ICON = 12
_ONE_LINE = 700
"""Width from which on the sentences of most events fit one line."""
_LEFT, _TEXT = 6, 21
"""The icon stands over the tracks' arrows, the sentence over their titles."""
_NARROW = 460
"""Below this width the count gives way to the sentence."""


class EventLine(QWidget):
    stepRequested = Signal(int)
    """1: to the next event, −1: to the one before."""
    listRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._events: tuple[Event, ...] = ()
        self._positions: tuple[int, ...] = ()
        self._position = 0
        self._kind = self._prompt = self._widest = ""
        # _widest: the prompt that the document opened with; there is room for it still when it has been answered
        self.setAccessibleName("Events")
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.sentence = WrappedLabel(tone="muted", most=_MOST_LINES)
        self.count = ElidedLabel(tone="muted", align=Qt.AlignmentFlag.AlignRight)
        self.back = FlatButton("chevron-left", "Previous event (Shift+N)")
        self.on = FlatButton("chevron-right", "Next event (N)")
        self.all = FlatButton("list", "All events (E)")
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(_TEXT, 0, GAP, 1)
        row.setSpacing(TIGHT)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.count)
        for button in (self.back, self.on, self.all):
            row.addWidget(button)
        self.back.clicked.connect(self._back)
        self.on.clicked.connect(self._on)
        self.all.clicked.connect(self.listRequested)
        self.hide()

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_events(self, events: Sequence[Event], steps: int) -> None:
        """Of another trace. Once there were some, the line stays until `clear`."""
        tape = Tape(steps)
        self._events = tuple(events)
        self._positions = tuple(event_position(tape, event) for event in events)
        total = len(self._events)
        widest = QFontMetricsF(theming.font()).horizontalAdvance(_counted(total, total))
        self.count.setFixedWidth(int(widest) + 4)  # nothing moves while the tape plays
        self.show()  # also where there is none: the tracks stay where they are when a slider brings one
        self._fit()
        self._say()

    def set_prompt(self, text: str) -> None:
        """In the place of what happens; "" when it has been answered: the line stays where it is."""
        if text == self._prompt:
            return
        self._prompt = text
        if text:
            self._widest = text
            self.show()
            self._fit()
        self._say()
        self.update()

    @property
    def prompt(self) -> str:
        return self._prompt

    def clear(self) -> None:
        """Another document, which may have a prompt already."""
        self._events = self._positions = ()
        self._widest = self._prompt
        self.setVisible(bool(self._prompt))
        self._fit()
        self._say()

    def set_position(self, position: int) -> None:
        if position != self._position:
            self._position = position
            if self._events or not self.isHidden():
                self._say()

    def _say(self) -> None:
        here = self._events_at(self._position)
        reached = sum(at <= self._position for at in self._positions)
        total = len(self._events)
        kind = ""
        for part in (self.count, self.back, self.on, self.all):
            part.setVisible(total > 0 and (part is not self.count or self.width() >= _NARROW))
        if self._prompt:
            self.sentence.set_text(self._prompt, tone="text", bold=True)
        elif here:
            kind = str(worst(here).kind)
            tip = "\n".join(event.sentence for event in here) if len(here) > 1 else ""
            self.sentence.set_text(_said(here), tone="text", tip=tip)
        else:
            words = "No event at this moment." if total else "This trace has no events."
            self.sentence.set_text(words, tone="muted")
        self.count.set_text(_counted(reached, total), tip="Reached so far" if total else "")
        if kind != self._kind:
            self._kind = kind
            self.update()

    def _events_at(self, position: int) -> list[Event]:
        return [e for e, at in zip(self._events, self._positions, strict=True) if at == position]

    def _fit(self) -> None:
        """As high as the longest sentence of the tape needs, whether it has been reached or not."""
        row = self._row
        beside = sum(button.width() + row.spacing() for button in (self.back, self.on, self.all))
        if self.width() >= _NARROW:
            beside += self.count.width() + row.spacing()
        margins = row.contentsMargins()
        room = self.width() - margins.left() - margins.right() - beside - row.spacing()
        said = {_said(self._events_at(position)) for position in set(self._positions)}
        lines = max((lines_needed(one, room, _MOST_LINES) for one in said), default=1)
        # A slider may bring the first event at any moment: where it would need two lines there is room for them.
        lines = max(lines, 1 if room >= _ONE_LINE else 2)
        height = HEIGHT if lines == 1 else height_of(lines) + GAP
        if self._widest:
            asked = lines_needed(self._widest, room, _MOST_LINES, bold=True)
            height = max(height, _PROMPT_HEIGHT if asked == 1 else height_of(asked) + GAP)
        if height != self.height():
            self.setFixedHeight(height)

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot()
    def _back(self) -> None:
        self.stepRequested.emit(-1)

    @Slot()
    def _on(self) -> None:
        self.stepRequested.emit(1)

    # -- looks --------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.count.setVisible(bool(self._events) and self.width() >= _NARROW)
        if event.oldSize().width() != event.size().width():
            self._fit()
        self._row.setGeometry(self.rect())  # the height may have changed while this event was under way

    def sizeHint(self) -> QSize:
        return QSize(300, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.raised if self._prompt else theme.surface))
        painter.fillRect(0, self.height() - 1, self.width(), 1, QColor(theme.line))
        if self._prompt:
            painter.fillRect(0, 0, 3, self.height() - 1, QColor(theme.accent))
            box = QRectF(_LEFT, (self.height() - 1 - _ICON) / 2, _ICON, _ICON)
            renderer("play", theme.accent).render(painter, box)
        elif self._kind:
            tint = getattr(theme, EVENT_TONES[self._kind])
            painter.fillRect(0, 0, 3, self.height() - 1, QColor(tint))
            box = QRectF(_LEFT, (self.height() - 1 - _ICON) / 2, _ICON, _ICON)
            renderer(self._kind, tint).render(painter, box)


def _said(here: Sequence[Event]) -> str:
    """Of several at one moment the worst, and how many more there are."""
    also = f" And {len(here) - 1} more." if len(here) > 1 else ""
    return worst(here).sentence + also


def _counted(reached: int, total: int) -> str:
    return f"{reached} of {total} event{'s' if total != 1 else ''}" if total else ""
