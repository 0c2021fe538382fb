"""The window never waits for a file, and what comes of the data dialog is one step of undo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from data_dialogs import GERMAN, LEFT, Never, Opened
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import session
from engine.data import look_at, table
from engine.data_requests import LookAt
from engine.requests import Computed, Look
from engine.session import Session
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, SeriesTask
from explorer.app import Explorer
from explorer.compute.courier import Courier
from explorer.compute.inline import InlineExecutor
from explorer.data_dialog import reader as reading
from explorer.document import opening

# -- while it takes a while -------------------------------------------------------------------------------------------


def test_a_big_file_is_read_piece_by_piece_with_pictures_in_between(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECE", 0.0)
    (tmp_path / "a.csv").write_text("x,y\n" + "\n".join(f"{n},{n % 7}" for n in range(40_000)))
    courier = Courier(InlineExecutor())
    reader = reading.Reader(courier)
    shares: list[float] = []
    looked: list[object] = []
    between: list[int] = []
    reader.progressed.connect(shares.append)
    reader.looked.connect(looked.append)
    courier.answered.connect(lambda channel, *_: between.append(len(shares)) if channel == "excerpt" else None)
    reader.look(LookAt(str(tmp_path / "a.csv")))
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=2),)), task=AddingTask(steps=2, batch_size=1)
    )
    courier.ask("excerpt", "excerpt", Look(Computed(experiment), ()))
    qtbot.waitUntil(lambda: bool(looked), timeout=20_000)
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < 0.2 < 0.8 < shares[-1] <= 1.0
    assert between == [1], "the picture had to wait for one piece"
    assert looked == [look_at(tmp_path / "a.csv")], "the same as read at once"
    courier.close()


def test_what_has_been_read_of_a_file_goes_when_the_dialog_closes(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    made = over(written("strom.csv", GERMAN))
    assert table._kept
    made.dialog.reject()
    qtbot.waitUntil(lambda: not table._kept)


def test_the_window_does_not_wait_and_escape_ends_the_reading(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PATIENCE", 0.0)
    engine = Never()
    made = Opened(qtbot, str(tmp_path / "big.csv"), engine)
    dialog = made.dialog
    assert made.reader.reading
    assert dialog.waiting.isVisible()
    assert dialog.waiting.says.text().startswith("Reading")
    for claims in (dialog.as_read, dialog.preview, dialog.side, dialog.found, dialog.notes):
        assert not claims.isVisible(), "nothing is known of the file yet"
    assert not dialog.use.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert not made.reader.reading
    assert engine.ended == 1
    made.courier.close()


# -- in the window ----------------------------------------------------------------------------------------------------


@pytest.fixture
def window(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.show(opening.of_nothing())
    qtbot.waitExposed(explorer.window)
    explorer.window.activateWindow()
    explorer.window.dock.stack.add("rnn")
    return explorer


def experiment_of(explorer: Explorer) -> Experiment:
    assert explorer.document.experiment is not None
    return explorer.document.experiment


def drop(explorer: Explorer, path: str) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path)])
    action = Qt.DropAction.CopyAction
    event = QDropEvent(QPointF(50, 50), action, mime, LEFT, Qt.KeyboardModifier.NoModifier)
    explorer.window.dropEvent(event)


def test_a_dropped_table_is_looked_at_and_becomes_one_step_of_undo(
    window: Explorer, qtbot: QtBot, written: Callable[[str, str | bytes], str]
) -> None:
    before, steps = experiment_of(window), window.document.undo_stack.count()
    drop(window, written("a.csv", "\n".join(["x,y", *(f"{n},{n * n}" for n in range(600))])))
    dialog = window.bindings.own_data.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.use.isEnabled(), timeout=20_000)
    assert experiment_of(window) == before, "looking changes nothing"
    qtbot.mouseClick(dialog.use, LEFT)
    qtbot.waitUntil(lambda: window.bindings.own_data.dialog is None, timeout=20_000)
    task = experiment_of(window).task
    assert isinstance(task, SeriesTask)
    assert (task.steps, task.batch_size) == (50, 16), "as on the command line, whatever task was open"
    assert window.document.undo_stack.count() == steps + 1
    assert window.document.undo_stack.undoText() == "data from a.csv"
    qtbot.waitUntil(lambda: window.controller.settled, timeout=60_000)
    assert window.controller.excerpt is not None
    assert window.controller.excerpt.steps == task.steps
    window.document.undo_stack.undo()
    assert experiment_of(window) == before


def test_what_was_trained_is_said_to_go_and_comes_back(
    window: Explorer, qtbot: QtBot, written: Callable[[str, str | bytes], str]
) -> None:
    qtbot.waitUntil(lambda: window.controller.settled, timeout=60_000)
    window.commands.actions["train_ten"].trigger()
    qtbot.waitUntil(lambda: window.document.state.furthest == 10 and not window.runner.running, timeout=60_000)
    records = window.document.state.history
    drop(window, written("a.csv", "\n".join(["x,y", *(f"{n},{n * n}" for n in range(600))])))
    dialog = window.bindings.own_data.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.use.isEnabled(), timeout=20_000)
    said = "Training begins anew. Iterations 1–10 are put away; undo brings them back."
    assert dialog.summary.text().endswith(said)
    qtbot.mouseClick(dialog.use, LEFT)
    qtbot.waitUntil(lambda: window.bindings.own_data.dialog is None, timeout=20_000)
    assert window.document.state.furthest == 0
    window.document.undo_stack.undo()
    assert window.document.state.furthest == 10
    assert window.document.state.history.keys() == records.keys()


def test_cancel_and_a_wrong_file_leave_the_document_as_it_is(
    window: Explorer, qtbot: QtBot, written: Callable[[str, str | bytes], str]
) -> None:
    before, steps = experiment_of(window), window.document.undo_stack.count()
    for name, content in (("ok.csv", "\n".join(["x", *map(str, range(300))])), ("bad.csv", "a,b\n1\n")):
        window.files.dataChosen.emit(written(name, content))
        dialog = window.bindings.own_data.dialog
        assert dialog is not None
        qtbot.waitUntil(lambda: not window.reader.reading, timeout=20_000)  # type: ignore[unused-ignore]
        qtbot.mouseClick(dialog.cancel, LEFT)
        assert window.bindings.own_data.dialog is None
    assert (experiment_of(window), window.document.undo_stack.count()) == (before, steps)


def test_data_and_sessions_are_told_apart_by_their_endings(
    window: Explorer, qtbot: QtBot, written: Callable[[str, str | bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(window.files, "_complain", lambda title, sentence: said.append(sentence))
    window.document.undo_stack.setClean()
    drop(window, written("no.gflow", "nothing"))
    assert len(said) == 1
    assert window.bindings.own_data.dialog is None
    drop(window, written("DATA.CSV", "x\n1\n2\n"))
    assert len(said) == 1
    dialog = window.bindings.own_data.dialog
    assert dialog is not None
    dialog.reject()


MINE = """
[experiment.task]
kind = "adding"
steps = 7
[experiment.model]
layers = [{ cell = "gru" }]
"""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("prices.dat", "day;close\n1;2,5\n2;3,5\n" * 40, ""),
        ("log.md", "one two three\n" * 40, ""),
        ("notes.text", "one two three\n" * 40, ""),
        ("README", "one two three\n" * 40, ""),
        ("sheet.xlsx", b"PK\x03\x04" + bytes(60), "export the sheet as CSV"),
        ("data.csv.gz", b"\x1f\x8b\x08" + bytes(60), "unpack it first"),
        ("empty", "", "is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)
def test_what_is_no_session_is_looked_at_as_data_which_know_best_what_is_wrong(
    window: Explorer,
    qtbot: QtBot,
    written: Callable[[str, str | bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str | bytes,
    said: str,
) -> None:
    complaints: list[str] = []
    monkeypatch.setattr(window.files, "_complain", lambda title, sentence: complaints.append(sentence))
    failed: list[str] = []
    window.reader.failed.connect(failed.append)
    window.document.undo_stack.setClean()
    drop(window, written(name, content))
    dialog = window.bindings.own_data.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: not window.reader.reading, timeout=20_000)
    assert complaints == []
    assert len(failed) == bool(said)
    assert all(said in sentence and name in sentence for sentence in failed)
    dialog.reject()


def test_a_session_by_another_name_an_experiment_and_what_is_not_there_are_no_data(
    window: Explorer, qtbot: QtBot, written: Callable[[str, str | bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[str] = []
    monkeypatch.setattr(window.files, "_complain", lambda title, sentence: complaints.append(sentence))
    path = Path(written("kept", ""))
    session.save(Session(experiment_of(window), title="kept before"), path)
    window.document.undo_stack.setClean()
    drop(window, str(path))
    assert window.document.title == "kept before"
    drop(window, written("mine.toml", MINE))
    assert complaints == []
    assert experiment_of(window).task == AddingTask(steps=7)
    drop(window, str(path.parent / "nowhere"))
    drop(window, str(path.parent))
    drop(window, written("mine.gflow.old", "nothing"))
    assert len(complaints) == 3
    assert window.bindings.own_data.dialog is None


def test_the_menu_asks_for_a_file(window: Explorer, qtbot: QtBot) -> None:
    window.commands.actions["open_data"].trigger()
    asked = [one for one in QApplication.topLevelWidgets() if one.windowTitle() == "Open data" and one.isVisible()]
    assert len(asked) == 1
    asked[0].close()
