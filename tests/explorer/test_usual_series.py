"""The command line and the data dialog make the same of a table of a series where nobody has chosen anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from data_dialogs import LEFT, Opened
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.data import store
from engine.data.datasets import SeriesData
from engine.errors import DataError
from engine.spec import SeriesTask
from explorer.cli.fresh import of_data


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)


def rows(heading: str, row: Callable[[int], str], count: int = 120) -> str:
    return "\n".join((heading, *map(row, range(count)), ""))


def day(n: int) -> str:
    return (date(2020, 1, 1) + timedelta(days=n)).isoformat()


def wave(n: int) -> str:
    return f"{math.sin(n):.3f}"


ODD: dict[str, str] = {
    "oldest first": rows("day,close", lambda n: f"{day(n)},{wave(n)}"),
    "newest first": rows("day,close", lambda n: f"{day(200 - n)},{wave(n)}"),
    "newest first, two a day": rows("day,close", lambda n: f"{day(200 - n // 2)},{wave(n)}"),
    "newest first, with a gap": rows("day,close", lambda n: f"{day(300 - n - 30 * (n > 40))},{wave(n)}"),
    "newest first, weekdays": rows("day,close", lambda n: f"{day(2000 - n - 2 * (n // 5))},{wave(n)}", 400),
    "dates in no order": rows("day,close", lambda n: f"{day(n if n != 7 else 3)},{wave(n)}"),
    "years in the first column": rows("year,spots", lambda n: f"{1800 + n},{wave(n)}"),
    "years that fall": rows("year,spots", lambda n: f"{1900 - n},{wave(n)}"),
    "numbers that fall": rows("depth,heat", lambda n: f"{500 - n * 1.5 - 0.01 * n * n},{wave(n)}"),
    "a counter at the end": rows("close,n", lambda n: f"{wave(n)},{n}"),
    "two columns of time": rows("n,day,close", lambda n: f"{n},{day(300 - n)},{wave(n)}"),
    "one column that counts": rows("n", str),
    "percent": rows("a;b", lambda n: f"{wave(n)};{n % 7} %"),
    "two units": rows("a;b", lambda n: f"{n % 7} {'kg' if n % 2 else 'g'};{wave(n)}"),
    "too few rows for the usual window": rows("day,close", lambda n: f"{day(40 - n)},{wave(n)}", 30),
}
"""That can be used as they are."""


def by_dialog(qtbot: QtBot, path: Path) -> SeriesTask:
    found = Opened(qtbot, str(path), steps=50)
    found.wait()
    assert found.dialog.use.isEnabled(), found.dialog.problem.text()
    QTest.mouseClick(found.dialog.use, LEFT)
    found.wait()
    [task] = found.tasks
    assert isinstance(task, SeriesTask)
    return task


def by_command_line(path: Path) -> tuple[SeriesTask, str]:
    preset, said = of_data(path)
    task = preset.experiment.task
    assert isinstance(task, SeriesTask)
    return task, said


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_both_roads_choose_the_same(qtbot: QtBot, content: str) -> None:
    """The data are known by their SHA-256, so that they are the same to the bit, and their rows in the same order."""
    Path("a.csv").write_text(content, encoding="utf-8")
    shown, (typed, _) = by_dialog(qtbot, Path("a.csv")), by_command_line(Path("a.csv"))
    assert typed.data == shown.data
    assert (typed.columns, typed.target, typed.steps, typed.ahead, typed.stride, typed.split, typed.scaling) == (
        (shown.columns, shown.target, shown.steps, shown.ahead, shown.stride, shown.split, shown.scaling)
    )


def test_arrays_of_a_series_become_the_same(qtbot: QtBot) -> None:
    np.savez("a.npz", x=np.sin(np.arange(400.0)).reshape(200, 2), y=np.cos(np.arange(200.0)))
    shown, (typed, _) = by_dialog(qtbot, Path("a.npz")), by_command_line(Path("a.npz"))
    assert (typed.data, typed.columns, typed.target) == (shown.data, shown.columns, shown.target)


def test_dates_that_fall_are_read_from_the_last_row_upwards_and_that_is_said() -> None:
    Path("a.csv").write_text(rows("day,close", lambda n: f"{day(200 - n)},{1000 - n}.5"), encoding="utf-8")
    task, said = by_command_line(Path("a.csv"))
    data = store.get(task.data)
    assert isinstance(data, SeriesData)
    np.testing.assert_array_equal(data.values[:, 0], 1000.5 - np.arange(119, -1, -1))
    assert said.startswith(
        f"a.csv: 1 column in windows of {task.steps} rows, {task.batch_size} a batch; 'close' is forecast "
        "one row ahead; 'day' is the time; "
        "rows turned round: oldest first. What could be otherwise: column 1 (day): the dates fall"
    )


def test_units_that_were_taken_away_are_said() -> None:
    Path("a.csv").write_text(ODD["percent"], encoding="utf-8")
    _, said = by_command_line(Path("a.csv"))
    assert "; rows one step apart. What could be otherwise: column 2 (b): every number has '%' behind it" in said


MISFITS = {
    "a column with one bad cell": (
        rows("n,x", lambda n: f"{n},{'oops' if n == 44 else wave(n)}"),
        "'a.csv', line 46, column 2 (x): 'oops' is no number",
    ),
    "one bad cell beside a good column": (
        rows("x,y", lambda n: f"{wave(n)},{'oops' if n == 44 else wave(n)}"),
        "'a.csv', line 46, column 2 (y): 'oops' is no number",
    ),
    "a bad date, so that the order is in doubt": (
        rows("day,x", lambda n: f"{'03.01.2020' if n == 5 else day(300 - n)},{wave(n)}"),
        "'a.csv', line 7, column 1 (day): '03.01.2020' is no date with the year first",
    ),
    "nothing but what counts": (
        rows("n,m", lambda n: f"{n},{2 * n}"),
        "'a.csv': n only counts the rows; choose what is forecast",
    ),
    "a gap": (
        rows("x,y", lambda n: f"{wave(n)},{'' if n == 44 else wave(n)}"),
        "'a.csv', line 46, column 2 (y): a number is missing",
    ),
}


@pytest.mark.parametrize(("content", "says"), MISFITS.values(), ids=MISFITS)
def test_what_the_dialog_asks_about_is_refused_with_the_way_to_the_dialog(
    qtbot: QtBot, content: str, says: str
) -> None:
    Path("a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        of_data(Path("a.csv"))
    assert str(caught.value).startswith(says)
    assert str(caught.value).endswith("gradflow a.csv shows how it is read, and lets one choose.")
    found = Opened(qtbot, "a.csv")
    found.wait()
    warned = not found.dialog.misfits.sentences[0].isHidden()
    assert warned or not found.dialog.use.isEnabled(), "the dialog says it too"
