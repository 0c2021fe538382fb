"""Under truncated BPTT the cell panel's numbers still add up at every step, and nothing goes back past a border."""

from __future__ import annotations

import numpy as np
import pytest
from cell_reading import evaluated
from network_stage import at, pixels, point, stage_of, track
from pytestqt.qtbot import QtBot

from engine import operations, sources
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
from explorer.stage import borders, palette
from explorer.stage.layer import Layer
from explorer.stage.tracks.network_wires import Measures, WireInk
from explorer.theme import current as theming
from explorer.widgets.numbers import told_apart

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


def source(cell: CellKind, cut: tuple[int, int]) -> Computed:
    return Computed(
        Experiment(
            model=ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=H),), readout=ReadoutSpec(at="every")),
            task=AddingTask(steps=T, batch_size=2),
            training=TrainingSpec(truncation=TruncationSpec(k1=cut[0], k2=cut[1])),
            dtype="float64",
            device="cpu",
        )
    )


@pytest.mark.parametrize("cut", [(5, 5), (3, 7), (1, 4), (6, 8)])
@pytest.mark.parametrize("cell", CELLS)
def test_what_comes_over_from_the_step_after_is_the_sum_over_the_losses_that_truncation_lets_come(
    cell: CellKind, cut: tuple[int, int]
) -> None:
    """From the gradients of the single losses, which know no truncation: loss s reaches the steps E − k2 < t, E being
    the end of its chunk, and what of it reaches h_t comes from t + 1, but for its own direct part."""
    made, _ = sources.traced(source(cell, cut))
    assert made.full is not None
    direct = made.full["l0"].output_grads
    expected = direct.new_zeros(direct.shape)
    for s in range(1, T + 1):
        first = max(1, cut[0] * -(-s // cut[0]) - cut[1] + 1)
        reaching = made.full.flow_gradient(s - 1).clone()
        reaching[s - 1] -= direct[s - 1]
        expected[first - 1 : s] += reaching[first - 1 : s]
    layer = traced(cell, cut).of()
    found = layer.crossing_norms["h"]
    np.testing.assert_allclose(found, expected.norm(dim=-1).mean(1).numpy(), rtol=1e-9, atol=1e-15)
    if cell == "lstm":
        part = made.trace["l0"]
        rest = part.grads["c"] - part.grads["h"] * part.values["o"] * (1 - part.values["c"].tanh() ** 2)
        expected_c = rest.norm(dim=-1).mean(1).numpy()
        np.testing.assert_allclose(layer.crossing_norms["c"], expected_c, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("cut", [(3, 7), (1, 4), (6, 8)])
def test_where_windows_overlap_a_lane_is_as_wide_as_what_comes_over_the_border(
    qtbot: QtBot, cut: tuple[int, int]
) -> None:
    shown = traced("lstm", cut)
    stage = stage_of(qtbot, shown, (1400, 700))
    picture = pixels(at(stage, "backward:1"))
    row, a = track(stage)._rows[0], track(stage)._anatomy
    ink = WireInk(a, Layer(), Measures(track(stage)._gradients), T)
    ground = palette.packed(theming.current().ground)
    partly = [borders.stop(shown, t + 1) == "some" for t in range(1, T + 1)]
    assert any(partly)
    for symbol, (top, bottom) in a.rows[0].lanes.items():
        for t in range(3, T):  # away from the outline of the cell at the playhead
            norms = row.layer.crossing_norms if partly[t - 1] else {s: row.layer.norms[f"grads.{s}"] for s in "hc"}
            assert row.wires[symbol][t - 1] == norms[symbol][t - 1]
            x = a.right(t) + 1  # beside the cell, before the arrow
            expected = ink.thickness(*ink.measures.of(norms[symbol][t - 1 : t]), bottom - top)[0]
            assert int((picture[top:bottom, x] != ground).sum()) == expected, (symbol, t)
    t = partly.index(True) + 1
    top, bottom = a.rows[0].lanes["h"]
    said = stage.canvas.hover_at(point(stage, (top + bottom) / 2, t))
    assert said is not None
    assert told_apart(float(row.layer.crossing_norms["h"][t - 1]), "float64") in said.note
