"""Comparing the trace on screen with autograd, a piece at a time, once nothing has changed for a while."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.requests import Audit
from explorer.compute.courier import Courier
from explorer.want import Want

AUDIT = "audit"
"""The courier's channel."""
_DELAY_MS = 120
_LONG_TRACE_SECONDS, _LONGEST_DELAY_MS = 0.2, 3000
"""An audit takes some ten times as long as its trace: of a long one it waits until nothing has changed for a while."""
_AUDIT_SECONDS = 0.2
"""For so long a new trace waits behind the audit of the one before."""


class Auditor(QObject):
    """Told what is on screen; asks for its audit, and rests while pictures come and go."""

    audited = Signal(object)
    """Audit of the trace on screen."""

    def __init__(self, courier: Courier, waiting: Callable[[], bool], parent: QObject | None = None) -> None:
        """`waiting`: whether another picture is under way; whatever becomes of it says `later` again."""
        super().__init__(parent)
        self._courier, self._waiting = courier, waiting
        self._shown: Want | None = None
        self._seconds = 0.0
        self._audited: Want | None = None
        self._asked: tuple[int, Want] | None = None
        self._resting = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._ask)
        courier.answered.connect(self._answered)

    def has_audited(self, want: Want) -> bool:
        return self._audited is not None and self._audited.same_trace(want)

    def show(self, want: Want, seconds: float) -> None:
        """Another picture is on screen, whose trace took so long: the delay begins anew."""
        self._shown, self._seconds = want, seconds
        self._timer.stop()
        self.later()

    def later(self) -> None:
        """Compare what is on screen once nothing has changed for a while, unless that has been done or is under way."""
        want = self._shown
        if want is None or self._waiting() or self._resting or self._timer.isActive():
            return
        if self.has_audited(want) or (self._asked is not None and self._asked[1].same_trace(want)):
            return
        long = self._seconds > _LONG_TRACE_SECONDS
        self._timer.start(min(_LONGEST_DELAY_MS, round(4000 * self._seconds)) if long else _DELAY_MS)

    def let_go(self) -> None:
        """Nobody will see the trace any more that is being compared."""
        self._courier.end_long(AUDIT, _AUDIT_SECONDS)
        self._asked = None

    def cancelled(self) -> None:
        """What was under way has been ended."""
        self._asked = None

    def forget(self) -> None:
        """Another document stands there."""
        self._shown = self._audited = self._asked = None
        self._timer.stop()

    def set_resting(self, resting: bool) -> None:
        """While training runs, pictures of it come and go: none is audited until it rests."""
        self._resting = resting
        if resting:
            self._timer.stop()
        else:
            self.later()

    @Slot()
    def _ask(self) -> None:
        if self._shown is not None and not self._waiting():
            self._ask_piece(self._shown)

    def _ask_piece(self, want: Want) -> None:
        """Between two of them, a new look at the trace is answered."""
        self._asked = (self._courier.ask(AUDIT, "audit_on", want.state.source(want.iteration)), want)

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        if channel != AUDIT or self._asked is None or self._asked[0] != generation:
            return
        want = self._asked[1]
        if not want.same_trace(self._shown):
            self._asked = None
        elif isinstance(answer, Audit):
            self._audited = want
            self.audited.emit(answer)
        elif self._resting:
            self._asked = None  # it goes on when the training rests
        else:
            self._ask_piece(want)
