"""The question before work is lost: it says what would be; every button has a key and no borrowed icon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from engine import session
from engine.past import Past
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec
from explorer import saver
from explorer.app import Explorer
from explorer.document.opening import Opening, of_path
from explorer.document.state import State, View
from explorer.files import at_stake

EXPERIMENT = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)), task=AddingTask(steps=8, batch_size=3)
)


def test_the_question_names_the_iterations_and_every_button_has_a_key(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="adding"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    explorer.runner.start(goal=13)
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)
    seen: list[tuple[str, list[str], bool]] = []

    def look() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        borrowed = any(not button.icon().isNull() for button in box.buttons())
        seen.append((box.informativeText(), sorted(button.text() for button in box.buttons()), borrowed))
        box.reject()

    QTimer.singleShot(0, look)
    explorer.files._ask_about_changes()
    assert seen == [
        ("It has no file yet: 13 trained iterations would be lost.", ["&Cancel", "&Discard", "&Save"], False)
    ]


@pytest.mark.parametrize(
    ("saved", "beforehand", "said"),
    [
        (False, 0, "what has been changed would be lost"),
        (False, 150, "what has been changed would be lost"),
        (True, 0, "since it was last saved would be lost."),
    ],
)
def test_what_was_not_trained_by_the_user_is_not_counted(saved: bool, beforehand: int, said: str) -> None:
    training = TrainingSpec(iterations=beforehand)
    of = msgspec.structs.replace(EXPERIMENT, training=training)
    state = State(tracks=(), experiment=of, past=Past(MappingProxyType({beforehand: {}})))
    assert state.furthest == beforehand
    assert said in at_stake(state, saved)


class Written:
    """Saves as usual, and then another program writes into the file before anybody hears of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._save = session.save
        monkeypatch.setattr(saver.session, "save", self)

    def __call__(self, found: session.Session, path: Path) -> str:
        stamp = self._save(found, path)
        self._save(replace(found, notes="from another program"), path)
        return stamp


def test_what_is_written_between_saving_and_hearing_of_it_is_somebody_elses(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.gflow"
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="adding"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    with monkeypatch.context() as patched:
        Written(patched)
        assert explorer.files._save_to(str(path))
    asked: list[str] = []
    monkeypatch.setattr(explorer.files, "_ask_about_newer", lambda at: asked.append(at) or "")
    assert not explorer.files.save()
    assert asked == [str(path)]
    assert session.load(path).notes == "from another program"


def test_what_is_written_between_reading_and_showing_is_somebody_elses(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.gflow"
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="adding"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.files._save_to(str(path))
    found = of_path(path)
    session.save(replace(session.load(path), notes="from another program"), path)
    explorer.show(found)
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    asked: list[str] = []
    monkeypatch.setattr(explorer.files, "_ask_about_newer", lambda at: asked.append(at) or "")
    assert not explorer.files.save()
    assert asked == [str(path)]


@pytest.mark.parametrize(("press", "over"), [("Save &Over It", True), ("&Cancel", False)])
def test_what_another_window_has_written_into_the_file_is_not_saved_over_unasked(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, press: str, over: bool
) -> None:
    path = tmp_path / "two.gflow"
    explorer.show(Opening(State(tracks=("norms",), experiment=EXPERIMENT), View(), title="adding"))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.files._save_to(str(path))
    assert explorer.files.save(), "nobody has written to it since: no question"
    theirs = path.read_bytes() + b" "
    path.write_bytes(theirs)
    asked: list[str] = []

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        asked.append(box.text())
        next(button for button in box.buttons() if button.text() == press).click()

    QTimer.singleShot(0, answer)
    assert explorer.files.save() is over
    assert asked == ["“two.gflow” has been changed since it was opened or saved here."]
    assert (path.read_bytes() != theirs) is over
