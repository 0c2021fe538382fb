"""Between the window and the engine: questions go out, answers come back as signals in the window's thread.

One question is under way, and of each channel one waits, the newest. So nothing queues up behind a slider, and the
picture still moves while it is dragged: an answer is delivered even if a newer question is already on its way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from engine.errors import EngineError
from explorer.compute.failures import EngineCancelledError, EngineCrashError, describe

Run = Callable[[Any, Any], Any]
"""operation, request → answer"""

URGENCY = {"excerpt": 0, "audit": 1}
"""The picture first, then whether it is right, then the rest (2)."""

_ANY = object()
"""The scope as long as nobody has set one: every answer is wanted."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Question:
    channel: str
    generation: int
    operation: str
    request: object
    scope: object
    unwanted: bool = False
    cancelled: bool = False
    begun: float = 0.0


class Courier(QObject):
    """Asks `executor` for one thing at a time. Lives in the window's thread, and so do its signals and methods.

    run: what is submitted, `engine.operations.run` if None. arrived: told every answer before the window is, in the
    thread in which it arrives: what can be prepared there does not keep the window from painting.
    """

    answered = Signal(str, int, object)
    """channel, generation, answer"""
    failed = Signal(str, int, str)
    """channel, generation, a sentence"""
    cancelled = Signal(str, int)
    """channel, generation: somebody called `cancel`"""
    busyChanged = Signal(bool)
    """whether anything is under way or waiting"""

    def __init__(
        self,
        executor: Executor,
        parent: QObject | None = None,
        *,
        run: Run | None = None,
        arrived: Callable[[object], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self._executor = executor
        self._run = run
        self._scope: object = _ANY
        self._generation = 0
        self._waiting: dict[str, _Question] = {}
        self._under_way: _Question | None = None
        self._future: Future[Any] | None = None
        self._delivered: dict[str, int] = {}
        self._was_busy = False
        bell = _Bell()
        bell.rung.connect(self._collect, Qt.ConnectionType.QueuedConnection)
        self._mail = _Mail(bell, arrived)
        self.destroyed.connect(self._mail.close)

    def ask(self, channel: str, operation: str, request: object, *, scope: object = None) -> int:
        """Ask, in place of what still waits in this channel. Returns the question's generation.

        The generation rises from question to question. scope: what the answer belongs to; None: what is in force.
        Every question ends in one signal, unless a newer one took its place, or its scope or channel was left.
        """
        self._generation += 1
        if not self._mail.closed:
            scope = self._scope if scope is None else scope
            # A question that replaces another takes over its place in the row.
            self._waiting[channel] = _Question(channel, self._generation, operation, request, scope)
            self._ask_next()
            self._tell_busy()
        return self._generation

    def set_scope(self, scope: object) -> None:
        """From now on only what belongs to `scope` is wanted (compared by ==: a name, a number, an object)."""
        self._scope = scope
        self._waiting = {channel: question for channel, question in self._waiting.items() if question.scope == scope}
        self._tell_busy()

    def drop(self, channel: str) -> None:
        """What was asked in this channel is not wanted any more, neither what waits nor what is under way."""
        self._waiting.pop(channel, None)
        if self._under_way is not None and self._under_way.channel == channel:
            self._under_way.unwanted = True
        self._tell_busy()

    def withdraw(self, channel: str) -> bool:
        """Take back what waits in this channel and has not been begun: no answer and no signal comes. False: nothing
        did; what is under way stays."""
        found = self._waiting.pop(channel, None) is not None
        self._tell_busy()
        return found

    def cancel(self, channel: str | None = None) -> None:
        """End what is under way and what waits (of one channel, or of all); each says so by `cancelled`."""
        waiting = [question for question in self._waiting.values() if channel in (None, question.channel)]
        for question in waiting:
            del self._waiting[question.channel]
        running = self._under_way
        if running is not None and channel in (None, running.channel):
            running.cancelled = True
            self._stop_computing()
        for question in waiting:
            self.cancelled.emit(question.channel, question.generation)
        if not self._mail.closed:
            self._tell_busy()

    def end_long(self, channel: str, seconds: float) -> None:
        """What waits in a channel is not wanted any more. What is under way there is ended where it has been for so
        long: what comes next would wait behind it. Else its answer is let go."""
        running = self._under_way
        if running is not None and running.channel == channel and time.monotonic() - running.begun > seconds:
            self.cancel(channel)
        else:
            self.drop(channel)

    def idle(self) -> bool:
        """Nothing is under way, waits, or has yet to be delivered."""
        return self._under_way is None and not self._waiting

    def close(self) -> None:
        """Ask and deliver nothing any more. The executor is its owner's to shut down."""
        self._mail.close()
        self._waiting.clear()
        if self._future is not None:
            self._future.cancel()
        self._under_way = self._future = None
        self._tell_busy()

    def _stop_computing(self) -> None:
        if self._future is not None and not self._future.done() and not self._future.cancel():
            cancel_running = getattr(self._executor, "cancel_running", None)
            if callable(cancel_running):
                cancel_running(self._future)

    def _ask_next(self) -> None:
        if self._under_way is not None or not self._waiting:
            return
        question = min(self._waiting.values(), key=_urgency)  # the longest waiting among equals
        del self._waiting[question.channel]
        self._under_way = question
        question.begun = time.monotonic()
        try:
            future = self._executor.submit(self._function(), question.operation, question.request)
        except Exception as error:
            future = Future()
            future.set_exception(error)
        self._future = future
        future.add_done_callback(_Reply(self._mail, question))

    def _function(self) -> Run:
        if self._run is None:
            from engine.operations import run

            self._run = run
        return self._run

    @Slot()
    def _collect(self) -> None:
        while self._mail.letters and not self._mail.closed:
            question, future = self._mail.letters.popleft()
            if question is self._under_way:
                self._under_way = self._future = None
                self._ask_next()  # first, so that the engine works while the window paints
            self._deliver(question, future)
        if not self._mail.closed:
            self._tell_busy()

    def _deliver(self, question: _Question, future: Future[Any]) -> None:
        """Emit what became of a question, unless nobody wants to know."""
        if (
            question.unwanted
            or (self._scope is not _ANY and question.scope != self._scope)
            or question.generation < self._delivered.get(question.channel, 0)
        ):
            return
        self._delivered[question.channel] = question.generation
        error = CancelledError() if future.cancelled() else future.exception()
        if question.cancelled or isinstance(error, CancelledError | EngineCancelledError):
            self.cancelled.emit(question.channel, question.generation)
        elif error is not None:
            self.failed.emit(question.channel, question.generation, _sentence(error))
        else:
            self.answered.emit(question.channel, question.generation, future.result())

    def _tell_busy(self) -> None:
        busy = not self.idle()
        if busy != self._was_busy:
            self._was_busy = busy
            self.busyChanged.emit(busy)


def _urgency(question: _Question) -> int:
    return URGENCY.get(question.channel, 2)


def _sentence(error: BaseException) -> str:
    if isinstance(error, EngineCrashError):
        _log.error("%s\n%s", error, error.details)
    if isinstance(error, EngineError):
        return str(error)
    failure = describe(error)
    _log.error("%s\n%s", failure.sentence, failure.details)
    return failure.sentence


class _Bell(QObject):
    rung = Signal()


class _Mail:
    """Where answers lie until the window's thread collects them.

    It outlives the courier for as long as an answer may still come; then there is no bell to ring any more.
    """

    def __init__(self, bell: _Bell, arrived: Callable[[object], None] | None) -> None:
        self._arrived = arrived
        self.letters: deque[tuple[_Question, Future[Any]]] = deque()
        self._bell: _Bell | None = bell
        self.closed = False
        self._lock = threading.Lock()

    def put(self, question: _Question, future: Future[Any]) -> None:
        """From any thread."""
        self._tell(question, future)
        with self._lock:
            if self._bell is not None:
                self.letters.append((question, future))
                self._bell.rung.emit()

    def _tell(self, question: _Question, future: Future[Any]) -> None:
        arrived = self._arrived
        if arrived is None or question.unwanted or future.cancelled() or future.exception() is not None:
            return
        try:
            arrived(future.result())
        except Exception:  # the window can do without: it does then itself what has not been prepared
            _log.exception("An answer could not be prepared")

    def close(self) -> None:
        """In the window's thread: that is where the bell, a QObject, must end."""
        with self._lock:
            self.closed = True
            self.letters.clear()
            self._bell = self._arrived = None


class _Reply:
    """A future's callback that holds on to the mail, not to the courier."""

    def __init__(self, mail: _Mail, question: _Question) -> None:
        self._mail = mail
        self._question = question

    def __call__(self, future: Future[Any]) -> None:
        self._mail.put(self._question, future)
