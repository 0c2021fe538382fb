"""What was refused in the dock is not what training uses: the field goes back, and it is said what it trains with."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from training_window import act, experiment, settle, tab

from explorer.app import Explorer
from explorer.dock.fields import NumberField
from explorer.document.opening import Opening
from explorer.document.state import State, View


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("norms",), experiment=experiment()), View(), title="training"))
    explorer.window.resize(1280, 800)
    settle(qtbot, explorer)
    return explorer


def rate_field(explorer: Explorer) -> NumberField:
    field = explorer.window.dock.rows["learning_rate"].field
    assert isinstance(field, NumberField)
    return field


def typed(explorer: Explorer, text: str, *, enter: bool = True) -> NumberField:
    field = rate_field(explorer)
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    if enter:
        QTest.keyClick(field, Qt.Key.Key_Return)
    return field


@pytest.mark.parametrize("enter", [True, False])
def test_train_says_which_value_it_trains_with_and_the_field_shows_it(
    qtbot: QtBot, explorer: Explorer, enter: bool
) -> None:
    explorer.window.drawer.show_tab("training")
    field = typed(explorer, "1e30", enter=enter)
    assert field.is_invalid() == enter
    QTest.mouseClick(tab(explorer).controls.train_button, Qt.MouseButton.LeftButton)
    assert explorer.runner.running
    assert (field.text(), field.is_invalid()) == ("0.02", False)
    assert explorer.window.dock.rows["learning_rate"].error.text() == ""
    said = explorer.window.drawer.reason.sentence.text()
    assert said.endswith("It trains with learning rate 0.02, not 1e30.")
    act(explorer, "train")
    settle(qtbot, explorer)
    assert explorer.document.experiment.training.learning_rate == 0.02
    act(explorer, "train_one")
    settle(qtbot, explorer)
    assert "1e30" not in explorer.window.drawer.reason.sentence.text(), "it was about the training before"


def test_what_is_typed_and_accepted_is_trained_with(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    typed(explorer, "0.01", enter=False)
    QTest.mouseClick(tab(explorer).controls.train_button, Qt.MouseButton.LeftButton)
    assert explorer.document.experiment.training.learning_rate == 0.01
    act(explorer, "train")
    settle(qtbot, explorer)


def test_the_sentence_of_a_refusal_is_scrolled_into_view(qtbot: QtBot, explorer: Explorer) -> None:
    area = explorer.window.dock_area
    field = rate_field(explorer)
    bottom = field.mapTo(area.widget(), QPoint(0, field.height())).y()
    area.verticalScrollBar().setValue(bottom - area.viewport().height() + 2)  # the field is the last that is seen
    typed(explorer, "1e30")
    error = explorer.window.dock.rows["learning_rate"].error
    assert error.isVisible()
    seen = QRect(QPoint(0, 0), area.viewport().size())
    assert seen.contains(QRect(error.mapTo(area.viewport(), QPoint(0, 0)), error.size()))
    assert seen.contains(QRect(field.mapTo(area.viewport(), QPoint(0, 0)), field.size()))
