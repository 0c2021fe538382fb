"""What moves between two steps while the tape plays. At rest there is no timer and nothing to see."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal

FRAME_MS = 16
FASTEST = 10.0
"""Steps a second above which nothing moves between them: it would only flicker."""
_LONGEST_MS = 260.0
_SHARE = 0.85
"""Of the time between two steps."""


class Pulse(QObject):
    """Runs from 0 to 1 after `start`, and is gone."""

    moved = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._speed = 0.0
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._tick)

    def set_speed(self, speed: float) -> None:
        """Steps a second; 0: nothing plays, or nothing may move."""
        self._speed = speed
        if not self.wanted:
            self.stop()

    @property
    def wanted(self) -> bool:
        return 0 < self._speed <= FASTEST

    @property
    def running(self) -> bool:
        return self._timer.isActive()

    @property
    def share(self) -> float | None:
        """Of the way; None: nothing is on its way."""
        if not self.running:
            return None
        gone = self._clock.elapsed() / self._length
        return 1 - (1 - min(1.0, gone)) ** 2  # it slows down where it arrives

    @property
    def _length(self) -> float:
        return min(_LONGEST_MS, _SHARE * 1000 / self._speed) if self._speed else 1.0

    def start(self) -> None:
        self._clock.start()
        self._timer.start()

    def stop(self) -> None:
        if self.running:
            self._timer.stop()
            self.moved.emit()

    def _tick(self) -> None:
        if self._clock.elapsed() >= self._length:
            self.stop()
        else:
            self.moved.emit()
