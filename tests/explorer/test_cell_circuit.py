"""The circuit: what flows on its wires is the trace's, what comes to a junction leaves it, and nothing is misdrawn."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPixmap
from pytestqt.qtbot import QtBot
from synthetic import excerpt, with_norms

from engine.requests import Excerpt
from engine.spec import CellKind
from explorer.cell.circuit import CircuitView
from explorer.cell.ink import log_width
from explorer.cell.quantity import Number, Reading, read
from explorer.cell.wanted import wanted_keys
from explorer.cell.wiring import Wire, circuit
from explorer.stage.scales import for_gradients
from explorer.theme import current as theme

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
GATES: dict[CellKind, set[str]] = {"rnn": set(), "lstm": {"f", "i", "g", "o"}, "gru": {"z", "r", "n"}}


def view(qtbot: QtBot, shown: Excerpt, step: int, *, backward: bool, width: int = 300) -> CircuitView:
    theme.apply("dark")
    made = CircuitView()
    qtbot.addWidget(made)
    made.set_excerpt(shown)
    made.resize(width, made.height())
    made.set_moment(step, forward=True, backward=backward)
    return made


def wire(cell: CellKind, name: str) -> Wire:
    return next(w for w in circuit(cell).wires if w.name == name)


def value(number: Number | None, shown: Excerpt, step: int) -> float:
    assert number is not None
    found = read(number, shown, step).value
    assert found is not None
    return found


@pytest.mark.parametrize("cell", CELLS)
def test_every_gate_has_its_value_beside_it(cell: CellKind) -> None:
    shown = excerpt(cell, T=9, unit=2, dtype="float64")
    gates = [node for node in circuit(cell).nodes if node.kind == "gate"]
    assert {node.latex for node in gates} == GATES[cell]
    for node in gates:
        assert value(node.value, shown, 5) == shown.cell_series[f"values.{node.latex}"][4]


@pytest.mark.parametrize("step", [2, 5, 8])
def test_in_the_lstm_the_gradient_of_c_is_what_the_carousel_brings_and_what_comes_through_tanh(step: int) -> None:
    shown = excerpt("lstm", T=9, unit=2, dtype="float64", loss_at="every")
    brought = value(wire("lstm", "cell state cₜ₋₁").backward, shown, step + 1)
    through = value(wire("lstm", "cₜ into tanh").backward, shown, step)
    total = value(wire("lstm", "cell state cₜ").backward, shown, step)
    assert total == pytest.approx(brought + through, rel=1e-12)


@pytest.mark.parametrize("step", [2, 5, 8])
def test_in_the_gru_what_leaves_for_the_step_before_is_the_leak_and_what_goes_through_the_gates(step: int) -> None:
    shown = excerpt("gru", T=9, unit=2, dtype="float64", loss_at="every")
    whole = value(wire("gru", "hidden state hₜ₋₁").backward, shown, step)
    leak = value(wire("gru", "hidden state hₜ₋₁, straight on: the leak").backward, shown, step)
    gates = value(wire("gru", "hidden state hₜ₋₁, to the gates").backward, shown, step)
    total, direct = (shown.cell_series[key][step - 2] for key in ("grads.h", "grads.h_direct"))
    assert whole == pytest.approx(total - direct, rel=1e-12)
    assert whole == pytest.approx(leak + gates, rel=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_with_the_arrays_that_the_panel_names_no_wire_is_unknown_between_the_ends(cell: CellKind) -> None:
    shown = excerpt(cell, T=9, keys=wanted_keys(cell))
    for it in circuit(cell).wires:
        for number in (it.forward, it.backward):
            if number is not None:
                assert read(number, shown, 5).value is not None, it.name


@pytest.mark.parametrize("cell", CELLS)
def test_no_gradient_is_read_before_the_tape_turns_back(qtbot: QtBot, cell: CellKind) -> None:
    made = view(qtbot, excerpt(cell, T=9, unit=1, loss_at="every"), 5, backward=False)
    for it in circuit(cell).wires:
        if it.source == "state":
            gradient = made.reading(it.backward)
            assert gradient == Reading(None) or it.backward is it.forward, it.name


@pytest.mark.parametrize("cell", CELLS)
def test_a_gate_under_the_pointer_names_itself_and_its_exact_value(qtbot: QtBot, cell: CellKind) -> None:
    shown = excerpt(cell, T=9, unit=1, dtype="float64")
    made = view(qtbot, shown, 5, backward=True)
    for node in circuit(cell).nodes:
        text = made.exact_at(QPointF(node.at[0] * made.width(), node.at[1]))
        assert text.startswith(node.name)
        if node.value is not None:
            assert text.endswith(repr(float(shown.cell_series[f"values.{node.latex}"][4])))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("width", [256, 300, 456])
def test_nodes_stay_apart_at_every_width(cell: CellKind, width: int) -> None:
    nodes = circuit(cell).nodes
    for k, a in enumerate(nodes):
        for b in nodes[k + 1 :]:
            away = math.hypot((a.at[0] - b.at[0]) * width, a.at[1] - b.at[1])
            assert away >= 20, (a.name, b.name)


def test_what_a_trace_does_not_keep_says_why(qtbot: QtBot) -> None:
    made = view(qtbot, excerpt("rnn", T=9, unit=1), 1, backward=True)
    assert "not kept: the gradient of the state before step 1" in made.exact_at(QPointF(8, 48))


def test_the_input_carries_no_gradient_and_its_own_norm_forward(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=9, unit=1)
    made = view(qtbot, shown, 5, backward=False)
    wires = [w for w in circuit("lstm").wires if w.source == "input"]
    (x, low), (_, high) = wires[0].points
    at = QPointF(x * made.width(), (2 * low + high) / 3)
    norm = math.sqrt(sum(float(value) ** 2 for value in shown.inputs[4]))
    assert float(made.exact_at(at).split("= ")[1]) == pytest.approx(norm, rel=1e-12)
    for cell in CELLS:
        assert all(w.backward is None for w in circuit(cell).wires if w.source == "input")


def test_a_wire_grows_with_the_logarithm_between_the_ends_of_its_scale() -> None:
    widths = [log_width(v, -8, 0, 1, 9) for v in (1e-12, 1e-8, 1e-4, 1.0, 1e5)]
    assert widths == pytest.approx([1, 1, 5, 9, 9])
    assert log_width(-1e-4, -8, 0, 1, 9) == pytest.approx(5)
    assert log_width(0.0, -8, 0, 1, 9) == 1
    assert log_width(math.nan, -8, 0, 1, 9) == log_width(math.inf, -8, 0, 1, 9) == 9


def test_the_gradients_widths_have_the_stages_scale_and_keep_it(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=9, unit=1)
    made = view(qtbot, shown, 5, backward=True)
    expected = for_gradients(shown).decades
    assert made.decades(backward=True) == expected
    assert made.scale_text(backward=True).endswith(f"1e{expected[0]} … 1e{expected[1]}")
    larger = with_norms(shown, {key: norm * 1e25 for key, norm in shown.norms.items()})
    assert for_gradients(larger).decades != expected
    made.set_excerpt(larger)
    assert made.decades(backward=True) == expected
    made.set_excerpt(None)
    made.set_excerpt(larger)
    assert made.decades(backward=True) == for_gradients(larger).decades
    made.set_gradient_decades(-40, 0)
    assert made.decades(backward=True) == (-40, 0)


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("cell", CELLS)
def test_special_numbers_are_drawn_in_both_themes(qtbot: QtBot, cell: CellKind, name: str) -> None:
    made = view(qtbot, excerpt(cell, T=20, H=4, unit=2, inf=True, nan=True, zeros=True), 1, backward=True)
    theme.apply("light" if name == "light" else "dark")
    picture: QPixmap = made.grab()
    assert not picture.isNull()
