"""How long a pause waits for what is under way. A chunk takes some 50 ms, so that nearly always its answer is there by
then. What is not is let go: the state before it stays, and the window's part of the pause is over. The process that is
at it ends only where it would keep others waiting, since a fresh one has its price."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Slot

ACTS_WITHIN = 0.08
"""Seconds from a pause until nothing that is under way counts any more. A tenth of a second is promised, and a frame
that is being painted when the time has come is part of it."""
STILL_AT_IT = 0.5
"""Seconds from a pause until the process ends that is still at what was let go, since pictures wait behind it. What is
known to take long does not get as much."""


class LettingGo(QObject):
    """From a pause on. `released`: nobody waits for the answer any more; called until `end`, once or more. `too_long`:
    it is not to be computed any more."""

    def __init__(self, released: Callable[[], None], too_long: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._released, self._too_long = released, too_long
        self._paused_at = self._due = 0.0
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)  # a coarse one may be 5 % late
        self.timer.setInterval(round(1000 * ACTS_WITHIN))
        self.timer.timeout.connect(self.look)

    def begin(self, due: float) -> None:
        """`due`: when the answer is expected (time.perf_counter); what lies in the past: nobody knows."""
        self._paused_at, self._due = time.perf_counter(), due
        self.timer.start()

    def end(self) -> None:
        self.timer.stop()

    @Slot()
    def look(self) -> None:
        now = time.perf_counter()
        self._released()
        if now + ACTS_WITHIN < self._due or now >= self._paused_at + STILL_AT_IT:
            self.end()
            self._too_long()
