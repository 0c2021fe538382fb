"""Plays the tape: turns the time that has passed into steps, so that a late timer skips rather than lags."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal

FRAME_MS = 16
MIN_SPEED, DEFAULT_SPEED, MAX_SPEED = 1.0, 8.0, 60.0
_MOST_STEPS_A_FRAME = 8


class Player(QObject):
    """Emits `stepsDue(n)` while it plays, at `speed` steps a second. It knows no tape."""

    stepsDue = Signal(int)
    playingChanged = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._speed = DEFAULT_SPEED
        self._owed = 0.0
        self._held = 0.0
        """Seconds for which it stays where it is."""
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def playing(self) -> bool:
        return self._timer.isActive()

    @property
    def speed(self) -> float:
        """Steps a second."""
        return self._speed

    def set_speed(self, speed: float) -> None:
        self._speed = min(max(MIN_SPEED, speed), MAX_SPEED)

    def play(self) -> None:
        if not self.playing:
            self._owed = 1.0  # the first step comes at once: a press must be seen to work
            self._held = 0.0
            self._clock.start()
            self._timer.start()
            self.playingChanged.emit(True)

    def pause(self) -> None:
        if self.playing:
            self._timer.stop()
            self.playingChanged.emit(False)

    def dwell(self, seconds: float) -> None:
        """Stay so long before the next step, at any speed: there is something to read."""
        self._held, self._owed = seconds, 0.0

    def _tick(self) -> None:
        passed = self._clock.restart() / 1000
        if self._held > 0:
            self._held -= passed
            self._owed = 1.0 if self._held <= 0 else 0.0
            passed = 0.0
        self._owed += passed * self._speed
        due = int(self._owed)
        if due:
            self._owed -= due
            self.stepsDue.emit(min(due, _MOST_STEPS_A_FRAME))
