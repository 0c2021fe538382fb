"""On traces of the engine: what stands on the screen is an identity, in the trace's own arithmetic."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from cell_reading import evaluated

from engine import operations
from engine.quantities import GATES, keys
from engine.requests import Computed, Excerpt, Look
from engine.spec import AddingTask, CellKind, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from explorer.cell.equations import hidden, sections
from explorer.cell.quantity import NOTHING, read
from explorer.cell.wiring import circuit

T, H, UNIT = 12, 6, 4
CASES: list[tuple[CellKind, Literal["tanh", "relu"]]] = [
    ("rnn", "tanh"),
    ("rnn", "relu"),
    ("lstm", "tanh"),
    ("gru", "tanh"),
]


def traced(
    cell: CellKind,
    activation: Literal["tanh", "relu"],
    dtype: Literal["float32", "float64"],
    unit: int | None = UNIT,
    loss_at: Literal["last", "every"] = "every",
    steps: int = T,
    routes: bool = False,
) -> Excerpt:
    layer = LayerSpec(cell=cell, hidden_size=H, activation=activation)
    experiment = Experiment(
        model=ModelSpec(layers=(layer,), readout=ReadoutSpec(at=loss_at)),
        task=AddingTask(steps=steps, batch_size=3),
        dtype=dtype,
        device="cpu",
        seed=2,
    )
    found = operations.run(
        "excerpt",
        Look(Computed(experiment), tuple(f"l0.{key}" for key in keys(cell)), sample=1, unit=unit, routes=routes),
    )
    assert isinstance(found, Excerpt)
    return found


@pytest.mark.parametrize(("dtype", "relative"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(("cell", "activation"), CASES)
def test_every_equation_holds_with_the_numbers_that_are_shown(
    cell: CellKind, activation: Literal["tanh", "relu"], dtype: Literal["float32", "float64"], relative: float
) -> None:
    shown = traced(cell, activation, dtype)
    for section in sections(cell, activation):
        for equation in section.equations:
            for step in range(1, T + 1):
                left, right, largest = evaluated(equation, shown, step)
                assert abs(left - right) <= relative * max(largest, 1e-30), f"t = {step}: {equation.plain}"


@pytest.mark.parametrize(("cell", "activation"), CASES)
def test_what_comes_through_the_recurrent_weights_is_their_transpose_times_the_next_steps_gradients(
    cell: CellKind, activation: Literal["tanh", "relu"]
) -> None:
    shown = traced(cell, activation, "float64")
    assert shown.weights is not None
    U = shown.weights["weight_hh_l0"]
    symbols = [f"a_{gate}" if gate else "a" for gate in GATES[cell]]
    if cell == "gru":
        symbols[2] = "q"  # on the hidden side the candidate's reset gate is in between
    for step in range(1, T):
        next_step = np.concatenate([shown.arrays[f"l0.grads.{symbol}"][step] for symbol in symbols])
        expected = (U.T @ next_step)[UNIT]
        reading = read(hidden(cell), shown, step)
        assert reading.value == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_vanishing_gradient_is_not_called_lost_because_gates_are_large(cell: CellKind) -> None:
    shown = traced(cell, "tanh", "float32", unit=None, loss_at="last", steps=50)
    assert shown.norms["grads.h"][0] < 1e-7
    for step in range(1, 50):
        reading = read(hidden(cell), shown, step)
        assert reading.bound == 0
        assert reading.value is not None
        assert reading.value > 0


@pytest.mark.parametrize(("cell", "activation"), CASES)
def test_norms_and_means_are_those_of_the_chosen_sample(cell: CellKind, activation: Literal["tanh", "relu"]) -> None:
    shown = traced(cell, activation, "float64", unit=None)
    for section in sections(cell, activation):
        for equation in section.equations:
            for token in equation.tokens:
                number = token.number
                if number is None or number.function is not None or f"l0.{number.parts[0].key}" not in shown.arrays:
                    continue
                part = number.parts[0]
                units = shown.arrays[f"l0.{part.key}"][6 + part.shift]
                gate = part.key.removeprefix("values.") in ("i", "f", "o", "r", "z")
                expected = np.mean(units) if gate else np.linalg.norm(units)
                assert read(number, shown, 7).value == pytest.approx(expected, rel=1e-12), token.plain


@pytest.mark.parametrize(("dtype", "steps", "least"), [("float32", 260, 1e-38), ("float64", 900, 1e-160)])
@pytest.mark.parametrize(("cell", "route"), [("lstm", "carousel"), ("gru", "leak"), ("rnn", "a")])
def test_circuit_and_routes_show_the_same_digits_of_the_same_number_down_to_where_it_underflows(
    cell: CellKind, route: str, dtype: Literal["float32", "float64"], steps: int, least: float
) -> None:
    """Also where digits are going, and where a float64's square would be 0."""
    shown = traced(cell, "tanh", dtype, unit=None, loss_at="last", steps=steps, routes=True)
    (wire,) = [wire for wire in circuit(cell).wires if (wire.route == route and wire.entry) or wire.route == "leak"]
    small = 0
    for step in range(steps, 0, -1):
        in_circuit = read(wire.backward, shown, step) if wire.backward is not None else NOTHING
        assert in_circuit.value is not None
        log10 = float(shown.cell_series[f"route_log10.{route}"][step - 1])
        small += 0 < in_circuit.value < least
        if in_circuit.value == 0:
            assert log10 == -math.inf, f"t = {step}"
        else:
            assert math.log10(in_circuit.value) == pytest.approx(log10, abs=1e-5), f"t = {step}"
    assert small > 5, "there are such numbers"
