"""Under truncated BPTT the cell panel's numbers still add up at every step, and nothing goes back past a border."""

from __future__ import annotations

import numpy as np
import pytest
from cell_reading import evaluated
from pytestqt.qtbot import QtBot

from engine import operations
from engine.quantities import keys
from engine.requests import Computed, Excerpt, Look
from engine.spec import (
    AddingTask,
    CellKind,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    TrainingSpec,
    TruncationSpec,
)
from explorer.cell.circuit import CircuitView
from explorer.cell.equations import hidden, sections
from explorer.cell.equations_view import EquationsView
from explorer.cell.quantity import read
from explorer.cell.reach import Reached
from explorer.cell.routes_view import RoutesView
from explorer.cell.wiring import circuit
from explorer.stage import borders

T, H, UNIT = 20, 6, 0
CELLS: list[CellKind] = ["lstm", "gru", "rnn"]
STATES = {"lstm": ("h", "c"), "gru": ("h",), "rnn": ("h",)}


def traced(cell: CellKind, cut: tuple[int, int] | None, unit: int | None = UNIT, at: str = "every") -> Excerpt:
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=H),), readout=ReadoutSpec(at=at)),
        task=AddingTask(steps=T, batch_size=2),
        training=TrainingSpec(truncation=None if cut is None else TruncationSpec(k1=cut[0], k2=cut[1])),
        dtype="float64",
        device="cpu",
    )
    look = Look(Computed(experiment), tuple(f"l0.{key}" for key in keys(cell)), sample=1, unit=unit, routes=True)
    found = operations.run("excerpt", look)
    assert isinstance(found, Excerpt)
    return found


@pytest.mark.parametrize("cut", [(5, 5), (3, 7), (1, 4), (6, 8)])
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_equation_adds_up_at_every_step(cell: CellKind, at: str, cut: tuple[int, int]) -> None:
    shown = traced(cell, cut, at=at)
    for section in sections(cell):
        for equation in section.equations:
            for step in range(1, T + 1):
                left, right, largest = evaluated(equation, shown, step)
                assert abs(left - right) <= 1e-12 * max(largest, 1e-30), f"t = {step}: {equation.plain}"


def entering(cell: CellKind, shown: Excerpt, step: int) -> list[float | None]:
    """What goes out of the cell to the step before."""
    return [read(wire.backward, shown, step).value for wire in circuit(cell).wires if wire.entry and wire.backward]


@pytest.mark.parametrize("unit", [UNIT, None])
@pytest.mark.parametrize("cell", CELLS)
def test_no_wire_and_no_route_leads_past_a_border(cell: CellKind, unit: int | None) -> None:
    shown = traced(cell, (5, 5), unit)
    for step in range(1, T + 1):
        sent = entering(cell, shown, step)
        total = shown.cell_series["route_log10.total"][step - 1]
        if step in (6, 11, 16):
            assert sent == [0.0] * len(sent)
            assert total == -np.inf
        else:
            assert all(value for value in sent)
            assert np.isfinite(total)


@pytest.mark.parametrize("cut", [None, (5, 5), (3, 7)])
@pytest.mark.parametrize("cell", CELLS)
def test_what_the_wires_carry_back_is_what_the_routes_share_out(cell: CellKind, cut: tuple[int, int] | None) -> None:
    """Per state the whole that leaves the cell, and over the states the routes' ‖v‖; at t = 1 as anywhere else."""
    shown = traced(cell, cut, None)
    for step in range(1, T + 1):
        sent = [value or 0.0 for value in entering(cell, shown, step)]
        total = 10.0 ** shown.cell_series["route_log10.total"][step - 1]
        if cell != "lstm":
            assert np.hypot(*sent, 0.0) == pytest.approx(total, rel=1e-9, abs=1e-300)
            through = read(hidden(cell, -1), shown, step).value
            assert through is not None


@pytest.mark.parametrize("unit", [UNIT, None])
@pytest.mark.parametrize("cell", CELLS)
def test_what_goes_into_the_initial_state_is_shown(cell: CellKind, unit: int | None) -> None:
    """W_hhᵀδ of step 1 itself, from the weights and the gradients on screen."""
    shown = traced(cell, None, unit)
    assert shown.weights is not None
    blocks = {"rnn": ["a"], "lstm": ["a_i", "a_f", "a_g", "a_o"], "gru": ["a_r", "a_z", "q"]}[cell]
    gradient = np.concatenate([shown.arrays[f"l0.grads.{symbol}"][0] for symbol in blocks])
    whole = shown.weights["weight_hh_l0"].T @ gradient
    expected = np.linalg.norm(whole) if unit is None else whole[unit]
    assert read(hidden(cell, -1), shown, 1).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("cut", [(5, 5), (3, 7), (1, 4), (6, 8), (4, 4), (7, 9)])
@pytest.mark.parametrize("at", ["every", "last"])
def test_borders_are_where_the_engine_stops_the_gradient(at: str, cut: tuple[int, int]) -> None:
    shown = traced("lstm", cut, at=at)
    assert isinstance(shown.cell_series["ahead.c"], np.ndarray)
    for step in range(2, T + 1):
        whole, on = shown.cell_series["grads.c"][step - 1], shown.cell_series["ahead.c"][step - 2]
        found = "" if on == whole else "all" if on == 0 else "some"
        assert borders.stop(shown, step) == found, step
        assert borders.severed(shown)[step - 2] == (found == "all")
    assert not borders.severed(shown)[-1]


def test_a_border_is_said_where_one_looks(qtbot: QtBot) -> None:
    views = CircuitView(), EquationsView(), RoutesView()
    for view in views:
        qtbot.addWidget(view)
        view.resize(300, 600)
    drawn, equations, routes = views
    for cut, said in (((5, 5), "nothing goes back"), ((3, 7), "its gradient stops")):
        shown = traced("lstm", cut)
        border = 6 if cut == (5, 5) else 9  # windows of 7 end at 3, 6, 9, …, 15: that one begins at 9
        for view in views:
            view.set_excerpt(shown)
        for step in (border, border - 1):
            drawn.set_moment(step, Reached(True, True))
            routes.set_moment(step, reached=True)
            assert (said in drawn.exact_at(4, 40 * drawn.unit())) is (step == border)
            assert ("begins" in routes.said) is (step == border)
        drawn.set_moment(border, Reached(True, True))
        ink = drawn._drawing()
        assert ink is not None
        texts = [ink._label_text(label) for label in ink.circuit.labels if label.number.own and drawn.shows(label)]
        assert len(texts) == 2
        assert all(text.startswith("stops here" if cut == (5, 5) else "of it ") for text in texts)
        first = next(s for s in equations._with_warning() if s.phase == "backward")
        assert first.note.startswith("Truncated")
        assert ("overlap" in first.note) is (cut == (3, 7))
