"""The what-ifs of the dock: dragged, typed, taken back, and only what the stack has."""

from __future__ import annotations

import pytest
from docked import LSTM, RNN, Asked, dock_of, show, typed
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from engine.spec import (
    NO_WHAT_IF,
    Clamp,
    Cut,
    GateBias,
    LayerSpec,
    ModelSpec,
    WhatIf,
)
from explorer.dock.model import ModelDock
from explorer.dock.slider_row import clip_last, clip_norm, clip_position, scale_text, shift_text
from explorer.dock.units_field import parsed_units, units_text


@pytest.fixture
def dock(qtbot: QtBot) -> ModelDock:
    return dock_of(qtbot)


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
