"""The transport: buttons, speed, the tape, where we are in words, and the iteration."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLayout, QSizePolicy, QWidget

from engine.requests import Event
from engine.tape import Moment, Phase, Tape
from engine.within import Granularity
from explorer.theme.current import current, font, small
from explorer.theme.tokens import GAP, PAD, TEXT_PX, TIGHT
from explorer.transport.ending import AtEnd, play_words, step_words
from explorer.transport.granularity import GRANULARITIES, GranularityButton
from explorer.transport.scrubber import Scrubber
from explorer.transport.speed import SpeedButton
from explorer.transport.words import colour, describe, place
from explorer.widgets.buttons import IconButton
from explorer.widgets.stepper import Stepper

MIDDLE = 1040
"""From this width on: words on the step buttons."""
NARROW = 760
"""Below, there is no room for the granularity."""
SMALL, SMALLEST = 680, 560
"""Below, there is no room for the iteration, and for the speed."""
BAR_HEIGHT = 66
ICON_WIDTH = 38
NO_TAPE = "no trace yet"


class Where(QWidget):
    """Two lines: the moment in its phase's colour, and its place on the tape. Its width depends on the tape alone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tape, self._position, self._inside = Tape(1), 0, ""
        self._rooms: tuple[str, ...] = ()
        self.empty = False
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self._widen()

    def set_empty(self, empty: bool) -> None:
        self.empty = empty

    def show_moment(self, tape: Tape, position: int, inside: str = "") -> None:
        """`inside`: where inside of the step, in words."""
        wider = tape != self._tape
        self._tape, self._position, self._inside = tape, position, inside
        if wider:
            self._widen()
        words = [self.first_line(), *([inside] if inside else []), place(tape, position)]
        self.setAccessibleName(self.second_line() if self.empty else ", ".join(words))
        self.setToolTip(self.full_words() if inside else "")
        self.update()

    def keep_room(self, words: tuple[str, ...]) -> None:
        """For these words in the second line."""
        if words != self._rooms:
            self._rooms = words
            self._widen()

    def full_words(self) -> str:
        """ "Forward · t = 13 · layer 2 · forget gate f"."""
        return " · ".join(part for part in (self.first_line(), self._inside) if part)

    def first_line(self) -> str:
        return "" if self.empty else describe(self._tape.moment(self._position))

    def second_line(self) -> str:
        if self.empty:
            return NO_TAPE
        return self._inside or place(self._tape, self._position)

    def _widen(self) -> None:
        """As wide as the longest words of this tape, so that nothing moves while it plays."""
        last = len(self._tape) - 1
        above = QFontMetricsF(font(TEXT_PX + 1, bold=True)).horizontalAdvance(
            describe(Moment(Phase.BACKWARD, self._tape.steps))
        )
        metrics = QFontMetricsF(small())
        below = max(metrics.horizontalAdvance(words) for words in (place(self._tape, last), *self._rooms))
        self.setFixedWidth(int(max(above, below)) + 4)

    def sizeHint(self) -> QSize:
        return QSize(self.width(), 40)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        middle = self.height() // 2
        painter.setFont(font(TEXT_PX + 1, bold=True))
        painter.setPen(QColor(colour(self._tape.moment(self._position).phase, theme)))
        painter.drawText(0, middle - 22, self.width(), 22, Qt.AlignmentFlag.AlignVCenter, self.first_line())
        painter.setFont(small())
        painter.setPen(QColor(theme.muted))
        top = middle - 9 if self.empty else middle
        painter.drawText(0, top, self.width(), 18, Qt.AlignmentFlag.AlignVCenter, self.second_line())


class TransportBar(QWidget):
    """Shows the tape and the place on it, and asks to move. It keeps no state but what it was told."""

    positionPicked = Signal(int)
    stepRequested = Signal(int)
    toStart = Signal()
    toEnd = Signal()
    playToggled = Signal()
    speedChanged = Signal(float)
    iterationPicked = Signal(int)
    granularityPicked = Signal(str)
    atEndPicked = Signal(str)
    """What playing does at the end of the tape (transport.ending)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tape, self._position, self._iteration, self._furthest = Tape(1), 0, 0, 0
        self._playing, self._trains = False, False
        self._at_end: AtEnd = "stop"
        self._named: object = None
        self._inside = ""
        self.setAccessibleName("Transport")
        self.setFixedHeight(BAR_HEIGHT)

        self.start_button = IconButton("to-start", "To the start of the tape (Home)")
        self.back_button = IconButton("step-back", "One step back (←)")
        self.play_button = IconButton("play", "Play (Space)", tone="on_accent")
        self.play_button.setProperty("role", "primary")
        self.forward_button = IconButton("step-forward", "One step on (→)")
        self.end_button = IconButton("to-end", "To the end of the tape (End)")
        self.forward_button.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the arrow after the word
        self.granularity = GranularityButton()
        self.speed = SpeedButton()
        self.scrubber = Scrubber()
        self.where = Where()
        self.iteration = Stepper("Iteration of the training")

        row = QHBoxLayout(self)
        row.setContentsMargins(PAD, 0, PAD, 0)
        row.setSpacing(GAP)
        row.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # words drop out before anything is pushed out
        self._buttons = QHBoxLayout()
        for button in (self.start_button, self.back_button, self.play_button, self.forward_button, self.end_button):
            self._buttons.addWidget(button)
        self._buttons.addWidget(self.granularity)
        self._buttons.addWidget(self.speed)
        row.addLayout(self._buttons)
        row.addWidget(self.scrubber, 1)
        row.addWidget(self.iteration)
        row.addSpacing(TIGHT)
        row.addWidget(self.where)

        self.start_button.clicked.connect(self.toStart)
        self.end_button.clicked.connect(self.toEnd)
        self.back_button.clicked.connect(self._back)
        self.forward_button.clicked.connect(self._forward)
        self.play_button.clicked.connect(self.playToggled)
        self.granularity.picked.connect(self.granularityPicked)
        self.speed.speedChanged.connect(self.speedChanged)
        self.speed.atEndPicked.connect(self.atEndPicked)
        self.scrubber.positionPicked.connect(self._picked)
        self.iteration.picked.connect(self.iterationPicked)
        self.set_iteration(0, 0)
        self._name_steps()
        self._fit()

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_tape(self, tape: Tape) -> None:
        self._tape = tape
        self._position = min(self._position, len(tape) - 1)
        self.scrubber.set_tape(tape)
        self._say()

    def set_empty(self, empty: bool) -> None:
        """There is nothing to play: no layer yet."""
        if empty != self.where.empty:
            self.where.set_empty(empty)
            self.scrubber.set_empty(empty)
            for part in (self.play_button, self.back_button, self.forward_button, self.iteration):
                part.setEnabled(not empty)
            self._say()

    def set_inside(self, longest: tuple[str, ...]) -> None:
        """All words that can be said of places inside of a step: there is always room for the longest, so that nothing
        moves when somebody steps into one."""
        self.where.keep_room(longest)

    def set_granularity(self, granularity: Granularity) -> None:
        if granularity != self.granularity.value:
            self.granularity.set_value(granularity)
            self._name_steps()

    def set_position(self, position: int, inside: str = "") -> None:
        """Cheap: repaints what lies between the old and the new position, and the words. `inside`: where inside of the
        step, in words."""
        self._inside = inside
        self._position = min(max(position, 0), len(self._tape) - 1)
        self.scrubber.set_position(self._position)
        self._say()

    def set_playing(self, playing: bool) -> None:
        self._playing = playing
        self.play_button.set_icon("pause" if playing else "play")
        self._name_play()

    def set_at_end(self, at_end: AtEnd, trains: bool) -> None:
        """What playing does at the end of the tape; `trains`: there is a next iteration to go on to."""
        if (at_end, trains) != (self._at_end, self._trains):
            self._at_end, self._trains = at_end, trains
            self.speed.set_at_end(at_end)
            self._name_play()

    def set_events(self, events: tuple[Event, ...]) -> None:
        self.scrubber.set_events(tuple(events))

    def set_iteration(self, current: int, furthest: int) -> None:
        """The iteration on screen, and the last one that is known."""
        self._iteration, self._furthest = current, max(current, furthest)
        self.iteration.set_value(current, 0, self._furthest)
        self._widen_iteration()
        known = "the first" if self._furthest == 0 else f"0 to {self._furthest}"
        self.iteration.setToolTip(f"Training iteration on screen. Known so far: {known}")
        self._say()

    def set_speed(self, speed: float) -> None:
        self.speed.set_speed(speed)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _say(self) -> None:
        self.where.show_moment(self._tape, self._position, self._inside)
        self.start_button.setEnabled(self._position > 0 and not self.where.empty)
        self.end_button.setEnabled(self._position < len(self._tape) - 1 and not self.where.empty)
        self._name_play()

    def _name_steps(self) -> None:
        what = self.granularity.value
        for button in (self.back_button, self.forward_button):
            button.setText(what)
        self.back_button.setToolTip(f"One {what} back (←)")
        self.back_button.setAccessibleName(f"One {what} back (←)")
        self._name_play()

    def _back(self) -> None:
        self.stepRequested.emit(-1)

    def _forward(self) -> None:
        self.stepRequested.emit(1)

    def _picked(self, position: int) -> None:
        self._position, self._inside = position, ""
        self._say()
        self.positionPicked.emit(position)

    def _name_play(self) -> None:
        """What the button will do: at the end of the tape that is something else. Cheap while nothing changes."""
        last, iteration = self._position == len(self._tape) - 1, self._iteration
        what = self.granularity.value
        named = last, iteration, what, self._playing, self._at_end, self._trains
        if named == self._named:
            return
        self._named = named
        text, tip = play_words(self._at_end, last=last, trains=self._trains, iteration=iteration)
        if self._playing:
            text, tip = "Pause", "Pause (Space)"
        self.play_button.setText(text)
        self.play_button.setToolTip(tip)
        self.play_button.setAccessibleName(text if text in ("Play", "Pause") else tip.removesuffix(" (Space)"))
        tip = step_words(what, last=last, trains=self._trains, iteration=iteration)
        self.forward_button.setToolTip(tip)
        self.forward_button.setAccessibleName(tip)

    def _fit(self) -> None:
        """Words drop out as the bar gets narrow; the tape keeps its place."""
        worded = self.width() >= MIDDLE
        beside, alone = Qt.ToolButtonStyle.ToolButtonTextBesideIcon, Qt.ToolButtonStyle.ToolButtonIconOnly
        metrics = QFontMetricsF(font(TEXT_PX, bold=True))
        step = int(max(metrics.horizontalAdvance(what) for what in GRANULARITIES)) + 46
        play = int(max(metrics.horizontalAdvance(words) for words in ("Play", "Pause", "Again", "Next"))) + 48
        self._buttons.setSpacing(GAP if worded else TIGHT)
        for button, width in (
            (self.start_button, 0),
            (self.back_button, step),
            (self.play_button, play),
            (self.forward_button, step),
            (self.end_button, 0),
        ):
            button.setToolButtonStyle(beside if worded and width else alone)
            button.setFixedWidth(width if worded and width else ICON_WIDTH)
        self.granularity.set_worded(worded)
        self.granularity.setVisible(self.width() >= NARROW)  # the menu has it too
        self.iteration.setVisible(self.width() >= SMALL)  # and this
        self.speed.setVisible(self.width() >= SMALLEST)
        self._name_play()
        self._widen_iteration()

    def _widen_iteration(self) -> None:
        before = "Iteration " if self.width() >= MIDDLE else "it. "
        self.iteration.set_words(before)
        metrics = self.iteration.field.fontMetrics()
        self.iteration.setFixedWidth(metrics.horizontalAdvance(f"{before}{self._furthest}") + 54)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(680, BAR_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(current().surface))
