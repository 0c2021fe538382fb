"""A gradient that becomes exactly 0: the event says what has stopped it, be it somebody's doing or a slope."""

from __future__ import annotations

import pytest

from engine.events import of_layers
from engine.network import Network
from engine.requests import Event
from engine.spec import AddingTask, Clamp, Cut, Experiment, GateBias, LayerSpec, ModelSpec, RecurrentDropoutSpec, WhatIf

FLAT = "a derivative on their way is exactly 0 (a dead or saturated unit)"


def zero_event(cell: str, what_if: WhatIf, steps: int = 4, **layer: object) -> Event:
    """The loss is at the last step: what becomes 0 does so on the way from it to the step before."""
    spec = LayerSpec(cell=cell, hidden_size=3, **layer)
    experiment = Experiment(
        model=ModelSpec(layers=(spec,)), task=AddingTask(steps=steps, batch_size=2), device="cpu", seed=3
    )
    layers = Network(experiment, what_if=what_if).trace().layers
    (event,) = [event for event in of_layers(layers) if event.kind == "underflow"]
    return event


def held(*gates: str, value: float = 0.5, **where: object) -> WhatIf:
    return WhatIf(clamps=tuple(Clamp(gate=gate, value=value, **where) for gate in gates))


def cut(*routes: str) -> WhatIf:
    return WhatIf(cuts=tuple(Cut(route=route) for route in routes))


@pytest.mark.parametrize(
    ("cell", "what_if", "reason"),
    [
        ("rnn", cut("a"), "the route W_hh is cut"),
        ("lstm", cut("i", "f", "g", "o"), "the routes f, g, i and o are cut"),
        ("gru", cut("leak", "z", "r", "n"), "the routes leak, n, r and z are cut"),
        ("lstm", held("i", "f", "g", "o"), "f, g, i and o are held at a value, and no gradient passes there"),
        ("gru", WhatIf(clamps=(Clamp(gate="z", value=0.0), Clamp(gate="n", value=0.3))),
         "n and z are held at a value, and no gradient passes there"),
        ("lstm", WhatIf(clamps=held("i", "g", "o").clamps, cuts=cut("f").cuts),
         "the route f is cut; g, i and o are held at a value, and no gradient passes there"),
        ("rnn", WhatIf(recurrent_scale=0.0), "no weight leads on from them"),
    ],
)  # fmt: skip
def test_what_somebody_has_stopped_is_said_and_no_unit_is_called_dead(cell: str, what_if: WhatIf, reason: str) -> None:
    event = zero_event(cell, what_if)
    assert event.step == 3
    assert event.sentence == f"∂L/∂h becomes exactly 0 at t = 3 for 6 of 6 entries of all 2 samples: {reason}."


FLAT_GATES = tuple(GateBias(gate=gate, shift=100.0) for gate in ("i", "f", "g", "o"))
"""So far above 0 that σ and tanh are exactly 1 in float32, and their slopes exactly 0."""


@pytest.mark.parametrize(
    ("cell", "what_if", "layer"),
    [
        ("rnn", WhatIf(gate_biases=(GateBias(gate="", shift=-100.0),)), {"activation": "relu"}),
        ("lstm", WhatIf(gate_biases=FLAT_GATES), {}),
        ("lstm", WhatIf(gate_biases=FLAT_GATES, clamps=held("i", units=(1,)).clamps), {}),
        ("lstm", WhatIf(gate_biases=FLAT_GATES, cuts=cut("o").cuts), {}),
    ],
)
def test_units_that_are_dead_are_called_dead_whatever_else_is_held_or_cut(
    cell: str, what_if: WhatIf, layer: dict[str, object]
) -> None:
    """What is held or cut would have been 0 without that."""
    assert zero_event(cell, what_if, **layer).sentence.endswith(f": {FLAT}.")


def test_what_dropout_has_left_out_is_said() -> None:
    dropped = RecurrentDropoutSpec(p=0.95)
    event = zero_event("rnn", WhatIf(), recurrent_dropout=dropped)
    assert event.sentence.endswith(": recurrent dropout has left them out.")


def test_a_layer_that_runs_back_says_the_same_of_its_own_way() -> None:
    """Its way back goes from step 1 on, where it reads last."""
    spec = LayerSpec(cell="rnn", hidden_size=3, bidirectional=True)
    experiment = Experiment(
        model=ModelSpec(layers=(spec,)), task=AddingTask(steps=4, batch_size=2), device="cpu", seed=3
    )
    both = WhatIf(cuts=(Cut(route="a"), Cut(route="a", layer="l0_reverse")))
    found = [e for e in of_layers(Network(experiment, what_if=both).trace().layers) if e.kind == "underflow"]
    assert {e.layer for e in found} == {"l0", "l0_reverse"}
    assert all(e.sentence.endswith(": the route W_hh is cut.") for e in found)
