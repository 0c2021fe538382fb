"""The evaluation tab: what is on the stage is judged, and shown against what was due."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.data import store
from engine.data.files import source_of
from engine.requests import Computed, Excerpt
from engine.spec import OwnTask
from engine.training_requests import Judged
from explorer.bindings.parts import Parts
from explorer.evaluation.evaluator import Subject

_RECORDED = "A recorded trace cannot be judged: its file does not say what the answers should have been."
_NOT_YET = "There is nothing to evaluate yet."


class EvaluationBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._evaluator, self._controller = parts, parts.evaluator, parts.controller
        self._drawer, self._tab = parts.window.drawer, parts.window.drawer.evaluation
        evaluator, tab = self._evaluator, self._tab
        evaluator.resultChanged.connect(tab.set_answers)
        evaluator.standingChanged.connect(tab.set_standing)
        tab.controls.judgeWanted.connect(evaluator.judge)
        tab.controls.stopWanted.connect(evaluator.cancel)
        tab.controls.extentPicked.connect(evaluator.set_extent)
        tab.controls.automaticPicked.connect(evaluator.set_automatic)
        self._drawer.openChanged.connect(self._drawer_opened)
        parts.controller.traceWanted.connect(evaluator.renew)
        parts.controller.failed.connect(evaluator.stay)
        parts.controller.failed.connect(self._failed)
        parts.runner.runningChanged.connect(evaluator.set_training)
        parts.runner.judged.connect(self._take)
        tab.controls.set_nothing(_NOT_YET)

    def show_opened(self) -> None:
        self._evaluator.forget()
        recorded = self._parts.document.state.recorded is not None
        self._tab.controls.set_nothing(_RECORDED if recorded else _NOT_YET)

    def show_excerpt(self, excerpt: Excerpt | None) -> None:
        source = self._controller.shown_source
        subject = None
        if excerpt is not None and isinstance(source, Computed):
            subject = Subject(self._controller.trace, source)
            self._tab.controls.set_nothing(_NOT_YET)  # data that were missing are here
        self._evaluator.set_subject(subject)
        if self._controller.renewing:
            self._evaluator.renew()

    @Slot(str)
    def _failed(self, _sentence: str) -> None:
        """Of data that are not on this computer nothing comes, however long one waits."""
        experiment = self._parts.document.experiment
        task = None if experiment is None else experiment.task
        if isinstance(task, OwnTask) and not store.has(task.data):
            self._tab.controls.set_nothing(f"Nothing can be evaluated: the data of {source_of(task.name)} are missing.")

    @Slot(str)
    def _drawer_opened(self, tab: str) -> None:
        self._evaluator.set_open(tab == "evaluation")

    @Slot(object)
    def _take(self, judged: Judged) -> None:
        experiment = self._parts.document.experiment
        if experiment is not None:
            self._evaluator.take(judged, self._parts.runner.iteration, experiment)

    def judge(self) -> None:
        self._drawer.show_tab("evaluation")
        self._evaluator.judge()

    def take_focus(self) -> None:
        self._drawer.show_tab("evaluation")
        self._tab.take_focus()
