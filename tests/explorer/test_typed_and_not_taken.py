"""What is typed in a field of the dock and not yet taken: an edit that comes takes it first, undo lets go of it. What
the dock shows is what the document has, and what the document has is what was computed."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.spec import AddingTask, Clamp, Cut, Experiment, LayerSpec, ModelSpec, WhatIf
from explorer.app import Explorer
from explorer.dock.fields import NumberField
from explorer.dock.model import ModelDock
from explorer.document.opening import Opening
from explorer.document.state import State, View

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton
LSTM = LayerSpec(cell="lstm", hidden_size=5)
GRU = LayerSpec(cell="gru", hidden_size=5)


def opened(qtbot: QtBot, explorer: Explorer, *layers: LayerSpec, what_if: WhatIf | None = None) -> ModelDock:
    experiment = Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=12, batch_size=2))
    state = State(experiment=experiment, tracks=("l0.values.f", "grads.h"))
    explorer.show(Opening(state, View(), title="typed"))
    qtbot.waitExposed(explorer.window)
    explorer.window.activateWindow()
    if what_if is not None:
        explorer.document.edit_what_if(what_if)
    settle(qtbot, explorer)
    return explorer.window.dock


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)


def begin(qtbot: QtBot, field: QWidget, text: str) -> None:
    """Typed, and not taken."""
    field.setFocus(Qt.FocusReason.OtherFocusReason)
    assert field.hasFocus()
    inner = field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)
    inner.selectAll()
    qtbot.keyClicks(field, text)


def held(explorer: Explorer) -> tuple[Clamp, ...]:
    return explorer.document.state.what_if.clamps


def units_of(dock: ModelDock, qtbot: QtBot, number: int = 0) -> NumberField:
    card = dock.stack.layers[number]
    if not card.is_open():
        dock.stack.open_card(card)
    field = card.rows["hidden_size"].field
    assert isinstance(field, NumberField)
    return field


def sizes(explorer: Explorer) -> list[int]:
    assert explorer.document.experiment is not None
    return [layer.hidden_size for layer in explorer.document.experiment.model.layers]


# -- an edit takes it first -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [Qt.Key.Key_L, Qt.Key.Key_G], ids=["an LSTM", "a GRU"])
def test_a_gate_that_is_held_at_what_is_being_typed_says_so_after_a_layer_has_come(
    qtbot: QtBot, explorer: Explorer, key: Qt.Key
) -> None:
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0),)))
    level = dock.what_if.clamps.items[0].level
    begin(qtbot, level, "0.3")
    qtbot.keyClick(level, key, CTRL | SHIFT)
    settle(qtbot, explorer)
    assert len(sizes(explorer)) == 2
    assert [clamp.value for clamp in held(explorer)] == [0.3]
    assert [item.level.text() for item in dock.what_if.clamps.items] == ["0.3"]
    assert [item.value for item in dock.what_if.clamps.items] == list(held(explorer))
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    np.testing.assert_allclose(excerpt.arrays["l0.values.f"], 0.3, rtol=1e-6)


def test_typing_and_the_edit_that_takes_it_are_undone_one_after_the_other(qtbot: QtBot, explorer: Explorer) -> None:
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0),)))
    level = dock.what_if.clamps.items[0].level
    begin(qtbot, level, "0.3")
    qtbot.keyClick(level, Qt.Key.Key_L, CTRL | SHIFT)
    undo = explorer.commands.actions["undo"]
    undo.trigger()
    assert (sizes(explorer), held(explorer)[0].value) == ([5], 0.3)
    undo.trigger()
    assert (sizes(explorer), held(explorer)[0].value) == ([5], 1.0)
    redo = explorer.commands.actions["redo"]
    redo.trigger()
    redo.trigger()
    assert (sizes(explorer), held(explorer)[0].value) == ([5, 5], 0.3)
    assert dock.what_if.clamps.items[0].level.text() == "0.3"


def test_a_size_that_is_being_typed_belongs_to_the_stack_that_grows(qtbot: QtBot, explorer: Explorer) -> None:
    dock = opened(qtbot, explorer, LSTM)
    field = units_of(dock, qtbot)
    begin(qtbot, field, "7")
    qtbot.keyClick(field, Qt.Key.Key_L, CTRL | SHIFT)
    assert sizes(explorer) == [7, 7], "the new layer is as wide as the one that was there"
    assert field.text() == "7"
    explorer.commands.actions["undo"].trigger()
    assert sizes(explorer) == [7]
    explorer.commands.actions["undo"].trigger()
    assert (sizes(explorer), field.text()) == ([5], "5")


def test_one_more_is_held_beside_one_whose_value_is_being_typed(qtbot: QtBot, explorer: Explorer) -> None:
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0),)))
    clamps = dock.what_if.clamps
    begin(qtbot, clamps.items[0].level, "0.3")
    qtbot.mouseClick(clamps.add_button, LEFT)
    assert held(explorer) == (Clamp(gate="f", value=0.3), Clamp(gate="f", value=1.0))
    assert [item.level.text() for item in clamps.items] == ["0.3", "1"]


def test_a_route_is_cut_while_the_value_of_a_held_gate_is_being_typed(qtbot: QtBot, explorer: Explorer) -> None:
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0),)))
    begin(qtbot, dock.what_if.clamps.items[0].level, "0.3")
    qtbot.mouseClick(dock.what_if.cuts.add_button, LEFT)
    what_if = explorer.document.state.what_if
    assert (held(explorer)[0].value, what_if.cuts) == (0.3, (Cut(route="carousel"),))
    assert [item.value for item in dock.what_if.cuts.items] == list(what_if.cuts)
    assert [item.level.text() for item in dock.what_if.clamps.items] == ["0.3"]


def test_what_is_being_typed_into_a_held_gate_goes_with_it(qtbot: QtBot, explorer: Explorer) -> None:
    two = (Clamp(gate="f", value=1.0), Clamp(gate="i", value=0.5))
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=two))
    clamps, steps = dock.what_if.clamps, explorer.document.undo_stack.count()
    begin(qtbot, clamps.items[0].level, "0.3")
    qtbot.mouseClick(clamps.items[0].remove, LEFT)
    assert (held(explorer), len(clamps.items)) == (two[1:], 1)
    assert explorer.document.undo_stack.count() == steps + 1
    begin(qtbot, clamps.items[0].level, "0.25")
    qtbot.mouseClick(clamps.add_button, LEFT)
    qtbot.mouseClick(clamps.items[1].remove, LEFT)
    assert held(explorer) == (Clamp(gate="i", value=0.25),)


def test_the_list_of_a_gate_that_has_gone_asks_for_nothing(qtbot: QtBot, explorer: Explorer) -> None:
    """Its list is open while the items are made anew, and Return chooses in it."""
    dock = opened(qtbot, explorer, GRU, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0, layer="l1"),)))
    clamps = dock.what_if.clamps
    for choice in (clamps.items[0].layer, clamps.items[0].gate):
        choice.setFocus()
        choice.showPopup()
        view = choice.view()
        explorer.document.edit_what_if(WhatIf(clamps=(*held(explorer), Clamp(gate="z", value=0.5, layer="l0"))))
        before = held(explorer)
        view.setCurrentIndex(choice.model().index(1, 0))
        choice.activated.emit(1)
        assert held(explorer) == before
        assert [item.value for item in clamps.items] == list(before)
        explorer.commands.actions["undo"].trigger()


def test_an_action_takes_what_is_being_typed_first(qtbot: QtBot, explorer: Explorer) -> None:
    dock = opened(qtbot, explorer, LSTM)
    begin(qtbot, units_of(dock, qtbot), "7")
    explorer.commands.actions["by_gate"].trigger()
    assert sizes(explorer) == [7], "as every action but those that begin with the document as it is"


# -- undo lets go of it -----------------------------------------------------------------------------------------------


def _undo(qtbot: QtBot, field: QWidget) -> None:
    qtbot.keyClick(field, Qt.Key.Key_Z, CTRL)


def typed_into(dock: ModelDock, qtbot: QtBot) -> dict[str, QWidget]:
    """One field of every kind that is typed into."""
    item = dock.what_if.clamps.items[0]
    return {
        "units": units_of(dock, qtbot),
        "seed": dock.run_rows.rows["seed"].field,
        "scale": dock.what_if.scale.field,
        "held at": item.level,
        "held units": item.units,
        "sample": dock.sample.field,
    }


TEXTS = {"units": "33", "seed": "4", "scale": "1.5", "held at": "0.3", "held units": "0-2", "sample": "2"}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("edited", [False, True], ids=["nothing to undo", "something to undo"])
def test_undo_in_a_field_lets_go_of_what_is_being_typed_and_of_nothing_else(
    qtbot: QtBot, explorer: Explorer, name: str, edited: bool
) -> None:
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0),)))
    if not edited:
        explorer.document.undo_stack.clear()
    before, field = explorer.document.state, typed_into(dock, qtbot)[name]
    shown = field.text()
    begin(qtbot, field, TEXTS[name])
    assert field.text() != shown
    _undo(qtbot, field)
    assert (field.text(), explorer.document.state) == (shown, before)
    explorer.window.stage.setFocus()
    assert (field.text(), explorer.document.state, explorer.document.view.sample) == (shown, before, 0)


@pytest.mark.parametrize("name", TEXTS)
def test_undo_from_the_menu_takes_back_an_edit_and_what_is_being_typed(
    qtbot: QtBot, explorer: Explorer, name: str
) -> None:
    dock = opened(qtbot, explorer, LSTM, what_if=WhatIf(clamps=(Clamp(gate="f", value=1.0),)))
    before = explorer.document.state
    explorer.document.edit_tracks(("grads.h",), "a track")
    field = typed_into(dock, qtbot)[name]
    shown = field.text()
    begin(qtbot, field, TEXTS[name])
    explorer.commands.actions["undo"].trigger()
    explorer.window.stage.setFocus()
    assert (field.text(), explorer.document.view.sample) == (shown, 0)
    assert (explorer.document.state.tracks, sizes(explorer)) == (before.tracks, [5])
    assert held(explorer) == before.what_if.clamps


def test_undo_in_a_field_without_typing_is_the_documents(qtbot: QtBot, explorer: Explorer) -> None:
    """It leaves the key to the window: the field's own history would show a size that the model does not have."""
    dock = opened(qtbot, explorer, LSTM)
    field = units_of(dock, qtbot)
    begin(qtbot, field, "7")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert sizes(explorer) == [7]
    _undo(qtbot, field)
    assert (sizes(explorer), field.text()) == ([5], "5")
    qtbot.keySequence(field, explorer.commands.actions["redo"].shortcut())
    assert (sizes(explorer), field.text()) == ([7], "7")


def test_what_was_refused_is_let_go_by_undo(qtbot: QtBot, explorer: Explorer) -> None:
    dock = opened(qtbot, explorer, LSTM)
    field = units_of(dock, qtbot)
    row = dock.stack.layers[0].rows["hidden_size"]
    begin(qtbot, field, "99999")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert (field.is_invalid(), row.error.isHidden()) == (True, False)
    _undo(qtbot, field)
    assert (field.text(), field.is_invalid(), row.error.isHidden(), sizes(explorer)) == ("5", False, True, [5])
