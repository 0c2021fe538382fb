"""From an empty document to a two-layer bidirectional LSTM with attention, by the mouse alone and by keys alone."""

from __future__ import annotations

import numpy as np
import pytest
from assembling import CTRL, LEFT, begun, cells, click, head, press, settle, stack_of
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from engine import beginning, presets
from engine.network import Network
from engine.requests import Excerpt
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from explorer.app import Explorer
from explorer.bindings import ADD_A_LAYER
from explorer.bindings.stage import WHAT_COMES
from explorer.dock.card import StackCard
from explorer.dock.fields import ChoiceField, Segments
from explorer.document import opening
from explorer.theme import current as theming

BOTH_WAYS = LayerSpec(cell="lstm", bidirectional=True)
WANTED = Experiment(
    model=ModelSpec(layers=(BOTH_WAYS, BOTH_WAYS), readout=ReadoutSpec(at="attention")),
    task=AddingTask(),
    training=beginning.TRAINING,
)


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    return begun(explorer, qtbot)


def assert_traced(excerpt: Excerpt) -> None:
    """What is on screen is what the engine gives for the very same experiment."""
    expected = Network(WANTED).trace().layer.grads["h"].double().norm(dim=2).mean(1).numpy()
    np.testing.assert_allclose(excerpt.norms["grads.h"], expected, rtol=1e-12)


# -- the mouse alone --------------------------------------------------------------------------------------------------


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
