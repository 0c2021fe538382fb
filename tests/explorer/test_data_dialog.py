"""Somebody's own data on their way into the document: nothing changes before it was seen what they are, a wrong file
says in one sentence what is wrong, the window never waits, and what is chosen is one step of undo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.data import look_at, store, table
from engine.data_requests import LookAt
from engine.requests import Computed, Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, SequencesTask, SeriesTask, Split, TextTask
from explorer.app import Explorer
from explorer.compute.courier import Courier
from explorer.compute.inline import InlineExecutor
from explorer.data_dialog import reader as reading
from explorer.data_dialog.dialog import DataDialog
from explorer.data_dialog.reader import Reader
from explorer.dock.fields import ChoiceField, NumberField, Segments
from explorer.document import opening
from explorer.theme import current as theming

LEFT, CTRL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
GERMAN = "".join(
    [
        "\ufeffTag;Preis;Last;Notiz\r\n",
        *(
            f"{1 + n % 28:02d}.{1 + n // 28 % 12:02d}.{2020 + n // 336};{n},25;"
            f"{'' if n in (9, 200) else f'{n % 7},5'};{'frei' if n % 90 == 0 else ''}\r\n"
            for n in range(400)
        ),
    ]
)
"""Semicolons, decimal commas, a byte order mark, two gaps and a column of text."""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


class Never(Executor):
    """An engine that computes for ever, until it is told to end that."""

    def __init__(self) -> None:
        self.ended = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        return future

    def cancel_running(self, future: Future[Any]) -> bool:
        self.ended += 1
        return True


class Opened:
    """A dialog over a file, and the tasks that it gave."""

    def __init__(self, qtbot: QtBot, path: str, executor: Executor | None = None) -> None:
        theming.apply("dark")
        self.courier = Courier(executor or InlineExecutor())
        self.reader = Reader(self.courier)
        self.dialog = DataDialog(self.reader, path, steps=20, batch_size=4)
        qtbot.addWidget(self.dialog)
        self.tasks: list[Any] = []
        self.dialog.chosen.connect(self.tasks.append)
        self.dialog.show()
        self.dialog.activateWindow()
        qtbot.waitExposed(self.dialog)
        self._qtbot = qtbot

    def wait(self) -> None:
        self._qtbot.waitUntil(lambda: not self.reader.reading, timeout=20_000)
        QApplication.processEvents()


@pytest.fixture
def over(qtbot: QtBot) -> Iterator[Callable[[str], Opened]]:
    made: list[Opened] = []

    def open_over(path: str) -> Opened:
        made.append(Opened(qtbot, path))
        made[-1].wait()
        return made[-1]

    yield open_over
    for one in made:
        one.dialog.reject()
        one.courier.close()


def pick(field: QWidget, value: object) -> None:
    """As a person does, of a list that is open."""
    assert isinstance(field, ChoiceField)
    field.setFocus()
    field.showPopup()
    view = field.view()
    view.setCurrentIndex(view.model().index(field.findData(value), 0))
    QTest.keyClick(view, Qt.Key.Key_Return)


def visible(dialog: DataDialog) -> str:
    return dialog.failure.text.text() if dialog.failure.isVisible() else ""


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_all_that_was_detected_is_shown_before_anything_is_used(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    dialog = over(written("strom.csv", GERMAN)).dialog
    said = dialog.found.text()
    for part in ("400 rows of 4 columns", "byte order mark", "semicolons", "heading", "',' stands before the decimals"):
        assert part in said
    assert dialog.as_read.rows["delimiter"].field.value() == ";"
    assert dialog.as_read.rows["decimal"].field.value() == ","
    model = dialog.preview.table.model()
    heads = [model.headerData(at, Qt.Orientation.Horizontal) for at in range(4)]
    assert heads == [
        "Tag\ndate · rising",
        "Preis\nnumber",
        "Last\nnumber · 2 missing · target",
        "Notiz\ntext · 395 missing",
    ]
    assert model.data(model.index(3, 1)) == "3,25"
    assert model.data(model.index(9, 2)) == "missing"
    assert not list(store.folder().glob("*")), "nothing is kept before it is chosen"


def test_gaps_have_to_be_decided_about_where_they_are(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    dialog = over(written("strom.csv", GERMAN)).dialog
    row = dialog.series.rows["missing"]
    assert row.error.text() == "Last: 2 missing, the first in line 11; choose what is done there."
    assert not dialog.use.isEnabled()
    pick(row.field, "interpolate")
    assert not row.error.text()
    assert dialog.use.isEnabled()
    # 0.7 of 400 rows, and windows of 20 rows with a target one row ahead take 21.
    assert "training: 280 rows, 260 windows" in dialog.summary.text()


def test_a_series_by_the_mouse(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    made = over(written("strom.csv", GERMAN))
    dialog = made.dialog
    ticks = dialog.series.list
    at = [one.name for one in ticks.offered()].index("Last")
    qtbot.mouseClick(ticks.viewport(), LEFT, pos=ticks.visualItemRect(ticks.item(at)).center())
    assert ticks.ticked() == ("Preis",)
    pick(dialog.series.rows["target"].field, "Preis")
    assert dialog.use.isEnabled(), "the column with gaps is not used any more"
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    (task,) = made.tasks
    assert isinstance(task, SeriesTask)
    assert (task.name, task.columns, task.target) == ("strom.csv", ("Preis",), "Preis")
    assert (task.steps, task.batch_size, task.ahead, task.stride, task.split) == (20, 4, 1, 1, Split())
    assert store.has(task.data)
    assert not dialog.isVisible()


def test_a_series_by_the_keyboard_alone(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    made = over(written("strom.csv", GERMAN))
    dialog, ticks = made.dialog, made.dialog.series.list
    tab_to(dialog, ticks)
    assert ticks.currentItem().text().startswith("Preis")
    qtbot.keyClick(ticks, Qt.Key.Key_Down)
    qtbot.keyClick(ticks, Qt.Key.Key_Space)
    assert ticks.ticked() == ("Preis",)
    tab_to(dialog, dialog.series.rows["target"].field)
    qtbot.keyClick(dialog.series.rows["target"].field, Qt.Key.Key_Up)
    steps = dialog.series.rows["steps"].field
    tab_to(dialog, steps)
    assert isinstance(steps, NumberField)
    steps.selectAll()
    qtbot.keyClicks(steps, "12")
    qtbot.keyClick(steps, Qt.Key.Key_Return)
    made.wait()
    assert not made.tasks, "Enter in a field is about the field"
    qtbot.keyClick(steps, Qt.Key.Key_Return, CTRL)
    made.wait()
    (task,) = made.tasks
    assert (task.columns, task.target, task.steps) == (("Preis",), "Preis", 12)


def tab_to(dialog: DataDialog, wanted: QWidget) -> None:
    """With Tab, as often as it takes to come around."""
    for _ in range(60):
        if dialog.focusWidget() is wanted:
            return
        QTest.keyClick(dialog.focusWidget() or dialog, Qt.Key.Key_Tab)
    raise AssertionError(f"Tab does not come to {wanted.accessibleName()}")


def test_tab_comes_by_everything_and_everything_has_a_name(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    dialog = over(written("strom.csv", GERMAN)).dialog
    met: list[QWidget] = []
    for _ in range(60):
        QTest.keyClick(dialog.focusWidget() or dialog, Qt.Key.Key_Tab)
        focused = dialog.focusWidget()
        assert focused is not None
        if focused in met:
            break
        met.append(focused)
    names = [one.accessibleName() or (one.text() if isinstance(one, QAbstractButton) else "") for one in met]
    assert all(names), names
    rows = [*dialog.as_read.rows.values(), *dialog.series.rows.values()]
    reached = set(met) | {one.parentWidget() for one in met}
    for row in rows:
        assert not row.isVisible() or row.field in reached, row.name
    assert dialog.use not in met, "as long as something is missing there is nothing to use"


# -- other kinds of files ---------------------------------------------------------------------------------------------


def test_a_text_by_words_in_one_stream(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    made = over(written("tale.txt", "the cat sat on the mat, and the dog too.\n" * 200))
    dialog = made.dialog
    for name, value in (("level", "word"), ("order", "stream")):
        field = dialog.text.rows[name].field
        assert isinstance(field, Segments)
        qtbot.mouseClick(field.button(value), LEFT)
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    (task,) = made.tasks
    # the cat sat on mat , and dog too . and the line end: 11 different, and one for the rest.
    assert task == TextTask(
        data=task.data, name="tale.txt", level="word", symbols=12, steps=20, order="stream", batch_size=4
    )


def test_sequences_with_a_class_from_a_table_of_texts(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    rows = [f"{'very ' * (n % 3)}{'good' if n % 2 else 'bad'}\t{'yes' if n % 2 else 'no'}" for n in range(60)]
    made = over(written("reviews.tsv", "\n".join(["text\tliked", *rows])))
    dialog = made.dialog
    assert dialog.becomes.value() == "sequences"
    assert dialog.sequences.list.ticked() == ("text",)
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    (task,) = made.tasks
    assert isinstance(task, SequencesTask)
    assert (task.answers, task.classes, task.symbols, task.steps) == ("class", 2, 4, 3)  # very good bad, and the rest


def test_arrays_of_sequences_and_of_a_series(over: Callable[[str], Opened], tmp_path: Path, qtbot: QtBot) -> None:
    x = np.arange(40 * 6 * 2, dtype=np.float32).reshape(40, 6, 2)
    np.savez(tmp_path / "many.npz", x=x, y=np.arange(40) % 3)
    made = over(str(tmp_path / "many.npz"))
    answers = made.dialog.sequences.rows["answers"].field
    assert isinstance(answers, Segments)
    assert not answers.button("tags").isEnabled(), "there is one answer a sequence"
    qtbot.mouseClick(made.dialog.use, LEFT)
    made.wait()
    assert (made.tasks[0].steps, made.tasks[0].inputs, made.tasks[0].classes) == (6, 2, 3)
    np.save(tmp_path / "wave.npy", np.sin(np.arange(400.0)).reshape(200, 2))
    made = over(str(tmp_path / "wave.npy"))
    qtbot.mouseClick(made.dialog.use, LEFT)
    made.wait()
    assert (made.tasks[0].columns, made.tasks[0].target) == (("x0", "x1"), "x1")


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("ragged.csv", "a,b\n1,2\n3\n", "line 3"),
        ("latin.csv", "Größe;x\n1;2\n".encode("latin-1"), "not UTF-8"),
        ("empty.csv", "", "0 bytes"),
        ("book.csv", b"PK\x03\x04" + bytes(100), "Excel"),
        ("broken.npy", b"\x93NUMPY\x01\x00\x10\x00garbage", "header"),
        ("gone.csv", None, "it is not there"),
    ],
)
def test_a_wrong_file_says_one_sentence_and_nothing_can_be_used(
    over: Callable[[str], Opened],
    written: Callable[[str, str | bytes], str],
    tmp_path: Path,
    name: str,
    content: str | bytes | None,
    part: str,
) -> None:
    path = str(tmp_path / name) if content is None else written(name, content)
    dialog = over(path).dialog
    assert part in visible(dialog)
    assert visible(dialog).endswith(".")
    assert not dialog.use.isEnabled()
    assert not dialog.side.isVisible()
    assert dialog.focusWidget() is dialog.other
    assert dialog.other.accessibleDescription() == visible(dialog), "also said to those who do not see it"


def test_what_was_detected_wrongly_can_be_chosen_otherwise(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str]
) -> None:
    made = over(written("a.csv", "".join(f"{n},5\n" for n in range(200))))
    dialog = made.dialog
    assert len(dialog.series.list.offered()) in (1, 2)
    pick(dialog.as_read.rows["delimiter"].field, ";")
    made.wait()
    pick(dialog.as_read.rows["decimal"].field, ",")
    made.wait()
    (column,) = dialog.series.list.offered()
    assert column.says == "number"
    assert dialog.series.rows["steps"].error.text() == ""
    pick(dialog.as_read.rows["as_"].field, "text")
    made.wait()
    assert dialog.form is dialog.text


def test_a_part_too_short_is_said_at_its_field_before_it_is_read(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    dialog = over(written("short.csv", "\n".join(["x", *map(str, range(100))]))).dialog
    steps = dialog.series.rows["steps"]
    assert steps.error.text() == (
        "The validation part has 15 rows, and a window with its target takes 21; take fewer steps, or make this part "
        "larger or 0."
    )
    assert not dialog.use.isEnabled()
    assert isinstance(steps.field, NumberField)
    steps.field.setFocus()
    steps.field.selectAll()
    qtbot.keyClicks(steps.field, "14")
    qtbot.keyClick(steps.field, Qt.Key.Key_Return)
    assert dialog.use.isEnabled()


def test_a_file_that_changed_meanwhile_is_said_and_the_dialog_stays(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    path = written("a.csv", "\n".join(["x", *map(str, range(300))]))
    made = over(path)
    Path(path).write_text("\n".join(["x", *map(str, range(301))]))
    qtbot.mouseClick(made.dialog.use, LEFT)
    made.wait()
    assert not made.tasks
    assert made.dialog.problem.text() == "'a.csv' has changed since it was looked at; look at it again."
    assert made.dialog.isVisible()


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
    assert dialog.progress.isVisible()
    assert dialog.doing.text().startswith("Reading big.csv")
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
    assert (task.steps, task.batch_size) == (before.task.steps, before.task.batch_size), "what fits is kept"
    assert window.document.undo_stack.count() == steps + 1
    assert window.document.undo_stack.undoText() == "data from a.csv"
    qtbot.waitUntil(lambda: window.controller.settled, timeout=60_000)
    assert window.controller.excerpt is not None
    assert window.controller.excerpt.steps == task.steps
    window.document.undo_stack.undo()
    assert experiment_of(window) == before


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


def test_the_menu_asks_for_a_file(window: Explorer, qtbot: QtBot) -> None:
    window.commands.actions["open_data"].trigger()
    asked = [one for one in QApplication.topLevelWidgets() if one.windowTitle() == "Open data" and one.isVisible()]
    assert len(asked) == 1
    asked[0].close()


def test_escape_takes_back_what_was_typed_before_it_closes_the_dialog(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:

    made = over(written("a.csv", "\n".join(["x", *map(str, range(300))])))
    field = made.dialog.series.rows["ahead"].field
    assert isinstance(field, QLineEdit)
    field.setFocus()
    qtbot.keyClicks(field, "99")
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert made.dialog.isVisible()
    assert field.text() == "1"
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert not made.dialog.isVisible()
