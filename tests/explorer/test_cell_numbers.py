"""The numbers under the symbols: they are the excerpt's, and the equations that stand on the screen hold with them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from cell_reading import evaluated
from synthetic import excerpt

from engine.requests import Excerpt
from engine.spec import CellKind
from explorer.cell.equations import Equation, Section, hidden, sections
from explorer.cell.equations_view import exact_text
from explorer.cell.quantity import Reading, read, series
from explorer.cell.wanted import wanted_keys

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
STEPS = (1, 2, 7, 19, 20)


def equations(shown: Excerpt) -> list[tuple[Section, Equation]]:
    return [(s, e) for s in sections(shown.cell, shown.activation) for e in s.equations]


@pytest.mark.parametrize("cell", CELLS)
def test_a_symbol_stands_over_the_number_of_the_series_that_it_names(cell: CellKind) -> None:
    shown = excerpt(cell, T=20, unit=3, dtype="float64", loss_at="every")
    checked = set()
    for _, equation in equations(shown):
        for token in equation.tokens:
            if token.number is None or token.number.function is not None:
                continue
            key, shift = _named(token.plain, cell)
            for step in (1, 7, 19):
                assert read(token.number, shown, step).value == shown.cell_series[key][step - 1 + shift], token.plain
            checked.add(token.plain)
    assert len(checked) > 5


def _named(plain: str, cell: CellKind) -> tuple[str, int]:
    """("grads.c", 1) for "δcₜ₊₁": the names read independently of how the tokens were made."""
    if plain == "eₜ":
        return "grads.h_direct", 0
    if plain.startswith("W_"):
        side = "input" if plain[2] == "i" else "recurrent"
        gate = plain[3]
        return f"{side}.a" if cell == "rnn" else f"{side}.a_{gate}", 0
    kind = "grads" if plain.startswith("δ") else "values"
    symbol = re.sub("[δₜ₊₋₁]", "", plain)
    if plain.endswith("ₜ₋₁"):
        return f"values.{symbol}_prev", 0
    return f"{kind}.{symbol}", 1 if plain.endswith("ₜ₊₁") else 0


@pytest.mark.parametrize("loss_at", ["last", "every"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("cell", CELLS)
def test_for_one_unit_the_equations_hold_with_the_numbers_under_their_symbols(
    cell: CellKind, step: int, loss_at: str
) -> None:
    shown = excerpt(cell, T=20, unit=3, dtype="float64", loss_at=loss_at)
    for _, equation in equations(shown):
        left, right, scale = evaluated(equation, shown, step)
        assert left == pytest.approx(right, rel=1e-9, abs=1e-12 * scale), equation.plain


@pytest.mark.parametrize("cell", CELLS)
def test_over_all_units_a_slope_is_the_mean_and_a_difference_the_norm_of_the_units_own(cell: CellKind) -> None:
    shown, t = excerpt(cell, T=20, dtype="float64"), 7
    a = {key.removeprefix("l0."): array[t - 1] for key, array in shown.arrays.items()}
    expected = {
        "rnn": {"(1 − hₜ²)": 1 - a["values.h"] ** 2},
        "lstm": {
            "uₜ": a["values.o"] * (1 - np.tanh(a["values.c"]) ** 2) if cell == "lstm" else 0,
            "fₜ(1 − fₜ)": a["values.f"] * (1 - a["values.f"]) if cell == "lstm" else 0,
        },
        "gru": {"(1 − zₜ)": 1 - a["values.z"], "(hₜ₋₁ − nₜ)": shown.arrays["l0.values.h"][t - 2] - a["values.n"]}
        if cell == "gru"
        else {},
    }[cell]
    tokens = {token.plain: token for _, equation in equations(shown) for token in equation.tokens}
    for plain, array in expected.items():
        reading = read(tokens[plain].number, shown, t)
        signed = plain == "(hₜ₋₁ − nₜ)"
        assert reading.mean is not signed
        assert reading.value == pytest.approx(np.linalg.norm(array) if signed else np.mean(array), rel=1e-12), plain


@pytest.mark.parametrize(("cell", "gates"), [("lstm", "fio"), ("gru", "zr")])
def test_over_all_units_a_gate_is_the_mean_so_that_it_stays_between_0_and_1(cell: CellKind, gates: str) -> None:
    shown, t = excerpt(cell, T=20, H=30, dtype="float64"), 7
    for gate in gates:
        reading = read(series(f"values.{gate}"), shown, t)
        assert reading.mean
        assert reading.value == pytest.approx(float(np.mean(shown.arrays[f"l0.values.{gate}"][t - 1])), rel=1e-12)
        one = excerpt(cell, T=20, H=30, dtype="float64", unit=2)
        assert not read(series(f"values.{gate}"), one, t).mean
    assert not read(series("values.h"), shown, t).mean


@pytest.mark.parametrize("cell", CELLS)
def test_a_norm_of_a_product_is_left_open_without_the_arrays(cell: CellKind) -> None:
    shown = excerpt(cell, T=20, keys=())
    for _, equation in equations(shown):
        for token in equation.tokens:
            if token.number is not None and token.number.function is not None and not token.number.difference:
                assert read(token.number, shown, 7) == Reading(None), token.plain
                assert read(token.number, shown, 7).text == "–"


@pytest.mark.parametrize("cell", CELLS)
def test_the_arrays_that_the_panel_names_fill_every_norm(cell: CellKind) -> None:
    shown = excerpt(cell, T=20, keys=wanted_keys(cell), loss_at="last")
    for _, equation in equations(shown):
        for token in equation.tokens:
            if token.number is not None:
                assert read(token.number, shown, 7).value is not None, token.plain


def test_nothing_comes_from_beyond_the_last_step() -> None:
    shown = excerpt("lstm", T=5, unit=0)
    assert read(hidden("lstm"), shown, 5) == Reading(0.0)
    by_name = {token.plain: token.number for _, equation in equations(shown) for token in equation.tokens}
    assert read(by_name["δcₜ₊₁"], shown, 5) == Reading(0.0)
    assert read(by_name["fₜ₊₁"], shown, 5) == Reading(None, beyond=True)
    assert read(by_name["fₜ₊₁"], shown, 5).text == "none"
    assert "no step after the last" in exact_text(read(by_name["fₜ₊₁"], shown, 5), shown)


def test_what_the_recurrence_adds_below_the_rounding_is_called_lost_and_not_zero() -> None:
    shown = excerpt("rnn", T=3, unit=0)
    own = dict(shown.cell_series)
    own["grads.h"] = np.array([1.0, 1.0, 1.0])  # 1 + 1e-12 in float32
    own["grads.h_direct"] = np.array([1.0, 0.0, 1.0])
    shown = replace(shown, cell_series=own)
    lost = read(hidden("rnn"), shown, 1)
    assert lost.value is None
    assert lost.text.startswith("< ")
    assert 1e-7 < lost.bound < 1e-6
    assert read(hidden("rnn"), shown, 2).value == 1.0


def test_a_series_of_the_recurrent_part_is_taken_as_it_is_where_the_excerpt_has_one() -> None:
    shown = excerpt("rnn", T=3, loss_at="every")
    own = dict(shown.cell_series) | {"grads.h_hidden": np.array([1e-12, 2e-12, 0.0])}
    assert read(hidden("rnn"), replace(shown, cell_series=own), 1).value == 1e-12


def test_the_slope_of_relu_at_zero_is_zero_as_in_torch() -> None:
    shown = excerpt("rnn", T=3, unit=0)
    own = dict(shown.cell_series) | {"values.a": np.array([-1.0, 0.0, 2.0])}
    relu = replace(shown.of(), activation="relu")
    shown = replace(shown, layers={"l0": relu}, cell_series=own)
    slope = next(t.number for _, e in equations(shown) for t in e.tokens if t.plain == "1[aₜ > 0]")
    assert [read(slope, shown, t).value for t in (1, 2, 3)] == [0.0, 0.0, 1.0]


def test_special_numbers_are_shown_as_what_they_are() -> None:
    assert [Reading(v).text for v in (np.nan, np.inf, -np.inf, 0.0, 1e-300)] == ["NaN", "∞", "−∞", "0", "1.0e-300"]
    assert not Reading(np.nan).finite
    assert not Reading(np.inf).finite


def test_the_gru_says_which_way_round_its_update_gate_is() -> None:
    forward = sections("gru")[0]
    assert forward.equations[0].plain == "hₜ = (1 − zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁"
    assert "z = 1 keeps the old state" in forward.note
