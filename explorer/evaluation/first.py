"""What a document opens on is evaluated once where nothing says how good it is: training before it was opened leaves no
evaluation, and what answers lose that have learned nothing is known of data only when they are read."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine import task_facts
from engine.history import Evaluation
from engine.requests import Weights
from engine.spec import Task
from engine.training_requests import Judge, Judged
from explorer.compute.courier import Courier
from explorer.controller import Controller
from explorer.document.document import Document

CHANNEL = "evaluation.first"
_QUIET_MS = 300
"""The picture comes first."""
_LONG = 0.4
"""Seconds of it that a picture waits for at most."""


class FirstEvaluation(QObject):
    """Asks in the engine's spare time, and for nothing twice."""

    known = Signal(object)
    """Evaluation of the newest iteration; None: it is of none any more."""

    def __init__(
        self, document: Document, controller: Controller, courier: Courier, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._document, self._controller, self._courier = document, controller, courier
        self._about: tuple[Task, Weights] | None = None
        """What has been asked about, or is known, or could not be found out."""
        self._generation, self._iteration, self._found = 0, 0, False
        self._training = False
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(_QUIET_MS)
        self._quiet.timeout.connect(self._ask)
        controller.excerptChanged.connect(self._look)
        controller.traceWanted.connect(self._give_way)
        document.stateChanged.connect(self._look)
        document.opened.connect(self._look)
        courier.answered.connect(self._answered)
        courier.failed.connect(self._missed)
        courier.cancelled.connect(self._cancelled)

    @Slot(bool)
    def set_training(self, training: bool) -> None:
        """Training evaluates by itself."""
        self._training = training
        self._give_way()
        self._look()

    @Slot()
    def _look(self) -> None:
        if self._about is not None and not self._is_of(self._about):
            self._forget()
        if self._wanted() is not None:
            self._quiet.start()

    def _is_of(self, about: tuple[Task, Weights]) -> bool:
        """Whether that is still there: as one of its iterations, of the same data."""
        state = self._document.state
        return (
            state.experiment is not None
            and state.experiment.task == about[0]
            and state.history.get(self._iteration) is about[1]
        )

    def _wanted(self) -> tuple[Task, Weights] | None:
        state = self._document.state
        experiment, weights = state.experiment, state.history.get(state.furthest)
        if self._about is not None or self._training or state.evaluations or experiment is None or weights is None:
            return None
        if self._controller.excerpt is None or self._controller.renewing or state.unfinished:
            return None
        if not state.furthest and task_facts.baseline(experiment.task, experiment.model) is not None:
            return None  # nothing has been learned, and what that costs is known
        return experiment.task, weights

    @Slot()
    def _ask(self) -> None:
        wanted, state = self._wanted(), self._document.state
        if wanted is not None and state.experiment is not None:
            self._about, self._iteration = wanted, state.furthest
            request = Judge(state.experiment, wanted[1], shown=0, what_if=state.what_if)
            self._generation = self._courier.ask(CHANNEL, "judge", request)

    @Slot()
    def _give_way(self) -> None:
        if self._about is not None and not self._found and self._generation:
            self._generation, self._about = 0, None
            self._courier.end_long(CHANNEL, _LONG)

    def _forget(self) -> None:
        self._give_way()
        self._about = None
        if self._found:
            self._found = False
            self.known.emit(None)

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        if channel == CHANNEL and generation == self._generation and isinstance(answer, Judged):
            self._generation = 0
            if self._about is not None and self._is_of(self._about):
                self._found = True
                self.known.emit(Evaluation.of(self._iteration, answer))

    @Slot(str, int, str)
    def _missed(self, channel: str, generation: int, _sentence: str) -> None:
        """Nothing is held back: training can do without."""
        if channel == CHANNEL and generation == self._generation:
            self._generation = 0

    @Slot(str, int)
    def _cancelled(self, channel: str, generation: int) -> None:
        self._missed(channel, generation, "")
