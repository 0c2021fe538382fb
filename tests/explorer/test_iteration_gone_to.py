"""Going to an iteration by its number, and to the best one: from the menu, and where training has stopped early."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from engine.spec import AddingTask, EarlyStopSpec, Experiment, LayerSpec, ModelSpec, TrainingSpec
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.training.iteration_dialog import IterationDialog


def experiment(**training: object) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)),
        task=AddingTask(steps=8, batch_size=3),
        training=TrainingSpec(**{"learning_rate": 0.02, "evaluate_every": 10, **training}),
    )


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("network", "norms"), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    return explorer


def act(explorer: Explorer, name: str) -> None:
    explorer.commands.actions[name].trigger()


def dialog_of(explorer: Explorer) -> IterationDialog:
    (dialog,) = explorer.window.findChildren(IterationDialog)
    return dialog


def test_an_iteration_is_gone_to_by_its_number_and_the_tape_stays_where_it_is(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.runner.start(goal=25)
    settle(qtbot, explorer)
    explorer.document.look(position=5)
    act(explorer, "go_to_iteration")
    dialog = dialog_of(explorer)
    assert (dialog.field.minimum(), dialog.field.maximum(), dialog.field.value()) == (0, 25, 25)
    assert dialog.message.text().startswith("It is on the stage now.")
    dialog.field.setValue(12)
    assert "on the stage now" not in dialog.message.text()
    dialog.findChildren(QDialogButtonBox)[0].accepted.emit()
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 12)
    settle(qtbot, explorer)
    assert explorer.document.view.position == 5
    assert explorer.book.next == 25, "nothing of the training is let go"


def test_the_best_iteration_is_that_of_the_least_validation_loss(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.runner.start(goal=30)
    settle(qtbot, explorer)
    assert [one.iteration for one in explorer.book.evaluations] == [10, 20, 30]
    least = min(explorer.book.evaluations, key=lambda one: one.loss).iteration
    act(explorer, "first_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 0)
    settle(qtbot, explorer)
    act(explorer, "best_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration == least)
    assert explorer.window.statusBar().currentMessage().startswith(f"Iteration {least}: the least validation loss, ")
    act(explorer, "go_to_iteration")
    dialog = dialog_of(explorer)
    dialog.field.setValue(5)
    assert dialog.message.text().startswith(f"Iteration {least} has the least validation loss, ")
    dialog.reject()
    settle(qtbot, explorer)


def test_where_nothing_has_been_evaluated_it_says_when_that_comes(explorer: Explorer) -> None:
    act(explorer, "best_iteration")
    assert explorer.document.view.iteration == 0
    said = explorer.window.statusBar().currentMessage()
    assert said == "No iteration has been evaluated yet; training does every 10."


def test_where_training_stopped_early_the_way_to_the_best_stands_beside_the_sentence(
    qtbot: QtBot, explorer: Explorer
) -> None:
    explorer.window.drawer.show_tab("training")
    button = explorer.window.drawer.reason.best_button
    assert button.isHidden()
    # No evaluation is lower by so much: the first is the best, or a later one by less.
    explorer.document.edit_experiment(experiment(early_stop=EarlyStopSpec(patience=1, least=100.0)))
    settle(qtbot, explorer)
    act(explorer, "train")
    qtbot.waitUntil(lambda: not explorer.runner.running, timeout=60_000)
    settle(qtbot, explorer)
    assert explorer.runner.ending.kind == "early stop"
    least = min(explorer.book.evaluations, key=lambda one: one.loss).iteration
    qtbot.waitUntil(lambda: not button.isHidden())
    assert button.text() == f"Go to iteration {least}"
    assert f"after {least} iterations" in explorer.runner.ending.sentence
    act(explorer, "first_iteration")
    settle(qtbot, explorer)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == least)
    settle(qtbot, explorer)
    explorer.runner.advance(1)
    settle(qtbot, explorer)
    assert button.isHidden(), "it is no longer where training stands"
