"""Protects the model dock: it asks for valid experiments only, and says at the field what is wrong."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.checks import checked
from engine.spec import (
    NO_WHAT_IF,
    AddingTask,
    Clamp,
    ClipSpec,
    CopyTask,
    Cut,
    EmbeddingSpec,
    Experiment,
    GateBias,
    InitSpec,
    LayerSpec,
    ModelSpec,
    SunspotsTask,
    TrainingSpec,
    TruncationSpec,
    WhatIf,
)
from explorer.dock import edits
from explorer.dock.fields import NumberField, Segments
from explorer.dock.model import ModelDock
from explorer.dock.rows import FieldRow
from explorer.dock.slider_row import clip_last, clip_norm, clip_position, scale_text, shift_text
from explorer.dock.task_edits import with_task
from explorer.dock.units_field import parsed_units, units_text
from explorer.theme import current as theming
from tests.explorer.synthetic import excerpt

LSTM = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=12, init=InitSpec(forget_bias=1.0)),)),
    task=AddingTask(steps=40, batch_size=16),
    training=TrainingSpec(clip=ClipSpec(kind="norm", max_norm=1.0)),
)
RNN = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=12, activation="relu"),)),
    task=AddingTask(steps=40, batch_size=16),
)


class Asked:
    """Everything that the dock asked for."""

    def __init__(self, dock: ModelDock) -> None:
        self.experiments: list[Experiment] = []
        self.dragged: list[WhatIf] = []
        self.what_ifs: list[WhatIf] = []
        self.samples: list[int] = []
        self.units: list[object] = []
        dock.experimentEdited.connect(self.experiments.append)
        dock.whatIfDragged.connect(self.dragged.append)
        dock.whatIfEdited.connect(self.what_ifs.append)
        dock.samplePicked.connect(self.samples.append)
        dock.unitPicked.connect(self.units.append)

    def nothing(self) -> bool:
        return not (self.experiments or self.dragged or self.what_ifs or self.samples or self.units)


@pytest.fixture
def dock(qtbot: QtBot) -> ModelDock:
    theming.apply("dark")
    made = ModelDock()
    qtbot.addWidget(made)
    made.resize(252, 900)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    show(made, LSTM)
    return made


def show(dock: ModelDock, experiment: Experiment, what_if: WhatIf = NO_WHAT_IF, unit: int | None = None) -> None:
    size = experiment.layer.hidden_size
    dock.set_state(experiment, what_if, 0, experiment.task.batch_size, unit, size)


def row(dock: ModelDock, name: str, layer: int = 0) -> FieldRow:
    """In its card, which is opened for it."""
    for card in dock.stack.cards:
        if (name in edits.LAYER_EDITS and card is dock.stack.layers[layer]) or (
            name in card.rows and name not in edits.LAYER_EDITS
        ):
            dock.stack.open_card(card)
    found = dock.stack.layers[layer].rows if name in edits.LAYER_EDITS else dock.rows
    return found[name]


def number(dock: ModelDock, name: str) -> NumberField:
    field = row(dock, name).field
    assert isinstance(field, NumberField)
    return field


def typed(qtbot: QtBot, field: QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


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


def test_a_dragged_what_if_is_live_and_committed_once_on_release(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    slider = dock.what_if.scale.slider
    start = QPoint(round(slider._x_of(slider.value())), 10)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for dx in range(0, 40, 8):
        qtbot.mouseMove(slider, start + QPoint(dx, 0))
        if asked.dragged:
            show(dock, LSTM, asked.dragged[-1])  # the document echoes
    assert asked.what_ifs == []
    assert len(asked.dragged) >= 4
    assert dock.what_if.scale.field.text() == scale_text(asked.dragged[-1].recurrent_scale)
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=start + QPoint(32, 0))
    assert asked.what_ifs == [asked.dragged[-1]]
    assert asked.what_ifs[0] == WhatIf(recurrent_scale=slider.value() / 100)


def test_an_exact_what_if_can_be_typed_and_reset(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    rows = dock.what_if
    typed(qtbot, rows.scale.field, "1.2345")
    show(dock, LSTM, asked.what_ifs[-1])
    assert rows.scale.field.text() == "× 1.2345"
    typed(qtbot, rows.clip.field, "1e-3")
    show(dock, LSTM, asked.what_ifs[-1])
    typed(qtbot, rows.biases["f"].field, "-2")
    show(dock, LSTM, asked.what_ifs[-1])
    assert asked.what_ifs[-1] == WhatIf(recurrent_scale=1.2345, clip_norm=1e-3, forget_bias=-2.0)
    for part in (rows.scale, rows.biases["f"], rows.clip):
        qtbot.mouseClick(part.reset, Qt.MouseButton.LeftButton)
        show(dock, LSTM, asked.what_ifs[-1])
        assert not part.reset.isEnabled()
    assert asked.what_ifs[-1] == NO_WHAT_IF
    qtbot.mouseDClick(rows.scale.slider, Qt.MouseButton.LeftButton)
    assert asked.what_ifs[-1] == NO_WHAT_IF
    assert asked.dragged == []


def test_a_what_if_out_of_range_is_refused_at_its_field(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    typed(qtbot, dock.what_if.scale.field, "5")
    assert asked.nothing()
    field = dock.what_if.scale.field
    assert dock.what_if.scale.error.text() == field.accessibleDescription() == "5: a number from 0 to 3 is accepted."
    typed(qtbot, field, "2")
    assert field.accessibleDescription() == ""


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


def test_a_bias_can_be_shifted_for_each_gate_that_the_stack_has(dock: ModelDock, qtbot: QtBot) -> None:
    def there() -> set[str]:
        dock.what_if.disclosure.setChecked(True)
        return {gate for gate, bias in dock.what_if.biases.items() if bias.isVisible()}

    assert there() == {"i", "f", "g", "o"}
    show(dock, RNN)
    assert there() == {""}
    stack = replace(RNN, model=ModelSpec(layers=(RNN.layer, LSTM.layer, LayerSpec(cell="gru"))))
    show(dock, stack)
    assert there() == {"", "i", "f", "g", "o", "r", "z", "n"}
    asked = Asked(dock)
    typed(qtbot, dock.what_if.biases["z"].field, "1.5")
    show(dock, stack, asked.what_ifs[-1])
    typed(qtbot, dock.what_if.biases["f"].field, "2")
    show(dock, stack, asked.what_ifs[-1])
    assert asked.what_ifs[-1] == WhatIf(forget_bias=2.0, gate_biases=(GateBias(gate="z", shift=1.5),))
    qtbot.mouseClick(dock.what_if.biases["z"].reset, Qt.MouseButton.LeftButton)
    assert asked.what_ifs[-1] == WhatIf(forget_bias=2.0)


def test_scale_and_spectral_radius_are_one_or_the_other(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    panel = dock.what_if
    show(dock, LSTM, WhatIf(recurrent_scale=1.5))
    qtbot.mouseClick(panel.way.button("radius"), Qt.MouseButton.LeftButton)
    assert asked.what_ifs == [NO_WHAT_IF], "a scale that is no longer seen is no longer there"
    show(dock, LSTM, NO_WHAT_IF)
    assert panel.radius.isVisible()
    assert not panel.scale.isVisible()
    typed(qtbot, panel.radius.field, "1.1")
    assert asked.what_ifs[-1] == WhatIf(spectral_radius=1.1)
    show(dock, LSTM, WhatIf(recurrent_scale=0.5))
    assert panel.scale.isVisible(), "what is in force is what is shown"


def test_a_gate_that_is_held_instead_of_another_is_held_at_a_value_that_it_can_have(dock: ModelDock) -> None:
    asked = Asked(dock)
    show(dock, LSTM, WhatIf(clamps=(Clamp(gate="g", value=-0.5),)))
    item = dock.what_if.clamps.items[0]
    item.gate.edited.emit("f")
    assert asked.what_ifs[-1].clamps == (Clamp(gate="f", value=0.0),)
    item.gate.edited.emit("i")
    assert asked.what_ifs[-1].clamps == (Clamp(gate="i", value=0.0),)


def test_gates_are_held_and_routes_cut_by_small_lists(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    panel = dock.what_if
    stack = replace(LSTM, model=ModelSpec(layers=(LSTM.layer, replace(LSTM.layer, bidirectional=True))))
    show(dock, stack)
    qtbot.mouseClick(panel.clamps.add_button, Qt.MouseButton.LeftButton)
    show(dock, stack, asked.what_ifs[-1])
    assert asked.what_ifs[-1].clamps == (Clamp(gate="f", value=1.0, layer="l1"),)
    item = panel.clamps.items[0]
    typed(qtbot, item.last, "12")
    show(dock, stack, asked.what_ifs[-1])
    typed(qtbot, item.units, "0, 3-5")
    show(dock, stack, asked.what_ifs[-1])
    assert asked.what_ifs[-1].clamps == (Clamp(gate="f", value=1.0, layer="l1", last=12, units=(0, 3, 4, 5)),)
    typed(qtbot, item.units, "12")
    assert item.error.text() == "12: a whole number from 0 to 11 is accepted."
    assert item.units.accessibleDescription() == item.error.text()
    typed(qtbot, item.last, "41")
    assert item.error.text() == item.last.accessibleDescription() == "Last is 41; the sequence has 40 steps."
    assert item.units.accessibleDescription() == "12: a whole number from 0 to 11 is accepted.", "refused still"
    show(dock, stack, replace(asked.what_ifs[-1], recurrent_scale=2.0))
    assert (item.last.text(), item.error.isHidden()) == ("41", False), "what was refused stays to be mended"
    qtbot.keyClick(item.last, Qt.Key.Key_Escape)
    qtbot.keyClick(item.units, Qt.Key.Key_Escape)
    assert (item.last.text(), item.units.text(), item.error.isHidden()) == ("12", "0, 3-5", True)
    assert (item.last.accessibleDescription(), item.units.accessibleDescription()) == ("", "")
    qtbot.mouseClick(panel.cuts.add_button, Qt.MouseButton.LeftButton)
    show(dock, stack, asked.what_ifs[-1])
    assert asked.what_ifs[-1].cuts == (Cut(route="carousel", layer="l1"),)
    qtbot.mouseClick(panel.clamps.items[0].remove, Qt.MouseButton.LeftButton)
    assert asked.what_ifs[-1] == WhatIf(recurrent_scale=2.0, cuts=(Cut(route="carousel", layer="l1"),))
    show(dock, RNN)
    assert not panel.clamps.add_button.isEnabled(), "an RNN has no gates to hold"


def test_units_are_written_as_people_do() -> None:
    assert parsed_units(" ") is None
    assert parsed_units("3, 0,5-7") == (0, 3, 5, 6, 7)
    assert units_text((0, 3, 5, 6, 7)) == "0, 3, 5-7"
    for wrong in ("x", "7-5", "-1", "1.5"):
        with pytest.raises(ValueError, match=r"unit.*0, 3, 5-7\.$"):
            parsed_units(wrong)


def test_clipping_that_is_off_in_the_what_if_shows_the_trainings_own(dock: ModelDock) -> None:
    assert dock.what_if.clip.field.placeholderText() == "training: ≤ 1"
    show(dock, RNN)
    assert dock.what_if.clip.field.placeholderText() == "off"


def test_the_clip_slider_covers_six_decades_and_comes_back_to_where_it_was() -> None:
    assert clip_norm(0) is None
    assert clip_position(None) == 0
    assert clip_norm(1) == 1e-3
    assert clip_norm(clip_last()) == 1e3
    assert clip_norm(301) == 1.0
    for position in range(clip_last() + 1):
        assert clip_position(clip_norm(position)) == position
    assert clip_position(1e-12) == 1
    assert clip_position(1e12) == clip_last()


def test_what_ifs_are_written_exactly() -> None:
    assert [scale_text(v) for v in (1.0, 0.5, 1.2345, 0.0)] == ["× 1.00", "× 0.50", "× 1.2345", "× 0.00"]
    assert [shift_text(v) for v in (1.2, -8.0, 0.0)] == ["+1.20", "−8.00", "0.00"]


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
