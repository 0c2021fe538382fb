"""A courier whose answers come when a test says so."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal


class SlowCourier(QObject):
    answered = Signal(str, int, object)
    failed = Signal(str, int, str)
    cancelled = Signal(str, int)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int, Any]] = []
        self.dropped: list[str] = []
        self.waiting: set[str] = set()

    def ask(self, channel: str, operation: str, request: Any) -> int:
        self.asked.append((channel, len(self.asked), request))
        return len(self.asked) - 1

    def drop(self, channel: str) -> None:
        self.dropped.append(channel)

    def withdraw(self, channel: str) -> bool:
        """A test says what waits still."""
        found = channel in self.waiting
        self.waiting.discard(channel)
        return found

    def end_long(self, channel: str, _seconds: float) -> None:
        self.dropped.append(channel)

    def last(self, channel: str) -> tuple[int, Any]:
        return next((g, r) for c, g, r in reversed(self.asked) if c == channel)

    def count(self, channel: str) -> int:
        return sum(c == channel for c, _, _ in self.asked)

    def reply(self, channel: str, answer: object) -> None:
        """To the last question."""
        self.answered.emit(channel, self.last(channel)[0], answer)
