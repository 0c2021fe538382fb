"""The history as the window exports it: to the byte what the command line writes, the window going on meanwhile."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from engine import session
from engine.history import Evaluation, Log
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec
from explorer.app import Explorer
from explorer.cli.history import history
from explorer.cli.target import resolve
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View
from explorer.tables.history import history_parts, parts_of_history

EXPERIMENT = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)),
    task=AddingTask(steps=8, batch_size=3),
    training=TrainingSpec(learning_rate=0.02, evaluate_every=10),
)


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="adding"))
    settle(qtbot, explorer)
    return explorer


def test_the_window_writes_what_the_command_line_writes(qtbot: QtBot, explorer: Explorer, tmp_path: Path) -> None:
    explorer.runner.start(goal=25)
    settle(qtbot, explorer)
    explorer.commands.actions["export_history"].trigger()
    (dialog,) = explorer.window.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / "window.csv"))
    dialog.reject()
    qtbot.waitUntil(lambda: (tmp_path / "window.csv").exists())
    assert explorer.window.statusBar().currentMessage() == "Saved as window.csv."
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "adding.gflow")
    history(resolve(str(tmp_path / "adding.gflow")), tmp_path / "line.csv", None)
    assert (tmp_path / "window.csv").read_bytes() == (tmp_path / "line.csv").read_bytes()
    rows = list(csv.DictReader((tmp_path / "window.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["loss"]) for row in rows] == explorer.book.column("losses").tolist()
    # The best constant for the sum of two U(0, 1) costs its variance, 2/12.
    assert {float(row["baseline"]) for row in rows} == {1 / 6}


def test_what_cannot_be_written_is_one_sentence(qtbot: QtBot, explorer: Explorer, tmp_path: Path) -> None:
    explorer.runner.start(goal=2)
    settle(qtbot, explorer)
    slots = explorer.commands.slots["Training"]
    slots.history_export.save(str(tmp_path / "nowhere" / "x.csv"))  # type: ignore[attr-defined]
    said = explorer.window.statusBar
    qtbot.waitUntil(lambda: said().currentMessage().endswith("its folder is not there."))


def test_before_anything_is_trained_no_name_is_asked_for(explorer: Explorer) -> None:
    explorer.commands.actions["export_history"].trigger()
    assert explorer.window.findChildren(QFileDialog) == []
    assert explorer.window.statusBar().currentMessage().startswith("Nothing has been trained yet")


def judged(iteration: int, baseline: float | None) -> Evaluation:
    return Evaluation(iteration=iteration, loss=0.5, metric="accuracy", value=0.25, baseline=baseline)


def test_a_long_history_comes_in_parts_and_every_row_is_in_one_of_them() -> None:
    evaluations = [judged(i, None) for i in range(0, 3000, 2)]
    parts = list(history_parts(Log(), evaluations, None))
    assert len(parts) == parts_of_history(Log(), evaluations) > 2, "the window goes on between them"
    header, *lines = b"".join(parts).decode().splitlines()
    assert header == "iteration,validation loss,validation accuracy"
    assert np.array_equal([int(line.split(",")[0]) for line in lines], np.arange(0, 3000, 2))


def test_the_baseline_of_an_evaluation_stands_beside_it_where_there_is_no_formula() -> None:
    rows = b"".join(history_parts(Log(), [judged(0, None), judged(5, math.log(3))], None)).decode().splitlines()
    assert rows[0].endswith(",baseline")
    assert rows[1].endswith(",")
    assert float(rows[2].rsplit(",", 1)[1]) == math.log(3)
