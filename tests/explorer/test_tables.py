"""A track as a table: every number to its last digit, empty where the tape has not been, quick however large it is."""

from __future__ import annotations

import csv
import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QItemSelection, QItemSelectionModel, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage.scales import magnitude
from explorer.stage.stage import Stage
from explorer.stage.tracks.base import Block, TableData
from explorer.tables.model import TableModel
from explorer.tables.shelf import Shelf
from explorer.tables.text import NOT_REACHED, PADDING, Columns, csv_parts, sorted_steps, tsv
from explorer.tables.window import TableWindow
from explorer.theme import current as theming


def stage_of(qtbot: QtBot, excerpt: Excerpt, losses: np.ndarray) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.set_tracks(("losses",))
    stage.set_excerpt(dataclasses.replace(excerpt, losses=losses, loss_steps=len(losses)))
    stage.set_position(len(Tape(len(losses))) - 1)
    return stage


ODD = np.array([[0.1, 0.0, -0.0], [1e-45, 3e38, np.inf], [np.nan, -np.inf, 1e-30]], np.float32)


def data(values: np.ndarray = ODD, known: tuple[int, int] = (1, 3), **more: object) -> TableData:
    names = tuple(f"unit {u}" for u in range(values.shape[1]))
    return TableData("Gradient ∂L/∂h", (Block(names, values, known, magnitude(), **more),))  # type: ignore[arg-type]


def test_every_number_reads_back_as_itself_in_its_own_type() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        values = (rng.normal(size=(40, 3)) * 10.0 ** rng.integers(-30, 30, (40, 3))).astype(dtype)
        columns = Columns(data(values, (1, 40)))
        back = np.array([[dtype(columns.text(r, c)) for c in range(3)] for r in range(40)])
        assert back.dtype == dtype
        assert (back == values).all()
    assert [Columns(data()).text(2, c) for c in range(3)] == ["NaN", "-inf", "1e-30"]


NO_UNDERFLOW = f"no underflow: that begins at {np.finfo(np.float32).tiny:.3g}"


def test_classes_are_said_in_words() -> None:
    columns = Columns(data())
    said = [[columns.note(r, c) for c in range(3)] for r in range(3)]
    assert said[0] == ["", "exactly 0", "exactly 0"]
    assert said[1] == ["below the scale (1e-20), subnormal: its digits are going", "above the scale (1e2)", "infinite"]
    assert said[2] == ["not a number", "infinite, negative", f"below the scale (1e-20), {NO_UNDERFLOW}"]


def test_what_the_tape_has_not_reached_is_empty_and_says_so() -> None:
    columns = Columns(data(known=(2, 3), length=2))
    assert [columns.text(r, 0) for r in range(3)] == ["", "1e-45", ""]
    assert [columns.note(r, 0) for r in range(3)][::2] == [NOT_REACHED, PADDING]
    assert Columns(data(known=(4, 3))).text(2, 2) == ""


def test_blocks_stand_side_by_side_each_with_what_is_known_of_it() -> None:
    a, b = np.arange(3.0)[:, None], np.arange(6.0).reshape(3, 2)
    table = TableData("t", (Block(("a",), a, (1, 2)), Block(("b0", "b1"), b, (3, 3))))
    columns = Columns(table)
    assert [columns.name(c) for c in range(columns.count)] == ["a", "b0", "b1"]
    assert [[columns.text(r, c) for c in range(3)] for r in range(3)] == [["0", "", ""], ["1", "", ""], ["", "4", "5"]]


def test_symbols_stand_as_their_text() -> None:
    table = TableData("Input", (Block(("symbol",), np.array([[2.0], [0.0]]), (1, 2), words=("c", "a")),))
    assert [Columns(table).text(r, 0) for r in range(2)] == ["c", "a"]


def test_copied_text_has_a_heading_and_tabs() -> None:
    assert tsv(Columns(data()), [0, 1], [1, 2]) == "t\tunit 1\tunit 2\n1\t0\t-0\n2\t3e38\tinf"


def test_csv_holds_all_that_is_reached(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(150, 4)).astype(np.float32)
    path = tmp_path / "t.csv"
    path.write_bytes(b"".join(csv_parts(data(values, (71, 150)))))
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))
    assert rows[0] == ["t", "unit 0", "unit 1", "unit 2", "unit 3"]
    assert [r[0] for r in rows[1:]] == [str(t) for t in range(1, 151)]
    assert all(r[1:] == [""] * 4 for r in rows[1:71])
    assert (np.array([r[1:] for r in rows[71:]], np.float32) == values[70:]).all()


def test_ten_thousand_steps_of_512_units_open_at_once(qtbot: QtBot) -> None:
    theming.apply("dark")
    values = np.zeros((10_000, 512), np.float32)
    start = time.process_time()
    window = TableWindow("grads.h", data(values, (1, 10_000)))
    qtbot.addWidget(window)
    window.set_table(data(values, (1, 10_000)), 5000)
    window.show()
    qtbot.waitExposed(window)
    assert time.process_time() - start < 1.0
    assert (window.model.rowCount(), window.model.columnCount()) == (10_000, 512)
    window.close()


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(800, 600)
    stage.set_tracks(("network", "values.c", "grads.h", "norms"))
    stage.set_excerpt(synthetic.excerpt("lstm", T=30, H=6))
    stage.set_position(45)  # backward, t = 16
    stage.show()
    return stage


def test_every_track_shows_exactly_what_it_draws(stage: Stage) -> None:
    excerpt = stage.excerpt
    assert excerpt is not None
    heat, values, norms = stage.table("grads.h"), stage.table("values.c"), stage.table("norms")
    assert heat is not None
    assert values is not None
    assert norms is not None
    assert heat.blocks[0].values is excerpt.arrays["l0.grads.h"]
    assert heat.blocks[0].known == (16, 30)
    assert values.blocks[0].known == (1, 30)
    assert [b.names for b in norms.blocks] == [("‖∂L/∂h‖",), ("‖∂L/∂c‖",)]
    assert (norms.blocks[1].values[:, 0] == excerpt.norms["grads.c"]).all()
    network = stage.table("network")
    assert network is not None
    assert [b.names[0] for b in network.blocks] == ["‖h‖", "‖c‖", "‖∂L/∂h‖", "‖∂L/∂c‖"]


def test_an_open_table_follows_the_tape_and_closes_with_its_track(qtbot: QtBot, stage: Stage) -> None:
    shelf = Shelf(stage)
    window = shelf.open("grads.h")
    assert window is not None
    assert shelf.open("grads.h") is window
    assert "t = 1…15 not reached yet" in window.said.text()
    index = window.model.index(14, 2)
    assert window.model.data(index) == ""
    stage.set_position(46)
    shelf.refresh()
    assert window.model.data(index) != ""
    assert window.model.headerData(14, Qt.Orientation.Vertical) == "▸ 15"
    box = window.view.visualRect(index)
    assert 0 <= box.top() < window.view.viewport().height()
    stage.set_tracks(("norms",))
    shelf.refresh()
    assert not window.isVisible()
    assert shelf.open("values.c") is None


def test_a_table_repaints_only_the_rows_that_change(qtbot: QtBot, stage: Stage) -> None:
    table = stage.table("grads.h")
    assert table is not None
    model = TableModel(table)
    changed: list[tuple[int, int]] = []
    model.rowsChanged.connect(lambda first, last: changed.append((first, last)))
    model.set_row(15)
    stage.set_position(46)
    after = stage.table("grads.h")
    assert after is not None
    model.set_table(after)
    model.set_row(14)
    assert {row for first, last in changed for row in range(first, last + 1)} <= {14, 15, 29}


def test_selected_cells_are_copied_by_key(qtbot: QtBot, stage: Stage) -> None:
    window = Shelf(stage).open("grads.h")
    assert window is not None
    model = window.model
    part = QItemSelection(model.index(20, 0), model.index(21, 1))
    window.view.selectionModel().select(part, QItemSelectionModel.SelectionFlag.ClearAndSelect)
    window.activateWindow()
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    excerpt = stage.excerpt
    assert excerpt is not None
    lines = [line.split("\t") for line in QGuiApplication.clipboard().text().splitlines()]
    assert lines[0] == ["t", "unit 0", "unit 1"]
    assert (np.array([line[1:] for line in lines[1:]], np.float32) == excerpt.arrays["l0.grads.h"][20:22, :2]).all()
    window.close()


def test_a_single_cell_is_copied_as_its_number_alone(qtbot: QtBot, stage: Stage) -> None:
    window = Shelf(stage).open("grads.h")
    assert window is not None
    window.view.setCurrentIndex(window.model.index(20, 2))
    window.copy()
    assert stage.excerpt is not None
    assert np.float32(QGuiApplication.clipboard().text()) == stage.excerpt.arrays["l0.grads.h"][20, 2]
    window.close()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_are_as_wide_as_their_numbers(qtbot: QtBot, dtype: type) -> None:
    theming.apply("dark")
    values = np.array([[-1.2345678901234567e-30, 1 / 3], [0.0, -2.3456789012345678e-5]], dtype)
    window = TableWindow("grads.h", data(values, (1, 2)))
    qtbot.addWidget(window)
    window.show()
    for row in range(2):
        for column in range(2):
            needed = window.view.sizeHintForIndex(window.model.index(row, column)).width()
            assert needed <= window.view.columnWidth(column), (row, column)


def test_numbers_in_words_are_sorted_as_numbers_and_symbols_as_words() -> None:
    values = np.array([[-2.0], [-9.5], [np.nan], [0.5], [-np.inf]])
    said = ["0.01", "8.6e-5", "not a number", "3.2", "0"]
    for ranked, expected in ((True, [4, 1, 0, 3, 2]), (False, [4, 0, 3, 1, 2])):
        columns = Columns(TableData("L", (Block(("L",), values, (1, 5), words=said, ranked=ranked),)))
        assert sorted_steps(columns, 5, 0, Qt.SortOrder.AscendingOrder) == expected
        assert [columns.text(row, 0) for row in range(5)] == said


def test_the_losses_are_sorted_by_size(qtbot: QtBot) -> None:
    losses = np.array([0.01, 8.6e-5, 3.2, 7e-4, 0.5])
    stage = stage_of(qtbot, synthetic.replaced(synthetic.excerpt("rnn", T=5, H=3), {}), losses)
    columns = Columns(stage.table("losses"))
    found = sorted_steps(columns, 5, 0, Qt.SortOrder.AscendingOrder)
    assert losses[found].tolist() == sorted(losses.tolist())


def test_rows_are_sorted_by_a_column_and_go_with_their_steps(qtbot: QtBot) -> None:
    theming.apply("dark")
    values = np.array([[3.0], [np.nan], [1.0], [2.0], [0.5]], np.float32)
    window = TableWindow("norms", data(values, (1, 4)))
    qtbot.addWidget(window)
    window.show()
    model, across = window.model, window.view.horizontalHeader()

    def steps() -> list[str]:
        return [str(model.headerData(row, Qt.Orientation.Vertical)) for row in range(5)]

    window.set_step(3)
    assert steps() == ["1", "2", "▸ 3", "4", "5"]
    QTest.mouseClick(across.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(across.sectionViewportPosition(0) + 9, 5))
    assert steps() == ["▸ 3", "4", "1", "2", "5"]  # NaN, and what is not reached, last
    assert model.data(model.index(0, 0)) == "1"
    window.set_table(data(values, (1, 5)), 3)  # the tape has gone on: it stays in order
    assert steps() == ["5", "▸ 3", "4", "1", "2"]
    window.view.setCurrentIndex(model.index(1, 0))
    window.model.sort(0, Qt.SortOrder.DescendingOrder)
    assert steps() == ["1", "4", "▸ 3", "5", "2"]
    assert window.view.currentIndex().row() == 2, "the current cell goes with its step"
    window.model.sort(-1)
    assert steps() == ["1", "2", "▸ 3", "4", "5"]


def test_enter_and_a_double_click_go_to_the_step_of_a_row(qtbot: QtBot) -> None:
    theming.apply("dark")
    window = TableWindow("norms", data(np.array([[3.0], [1.0], [2.0]], np.float32)))
    qtbot.addWidget(window)
    window.show()
    window.model.sort(0)
    index = window.model.index(0, 0)  # the smallest: t = 2
    with qtbot.waitSignal(window.stepPicked) as picked:
        window.view.doubleClicked.emit(index)
    assert picked.args == [2]
    window.view.setCurrentIndex(window.model.index(1, 0))
    with qtbot.waitSignal(window.stepPicked) as picked:
        QTest.keyClick(window.view, Qt.Key.Key_Return)
    assert picked.args == [3]


def test_a_table_is_saved_whole_or_says_why_not(qtbot: QtBot, stage: Stage, tmp_path: Path) -> None:
    window = Shelf(stage).open("norms")
    assert window is not None
    path = tmp_path / "norms.csv"
    window.save(str(path))
    qtbot.waitUntil(lambda: window.cell.text() == "Saved as norms.csv.")
    assert len(path.read_text("utf-8").splitlines()) == 31
    window.save(str(tmp_path / "nowhere" / "norms.csv"))
    qtbot.waitUntil(lambda: "norms.csv" in window.cell.text() and "Saved" not in window.cell.text())
    window.close()


def test_everything_in_a_table_has_an_accessible_name(qtbot: QtBot, stage: Stage) -> None:
    window = Shelf(stage).open("grads.h")
    assert window is not None
    assert window.view.accessibleName() == "Gradient ∂L/∂h, a row a step"
    text = window.model.data(window.model.index(3, 1), Qt.ItemDataRole.AccessibleTextRole)
    assert text == "t = 4, unit 1: not reached yet"
    assert all(part.text() for part in (window.follow, window.copy_button, window.save_button))
    window.close()
