"""From an empty document to a two-layer bidirectional LSTM with attention, by the mouse alone and by keys alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QMenu, QWidget
from pytestqt.qtbot import QtBot

from engine import beginning, presets
from engine.network import Network
from engine.requests import Excerpt
from engine.spec import AddingTask, Clamp, Cut, Experiment, LayerSpec, ModelSpec, ReadoutSpec, WhatIf
from explorer.app import Explorer
from explorer.bindings import ADD_A_LAYER
from explorer.bindings.stage import WHAT_COMES
from explorer.dock.card import StackCard
from explorer.dock.fields import ChoiceField, Segments
from explorer.dock.layer_card import LayerCard
from explorer.document import opening
from explorer.theme import current as theming

CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
LEFT = Qt.MouseButton.LeftButton
BOTH_WAYS = LayerSpec(cell="lstm", bidirectional=True)
WANTED = Experiment(
    model=ModelSpec(layers=(BOTH_WAYS, BOTH_WAYS), readout=ReadoutSpec(at="attention")),
    task=AddingTask(),
    training=beginning.TRAINING,
)


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.window.resize(1400, 1300)
    explorer.show(opening.of_nothing())
    qtbot.waitExposed(explorer.window)
    explorer.window.activateWindow()
    return explorer


def settle(qtbot: QtBot, explorer: Explorer) -> Excerpt:
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.controller.excerpt is not None
    return explorer.controller.excerpt


def model(explorer: Explorer) -> ModelSpec:
    assert explorer.document.experiment is not None
    return explorer.document.experiment.model


def cells(explorer: Explorer) -> list[str]:
    return [layer.cell for layer in model(explorer).layers]


def stack_of(explorer: Explorer, qtbot: QtBot, *wanted: str) -> None:
    for cell in wanted:
        explorer.window.dock.stack.add(cell)
    explorer.window.dock.stack.open_card(None)
    settle(qtbot, explorer)
    assert cells(explorer) == list(wanted)


def assert_traced(excerpt: Excerpt) -> None:
    """What is on screen is what the engine gives for the very same experiment."""
    expected = Network(WANTED).trace().layer.grads["h"].double().norm(dim=2).mean(1).numpy()
    np.testing.assert_allclose(excerpt.norms["grads.h"], expected, rtol=1e-12)


# -- the mouse alone --------------------------------------------------------------------------------------------------


def click(qtbot: QtBot, widget: QWidget, at: QPoint | None = None) -> None:
    assert widget.isVisible()
    assert widget.window().rect().contains(widget.mapTo(widget.window(), widget.rect().center()))
    qtbot.mouseClick(widget, LEFT, pos=widget.rect().center() if at is None else at)


def open_by_mouse(qtbot: QtBot, card: StackCard) -> None:
    click(qtbot, card, head(card))
    assert card.is_open()
    qtbot.wait(1)


def choose_by_mouse(qtbot: QtBot, field: ChoiceField, text: str) -> None:
    click(qtbot, field)
    view = field.view()
    qtbot.waitUntil(view.isVisible)
    qtbot.wait(QApplication.doubleClickInterval() + 50)  # until then the popup takes it for the click that opened it
    index = view.model().index(field.findText(text), 0)
    qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualRect(index).center())
    qtbot.waitUntil(lambda: not view.isVisible())


def test_a_two_layer_bidirectional_lstm_with_attention_by_the_mouse_alone(qtbot: QtBot, explorer: Explorer) -> None:
    stack = explorer.window.dock.stack
    for _ in range(2):
        click(qtbot, stack.buttons["lstm"])
        settle(qtbot, explorer)
    assert cells(explorer) == ["lstm", "lstm"]
    for number in (1, 0):
        card = stack.layers[number]
        if not card.is_open():
            open_by_mouse(qtbot, card)
        directions = card.rows["bidirectional"].field
        assert isinstance(directions, Segments)
        click(qtbot, directions.button(True))
    open_by_mouse(qtbot, stack.readout)
    at = stack.readout.rows["at"].field
    assert isinstance(at, ChoiceField)
    choose_by_mouse(qtbot, at, "attention")
    excerpt = settle(qtbot, explorer)
    assert explorer.document.experiment == WANTED
    assert_traced(excerpt)


# -- the keyboard alone -----------------------------------------------------------------------------------------------


def press(key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """To whoever has the focus, as a keyboard does."""
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus, key, modifier)


def tab_to(wanted: QWidget, *, back: bool = False) -> None:
    """Press Tab until it is there; a field that Tab does not come to cannot be used."""
    for _ in range(60):
        if QApplication.focusWidget() is wanted:
            return
        press(Qt.Key.Key_Backtab if back else Qt.Key.Key_Tab)
    raise AssertionError(f"Tab never comes to {wanted.accessibleName()}")


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_any_key_that_presses_a_button_adds_a_layer(qtbot: QtBot, explorer: Explorer, key: Qt.Key) -> None:
    press(Qt.Key.Key_N, CTRL)
    press(Qt.Key.Key_M, CTRL | Qt.KeyboardModifier.ShiftModifier)
    tab_to(explorer.window.dock.stack.buttons["gru"])
    press(key)
    assert settle(qtbot, explorer).of().cell == "gru"


def test_a_two_layer_bidirectional_lstm_with_attention_by_keys_alone(qtbot: QtBot, explorer: Explorer) -> None:
    stack = explorer.window.dock.stack
    press(Qt.Key.Key_N, CTRL)
    press(Qt.Key.Key_M, CTRL | Qt.KeyboardModifier.ShiftModifier)
    tab_to(stack.buttons["lstm"])
    press(Qt.Key.Key_Space)
    settle(qtbot, explorer)
    assert QApplication.focusWidget() is stack.layers[0], "what was added has the focus"
    directions = stack.layers[0].rows["bidirectional"].field
    assert isinstance(directions, Segments)
    tab_to(directions.button(False))
    press(Qt.Key.Key_Right)
    tab_to(stack.layers[0], back=True)
    press(Qt.Key.Key_D, CTRL)
    settle(qtbot, explorer)
    assert QApplication.focusWidget() is stack.layers[1]
    press(Qt.Key.Key_Up)
    assert QApplication.focusWidget() is stack.readout
    press(Qt.Key.Key_Return)
    at = stack.readout.rows["at"].field
    assert isinstance(at, QComboBox)
    tab_to(at)
    for _ in range(3):
        press(Qt.Key.Key_Down)
    excerpt = settle(qtbot, explorer)
    assert explorer.document.experiment == WANTED
    assert_traced(excerpt)


def typed(field: QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    press(Qt.Key.Key_Delete)
    QTest.keyClicks(field, text)
    press(Qt.Key.Key_Return)


# -- an empty document ------------------------------------------------------------------------------------------------


def test_an_empty_document_says_what_to_do_and_asks_the_engine_nothing(qtbot: QtBot, explorer: Explorer) -> None:
    assert explorer.controller.settled
    assert explorer.controller.excerpt is None
    assert explorer.window.stage.canvas.message == f"{ADD_A_LAYER}\n{WHAT_COMES}"
    cell, analysis = explorer.window.cell, explorer.window.analysis
    assert cell._nothing.isVisible()
    assert analysis.nothing.isVisible()
    assert not cell.units.isVisible()
    assert explorer.window.dock.stack.empty.isVisible()
    assert not explorer.document.dirty
    transport, accent = explorer.window.transport, QColor(theming.current().accent)
    assert transport.where.full_words() == ""
    assert transport.where.second_line() == "no trace yet"
    assert not transport.play_button.isEnabled()
    picture = transport.play_button.grab().toImage()
    assert picture.pixelColor(4, picture.height() // 2) != accent  # it does not look as if it could be pressed
    assert not transport.scrubber.isEnabled()
    explorer.window.dock.stack.add("gru")
    assert settle(qtbot, explorer).cell == "gru"
    assert transport.play_button.isEnabled()
    assert transport.play_button.grab().toImage().pixelColor(4, picture.height() // 2) == accent
    assert transport.scrubber.isEnabled()
    assert transport.where.full_words() == "Loss"
    assert explorer.window.stage.canvas.message == ""
    assert not cell._nothing.isVisible()
    assert not analysis.nothing.isVisible()
    assert cell.units.isVisible()
    assert explorer.document.state.tracks


def test_the_analysis_follows_the_layer_that_is_looked_at_and_a_layer_more_keeps_the_tracks(
    qtbot: QtBot, explorer: Explorer
) -> None:
    stack_of(explorer, qtbot, "lstm")
    tracks = explorer.document.state.tracks
    explorer.window.dock.stack.add("rnn")
    settle(qtbot, explorer)
    assert [key.removeprefix("l0.") for key in explorer.document.state.tracks] == list(tracks)
    panel = explorer.window.analysis
    assert panel.layer.currentData() == explorer.window.cell._excerpt.layer == "l1"  # type: ignore[union-attr]
    explorer.bindings.cell.step_layer(-1)
    settle(qtbot, explorer)
    assert panel.layer.currentData() == "l0"
    panel.layer.set_value("l1")  # somebody compares
    explorer.document.look(unit=1)
    settle(qtbot, explorer)
    assert panel.layer.currentData() == "l1", "until another layer is looked at"


def test_another_document_begins_at_its_top(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.resize(1100, 560)
    stack_of(explorer, qtbot, "lstm")
    QApplication.processEvents()
    bars = [explorer.window.stage.canvas.verticalScrollBar(), explorer.window.dock_area.verticalScrollBar()]
    for bar in bars:
        assert bar.maximum() > 0
        bar.setValue(bar.maximum())
    explorer.document.undo_stack.setClean()
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    settle(qtbot, explorer)
    QApplication.processEvents()
    assert [bar.value() for bar in bars] == [0, 0]


def test_everything_undone_is_an_empty_document_again(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    undo = explorer.commands.actions["undo"]
    assert undo.text() == "&Undo adding an LSTM layer"
    undo.trigger()
    assert undo.text() == "&Undo adding an RNN layer"
    assert settle(qtbot, explorer).cell == "rnn"
    undo.trigger()
    assert cells(explorer) == []
    assert explorer.window.stage.canvas.message.startswith(ADD_A_LAYER)
    explorer.commands.actions["redo"].trigger()
    explorer.commands.actions["redo"].trigger()
    assert settle(qtbot, explorer).cell == "lstm"
    assert explorer.window.stage.canvas.message == ""


# -- moving, duplicating, deleting ------------------------------------------------------------------------------------


def head(card: StackCard) -> QPoint:
    return QPoint(30, 14)


def drag(qtbot: QtBot, card: StackCard, to: QPoint) -> None:
    """Press at its head and move to a point of the stack, without letting go."""
    start = head(card)
    qtbot.mousePress(card, LEFT, pos=start)
    end = card.mapFrom(card.parentWidget(), to)
    for share in (0.2, 0.6, 1.0):
        qtbot.mouseMove(card, start + (end - start) * share)


def test_a_layer_is_dragged_to_another_place(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm", "gru")
    stack = explorer.window.dock.stack
    lowest = stack.layers[0]
    end = QPoint(40, stack.layers[2].geometry().top() + 3)
    drag(qtbot, lowest, end)
    assert stack._line.isVisible()
    assert cells(explorer) == ["rnn", "lstm", "gru"], "nothing moves before it is let go"
    qtbot.mouseRelease(lowest, LEFT, pos=lowest.mapFrom(stack, end))
    assert not stack._line.isVisible()
    assert cells(explorer) == ["lstm", "gru", "rnn"]
    assert stack.layers[2] is lowest, "its card has gone with it"
    assert not lowest.is_open(), "dragging opens nothing"
    assert explorer.document.undo_stack.undoText() == "moving the RNN layer up"
    assert settle(qtbot, explorer).cell == "rnn"


def test_escape_lets_go_of_a_dragged_layer(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    stack = explorer.window.dock.stack
    steps = explorer.document.undo_stack.count()
    card = stack.layers[0]
    end = QPoint(40, stack.readout.geometry().bottom() + 4)
    drag(qtbot, card, end)
    press(Qt.Key.Key_Escape)
    assert not stack._line.isVisible()
    qtbot.mouseRelease(card, LEFT, pos=card.mapFrom(stack, end))
    assert cells(explorer) == ["rnn", "lstm"]
    assert explorer.document.undo_stack.count() == steps


def test_a_layer_is_moved_duplicated_and_deleted_by_keys(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm", "gru")
    stack = explorer.window.dock.stack
    stack.layers[0].setFocus()
    press(Qt.Key.Key_Up, ALT)
    assert cells(explorer) == ["lstm", "rnn", "gru"]
    press(Qt.Key.Key_Up, ALT)
    assert cells(explorer) == ["lstm", "gru", "rnn"]
    press(Qt.Key.Key_Up, ALT)
    assert cells(explorer) == ["lstm", "gru", "rnn"], "there is nothing above the last layer"
    press(Qt.Key.Key_Down, ALT)
    press(Qt.Key.Key_D, CTRL)
    assert cells(explorer) == ["lstm", "rnn", "rnn", "gru"]
    press(Qt.Key.Key_Delete)
    press(Qt.Key.Key_Delete)
    assert cells(explorer) == ["lstm", "rnn"]
    settle(qtbot, explorer)


def test_keys_for_a_layer_do_nothing_to_it_from_a_field_or_another_card(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    stack = explorer.window.dock.stack
    stack.readout.setFocus()
    press(Qt.Key.Key_Delete)
    stack.open_card(stack.layers[0])
    units = stack.layers[0].rows["hidden_size"].field
    units.setFocus()
    press(Qt.Key.Key_Delete)
    assert cells(explorer) == ["rnn", "lstm"]


def test_the_menu_of_a_card_does_the_same_and_has_names(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    stack = explorer.window.dock.stack
    card = stack.layers[1]
    assert card.menu_button is not None
    assert card.menu_button.accessibleName() == "Menu of Layer 2, LSTM, 16 units"
    click(qtbot, card.menu_button)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    entries = {entry.text().partition("\t")[0].replace("&", ""): entry for entry in menu.actions()}
    assert not entries["Move up"].isEnabled()
    entries["Move down"].trigger()
    menu.close()
    assert cells(explorer) == ["lstm", "rnn"]


# -- what cannot stand together ---------------------------------------------------------------------------------------


def test_what_cannot_stand_together_is_said_at_its_card_and_the_picture_stays(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    before = settle(qtbot, explorer)
    stack = explorer.window.dock.stack
    card = stack.layers[1]
    stack.open_card(card)
    card.rows["residual"].field.click()
    settle(qtbot, explorer)
    assert not card.rows["residual"].error.isVisible(), "16 and 16 units can be added"
    residual = explorer.controller.excerpt
    assert residual is not before
    units = card.rows["hidden_size"].field
    typed(units, "8")
    settle(qtbot, explorer)
    assert units.text() == "8", "what was typed stays"
    assert card.rows["residual"].error.text() == (
        "The residual connection is on, but the layer reads 16 numbers a step and gives 8; both must be the same to be "
        "added."
    )
    assert explorer.controller.excerpt is residual
    assert "cannot be traced yet" in explorer.window.stage.canvas.message
    stack.open_card(None)
    assert card.problem.isVisible(), "a closed card says it too"
    explorer.commands.actions["undo"].trigger()
    assert not card.problem.isVisible()
    assert settle(qtbot, explorer).hidden_size == 16
    assert explorer.window.stage.canvas.message == ""


def test_a_task_brings_along_what_it_needs_and_what_is_taken_from_it_is_said(qtbot: QtBot, explorer: Explorer) -> None:
    """The copy task needs a loss at every step, of cross-entropy; both come with it, and are missed one by one."""
    stack_of(explorer, qtbot, "gru")
    dock, rows = explorer.window.dock, explorer.window.dock.rows
    rows["task"].field.edited.emit("copy")
    assert dock.stack.readout.problem.text() == ""
    assert settle(qtbot, explorer).steps == 50
    rows["loss"].field.edited.emit("mse")
    rows["at"].field.edited.emit("last")
    assert dock.stack.readout.problem.text() == ("The loss is taken at 'last'; the copy task accepts only 'every'.")
    rows["at"].field.edited.emit("every")
    assert dock.stack.readout.problem.text() == "Loss is 'mse'; the copy task accepts only 'cross-entropy'."
    rows["loss"].field.edited.emit("cross_entropy")
    assert dock.stack.readout.problem.text() == ""
    assert explorer.document.state.unfinished == ""
    assert explorer.document.undo_stack.count() == 6


def test_looking_goes_on_while_a_model_is_unfinished(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "gru")
    for name, value in (("task", "copy"), ("loss", "mse")):
        explorer.window.dock.rows[name].field.edited.emit(value)
    explorer.document.look(sample=3, position=7)
    assert settle(qtbot, explorer).sample == 3
    explorer.document.look(position=len(explorer.document.tape) - 1)
    explorer.controller.step(1)
    assert explorer.document.view.iteration == 0, "what cannot be traced cannot be trained"
    assert settle(qtbot, explorer).sample == 3


def test_what_is_unfinished_is_not_saved_and_says_why(
    qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(explorer.files, "_complain", lambda title, sentence: said.append(sentence))
    explorer.document.path = str(tmp_path / "a.gflow")
    assert not explorer.files.save()
    assert said == [
        "What cannot be traced yet cannot be saved. The stack has no layer yet; add one: + RNN, + LSTM or + GRU."
    ]


def test_tab_meets_a_gates_bias_in_its_own_place(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    rows = explorer.window.dock.what_if
    assert "f" in rows.biases, "made when the LSTM came, after all else in the window"
    inside, one = [], rows.scale.slider
    while one is not rows.clip.slider:
        inside.append(one)
        one = one.nextInFocusChain()
        assert len(inside) < 200
    assert rows.biases["f"].slider in inside


def test_truncation_is_shown_trained_and_said(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn")
    dock = explorer.window.dock
    typed(dock.rows["truncation"].field, "8")
    norms = settle(qtbot, explorer).norms["grads.h"]
    assert [t for t, norm in enumerate(norms, 1) if norm > 0] == list(range(43, 51)), "T = 50: the last eight steps"
    assert dock.training_rows.note.text().startswith("Truncated BPTT(8; 8)")
    assert explorer.window.status.audit.text().startswith("● full gradients match autograd")
    explorer.document.look(position=100)
    assert explorer.window.status.verdict.text() == "▼ cut off: truncation lets nothing of L reach h₁"
    qtbot.waitUntil(lambda: explorer.desk.settled, timeout=20_000)
    beside = explorer.window.analysis.sections["flow"].words.text()
    assert beside.endswith("The whole gradient of each loss: truncation is not applied here.")
    assert "truncation" in explorer.window.cell._routes.meaning
    typed(dock.rows["truncation"].field, "")
    assert (settle(qtbot, explorer).norms["grads.h"] > 0).all()
    assert dock.training_rows.note.text() == ""


# -- what goes with a layer -------------------------------------------------------------------------------------------


def test_a_held_gate_and_a_cut_route_go_with_their_layer(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "lstm", "gru")
    held = WhatIf(clamps=(Clamp(gate="f", value=1.0, layer="l0"),), cuts=(Cut(route="leak", layer="l1"),))
    explorer.document.edit_what_if(held)
    stack = explorer.window.dock.stack
    stack.layers[0].setFocus()
    stack.shift(1)
    moved = explorer.document.state.what_if
    assert moved == WhatIf(clamps=(Clamp(gate="f", value=1.0, layer="l1"),), cuts=(Cut(route="leak", layer="l0"),))
    settle(qtbot, explorer)
    stack.delete()
    assert explorer.document.state.what_if == WhatIf(cuts=(Cut(route="leak", layer="l0"),))
    explorer.commands.actions["undo"].trigger()
    assert explorer.document.state.what_if == moved
    settle(qtbot, explorer)


def test_an_open_card_stays_open_while_others_come_and_go(qtbot: QtBot, explorer: Explorer) -> None:
    stack_of(explorer, qtbot, "rnn", "lstm")
    stack = explorer.window.dock.stack
    card: LayerCard = stack.layers[1]
    stack.open_card(card)
    stack.layers[0].setFocus()
    stack.delete()
    assert stack.layers == [card]
    assert card.is_open()
    assert card.number == 0
    settle(qtbot, explorer)
