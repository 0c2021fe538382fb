"""A small training in the window."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec
from explorer.app import Explorer
from explorer.training.tab import TrainingTab


def experiment(**training: object) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)),
        task=AddingTask(steps=8, batch_size=3),
        training=TrainingSpec(**{"learning_rate": 0.02, "evaluate_every": 10, **training}),
    )


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)


def tab(explorer: Explorer) -> TrainingTab:
    return explorer.window.drawer.training


def act(explorer: Explorer, name: str) -> None:
    explorer.commands.actions[name].trigger()
