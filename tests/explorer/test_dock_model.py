"""Protects the model dock: it asks for valid experiments only, and says at the field what is wrong."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from engine.checks import checked
from engine.spec import (
    NO_WHAT_IF,
    AddingTask,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    SunspotsTask,
    TrainingSpec,
    WhatIf,
)
from explorer.dock import edits
from explorer.dock.fields import NumberField, Segments
from explorer.dock.model import ModelDock
from explorer.dock.what_if import clip_last, clip_norm, clip_position, scale_text, shift_text
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


def number(dock: ModelDock, name: str) -> NumberField:
    field = dock.rows[name].field
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
    cells = dock.rows["cell"].field
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
        "loss": "cross_entropy", "at": "every", "hidden_size": 5, "recurrent": "orthogonal", "gain": 2.0,
        "forget_bias": 3.0, "steps": 9, "batch_size": 2, "seed": 4, "dtype": "float64", "device": "cpu",
        "learning_rate": 0.5, "clip": "none", "max_norm": 7.0, "iterations": 3,
    }  # fmt: skip
    for name, value in wanted.items():
        after = checked(edits.EDITS[name](LSTM, value))
        changed = {k for k, v in edits.values(after).items() if v != edits.values(LSTM)[k]}
        assert changed == {name}
        assert edits.values(after)[name] == value


def test_changing_the_task_keeps_what_fits() -> None:
    long = replace(LSTM, task=AddingTask(steps=1000, batch_size=8))
    assert checked(edits.with_task(long, "sunspots")).task == SunspotsTask(steps=308, batch_size=8)
    short = replace(LSTM, task=SunspotsTask(steps=1, batch_size=8))
    assert checked(edits.with_task(short, "adding")).task == AddingTask(steps=2, batch_size=8)


def test_a_number_out_of_range_is_refused_at_its_field(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    field, row = number(dock, "hidden_size"), dock.rows["hidden_size"]
    typed(qtbot, field, "0")
    assert asked.nothing()
    assert row.error.isVisible()
    assert row.error.text() == "0: a whole number from 1 to 4,096 is accepted."
    assert field.is_invalid()
    show(dock, LSTM, unit=2)  # another change elsewhere leaves it standing
    assert (field.text(), row.error.isVisible()) == ("0", True)
    typed(qtbot, field, "8")
    assert [one.layer.hidden_size for one in asked.experiments] == [8]
    assert not row.error.isVisible()
    assert not field.is_invalid()


def test_text_is_refused_at_its_field_and_escape_takes_it_back(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    field, row = number(dock, "learning_rate"), dock.rows["learning_rate"]
    typed(qtbot, field, "fast")
    assert row.error.text() == "'fast' is not a number."
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert not row.error.isVisible()
    assert field.text() == "0.1"
    assert asked.nothing()


def test_only_the_fields_of_the_cell_are_there(dock: ModelDock) -> None:
    def there() -> set[str]:
        return {
            name for name in ("activation", "forget_bias", "update_bias", "max_norm") if dock.rows[name].isVisible()
        }

    assert there() == {"forget_bias", "max_norm"}
    show(dock, RNN)
    assert there() == {"activation"}
    show(dock, edits.with_cell(RNN, "gru"))
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
    typed(qtbot, rows.bias.field, "-2")
    show(dock, LSTM, asked.what_ifs[-1])
    assert asked.what_ifs[-1] == WhatIf(recurrent_scale=1.2345, clip_norm=1e-3, forget_bias=-2.0)
    for row in (rows.scale, rows.bias, rows.clip):
        qtbot.mouseClick(row.reset, Qt.MouseButton.LeftButton)
        show(dock, LSTM, asked.what_ifs[-1])
        assert not row.reset.isEnabled()
    assert asked.what_ifs[-1] == NO_WHAT_IF
    qtbot.mouseDClick(rows.scale.slider, Qt.MouseButton.LeftButton)
    assert asked.what_ifs[-1] == NO_WHAT_IF
    assert asked.dragged == []


def test_a_what_if_out_of_range_is_refused_at_its_field(dock: ModelDock, qtbot: QtBot) -> None:
    asked = Asked(dock)
    typed(qtbot, dock.what_if.scale.field, "5")
    assert asked.nothing()
    assert dock.what_if.scale.error.text() == "5: a number from 0 to 3 is accepted."


def test_the_forget_gates_bias_is_for_the_lstm_and_says_so(dock: ModelDock) -> None:
    row = dock.what_if.bias
    assert row.isEnabled()
    show(dock, RNN)
    assert not row.isEnabled()
    assert row.toolTip() == "The RNN has no forget gate. Choose the LSTM to shift its bias."
    show(dock, edits.with_cell(RNN, "gru"))
    assert "GRU has no forget gate" in row.toolTip()


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
    assert number(dock, "steps").text() == str(shown.steps)
    assert number(dock, "seed").text() == ""
    for row in dock.rows.values():
        assert not row.field.isEnabled()
    for slider in (dock.what_if.scale, dock.what_if.bias, dock.what_if.clip):
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


@pytest.mark.parametrize("width", [210, 252, 400])
@pytest.mark.parametrize("experiment", [LSTM, RNN])
def test_the_dock_fits_into_its_place(dock: ModelDock, qtbot: QtBot, width: int, experiment: Experiment) -> None:
    show(dock, experiment, WhatIf(recurrent_scale=1.2345, clip_norm=0.000123))
    assert dock.minimumSizeHint().width() <= 210
    dock.resize(width, max(900, dock.heightForWidth(width)))
    qtbot.wait(1)
    for row in dock.rows.values():
        if row.isVisible():
            corner = row.field.mapTo(dock, row.field.rect().topRight())
            assert corner.x() < width
