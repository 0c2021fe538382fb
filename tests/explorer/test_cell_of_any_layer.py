"""The cell of any layer: directions, activations, layer normalisation, what-ifs, padding: by autograd."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from cell_reading import evaluated

from engine import operations
from engine.operations_of_cell import Way, known
from engine.quantities import GATES, STATES
from engine.requests import Computed, Excerpt, Look
from engine.sources import traced
from engine.spec import (
    NO_WHAT_IF,
    Activation,
    AddingTask,
    CellKind,
    Clamp,
    Cut,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    WhatIf,
)
from explorer.cell.equations import hidden, sections
from explorer.cell.interventions import interventions
from explorer.cell.quantity import Number, read, series
from explorer.cell.reach import Reached
from explorer.cell.tokens import Section
from explorer.cell.wanted import wanted_keys
from explorer.cell.wiring import circuit

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu", "leaky_relu", "sigmoid", "identity")
KINDS: list[tuple[CellKind, Activation]] = [
    *(("rnn", activation) for activation in ACTIVATIONS),
    ("lstm", "tanh"),
    ("gru", "tanh"),
]
T, H, UNIT, SAMPLE = 9, 5, 3, 1


def source(layer: LayerSpec, what_if: WhatIf = NO_WHAT_IF) -> Computed:
    model = ModelSpec(layers=(layer,), readout=ReadoutSpec(at="every"))
    task = AddingTask(steps=T, batch_size=3)
    return Computed(Experiment(model=model, task=task, dtype="float64", device="cpu", seed=4), what_if=what_if)


def looked(computed: Computed, layer: str, unit: int | None = UNIT) -> Excerpt:
    cell = computed.experiment.layer.cell
    keys = tuple(f"{layer}.{key}" for key in wanted_keys(cell))
    found = operations.run("excerpt", Look(computed, keys, SAMPLE, unit, layer))
    assert isinstance(found, Excerpt)
    return found


def shown_sections(shown: Excerpt) -> tuple[Section, ...]:
    focus = shown.focus
    return sections(focus.cell, focus.activation, focus.layer_norm, focus.reverse)


def assert_equations_hold(shown: Excerpt) -> int:
    """At every step; of a gate that is held its value stands there instead. How many were held."""
    held_count = 0
    for section, step in itertools.product(shown_sections(shown), range(1, T + 1)):
        held = interventions(shown, step)
        for equation in section.equations:
            if held.whole(equation.gate):
                held_count += 1
                left = read(equation.tokens[0].number, shown, step).value  # type: ignore[arg-type]
                assert left == (held.holds[equation.gate].value if section.phase == "forward" else 0.0)
                continue
            left, right, largest = evaluated(equation, shown, step)
            assert abs(left - right) <= 1e-11 * max(largest, 1e-30), f"t = {step}: {equation.plain}"
    return held_count


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("cell", "activation"), KINDS)
def test_every_equation_holds_in_both_directions_for_every_activation_and_with_layer_normalisation(
    cell: CellKind, activation: Activation, reverse: bool, layer_norm: bool
) -> None:
    layer = LayerSpec(cell=cell, hidden_size=H, activation=activation, bidirectional=True, layer_norm=layer_norm)
    shown = looked(source(layer), "l0_reverse" if reverse else "l0")
    assert shown.focus.reverse is reverse
    assert_equations_hold(shown)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_with_held_gates_and_cut_routes_what_is_not_struck_out_still_holds(cell: CellKind) -> None:
    gate, past = ("f", "carousel") if cell == "lstm" else ("z", "leak")
    other = GATES[cell][-1]
    what_if = WhatIf(
        clamps=(
            Clamp(gate=gate, value=0.75, layer="l0_reverse", first=3, last=6),
            Clamp(gate=other, value=0.25, layer="l0_reverse", units=(0, 1)),
        ),
        cuts=(Cut(route=past, layer="l0_reverse"), Cut(route=other, layer="l0_reverse")),
    )
    shown = looked(source(LayerSpec(cell=cell, hidden_size=H, bidirectional=True), what_if), "l0_reverse")
    assert assert_equations_hold(shown) == 4 * 2  # steps 3 … 6, forward and backward
    every = looked(source(LayerSpec(cell=cell, hidden_size=H, bidirectional=True), what_if), "l0_reverse", None)
    said = str(interventions(every, 4))
    assert f"held: {gate} := 0.750" in said
    assert f"held in 2 of {H} units: {other} := 0.250" in said
    assert "cut: " in said
    assert past in said
    assert gate not in interventions(every, 7).holds


@pytest.mark.parametrize("cell", CELLS)
def test_of_a_reverse_layer_before_is_the_step_after_in_the_sequence_as_autograd_has_it(cell: CellKind) -> None:
    computed = source(LayerSpec(cell=cell, hidden_size=H, bidirectional=True))
    shown = looked(computed, "l0_reverse")
    traced_layer = traced(computed)[0].trace.layers["l0_reverse"]
    states = by_autograd(cell, shown, traced_layer.x[:, SAMPLE], traced_layer.output_grads[:, SAMPLE])
    for step in range(1, T + 1):
        before, after = step + 1, step - 1
        for state in STATES[cell]:
            value, gradient = states[state]
            own = read(series(f"values.{state}_prev"), shown, step).value
            assert own == pytest.approx(float(value[before - 1]) if before <= T else 0.0, rel=1e-10)
            there = read(series(f"grads.{state}", 1), shown, step)
            assert there.value == pytest.approx(float(gradient[after - 1]) if after >= 1 else 0.0, rel=1e-9, abs=1e-15)
        sent = read(hidden(cell, -1), shown, step).value
        if before <= T:
            to_before = float(states["h"][1][before - 1]) - float(shown.cell_series["grads.h_direct"][before - 1])
            past = float(states["leak"][1][step - 1]) if cell == "gru" else 0.0
            assert sent == pytest.approx(to_before - past, rel=1e-8, abs=1e-14)
        else:
            assert sent
        beyond = read(series("values.h", 1), shown, step)
        assert beyond.beyond is (after < 1)
        # What comes through W_hh is what is left of the total when the loss's own part and the leak are taken away.
        whole = float(states["h"][1][step - 1]) - float(shown.cell_series["grads.h_direct"][step - 1])
        leak = states["leak"][1][after - 1] if cell == "gru" and after >= 1 else 0.0
        assert read(hidden(cell), shown, step).value == pytest.approx(whole - float(leak), rel=1e-8, abs=1e-14)


def by_autograd(cell: CellKind, shown: Excerpt, x: torch.Tensor, direct: torch.Tensor) -> dict:
    """By state: values and total gradients of UNIT at every step, for the loss Σ e_t·h_t; "leak": δh ⊙ z."""
    assert shown.weights is not None
    W, U, b, c = (
        torch.tensor(shown.weights[f"{name}_l0_reverse"]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h = state = torch.zeros(H, dtype=torch.float64)
    found: dict[str, list] = {"h": [None] * T, "c": [None] * T, "z": [None] * T}
    loss = torch.zeros((), dtype=torch.float64)
    for t in range(T - 1, -1, -1):
        side, back = (W @ x[t] + b).chunk(len(GATES[cell])), (U @ h + c).chunk(len(GATES[cell]))
        if cell == "rnn":
            h = torch.tanh(side[0] + back[0])
        elif cell == "lstm":
            i, f, g, o = (a + s for a, s in zip(side, back, strict=True))
            state = f.sigmoid() * state + i.sigmoid() * g.tanh()
            state.requires_grad_(True)
            state.retain_grad()
            found["c"][t] = state
            h = o.sigmoid() * state.tanh()
        else:
            r, z = (side[0] + back[0]).sigmoid(), (side[1] + back[1]).sigmoid()
            found["z"][t] = z
            h = (1 - z) * torch.tanh(side[2] + r * back[2]) + z * h
        h.requires_grad_(True)
        h.retain_grad()
        found["h"][t] = h
        loss = loss + (direct[t] * h).sum()
    loss.backward()
    answer = {}
    for name in STATES[cell]:
        answer[name] = ([s[UNIT].detach() for s in found[name]], [s.grad[UNIT] for s in found[name]])
    if cell == "gru":
        answer["leak"] = ([], [h.grad[UNIT] * z[UNIT].detach() for h, z in zip(found["h"], found["z"], strict=True)])
    return answer


def test_the_symbols_of_a_reverse_layer_have_the_step_that_comes_before_on_its_own_way() -> None:
    written = {e.plain for s in sections("lstm", "tanh", False, True) for e in s.equations}
    assert "cₜ = fₜ ⊙ cₜ₊₁ + iₜ ⊙ gₜ" in written
    assert "δcₜ = δcₜ₋₁ ⊙ fₜ₋₁ + δhₜ ⊙ uₜ" in written
    assert "δhₜ = eₜ + W_hhᵀ δaₜ₋₁" in written


@pytest.mark.parametrize("cell", CELLS)
def test_the_circuit_of_a_reverse_layer_is_the_mirror_image_and_arrives_from_the_right(cell: CellKind) -> None:
    there, back = circuit(cell), circuit(cell, reverse=True)
    assert [node.at for node in back.nodes] == [(1 - x, y) for x, y in (node.at for node in there.nodes)]
    entries = [wire for wire in back.wires if wire.entry]
    assert entries
    assert all(wire.points[0][0] == 1 for wire in entries)
    assert {label.latex for label in back.labels if "t+1" in label.latex}
    assert not [label.latex for label in back.labels if "t-1" in label.latex]


def padded(shown: Excerpt, length: int) -> Excerpt:
    return replace(shown, length=length)


def test_a_layer_ends_with_the_samples_own_last_step() -> None:
    shown = padded(looked(source(LayerSpec(cell="lstm", hidden_size=H, bidirectional=True)), "l0"), 6)
    assert read(series("values.f", 1), shown, 6).beyond
    assert read(series("grads.c", 1), shown, 6).value == 0.0
    assert not read(series("values.f", 1), shown, 5).beyond
    back = padded(looked(source(LayerSpec(cell="lstm", hidden_size=H, bidirectional=True)), "l0_reverse"), 6)
    assert read(hidden("lstm", -1), back, 6).value == back.cell_series["sent.h"][5]


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("cell", "activation"), KINDS)
def test_the_operations_of_a_cell_yield_every_number_that_is_shown(
    cell: CellKind, activation: Activation, layer_norm: bool
) -> None:
    numbers: list[tuple[Way, Number]] = []
    for section in sections(cell, activation, layer_norm):
        numbers += [(section.phase, t.number) for e in section.equations for t in e.tokens if t.number is not None]
    it = circuit(cell, activation, layer_norm)
    for wire in it.wires:
        numbers += [("forward", wire.forward)] if wire.forward is not None else []
        numbers += [("backward", wire.backward)] if wire.backward is not None else []
    for way in ("forward", "backward"):
        every = Reached(True, way == "backward", way, known(cell, way, 99, layer_norm))
        for of, number in numbers:
            if of == way:
                assert every.has(number, way), number
        for node in it.nodes:
            assert not node.made[way == "backward"] or every.made(node.made[way == "backward"], way), node.name


def test_bfloat16_is_read_without_asking_numpy_what_it_is() -> None:
    computed = source(LayerSpec(cell="gru", hidden_size=H), WhatIf(dtype="bfloat16"))
    for unit in (None, UNIT):
        shown = looked(computed, "l0", unit)
        assert shown.dtype == "bfloat16"
        for section in shown_sections(shown):
            for token in (t for e in section.equations for t in e.tokens if t.number is not None):
                reading = read(token.number, shown, 4)  # type: ignore[arg-type]
                assert reading.value is None or np.isfinite(reading.value)
