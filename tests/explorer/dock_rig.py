"""The dock in the window, for tests: an experiment with one layer, and a value chosen from a list."""

from __future__ import annotations

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.spec import (
    AddingTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    TrainingSpec,
)
from explorer.app import Explorer
from explorer.dock.fields import ChoiceField
from explorer.document import opening


def experiment(loss: str = "mse", at: str = "last", training: TrainingSpec | None = None) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell="gru"),), readout=ReadoutSpec(at=at), loss=loss)  # type: ignore[arg-type]
    return Experiment(model=model, task=AddingTask(steps=40, batch_size=8), training=training or TrainingSpec())


def with_one_layer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    """A document of one layer, and the card of the task open."""
    explorer.show(opening.of_nothing())
    qtbot.waitExposed(explorer.window)
    explorer.window.activateWindow()
    explorer.window.dock.stack.add("rnn")
    explorer.window.dock.stack.open_card(explorer.window.dock.stack.input)
    return explorer


def shown(explorer: Explorer) -> Experiment:
    assert explorer.document.experiment is not None
    return explorer.document.experiment


def choose(qtbot: QtBot, field: ChoiceField, value: object) -> None:
    """By the keys of an open list."""
    field.setFocus()
    field.showPopup()
    view = field.view()
    view.setCurrentIndex(view.model().index(field.findData(value), 0))
    qtbot.keyClick(view, Qt.Key.Key_Return)
