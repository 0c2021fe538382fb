"""Protects the model dock: it asks for valid experiments only, and says at the field what is wrong."""

from __future__ import annotations

import pytest
from docked import LSTM, RNN, Asked, dock_of, number, row, show, typed
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.checks import checked
from engine.spec import (
    AddingTask,
    Clamp,
    ClipSpec,
    CopyTask,
    Cut,
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    SunspotsTask,
    TruncationSpec,
    WhatIf,
)
from explorer.dock import edits
from explorer.dock.fields import Segments
from explorer.dock.model import ModelDock
from explorer.dock.task_edits import with_task
from tests.explorer.synthetic import excerpt


@pytest.fixture
def dock(qtbot: QtBot) -> ModelDock:
    return dock_of(qtbot)


def test_being_told_a_state_emits_nothing(dock: ModelDock) -> None:
    asked = Asked(dock)
    show(dock, RNN)
    show(dock, LSTM, WhatIf(recurrent_scale=0.5, forget_bias=2.0, clip_norm=0.1), unit=3)
    dock.set_locked("locked")
    dock.set_locked("")
    assert asked.nothing()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("hidden_size", "32", lambda e: e.layer.hidden_size == 32),
        ("gain", "1.5", lambda e: e.layer.init.gain == 1.5),
        ("forget_bias", "-2", lambda e: e.layer.init.forget_bias == -2.0),
        ("forget_bias", "", lambda e: e.layer.init.forget_bias is None),
        ("steps", "100", lambda e: e.task.steps == 100),
        ("batch_size", "1", lambda e: e.task.batch_size == 1),
        ("seed", "7", lambda e: e.seed == 7),
        ("learning_rate", "1e-3", lambda e: e.training.learning_rate == 1e-3),
        ("max_norm", "0,5", lambda e: e.training.clip == ClipSpec(kind="norm", max_norm=0.5)),
        ("iterations", "20", lambda e: e.training.iterations == 20),
    ],
)
def test_a_typed_number_asks_for_a_checked_experiment(
    dock: ModelDock, qtbot: QtBot, name: str, text: str, expected: object
) -> None:
    asked = Asked(dock)
    typed(qtbot, number(dock, name), text)
    assert len(asked.experiments) == 1
    assert callable(expected)
    assert expected(checked(asked.experiments[0]))


def test_one_click_changes_the_cell_and_drops_what_the_new_one_lacks(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    cells = row(dock, "cell").field
    assert isinstance(cells, Segments)
    qtbot.mouseClick(cells.button("gru"), Qt.MouseButton.LeftButton)
    show(dock, RNN)
    qtbot.mouseClick(cells.button("lstm"), Qt.MouseButton.LeftButton)
    gru, lstm = (one.layer for one in asked.experiments)
    assert (gru.cell, gru.hidden_size, gru.init.forget_bias) == ("gru", 12, None)
    assert (lstm.cell, lstm.activation) == ("lstm", "tanh")


def test_float64_is_one_click_away(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    dtypes = dock.rows["dtype"].field
    assert isinstance(dtypes, Segments)
    qtbot.mouseClick(dtypes.button("float64"), Qt.MouseButton.LeftButton)
    assert asked.experiments == [replace(LSTM, dtype="float64")]


def test_each_edit_changes_one_field_and_comes_back_out_of_values() -> None:
    wanted = {
        "loss": "cross_entropy", "at": "every", "attention_size": 3, "steps": 9, "shortest": 7, "batch_size": 2,
        "seed": 4, "dtype": "float64", "device": "cpu", "learning_rate": 0.5, "clip": "value", "max_norm": 7.0,
        "max_value": 3.0, "ratio": 0.5, "clip_readout": True, "iterations": 3,
    }  # fmt: skip
    for name, value in wanted.items():
        after = checked(edits.EDITS[name](LSTM, value))
        changed = {k for k, v in edits.values(after).items() if v != edits.values(LSTM)[k]}
        assert changed == {name}
        assert edits.values(after)[name] == value


def test_each_edit_of_a_layer_changes_one_field_and_comes_back_out_of_its_values() -> None:
    wanted = {
        "hidden_size": 5, "bidirectional": True, "input": "he", "recurrent": "orthogonal", "gain": 2.0, "bias": "zero",
        "spectral_radius": 0.9, "forget_bias": 3.0, "dropout": 0.25, "dropout_mask": "sequence",
        "recurrent_dropout": 0.5, "layer_norm": True, "batch_norm": True, "norm_eps": 1e-3,
    }  # fmt: skip
    for name, value in wanted.items():
        after = checked(edits.with_layer(LSTM, 0, name, value)).layer
        before, now = edits.layer_values(LSTM.layer), edits.layer_values(after)
        assert {k for k, v in now.items() if v != before[k]} == {name}
        assert now[name] == value


def test_normal_weights_come_with_a_deviation_and_leave_with_it() -> None:
    normal = checked(edits.with_layer(LSTM, 0, "recurrent", "normal"))
    assert normal.layer.init.std == edits.STD
    both = checked(edits.with_layer(normal, 0, "input", "normal"))
    assert checked(edits.with_layer(both, 0, "recurrent", "he")).layer.init.std == edits.STD
    assert checked(edits.with_layer(normal, 0, "recurrent", "he")).layer.init.std is None


def test_truncation_is_set_by_how_far_back_and_taken_away_by_nothing() -> None:
    cut = checked(edits.EDITS["truncation"](LSTM, 8))
    assert cut.training.truncation == TruncationSpec(k1=8, k2=8)
    finer = checked(edits.EDITS["truncation_every"](cut, 2))
    assert finer.training.truncation == TruncationSpec(k1=2, k2=8)
    assert checked(edits.EDITS["truncation"](finer, 1)).training.truncation == TruncationSpec(k1=1, k2=1)
    assert edits.EDITS["truncation"](finer, None) == LSTM


def test_changing_the_task_keeps_what_fits() -> None:
    long = replace(LSTM, task=AddingTask(steps=1000, batch_size=8))
    assert checked(with_task(long, "sunspots")).task == SunspotsTask(steps=308, batch_size=8)
    short = replace(LSTM, task=SunspotsTask(steps=1, batch_size=8))
    assert checked(with_task(short, "adding")).task == AddingTask(steps=2, batch_size=8)
    copy = checked(with_task(LSTM, "copy"))
    assert (copy.task, copy.model.embedding) == (CopyTask(delay=20, batch_size=16), EmbeddingSpec(symbols=10))
    back = checked(with_task(copy, "adding"))
    assert (back.task, back.model.embedding, back.model.layers) == (LSTM.task, None, LSTM.model.layers)


def test_a_number_out_of_range_is_refused_at_its_field(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    field, units = number(dock, "hidden_size"), row(dock, "hidden_size")
    typed(qtbot, field, "0")
    assert asked.nothing()
    assert units.error.isVisible()
    assert units.error.text() == "0: a whole number from 1 to 4,096 is accepted."
    assert field.is_invalid()
    assert field.accessibleDescription() == units.error.text(), "also said to those who do not see it"
    show(dock, LSTM, unit=2)  # another change elsewhere leaves it standing
    assert (field.text(), units.error.isVisible()) == ("0", True)
    typed(qtbot, field, "8")
    assert [one.layer.hidden_size for one in asked.experiments] == [8]
    assert not units.error.isVisible()
    assert not field.is_invalid()
    assert field.accessibleDescription() == ""


def test_text_is_refused_at_its_field_and_escape_takes_it_back(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    field, rate = number(dock, "learning_rate"), row(dock, "learning_rate")
    typed(qtbot, field, "fast")
    assert rate.error.text() == field.accessibleDescription() == "'fast' is not a number."
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.accessibleDescription() == ""
    assert not rate.error.isVisible()
    assert field.text() == "0.1"
    assert asked.nothing()


def test_only_the_fields_of_the_cell_are_there(dock: ModelDock) -> None:
    def there() -> set[str]:
        names = ("activation", "forget_bias", "update_bias", "max_norm")
        return {name for name in names if row(dock, name).isVisible()}

    assert there() == {"forget_bias", "max_norm"}
    show(dock, RNN)
    assert there() == {"activation"}
    show(dock, edits.with_layer(RNN, 0, "cell", "gru"))
    assert there() == {"update_bias"}


def test_a_cards_problem_is_said_of_the_card_and_of_its_field_and_goes_with_it(dock: ModelDock) -> None:
    sentence = "Batch normalisation is on, but batch size is 1; a batch of 2 or more is needed."
    layer = replace(LSTM.layer, batch_norm=True)
    show(dock, replace(LSTM, model=ModelSpec(layers=(layer,)), task=AddingTask(steps=40, batch_size=1)))
    card = dock.stack.layers[0]
    essentials = card.accessibleDescription().removeprefix(f"{sentence} ")
    assert card.accessibleDescription() == f"{sentence} {essentials}" != essentials
    dock.stack.open_card(card)
    field = card.rows["batch_norm"].field
    assert (field.accessibleDescription(), card.accessibleDescription()) == (sentence, essentials)
    show(dock, LSTM)
    assert field.accessibleDescription() == ""
    dock.stack.open_card(None)
    assert sentence not in card.accessibleDescription()


def test_sample_and_unit_count_as_the_engine_does(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    assert dock.sample.field.text() == "1 of 16"
    assert dock.unit.field.text() == "all units"
    qtbot.mouseClick(dock.sample.up, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dock.unit.up, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dock.unit.down, Qt.MouseButton.LeftButton)
    assert asked.samples == [1]
    assert asked.units == [0, None]


def test_a_recorded_trace_shows_all_and_lets_only_sample_and_unit_be_picked(dock: ModelDock, qtbot: QtBot) -> None:
    shown = excerpt("gru")
    asked = Asked(dock)
    dock.show_recorded(shown, "A recorded trace: nothing is recomputed.")
    assert dock.lock.text() == "A recorded trace: nothing is recomputed."
    assert number(dock, "hidden_size").text() == str(shown.hidden_size)
    assert number(dock, "gain").text() == "", "what a recorded trace does not tell is not made up"
    assert number(dock, "steps").text() == str(shown.steps)
    assert number(dock, "seed").text() == ""
    for one in [*dock.rows.values(), *dock.stack.layers[0].rows.values()]:
        assert not one.field.isEnabled()
    for slider in (dock.what_if.scale, dock.what_if.biases["z"], dock.what_if.clip):
        assert not slider.isEnabled() or not slider.slider.isEnabled()
    assert asked.nothing()
    if shown.batch_size > 1:
        qtbot.mouseClick(dock.sample.up, Qt.MouseButton.LeftButton)
        assert asked.samples == [shown.sample + 1]
    qtbot.mouseClick(dock.unit.up, Qt.MouseButton.LeftButton)
    assert len(asked.units) == 1
    dock.set_locked("")
    show(dock, LSTM)
    assert number(dock, "seed").isEnabled()
    assert not dock.lock.isVisible()


def test_every_control_has_a_name(dock: ModelDock) -> None:
    stack = replace(LSTM, model=ModelSpec(layers=(RNN.layer, LSTM.layer, LayerSpec(cell="gru"))))
    show(dock, stack, WhatIf(clamps=(Clamp(gate="f", value=1.0, layer="l1"),), cuts=(Cut(route="a"),)))
    for card in dock.stack.cards:
        card.set_open(True)
        card.disclosure.setChecked(True)
    controls = [w for w in dock.findChildren(QWidget) if w.focusPolicy() & Qt.FocusPolicy.TabFocus and w.isVisible()]
    assert len(controls) > 100
    inner = [w for w in controls if isinstance(w.parent(), QAbstractSpinBox)]  # the box around it has the name
    assert [w for w in controls if w not in inner and not w.accessibleName()] == []


@pytest.mark.parametrize("width", [210, 252, 400])
@pytest.mark.parametrize("experiment", [LSTM, RNN])
@pytest.mark.parametrize("card", ["", "readout", "l0", "input"])
def test_the_dock_fits_into_its_place(
    dock: ModelDock, qtbot: QtBot, width: int, experiment: Experiment, card: str
) -> None:
    both = (Clamp(gate="f", value=0.123456, last=20, units=(0, 3)),), (Cut(route="carousel"),)
    what_if = WhatIf(recurrent_scale=1.2345, clip_norm=0.000123)
    show(dock, experiment, replace(what_if, clamps=both[0], cuts=both[1]) if experiment is LSTM else what_if)
    opened = dock.stack.card(card)
    dock.stack.open_card(opened)
    if opened is not None:
        opened.disclosure.setChecked(True)
    assert dock.minimumSizeHint().width() <= 210
    dock.resize(width, max(900, dock.heightForWidth(width)))
    qtbot.wait(1)
    inside = [field for field in dock.findChildren(QLineEdit) if field.isVisible()]
    assert inside
    for field in inside:
        assert field.mapTo(dock, field.rect().topRight()).x() < width
