"""How long a pause waits for what is under way. A chunk takes some 50 ms, so that nearly always its answer is there by
then; only where a single iteration takes long is it let go, and the state before it stays."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

ACTS_WITHIN = 0.1
"""Seconds: what is longer under way after a pause, and longer still to come, is let go."""
AT_MOST = 2.0
"""Seconds that a pause waits for what was expected sooner, or of which nobody knows how long it takes. The process that
is at it ends with it: where a machine is only busy, waiting costs less."""


class LettingGo(QObject):
    """From a pause on it asks, every `ACTS_WITHIN`, whether to go on waiting."""

    def __init__(self, let_go: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._let_go = let_go
        self._paused_at = self._due = 0.0
        self.timer = QTimer(self)
        self.timer.setInterval(round(1000 * ACTS_WITHIN))
        self.timer.timeout.connect(self.look)

    def begin(self, due: float) -> None:
        """`due`: when the answer is expected (time.perf_counter)."""
        self._paused_at, self._due = time.perf_counter(), due
        self.timer.start()

    def end(self) -> None:
        self.timer.stop()

    @Slot()
    def look(self) -> None:
        now = time.perf_counter()
        if now + ACTS_WITHIN < self._due or now > self._paused_at + AT_MOST:
            self.end()
            self._let_go()
