"""What-ifs: what they compute is what the same change of a plain network computes, and nothing that is kept changes."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
import torch
from agreement import assert_agrees
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_layer import BLOCKS
from reference_network import TORCHS, Reference, reference
from test_stacks_against_autograd import experiments, nearby, quick, small, starting, weights_of
from torch import Tensor, nn

import engine
from engine.network import Network
from engine.parameters import places
from engine.spec import Clamp, Cut, Experiment, GateBias, LayerSpec, TrainingSpec, WhatIf
from engine.tasks import Batch
from engine.training import moved
from engine.what_if import effective_weights

ROUTES = {"rnn": ("a",), "lstm": ("carousel", "i", "f", "g", "o"), "gru": ("leak", "r", "z", "n")}
CELLS = ("rnn", "lstm", "gru")


@st.composite
def what_ifs(draw: Any, experiment: Experiment) -> WhatIf:
    """Several at once, of what this experiment has."""
    there = list(places(experiment))
    gates = sorted({gate for place in there for gate in BLOCKS[place.spec.cell]})
    gated = [place for place in there if place.spec.cell != "rnn"]
    T = experiment.task.steps

    def clamp() -> Clamp:
        place = draw(st.sampled_from(gated))
        first, H = draw(st.integers(1, T)), place.spec.hidden_size
        return Clamp(
            gate=draw(st.sampled_from(BLOCKS[place.spec.cell])),
            value=draw(st.sampled_from([0.0, 0.3, 1.0])),
            layer=place.name,
            first=first,
            last=draw(st.none() | st.integers(first, T)),
            units=draw(st.none() | st.sets(st.integers(0, H - 1), min_size=1).map(lambda u: tuple(sorted(u)))),
        )

    def cut() -> Cut:
        place = draw(st.sampled_from(there))
        return Cut(route=draw(st.sampled_from(ROUTES[place.spec.cell])), layer=place.name)

    def shift() -> GateBias:
        return GateBias(gate=draw(st.sampled_from(gates)), shift=draw(st.sampled_from([-2.0, 0.7, 3.0])))

    radius = draw(st.sampled_from([None, None, 0.9, 1.3]))
    return WhatIf(
        recurrent_scale=draw(st.sampled_from([1.0, 0.0, 0.5, 1.7])) if radius is None else 1.0,
        spectral_radius=radius,
        forget_bias=draw(st.sampled_from([0.0, 1.5])) if "f" in gates else 0.0,
        gate_biases=tuple(shift() for _ in range(draw(st.integers(0, 2)))),
        clamps=tuple(clamp() for _ in range(draw(st.integers(0, 2)))) if gated else (),
        cuts=tuple(cut() for _ in range(draw(st.integers(0, 2)))),
        dtype=draw(st.sampled_from([None, "float64"])),
    )


def expected(
    experiment: Experiment,
    weights: dict[str, Tensor],
    batch: Batch,
    what_if: WhatIf,
    make: Any = reference,
    **more: Any,
) -> Reference:
    """A cut closes a way to the gradient; what can reach what is the network's, with the ways all open."""
    found: Reference = make(experiment, weights, batch, what_if=what_if, **more)
    if what_if.cuts:
        whole = make(experiment, weights, batch, what_if=msgspec.structs.replace(what_if, cuts=()), **more)
        for name, layer in found.layers.items():
            layer.reach = whole.layers[name].reach
    return found


def check(experiment: Experiment, what_if: WhatIf, started: bool = False, near: bool = False) -> engine.Trace:
    """`near`: where the experiment may be one that rounding takes digits from."""
    weights = weights_of(experiment)
    kept = {name: weight.clone() for name, weight in weights.items()}
    network = Network(experiment, weights, what_if)
    batch = network.batch(1)
    assert batch.x.dtype in (network.dtype, torch.int64)
    initial = None
    if started:
        initial = starting(experiment, batch.x.shape[1])
        initial = {name: {s: h.to(network.dtype) for s, h in own.items()} for name, own in initial.items()}
    trace = network.trace(batch=batch, iteration=1, initial=initial)
    more: dict[str, Any] = {"iteration": 1, "initial": initial}
    seeds = range(5 if near else 0)
    beside = (expected(experiment, weights, batch, what_if, nearby, seed=seed, **more) for seed in seeds)
    assert_agrees(trace, expected(experiment, weights, batch, what_if, **more), beside)
    for name, weight in kept.items():
        assert torch.equal(weights[name], weight), f"{name}: the caller's"
        assert torch.equal(network.weights[name], weight), f"{name}: what is kept and trained"
    return trace


@settings(quick, max_examples=20)
@given(data=st.data(), started=st.booleans())
def test_any_what_if_on_any_stack_agrees_with_autograd(data: Any, started: bool) -> None:
    experiment = data.draw(experiments(data.draw(st.sampled_from(["float64", "float32"]))))
    check(experiment, data.draw(what_ifs(experiment)), started, near=True)


def two_layers(cell: str, **layer: Any) -> Experiment:
    return small(cell, 5, 3, 3, "mean", layers=2, bidirectional=True, **layer)


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("cell", CELLS)
def test_every_block_of_every_layer_gets_the_spectral_radius(cell: str, radius: float) -> None:
    experiment = two_layers(cell)
    trace = check(experiment, WhatIf(spectral_radius=radius))
    for layer in trace.layers.values():
        for block in layer.weights["weight_hh"].chunk(len(BLOCKS[cell])):
            assert float(torch.linalg.eigvals(block).abs().max()) == pytest.approx(radius, abs=1e-12)


@pytest.mark.parametrize("layer_norm", [False, True], ids=["plain", "layer norm"])
@pytest.mark.parametrize(("cell", "gate"), [("rnn", "")] + [(c, g) for c in ("lstm", "gru") for g in BLOCKS[c]])
def test_a_gate_s_bias_moves_its_preactivation_by_the_shift(cell: str, gate: str, layer_norm: bool) -> None:
    """At the first step from a zero state, where nothing else has changed, of the first layer."""
    experiment = two_layers(cell, layer_norm=layer_norm, norm_eps=0.1)
    plain = Network(experiment, weights_of(experiment)).trace(iteration=1)["l0"].values
    shifted = check(experiment, WhatIf(gate_biases=(GateBias(gate=gate, shift=1.25),)))["l0"].values
    for other in BLOCKS[cell]:
        name = f"a_{other}" if other else "a"
        moved_by = shifted[name][0] - plain[name][0]
        if cell == "gru" and gate == "r" and other == "n":
            continue  # n is made of r
        torch.testing.assert_close(moved_by, torch.full_like(moved_by, 1.25 if other == gate else 0.0))


def test_the_forget_bias_and_a_shift_of_the_same_gate_add_up() -> None:
    experiment = two_layers("lstm")
    both = WhatIf(forget_bias=1.0, gate_biases=(GateBias(gate="f", shift=0.5), GateBias(gate="f", shift=-0.25)))
    one = check(experiment, WhatIf(forget_bias=1.25))
    torch.testing.assert_close(check(experiment, both).outputs, one.outputs, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("cell", "gate"), [(c, g) for c in ("lstm", "gru") for g in BLOCKS[c]])
def test_a_gate_that_is_held_has_the_value_and_passes_nothing(cell: str, gate: str) -> None:
    clamp = Clamp(gate=gate, value=0.3, layer="l1_reverse", first=2, last=4, units=(0, 2))
    layer = check(two_layers(cell), WhatIf(clamps=(clamp,)), started=True)["l1_reverse"]
    held = torch.zeros(5, 3, 3, dtype=torch.bool)
    held[1:4, :, [0, 2]] = True
    assert bool((layer.values[gate][held] == 0.3).all())
    assert bool((layer.values[gate][~held] != 0.3).all())
    assert bool((layer.grads[f"a_{gate}"][held] == 0).all())
    assert bool((layer.grads[f"a_{gate}"][~held] != 0).all())
    assert bool((layer.grads[gate] != 0).all()), "the loss still depends on the gate"


def test_an_lstm_with_the_gates_held_open_keeps_its_state_and_its_gradient() -> None:
    """f = 1 and i = 0: the carousel alone. c stays the initial state, and ∂L/∂c grows by what each step adds."""
    held = tuple(Clamp(gate=gate, value=value) for gate, value in (("f", 1.0), ("i", 0.0), ("o", 1.0)))
    experiment = small("lstm", 6, 2, 3, "last")
    layer = check(experiment, WhatIf(clamps=held), started=True)["l0"]
    assert torch.equal(layer.values["c"], layer.initial["c"].expand(6, 2, 3))
    torch.testing.assert_close(layer.grads["c"], layer.grads["c"][-1].expand(6, 2, 3), rtol=1e-14, atol=0)


@pytest.mark.parametrize(("cell", "route"), [(c, r) for c in CELLS for r in ROUTES[c]])
def test_a_route_that_is_cut_changes_nothing_forward(cell: str, route: str) -> None:
    experiment = two_layers(cell)
    plain = Network(experiment, weights_of(experiment)).trace(iteration=1)
    cut = check(experiment, WhatIf(cuts=(Cut(route=route, layer="l0"), Cut(route=route, layer="l1_reverse"))))
    assert torch.equal(cut.losses, plain.losses)
    for name, layer in cut.layers.items():
        for symbol, value in layer.values.items():
            assert torch.equal(value, plain[name].values[symbol]), f"{name}.{symbol}"
        touched = name in ("l0", "l0_reverse", "l1_reverse")  # what l1_reverse hands back reaches both below
        assert torch.equal(layer.grads["h"], plain[name].grads["h"]) is not touched, name


@pytest.mark.parametrize("cell", CELLS)
def test_with_every_route_cut_each_step_has_its_direct_gradient_alone(cell: str) -> None:
    cuts = tuple(Cut(route=route) for route in ROUTES[cell])
    layer = check(small(cell, 5, 2, 3, "every"), WhatIf(cuts=cuts))["l0"]
    assert torch.equal(layer.grads["h"], layer.output_grads)
    assert bool((layer.initial_grads["h"] == 0).all())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_another_type_is_what_the_same_network_computes_in_it(dtype: Any) -> None:
    """Weights are drawn once and rounded to the experiment's own type, before anything is computed in the other."""
    own = "float32" if dtype == "float64" else "float64"
    experiment = msgspec.structs.replace(two_layers("lstm"), dtype=own)
    trace = check(experiment, WhatIf(dtype=dtype))
    assert all(layer.values["h"].dtype == TORCHS[dtype] for layer in trace.layers.values())
    assert trace.loss.dtype == TORCHS[dtype]


def test_on_somebody_s_own_module_a_what_if_is_what_it_is_on_a_network() -> None:
    experiment = two_layers("gru")
    what_if = WhatIf(
        recurrent_scale=1.5,
        gate_biases=(GateBias(gate="n", shift=0.5), GateBias(gate="z", shift=-1.0)),
        clamps=(Clamp(gate="r", value=0.5, layer="l1", first=2),),
        cuts=(Cut(route="leak", layer="l0_reverse"),),
    )
    network = Network(experiment, weights_of(experiment), what_if)
    batch = network.batch(1)
    module = nn.GRU(1, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    module.load_state_dict({name: weight for name, weight in network.weights.items() if "." not in name})
    W, b = network.weights["readout.weight"], network.weights["readout.bias"]

    def loss(y: Tensor) -> Tensor:
        return ((y.mean(0) @ W.T + b) - batch.targets).square().mean()

    ours, theirs = engine.trace(module, batch.x, loss=loss, what_if=what_if), network.trace(batch=batch)
    for name, layer in theirs.layers.items():
        for symbol, grad in layer.grads.items():
            torch.testing.assert_close(ours[name].grads[symbol], grad, rtol=1e-12, atol=1e-18)
    torch.testing.assert_close(module.weight_hh_l0, network.weights["weight_hh_l0"], rtol=0, atol=0)


UPDATES = {
    "nothing": WhatIf(),
    "scaled": WhatIf(recurrent_scale=1.7),
    "scaled to nothing": WhatIf(recurrent_scale=0.0),
    "a spectral radius": WhatIf(spectral_radius=1.2),
    "shifted biases": WhatIf(
        forget_bias=2.0, gate_biases=(GateBias(gate="n", shift=1.0), GateBias(gate="", shift=0.5))
    ),
    "held and cut": WhatIf(clamps=(Clamp(gate="i", value=0.5, layer="l0"),), cuts=(Cut(route="leak", layer="l1"),)),
    "another type": WhatIf(dtype="float32"),
}


@pytest.mark.parametrize("what_if", UPDATES.values(), ids=UPDATES.keys())
def test_an_update_moves_the_effective_weights_against_their_gradient(what_if: WhatIf) -> None:
    """By −lr·g, and nothing of the what-if gets into the weights that are kept. The factor of a spectral radius is the
    one before the update; a matrix that is scaled to nothing stays where it is."""
    lr = 0.25
    layers = tuple(LayerSpec(cell=cell, hidden_size=3) for cell in ("lstm", "gru", "rnn"))
    experiment = small("rnn", 4, 2, 3)
    experiment = msgspec.structs.replace(
        experiment,
        model=msgspec.structs.replace(experiment.model, layers=layers),
        training=TrainingSpec(learning_rate=lr),
    )
    base = weights_of(experiment)
    network = Network(experiment, base, what_if)
    grads = network.trace(iteration=1).weight_grads
    after = moved(experiment, base, grads, what_if)
    before, again = effective_weights(experiment, base, what_if), effective_weights(experiment, after, what_if)
    for name, weight in base.items():
        step = -lr * grads[name].to(weight)
        assert after[name].dtype == weight.dtype
        if not name.startswith("weight_hh"):
            torch.testing.assert_close(again[name] - before[name], step, rtol=1e-10, atol=1e-15)
            torch.testing.assert_close(after[name] - weight, step, rtol=1e-10, atol=1e-15)
        elif what_if.spectral_radius is None:
            wanted = step if what_if.recurrent_scale else torch.zeros_like(step)
            torch.testing.assert_close(again[name] - before[name], wanted, rtol=1e-10, atol=1e-15)
        else:
            rows = len(BLOCKS[layers[int(name[-1])].cell])
            for k in range(rows):
                own, scaled, kept, went = (t.chunk(rows)[k] for t in (weight, before[name], after[name], step))
                factor = what_if.spectral_radius / float(torch.linalg.eigvals(own).abs().max())
                torch.testing.assert_close(kept * factor, scaled + went, rtol=1e-12, atol=1e-15)
    if what_if in (UPDATES["nothing"], UPDATES["held and cut"], UPDATES["another type"]):
        assert all(torch.equal(before[name], base[name]) for name in base)


def test_the_update_is_the_chain_rule_through_the_scale_but_for_its_square() -> None:
    """d loss/dW of W_eff = s·W is s·g, and steps of −lr·s·g would move W_eff by −lr·s²·g. What is on screen is W_eff
    and its g, so that it is W_eff that takes the step: by finite differences along it, the loss falls by lr·‖g‖²."""
    experiment = small("lstm", 4, 2, 3)
    what_if, tiny = WhatIf(recurrent_scale=1.7), 1e-6
    experiment = msgspec.structs.replace(experiment, training=TrainingSpec(learning_rate=tiny))
    base = weights_of(experiment)
    trace = Network(experiment, base, what_if).trace(iteration=1)
    after = moved(experiment, base, trace.weight_grads, what_if)
    fell = trace.loss - Network(experiment, after, what_if).trace(iteration=1).loss
    size = math.fsum(float(grad.square().sum()) for grad in trace.weight_grads.values())
    assert float(fell) == pytest.approx(tiny * size, rel=1e-4)
