"""What a data dialog says before anything is used: what does not fit, what only counts, which way time goes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.data import store
from engine.data.datasets import SeriesData
from tests.explorer.data_dialogs import LEFT, Opened, pick


def opened(qtbot: QtBot, path: Path, content: str | None = None) -> Opened:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    found = Opened(qtbot, str(path))
    found.wait()
    return found


def use(found: Opened) -> None:
    assert found.dialog.use.isEnabled()
    QTest.mouseClick(found.dialog.use, LEFT)
    found.wait()


def test_newest_first_is_turned_round_and_said(qtbot: QtBot, tmp_path: Path) -> None:
    rows = "".join(f"2020-{1 + d // 28:02d}-{1 + d % 28:02d},{d}.5\n" for d in range(299, -1, -1))
    found = opened(qtbot, tmp_path / "a.csv", "Date,Close\n" + rows)
    form = found.dialog.series
    assert form.values["time"] == "Date"
    assert form.values["turned"]
    assert not form.rows["turned"].isHidden()
    assert "Rows are turned round: oldest first" in found.dialog.summary.text()
    assert "newest comes first" in found.dialog.notes.text()
    use(found)
    data = store.get(found.tasks[0].data)
    assert isinstance(data, SeriesData)
    assert data.values[0, 0] < data.values[-1, 0]


def test_without_being_turned_falling_dates_are_no_time(qtbot: QtBot, tmp_path: Path) -> None:
    rows = "".join(f"2020-01-{d:02d},{d}.5\n" for d in range(28, 0, -1))
    found = opened(qtbot, tmp_path / "a.csv", "Date,Close\n" + rows)
    form = found.dialog.series
    form._take("turned", False)
    problem = form.problem()
    assert problem is not None
    assert problem.sentence == "Date falls; turn the rows round, or let them be one step apart."
    assert not found.dialog.use.isEnabled()


def test_gaps_of_an_array_are_chosen_about_before_it_is_used(qtbot: QtBot, tmp_path: Path) -> None:
    x = np.arange(300.0)
    x[77] = np.nan
    np.save(tmp_path / "a.npy", x)
    found = opened(qtbot, tmp_path / "a.npy")
    form = found.dialog.series
    problem = form.problem()
    assert problem is not None
    assert problem.sentence == "x0: 1 missing, the first in row 77 (from 0); choose what is done there."
    assert not form.rows["missing"].isHidden()
    pick(form.rows["missing"].field, "leave_out")
    said = found.dialog.summary.text()
    use(found)
    steps = found.tasks[0].steps
    # 210 rows of training: windows that lie before row 77, and those behind it.
    assert f"Training: 210 rows, {77 - steps + (210 - 78) - steps:,} windows" in said


def test_a_bad_cell_is_a_warning_at_the_top_and_can_count_as_missing(qtbot: QtBot, tmp_path: Path) -> None:
    rows = "".join(f"{n},{'oops' if n == 44 else n / 2}\n" for n in range(200))
    found = opened(qtbot, tmp_path / "a.csv", "t,x\n" + rows)
    dialog = found.dialog
    assert dialog.misfits.sentences[0].text().startswith("'a.csv', line 46, column 2 (x): 'oops' is no number")
    assert dialog.misfits.y() < dialog.preview.y()
    assert dialog.series.values["target"] is None, "what counts the rows is not to be forecast"
    assert not dialog.use.isEnabled()
    QTest.mouseClick(dialog.misfits.button, LEFT)
    found.wait()
    assert dialog.misfits.sentences[0].isHidden()
    assert dialog.misfits.counted.text() == "'oops' counts as missing"
    assert dialog.series.values["target"] == "x"
    pick(dialog.series.rows["missing"].field, "interpolate")
    use(found)
    assert found.tasks[0].target == "x"


def test_classes_that_cannot_be_learned_are_refused_before_the_click(qtbot: QtBot, tmp_path: Path) -> None:
    found = opened(qtbot, tmp_path / "a.csv", "name,city\n" + "".join(f"N{n},C{n}\n" for n in range(60)))
    problem = found.dialog.sequences.problem()
    assert problem is not None
    assert problem.sentence.startswith("city has 60 classes, and the training part 42 sequences")
    assert not found.dialog.use.isEnabled()


def test_the_summary_counts_the_classes(qtbot: QtBot, tmp_path: Path) -> None:
    rows = "".join(f"some words {n},{'abc'[n % 3]}\n" for n in range(60))
    found = opened(qtbot, tmp_path / "a.csv", "text,kind\n" + rows)
    assert "a class for each, 3 different" in found.dialog.summary.text()
    assert found.dialog.use.isEnabled()


def test_a_text_of_one_symbol_is_refused_before_the_click(qtbot: QtBot, tmp_path: Path) -> None:
    found = opened(qtbot, tmp_path / "a.txt", "a" * 500)
    assert "1 different character;" in found.dialog.problem.text()
    assert not found.dialog.use.isEnabled()


def test_the_order_of_dates_is_asked_only_where_there_is_one(qtbot: QtBot, tmp_path: Path) -> None:
    iso = "".join(f"2020-01-{d:02d},{d}.5\n" for d in range(1, 29))
    found = opened(qtbot, tmp_path / "a.csv", "day,x\n" + iso)
    assert found.dialog.as_read.rows["dates"].isHidden()
    slashes = "".join(f"{d:02d}/01/2020,{d}.5\n" for d in range(1, 29))
    found = opened(qtbot, tmp_path / "b.csv", "day,x\n" + slashes)
    assert not found.dialog.as_read.rows["dates"].isHidden()


ROWS = "".join(f"{n},{n + 1},{n % 5},{('up', 'down')[n % 2]}\n" for n in range(60))


def test_a_gap_in_a_row_that_is_a_sequence_is_said_before_it_is_used(qtbot: QtBot, tmp_path: Path) -> None:
    found = opened(qtbot, tmp_path / "a.csv", "a,b,c,says\n1,2,,up\n1,,2,down\n" + ROWS)
    assert found.dialog.form is found.dialog.sequences
    assert not found.dialog.use.isEnabled(), "not after the press"
    assert found.dialog.problem.text().startswith("b has no number in row 2, but a later column has one: ")
    assert "untick b, or let the table become a series, which can fill gaps" in found.dialog.problem.text()
    found.dialog.sequences.list.set_ticked(["a", "c"])
    found.dialog.sequences._ticked()
    use(found)
    assert len(found.tasks) == 1, "row 1 may end early"


def test_a_row_without_any_number_is_said_before_it_is_used(qtbot: QtBot, tmp_path: Path) -> None:
    found = opened(qtbot, tmp_path / "a.csv", "a,b,c,says\n" + ROWS + ",,,up\n")
    assert not found.dialog.use.isEnabled()
    assert "row 61 has no number in any step" in found.dialog.problem.text()


def test_a_dated_table_newest_first_is_a_series_though_its_last_column_is_of_words(
    qtbot: QtBot, tmp_path: Path
) -> None:
    days = (f"2020-{1 + d // 28:02d}-{1 + d % 28:02d},{d}.5" for d in range(299, -1, -1))
    rows = "".join(f"{day},{sky}\n" for day, sky in zip(days, itertools.cycle(("sun", "rain"))))
    found = opened(qtbot, tmp_path / "a.csv", "Date,Warmth,Sky\n" + rows)
    assert found.dialog.form is found.dialog.series
    assert found.dialog.series.values["target"] == "Warmth"
    use(found)
