"""What the data dialog promises of a series is what becomes of it: windows, jumps in time, and a T that fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from data_dialogs import LEFT, Opened, pick
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.data import SeriesChoices, TablePreview, import_series, look_at
from engine.data.window_counts import Treated, Windows
from engine.spec import SeriesTask
from engine.tasks import series as tasks_series
from explorer.data_dialog.dialog import DataDialog
from explorer.dock.fields import NumberField


def series(rows: int) -> str:
    return "\n".join(["x", *map(str, range(rows))])


def dated(days: list[date]) -> str:
    return "day,v\n" + "".join(f"{day},{at % 9}\n" for at, day in enumerate(days))


def days(count: int, there: Callable[[date], bool]) -> list[date]:
    return [day for day in (date(2021, 1, 1) + timedelta(at) for at in range(count)) if there(day)]


def typed(qtbot: QtBot, dialog: DataDialog, name: str, text: str) -> None:
    field = dialog.series.rows[name].field
    assert isinstance(field, NumberField)
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def promised(dialog: DataDialog) -> list[int]:
    """Windows of training, validation and test."""
    said = [re.search(r"([0-9,]+) windows?$", line) for line in dialog.summary.text().splitlines()]
    return [int(found.group(1).replace(",", "")) for found in said if found]


def held(task: SeriesTask) -> list[int]:
    """What becomes of it."""
    return [tasks_series.count(task, part, False) for part in ("train", "validation", "test")]


def test_a_part_too_short_is_said_at_its_field_before_it_is_read(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    dialog = over(written("short.csv", series(100))).dialog
    typed(qtbot, dialog, "steps", "70")
    assert dialog.series.rows["steps"].error.text() == (
        "The training part of 'short.csv' has 70 rows, and a window of 70 steps with its target 1 ahead takes 71; "
        "take fewer steps, or make this part larger, with more data."
    )
    assert not dialog.use.isEnabled()
    typed(qtbot, dialog, "steps", "69")
    assert dialog.use.isEnabled()
    assert promised(dialog)[0] == 1


@pytest.mark.parametrize(("rows", "steps"), [(400, 20), (60, 20), (30, 10), (12, 2)])
def test_T_begins_with_one_that_the_table_has_room_for(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], rows: int, steps: int
) -> None:
    """As many windows as steps, or more, are learned from: 0.7 of 30 rows are 21, and 20 steps would leave one."""
    dialog = over(written("short.csv", series(rows))).dialog
    assert dialog.series.values["steps"] == steps
    assert dialog.use.isEnabled()
    assert promised(dialog)[0] == int(0.7 * rows + 1e-9) - steps >= steps


def test_a_T_that_somebody_typed_stays_with_another_file(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    made = over(written("a.csv", series(400)))
    typed(qtbot, made.dialog, "steps", "33")
    made.dialog.open_file(written("b.csv", series(40)))
    made.wait()
    assert made.dialog.series.values["steps"] == 33


@pytest.mark.parametrize("every", [False, True])
def test_a_model_that_answers_at_every_step_has_fewer_windows_and_that_is_counted(
    written: Callable[[str, str | bytes], str], every: bool
) -> None:
    """The answers of a window all lie in its part: of 15 rows there are 15 last ones, and 15 − 4 rows of five."""
    preview = look_at(written("a.csv", series(100)))
    assert isinstance(preview, TablePreview)
    task = import_series(preview, SeriesChoices(steps=5))
    counted = Windows({column.name: column for column in preview.columns}, preview.rows, every)
    found = counted.of_parts(task, Treated())
    assert found[1:] == [("validation", 15, 11 if every else 15), ("test", 15, 11 if every else 15)]
    assert [windows for _, _, windows in found] == [
        tasks_series.count(task, part, every) for part in ("train", "validation", "test")
    ]


def test_prices_without_weekends_work_as_they_are_and_what_is_promised_is_what_comes(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    rows = days(900, lambda day: day.weekday() < 5)
    made = over(written("prices.csv", dated(rows)))
    dialog = made.dialog
    assert dialog.series.values["time"] == "day"
    jumps = dialog.series.rows["break_at_jumps"]
    assert jumps.isVisible()
    assert jumps.field.value() is False, "a fifth of all steps are no gaps"
    said = promised(dialog)
    mondays = sum(day.weekday() == 0 for day in rows)
    assert f"Windows go over {mondays} jumps in time" in dialog.summary.text().splitlines()
    qtbot.mouseClick(jumps.field, LEFT)
    assert not dialog.use.isEnabled()
    error = dialog.series.rows["steps"].error.text()
    assert "at most 5 of them in a row without a gap or a jump in time" in error
    assert "let windows go over jumps" in error
    qtbot.mouseClick(jumps.field, LEFT)
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    assert held(made.tasks[0]) == said


def test_windows_are_counted_with_gaps_and_jumps_before_the_click_as_after_it(
    over: Callable[[str], Opened], written: Callable[[str, str | bytes], str], qtbot: QtBot
) -> None:
    rows = dated(days(730, lambda day: day.month != 7)).splitlines()
    rows[300] = rows[300].split(",")[0] + ","
    made = over(written("logger.csv", "\n".join(rows)))
    dialog = made.dialog
    pick(dialog.series.rows["missing"].field, "leave_out")
    assert dialog.series.values["break_at_jumps"] is True, "one gap a year"
    assert "Windows end at 2 jumps in time" in dialog.summary.text().splitlines()
    typed(qtbot, dialog, "stride", "3")
    said = promised(dialog)
    qtbot.mouseClick(dialog.use, LEFT)
    made.wait()
    assert held(made.tasks[0]) == said
    assert said[0] < (int(0.7 * (len(rows) - 1)) - 20) // 3, "gap and jumps cost some"
