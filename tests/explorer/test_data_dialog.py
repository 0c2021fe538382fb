"""Somebody's own data on their way into the document: nothing changes before it was seen what they are, by mouse and by
keyboard."""

from __future__ import annotations

from collections.abc import Callable

from data_dialogs import CTRL, GERMAN, LEFT, Opened, pick, tab_to
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.data import store
from engine.spec import SeriesTask, Split
from explorer.dock.fields import NumberField


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
    assert "Training: 280 rows, 260 windows" in dialog.summary.text()


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
