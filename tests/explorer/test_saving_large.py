"""A large session is saved while the window goes on: the file is that of the moment, what has been done since is still
to be saved, and nobody closes before it is written."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QCloseEvent
from pytestqt.qtbot import QtBot

from engine import container, session
from engine.errors import SessionError
from engine.session import Session
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec
from explorer import saver
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.state import State, View

EXPERIMENT = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)), task=AddingTask(steps=8, batch_size=3)
)


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)


class Slow:
    """Saves when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.begun, self.problem = threading.Event(), threading.Event(), ""
        self._save = session.save
        monkeypatch.setattr(saver.session, "save", self)
        monkeypatch.setattr(saver, "LARGE", 0)

    def __call__(self, found: Any, path: Any) -> str:
        self.begun.set()
        assert threading.current_thread() is not threading.main_thread()
        assert self.go.wait(30)
        if self.problem:
            raise SessionError(self.problem)
        return self._save(found, path)


@pytest.fixture
def saving(qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slow:
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="large"))
    settle(qtbot, explorer)
    explorer.document.path = str(tmp_path / "a.gflow")
    explorer.document.edit_tracks(("norms", "values.h"), "another track")
    settle(qtbot, explorer)
    slow = Slow(monkeypatch)
    assert explorer.files.save()
    assert slow.begun.wait(30)
    return slow


def test_the_window_goes_on_and_what_is_done_meanwhile_is_still_to_be_saved(
    qtbot: QtBot, explorer: Explorer, saving: Slow, tmp_path: Path
) -> None:
    assert explorer.window.status.saved.text() == "saving…"
    assert explorer.document.dirty
    training = TrainingSpec(learning_rate=0.3)
    explorer.document.edit_experiment(Experiment(model=EXPERIMENT.model, task=EXPERIMENT.task, training=training))
    saving.go.set()
    qtbot.waitUntil(lambda: explorer.window.status.saved.text().startswith("saved"), timeout=30_000)
    assert session.load(tmp_path / "a.gflow").experiment == EXPERIMENT
    assert explorer.document.dirty, "the edit is not in the file"
    explorer.document.undo_stack.undo()
    settle(qtbot, explorer)
    assert explorer.files.save()
    assert explorer.files.finish_saving()
    assert not explorer.document.dirty


def test_whoever_closes_meanwhile_waits_for_it(explorer: Explorer, saving: Slow, tmp_path: Path) -> None:
    threading.Timer(0.1, saving.go.set).start()
    event = QCloseEvent()
    explorer.files._window_closing(event)
    assert event.isAccepted()
    assert session.load(tmp_path / "a.gflow").view.tracks == ("norms", "values.h")
    assert not explorer.document.dirty


def test_a_failure_is_said_and_nothing_counts_as_saved(
    qtbot: QtBot, explorer: Explorer, saving: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(explorer.files, "_complain", lambda _title, sentence: said.append(sentence))
    saving.problem = "The disk is full."
    saving.go.set()
    qtbot.waitUntil(lambda: bool(said), timeout=30_000)
    assert said == ["The disk is full."]
    assert not explorer.files.finish_saving()
    assert explorer.document.dirty
    assert not (tmp_path / "a.gflow").exists()


def test_what_a_newer_version_has_written_is_opened_with_a_sentence(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(container, "VERSION", (1, 9))
        session.save(Session(EXPERIMENT), tmp_path / "a.gflow")
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    assert "(format 1.9; this one knows 1.1)" in explorer.window.stage.banner.text()
