"""Between the data dialog and the engine's process, which reads: a big file takes seconds, and the window none of them.

One file at a time; what was asked before is not wanted any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from engine.requests import Operation
from explorer.compute.courier import Courier

if TYPE_CHECKING:
    from engine.data.preview import Preview
    from engine.data_requests import Choices, LookAt

CHANNEL = "data"


class Reader(QObject):
    looked = Signal(object)
    """A Preview."""
    brought = Signal(object)
    """The task over the data, which are kept now."""
    failed = Signal(str)
    """One sentence."""

    def __init__(self, courier: Courier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = courier
        self._asked: tuple[Operation, int] | None = None
        courier.answered.connect(self._answered)
        courier.failed.connect(self._answer_failed)

    @property
    def reading(self) -> bool:
        return self._asked is not None

    def look(self, request: LookAt) -> None:
        self._ask("look_at", request)

    def bring(self, preview: Preview, choices: Choices) -> None:
        from engine.data_requests import Bring

        self._ask("bring", Bring(preview, choices))

    def stop(self) -> None:
        """Ends what is being read, also in the middle of it."""
        if self._asked is not None:
            self._asked = None
            self._courier.cancel(CHANNEL)

    def _ask(self, operation: Operation, request: object) -> None:
        self.stop()
        self._asked = operation, self._courier.ask(CHANNEL, operation, request)

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        if channel != CHANNEL or self._asked is None or self._asked[1] != generation:
            return
        operation, self._asked = self._asked[0], None
        (self.looked if operation == "look_at" else self.brought).emit(answer)

    @Slot(str, int, str)
    def _answer_failed(self, channel: str, generation: int, sentence: str) -> None:
        if channel == CHANNEL and self._asked is not None and self._asked[1] == generation:
            self._asked = None
            self.failed.emit(sentence)
