"""Training from the window: the drawer, its buttons and keys, travelling."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QWidget
from pytestqt.qtbot import QtBot
from training_window import act, experiment, settle, tab

from engine.spec import ModelSpec
from engine.tape import Phase
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.settings import USUAL_HEIGHT, Settings
from explorer.training.drawer import BAR_HEIGHT
from explorer.widgets.numbers import short


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.show(Opening(State(tracks=("network", "norms"), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    return explorer


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
    act(explorer, "train")
    assert not explorer.runner.running, "nothing is waited for"
    assert explorer.window.drawer.summary.button.accessibleName() == "Train"
    chunk, done = explorer.runner._chunk, explorer.book.next
    under_way = 0 if chunk is None else chunk.count
    settle(qtbot, explorer)
    assert explorer.book.next - done == under_way, "only what was under way, of which tests of the runner know the size"
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
    assert explorer.window.drawer.reason.sentence.text() == "Done."
    qtbot.waitUntil(lambda: controls.values["newest"].text() == "11")
    assert controls.values["validation"].text() != "–"
    assert controls.values["clipped"].text() == "0 % of the last 11"


def test_train_says_what_it_will_put_away_and_what_it_has(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    says, travel = explorer.window.drawer.reason.sentence, explorer.bindings.travel.to
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    travel(5)
    settle(qtbot, explorer)
    assert says.text() == "The stage shows iteration 5; Train goes on from 12."
    explorer.document.edit_experiment(experiment(learning_rate=0.5))
    away = "Iterations 6–12 are put away; undo brings them back."
    assert says.text() == f"Train begins anew at 5. {away}"
    settle(qtbot, explorer)
    act(explorer, "train")
    assert says.text() == f"Training; the stage follows. {away}"
    assert explorer.window.statusBar().currentMessage() == away
    act(explorer, "train")
    settle(qtbot, explorer)
    assert says.text() == "Paused."
    explorer.document.undo_stack.undo()
    assert explorer.book.next == 12


def test_end_follows_again(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    curves, says = tab(explorer).curves, explorer.window.drawer.reason.sentence
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.book.next > 10)
    explorer.bindings.travel.to(4)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 4)
    assert "End follows again" in says.text()
    # What was drawn is behind what has been trained: the end of the curves is the newest all the same.
    explorer.bindings.training._pace._timer.start(60_000)
    drawn = curves.count
    qtbot.waitUntil(lambda: explorer.book.next > drawn + 5)
    curves.setFocus()
    QTest.keyClick(curves, Qt.Key.Key_End)
    assert explorer.runner.follows
    assert says.text() == "Training; the stage follows."
    qtbot.waitUntil(lambda: explorer.document.view.iteration > drawn)
    seen = explorer.document.view.iteration
    qtbot.waitUntil(lambda: explorer.document.view.iteration > seen)
    act(explorer, "train")
    explorer.bindings.training._pace._timer.stop()
    settle(qtbot, explorer)


def test_training_shows_the_whole_trace_unless_the_playhead_has_been_put_elsewhere(
    qtbot: QtBot, explorer: Explorer
) -> None:
    document = explorer.document
    loss, whole = document.tape.span(Phase.LOSS)[0], document.tape.span(Phase.BACKWARD)[-1]
    for at, moved, expected in ((loss, None, whole), (loss, 3, 3), (5, None, 5), (loss, whole + 1, whole + 1)):
        explorer.show(Opening(State(tracks=("network",), experiment=experiment()), View(position=at), title="training"))
        settle(qtbot, explorer)
        if moved is not None:
            document.look(position=moved)
        explorer.runner.advance(2)
        settle(qtbot, explorer)
        assert (document.view.iteration, document.view.position) == (2, expected), (at, moved)


def test_from_the_whole_trace_the_tape_goes_on_and_back_and_to_other_iterations(
    qtbot: QtBot, explorer: Explorer
) -> None:
    document = explorer.document
    at = document.tape.span(Phase.LOSS)[0]
    explorer.show(Opening(State(tracks=("network",), experiment=experiment()), View(position=at), title="training"))
    settle(qtbot, explorer)
    explorer.runner.advance(4)
    settle(qtbot, explorer)
    explorer.bindings.travel.to(2)
    settle(qtbot, explorer)
    whole = document.tape.span(Phase.BACKWARD)[-1]
    assert (document.view.iteration, document.view.position) == (2, whole)
    for _ in range(3):
        explorer.controller.step(1)
        settle(qtbot, explorer)
    assert (document.view.iteration, document.view.position) == (3, 0), "clip, update, the next iteration"
    document.look(position=at)
    explorer.runner.advance(2)
    settle(qtbot, explorer)
    assert document.view.position == at, "whoever has gone back to the loss is left there"


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
    assert explorer.bindings.travel.wish is None
    act(explorer, "newest_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 40)
    act(explorer, "first_iteration")
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 0)
    assert explorer.book.next == 40
    settle(qtbot, explorer)


def test_somebody_who_travels_while_it_trains_stays_there(qtbot: QtBot, explorer: Explorer) -> None:
    act(explorer, "train")
    qtbot.waitUntil(lambda: explorer.book.next > 10)
    explorer.bindings.travel.to(4)
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


def test_while_another_document_is_computed_nothing_is_said_of_the_one_before(qtbot: QtBot, explorer: Explorer) -> None:
    status = explorer.window.status
    said = (status.audit.text(), status.device.text(), status.seconds.text(), status.verdict.text())
    assert "match autograd" in said[0]
    assert all(said)
    explorer.show(
        Opening(State(tracks=("norms",), experiment=experiment(iterations=30)), View(iteration=30), title="next")
    )
    assert explorer.controller.excerpt is None
    assert status.audit.text() == "… computing"
    assert (status.device.text(), status.seconds.text(), status.verdict.text()) == ("", "", "")
    settle(qtbot, explorer)
    assert "match autograd" in status.audit.text()
    assert "CPU" in status.device.text()


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
    parts = (explorer.runner, explorer.bindings.training, explorer.bindings.travel)
    timers = [timer for part in parts for timer in part.findChildren(QTimer)]
    assert timers
    qtbot.waitUntil(lambda: not any(timer.isActive() for timer in timers))


def test_a_drawer_that_closes_leaves_the_focus_to_the_stage(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.drawer.show_tab("training")
    tab(explorer).curves.setFocus()
    assert explorer.window.focusWidget() is tab(explorer).curves
    act(explorer, "show_drawer")
    assert explorer.window.focusWidget() is explorer.window.stage


def test_column_and_bar_say_which_iteration_is_the_newest_and_which_is_on_the_stage(
    qtbot: QtBot, explorer: Explorer
) -> None:
    explorer.window.resize(1900, 1000)
    explorer.window.drawer.show_tab("training")
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    values, bar = tab(explorer).controls.values, explorer.window.drawer.summary.words
    qtbot.waitUntil(lambda: values["shown"].text() == "the newest")
    explorer.bindings.travel.to(5)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 5)
    settle(qtbot, explorer)
    losses = explorer.book.column("losses")
    assert values["newest"].text() == "12"
    assert values["loss"].text() == f"{short(float(losses[11]), 3)} at 11"
    assert values["shown"].text() == f"5, training loss {short(float(losses[5]), 3)}"
    assert "newest iteration 12" in bar.accessibleName()
    assert "on the stage 5" in bar.accessibleName()


@pytest.mark.parametrize("size", [(1280, 800), (1600, 1000)])
def test_at_the_height_it_opens_with_every_number_and_the_reason_to_stop_are_whole(
    qtbot: QtBot, explorer: Explorer, size: tuple[int, int]
) -> None:
    explorer.window.resize(*size)
    explorer.window.set_drawer_height(USUAL_HEIGHT)
    explorer.window.drawer.show_tab("training")
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    reason, controls = explorer.window.drawer.reason, tab(explorer).controls
    explorer.bindings.travel.to(5)
    qtbot.waitUntil(lambda: controls.values["shown"].text().startswith("5, "))
    reason.set_sentence(
        "The loss has not fallen by more than 0.001 for 12 evaluations; the least was 1.2345 after iteration 123,450."
    )
    reason.set_best(12)
    qtbot.waitUntil(lambda: reason.best_button.isVisible() and reason.sentence.is_whole())
    column = controls.parentWidget()
    assert column is not None
    for name, label in controls.values.items():
        assert not label.is_elided(), (name, label.text())
        foot = label.mapTo(column, QPoint(0, label.height()))
        assert foot.y() <= column.height(), f"{name} is below the edge"
    for name in ("loss", "lately", "gradient", "clipped", "took"):
        assert controls.values[name].text() not in ("", "–"), name
