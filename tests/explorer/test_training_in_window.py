"""Training from the window: the drawer, its buttons and keys, bounds as people type them, divergence, travelling."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.data import SeriesChoices, import_series, look_at
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, Split, TrainingSpec
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.settings import Settings
from explorer.training.drawer import BAR_HEIGHT
from explorer.training.tab import TrainingTab


def experiment(**training: object) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)),
        task=AddingTask(steps=8, batch_size=3),
        training=TrainingSpec(**{"learning_rate": 0.02, "evaluate_every": 10, **training}),
    )


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("network", "norms"), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    return explorer


def tab(explorer: Explorer) -> TrainingTab:
    return explorer.window.drawer.training


def act(explorer: Explorer, name: str) -> None:
    explorer.commands.actions[name].trigger()


def test_the_drawer_is_a_slim_bar_until_somebody_opens_it(qtbot: QtBot, explorer: Explorer) -> None:
    drawer = explorer.window.drawer
    assert drawer.height() == BAR_HEIGHT
    assert not tab(explorer).isVisible()
    act(explorer, "show_drawer")
    qtbot.waitUntil(lambda: drawer.height() == 292)
    assert tab(explorer).isVisible()
    assert explorer.commands.actions["show_drawer"].isChecked()
    assert explorer.files.settings.drawer == "training"
    QTest.mouseClick(drawer.tab_buttons["evaluation"], Qt.MouseButton.LeftButton)
    assert drawer.tab == "evaluation"
    assert drawer.evaluation.isVisible()
    QTest.mouseClick(drawer.tab_buttons["evaluation"], Qt.MouseButton.LeftButton)
    assert not drawer.is_open
    qtbot.waitUntil(lambda: drawer.height() == BAR_HEIGHT)
    assert not explorer.commands.actions["show_drawer"].isChecked()
    assert explorer.files.settings.drawer == ""


def test_a_dragged_height_is_remembered(qtbot: QtBot, explorer: Explorer) -> None:
    drawer, window = explorer.window.drawer, explorer.window
    drawer.show_tab("training")
    window.middle.moveSplitter(window.middle.height() - 350, 1)
    qtbot.waitUntil(lambda: abs(drawer.height() - 350) <= 2)
    height = drawer.height()
    assert explorer.files.settings.drawer_height == height
    drawer.shut()
    drawer.show_tab("training")
    qtbot.waitUntil(lambda: drawer.height() == height)
    assert msgspec.json.decode(msgspec.json.encode(explorer.files.settings), type=Settings) == explorer.files.settings


def test_the_bar_trains_and_pauses_and_says_how_it_stands(qtbot: QtBot, explorer: Explorer) -> None:
    summary = explorer.window.drawer.summary
    QTest.mouseClick(summary.button, Qt.MouseButton.LeftButton)
    assert explorer.runner.running
    qtbot.waitUntil(lambda: explorer.book.next > 3)
    QTest.mouseClick(summary.button, Qt.MouseButton.LeftButton)
    assert not explorer.runner.running
    settle(qtbot, explorer)
    qtbot.waitUntil(lambda: f"iteration {explorer.book.next:,} " in summary.words.text())
    assert f"loss {explorer.book.column('losses')[-1]:.3g}"[:9] in summary.words.text()


def test_keys_train_and_pause_from_anywhere(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.activateWindow()
    explorer.window.stage.setFocus()
    QTest.keyClick(explorer.window.stage, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert explorer.runner.running
    QTest.keyClick(explorer.window.stage, Qt.Key.Key_Escape)
    assert not explorer.runner.running, "Esc pauses too"
    settle(qtbot, explorer)


def test_a_pause_acts_at_once(qtbot: QtBot, explorer: Explorer) -> None:
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.book.next > 5)
    began = time.perf_counter()
    act(explorer, "train")
    assert time.perf_counter() - began < 0.1
    assert not explorer.runner.running
    assert explorer.window.drawer.summary.button.accessibleName() == "Train"
    done = explorer.book.next
    settle(qtbot, explorer)
    assert explorer.book.next - done <= 1000, "only what was under way"
    assert not explorer.runner._again.isActive()


def test_one_and_ten_and_the_stage_comes_along(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    controls = tab(explorer).controls
    QTest.mouseClick(controls.one_button, Qt.MouseButton.LeftButton)
    settle(qtbot, explorer)
    assert (explorer.book.next, explorer.document.view.iteration) == (1, 1)
    QTest.mouseClick(controls.ten_button, Qt.MouseButton.LeftButton)
    settle(qtbot, explorer)
    assert (explorer.book.next, explorer.document.view.iteration) == (11, 11)
    assert controls.sentence.text() == "Done."
    qtbot.waitUntil(lambda: controls.values["iteration"].text() == "11")
    assert controls.values["validation"].text() != "–"
    assert controls.values["clipped"].text() == "0 % of the last 11"


@pytest.mark.parametrize("typed", ["25", " 25 "])
def test_until_an_iteration(qtbot: QtBot, explorer: Explorer, typed: str) -> None:
    explorer.window.drawer.show_tab("training")
    field = tab(explorer).controls.until_field
    field.setFocus()
    field.setText(typed)
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(qtbot, explorer)
    assert explorer.book.next == 25


@pytest.mark.parametrize("typed", ["loss < 1e6", "LOSS<1000000,0"])
def test_until_a_bound_on_an_evaluation(qtbot: QtBot, explorer: Explorer, typed: str) -> None:
    act(explorer, "train_until")
    field = tab(explorer).controls.until_field
    field.setText(typed)
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(qtbot, explorer)
    assert explorer.book.next == 10, "the first evaluation reaches it"
    assert tab(explorer).controls.sentence.text().startswith("loss<1e6 is reached: the loss is ")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("soon", "until is 'soon'"),
        ("accuracy > 0.9", "rmse"),
        ("loss < small", "a number"),
        ("2,5", "until is '2,5'"),
        ("loss < nan", "until is 'loss < nan'"),
        ("rmse < -1", "above 0 or an iteration is accepted"),
        ("0", "Iteration 0 has been reached"),
        ("1,000,000,000", "too many"),
    ],
)
def test_a_bound_that_is_none_says_what_would_be_one(explorer: Explorer, typed: str, said: str) -> None:
    explorer.window.drawer.show_tab("training")
    field = tab(explorer).controls.until_field
    field.setFocus()
    field.setText(typed)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not explorer.runner.running
    assert said in tab(explorer).controls.sentence.text()


def test_a_bound_is_refused_in_its_field_where_nothing_is_held_back(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(n % 7) for n in range(60)))
    choices = SeriesChoices(steps=4, split=Split(train=1.0, validation=0.0))
    task = import_series(look_at(tmp_path / "a.csv"), choices)
    explorer.document.edit_experiment(msgspec.structs.replace(experiment(), task=task))
    settle(qtbot, explorer)
    act(explorer, "train_until")
    field = tab(explorer).controls.until_field
    field.setText("loss < 0.1")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not explorer.runner.running
    assert explorer.book.next == 0
    assert "nothing of 'a.csv' is held back" in tab(explorer).controls.sentence.text()


def test_divergence_is_a_sentence_and_a_pause(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.edit_experiment(experiment(learning_rate=1e6))
    settle(qtbot, explorer)
    act(explorer, "train")
    qtbot.waitUntil(lambda: not explorer.runner.running, timeout=60_000)
    settle(qtbot, explorer)
    said = explorer.window.stage.banner.text()
    assert said.startswith(f"Training stopped before iteration {explorer.book.next}: ")
    assert explorer.document.view.iteration == explorer.book.next, "the stage shows where"
    explorer.document.edit_experiment(experiment())
    settle(qtbot, explorer)
    explorer.bindings.training.travel(0)
    settle(qtbot, explorer)
    act(explorer, "train")
    assert explorer.window.stage.banner.text() == ""
    act(explorer, "train")
    settle(qtbot, explorer)


def test_travelling_goes_to_the_latest_wish(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    explorer.runner.start(goal=40)
    settle(qtbot, explorer)
    curves = tab(explorer).curves
    curves.setFocus()
    explorer.document.look(position=5)
    for key in (Qt.Key.Key_Home, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right):
        QTest.keyClick(curves, key)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 3)
    settle(qtbot, explorer)
    assert explorer.document.view.position == 5, "the tape stays where it is"
    assert explorer.bindings.training._wish is None
    act(explorer, "newest_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 40)
    act(explorer, "first_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 0)
    assert explorer.book.next == 40
    settle(qtbot, explorer)


def test_somebody_who_travels_while_it_trains_stays_there(qtbot: QtBot, explorer: Explorer) -> None:
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.book.next > 10)
    explorer.bindings.training.travel(4)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 4)
    done = explorer.book.next
    qtbot.waitUntil(lambda: explorer.book.next > done + 5)
    assert explorer.runner.running
    assert explorer.document.view.iteration == 4
    act(explorer, "newest_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration > 10)
    act(explorer, "train")
    settle(qtbot, explorer)
    assert explorer.document.view.iteration == explorer.book.next


def test_nothing_is_analysed_or_audited_while_it_trains(qtbot: QtBot, explorer: Explorer) -> None:
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.document.view.iteration > 0)
    assert explorer.desk.standing("flow").kind == "resting"
    assert explorer.window.status.audit.text() == "… checked when training rests"
    act(explorer, "train")
    settle(qtbot, explorer)
    qtbot.waitUntil(lambda: explorer.desk.settled, timeout=60_000)
    assert explorer.desk.standing("flow").kind == "there"
    assert "match autograd" in explorer.window.status.audit.text()


def test_layers_and_the_axis_are_chosen_in_a_menu(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    menu = tab(explorer).menu()
    entries = {entry.text().replace("&", ""): entry for entry in menu.actions() if entry.text()}
    entries["Gradient norm of layer 1"].trigger()
    entries["Loss on a logarithmic axis"].trigger()
    menu.deleteLater()
    assert tuple(tab(explorer).curves._curves.layer_norms) == ("l0",)
    assert tab(explorer).curves.axes[0].kind == "log"


def test_what_cannot_be_trained_offers_nothing(qtbot: QtBot, explorer: Explorer) -> None:
    assert tab(explorer).controls.train_button.isEnabled()
    explorer.document.edit_experiment(msgspec.structs.replace(experiment(), model=ModelSpec(layers=())))
    assert not tab(explorer).controls.train_button.isEnabled()
    assert not explorer.window.drawer.summary.button.isEnabled()
    act(explorer, "train")
    assert not explorer.runner.running
    explorer.document.undo_stack.undo()
    settle(qtbot, explorer)
    assert tab(explorer).controls.train_button.isEnabled()


def test_another_document_begins_with_empty_curves(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.book.next > 3)
    explorer.show(Opening(State(tracks=("norms",), experiment=experiment()), View(), title="other"))
    assert not explorer.runner.running
    settle(qtbot, explorer)
    assert explorer.book.next == 0
    assert len(tab(explorer).curves._curves) == 0


def test_every_part_of_the_drawer_has_a_name_and_can_be_reached_by_tab(explorer: Explorer) -> None:
    drawer = explorer.window.drawer
    drawer.show_tab("training")
    parts: list[QWidget] = [
        *(one for one in drawer.findChildren(QAbstractButton) if one.isVisible()),
        *(one for one in drawer.findChildren(QLineEdit) if one.isVisible()),
        tab(explorer).curves,
    ]
    for part in parts:
        assert part.accessibleName(), part
        assert part.focusPolicy() & Qt.FocusPolicy.TabFocus, part.accessibleName()


def test_closing_in_the_middle_of_training_leaves_no_timer(qtbot: QtBot, explorer: Explorer) -> None:
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.book.next > 3)
    explorer.close()
    binding = explorer.bindings.training
    timers = [*explorer.runner.findChildren(QTimer), *binding.findChildren(QTimer)]
    assert timers
    qtbot.waitUntil(lambda: not any(timer.isActive() for timer in timers))


def test_a_drawer_that_closes_leaves_the_focus_to_the_stage(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    tab(explorer).curves.setFocus()
    assert explorer.window.focusWidget() is tab(explorer).curves
    act(explorer, "show_drawer")
    assert explorer.window.focusWidget() is explorer.window.stage
