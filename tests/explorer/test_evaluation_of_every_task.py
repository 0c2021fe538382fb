"""Whatever a task is asked with, its judgement can be shown: as pictures and as tables."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.operations import run
from engine.spec import (
    AddingTask,
    CopyTask,
    EchoTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    ParityTask,
    ReadoutSpec,
    ReberTask,
    SinesTask,
    SunspotsTask,
    Task,
    TemporalOrderTask,
)
from engine.task_facts import form
from engine.training_requests import Judge
from explorer.evaluation.answers import answers_of
from explorer.evaluation.tab import EvaluationTab
from explorer.theme import current as theming

TASKS: tuple[Task, ...] = (
    AddingTask(steps=4, batch_size=2),
    CopyTask(delay=2, batch_size=2),
    TemporalOrderTask(steps=10, batch_size=2),
    EchoTask(steps=5, delay=2, batch_size=2),
    ParityTask(steps=4, batch_size=2),
    ReberTask(steps=10, batch_size=2),
    SinesTask(steps=4, batch_size=2),
    SunspotsTask(steps=4, batch_size=2),
)
CASES = [
    pytest.param(task, loss, at, id=f"{type(task).__name__}-{loss}-{at}")
    for task in TASKS
    for loss in form(task).losses
    for at in form(task).readouts
]
KINDS = {("class", False): "class", ("tag", True): "tags", ("symbol", True): "symbols"}


@pytest.mark.parametrize(("task", "loss", "at"), CASES)
def test_a_judgement_can_be_shown_whatever_is_asked(qtbot: QtBot, task: Task, loss: str, at: str) -> None:
    theming.apply("dark")
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=2),), readout=ReadoutSpec(at=at), loss=loss)  # type: ignore[arg-type]
    experiment = Experiment(model=model, task=task)
    judged = run("judge", Judge(experiment, None, sequences=1, shown=2))
    answers = answers_of(judged, 0, experiment)
    if loss == "mse":
        assert answers.kind in ("series", "numbers")
    else:
        assert answers.kind == KINDS[judged.shape, at == "every"]
    tab = EvaluationTab()
    qtbot.addWidget(tab)
    tab.resize(710, 258)
    tab.set_answers(answers)
    tab.show()
    tab.grab()
    for choice in range(tab.show_choice.count()):
        tab.show_choice.setCurrentIndex(choice)
        tab.show_choice.chosen.emit(tab.show_choice.currentData())
        tab.grab()
        tab.take_focus()
        QTest.keyClick(tab.picture, Qt.Key.Key_Right)
        assert tab.readout.text()
    tab.table_button.click()
    tab.grab()
    assert tab.table.model().rowCount() > 0
