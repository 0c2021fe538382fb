"""The layers of a stack are moved, duplicated and deleted by the mouse and by keys; what is theirs goes with them."""

from __future__ import annotations

import pytest
from assembling import ALT, CTRL, LEFT, begun, cells, click, head, press, settle, stack_of
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from engine.spec import Clamp, Cut, WhatIf
from explorer.app import Explorer
from explorer.dock.card import StackCard
from explorer.dock.layer_card import LayerCard


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    return begun(explorer, qtbot)


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
