"""Between the data dialog and the engine's process, which reads: a big file takes seconds, and the window none of them.

One file at a time, and piece by piece, so that pictures and training have their turn in between; what was asked before
is not wanted any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from engine.data.peeking import Lines
from engine.requests import Operation
from explorer.compute.courier import Courier

if TYPE_CHECKING:
    from engine.data.decoding import Encoding
    from engine.data.preview import Preview
    from engine.data_requests import Choices, LookAt
    from engine.spec import OwnTask

CHANNEL = "data"
_PIECE = 0.05
"""Seconds of reading at a time."""
_PATIENCE = 0.5
"""Seconds after which what is not wanted any more is ended by force: others wait behind it."""


class Reader(QObject):
    looked = Signal(object)
    """A Preview."""
    brought = Signal(object)
    """The task over the data, which are kept now."""
    failed = Signal(str)
    """One sentence."""
    peeked = Signal(object)
    """Lines of the file, as they stand in it."""
    progressed = Signal(float)
    """The share that is done of what was asked last."""

    def __init__(self, courier: Courier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = courier
        self._asked: tuple[Operation, int] | None = None
        self._request: object = None
        """What is asked until it is answered whole."""
        self._looked = False
        courier.answered.connect(self._answered)
        courier.failed.connect(self._answer_failed)

    @property
    def reading(self) -> bool:
        return self._asked is not None

    def look(self, request: LookAt) -> None:
        self._looked = True
        self._ask("look_at", replace(request, piece=_PIECE))

    def bring(self, preview: Preview, choices: Choices) -> None:
        from engine.data_requests import Bring, without_rows

        self._ask("bring", Bring(without_rows(preview), choices, _PIECE))

    def find(self, path: str, task: OwnTask) -> None:
        """The data of a task that are missing, in a file."""
        from engine.data_requests import Find

        self._ask("bring", Find(path, task, _PIECE))

    def peek(self, path: str, around: int, encoding: Encoding | None) -> None:
        from engine.data_requests import Peek

        self._ask("peek", Peek(path, around, encoding, _PIECE))

    def stop(self) -> None:
        """What is being read is not wanted any more. Between two pieces nothing has to be ended by force; what takes
        longer than a piece should is."""
        if self._asked is not None:
            self._asked = None
            self._courier.end_long(CHANNEL, _PATIENCE)

    def let_go(self) -> None:
        """Nothing more is asked about the file: what is remembered of it can go."""
        self.stop()
        if self._looked:
            self._looked = False
            self._courier.ask(CHANNEL, "let_go", None)

    def _ask(self, operation: Operation, request: object) -> None:
        self.stop()
        self._request = request
        self._asked = operation, self._courier.ask(CHANNEL, operation, request)

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        if channel != CHANNEL or self._asked is None or self._asked[1] != generation:
            return
        from engine.data_requests import Partly

        operation, self._asked = self._asked[0], None
        if isinstance(answer, Partly):
            self._asked = operation, self._courier.ask(CHANNEL, operation, self._request)
            self.progressed.emit(answer.share)
            return
        {"look_at": self.looked, "peek": self.peeked, "bring": self.brought}[operation].emit(answer)

    @Slot(str, int, str)
    def _answer_failed(self, channel: str, generation: int, sentence: str) -> None:
        if channel == CHANNEL and self._asked is not None and self._asked[1] == generation:
            operation, self._asked = self._asked[0], None
            if operation == "peek":
                self.peeked.emit(Lines(1))  # it was about a failure that has been said already
            else:
                self.failed.emit(sentence)
