"""Series of a layer for the curve tracks: against autograd, brute force and the recursions themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from unrolled import module

import engine
from engine import columns, series
from engine.layer_trace import LayerTrace
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.route_shares import route_shares
from engine.sources import traced
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec, WhatIf

T, B, H = 9, 3, 4


def layer_of(kind: str, dtype: torch.dtype = torch.float64, both: bool = False) -> dict[str, LayerTrace]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        rest: dict[str, Any] = {"bidirectional": both, "dtype": dtype}
        if kind in ("tanh", "relu"):
            model: nn.RNNBase = nn.RNN(2, H, nonlinearity=kind, **rest)
        else:
            model = (nn.LSTM if kind == "lstm" else nn.GRU)(2, H, **rest)
    x = torch.randn(T, B, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(7)).to(dtype)
    return dict(engine.trace(model, x, loss=lambda y: y.square().sum()).layers)


def contributions(layer: LayerTrace, weight: str) -> torch.Tensor:
    """(T, rows, columns): each step's own outer products, written out."""
    side = (layer.rules.h_side if weight == "weight_hh" else layer.rules.x_side)(layer.grads).flatten(-2)
    met = layer.before["h"] if weight == "weight_hh" else layer.x
    return torch.stack([sum(torch.outer(side[t, b], met[t, b]) for b in range(B)) for t in range(T)])


@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
@pytest.mark.parametrize("weight", ["weight_hh", "weight_ih"])
@pytest.mark.parametrize("name", ["l0", "l0_reverse"])
def test_a_gradient_fills_up_in_the_layers_own_way_back_and_ends_as_what_autograd_leaves(
    kind: str, weight: str, name: str
) -> None:
    layer = layer_of(kind, both=True)[name]
    parts = contributions(layer, weight)
    found = series.growth(layer, weight)
    order = range(T) if layer.reverse else range(T - 1, -1, -1)
    total = torch.zeros_like(parts[0])
    for t in order:
        total += parts[t]
        assert float(found[t, 0]) == pytest.approx(float(total.norm()), rel=1e-10)
        assert float(found[t, 1]) == pytest.approx(float(parts[t].norm()), rel=1e-10)
    last = 0 if not layer.reverse else T - 1
    assert float(found[last, 0]) == float(layer.weight_grads[weight].norm())
    assert found[:, 2].tolist() == [1.0] * T


def test_of_many_steps_the_sum_is_taken_at_some_and_each_says_so() -> None:
    layer = layer_of("lstm")["l0"]
    whole, some = series.growth(layer, "weight_hh"), series.growth(layer, "weight_hh", work=1e5)
    taken = some[:, 2] == 1
    assert 1 < int(taken.sum()) < T
    assert bool(taken[0])
    torch.testing.assert_close(some[taken, 0], whole[taken, 0], rtol=1e-12, atol=0)
    assert bool(some[~taken, 0].isnan().all())
    torch.testing.assert_close(some[:, 1], whole[:, 1], rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
@pytest.mark.parametrize("weight", ["weight_hh", "weight_ih"])
@pytest.mark.parametrize("scale", [1.0, 1e-160, 1e150])
def test_the_shares_of_the_steps_are_projections_on_the_whole_and_add_up_to_one(
    kind: str, weight: str, scale: float
) -> None:
    layer = layer_of(kind)["l0"]
    grown = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads * scale
    )
    found = series.shares(grown, weight)
    parts = contributions(layer, weight)
    whole = parts.sum(0)
    expected = [float((part * whole).sum() / whole.square().sum()) for part in parts]
    assert found[:, 1].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert float(found[:, 1].sum()) == pytest.approx(1.0, abs=1e-12)
    assert (found[:, 0] / scale).tolist() == pytest.approx([float(part.norm()) for part in parts], rel=1e-9)


def test_a_gradient_of_nothing_has_no_shares() -> None:
    layer = layer_of("tanh")["l0"]
    none = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads * 0
    )
    found = series.shares(none, "weight_hh")
    assert bool(found[:, 1].isnan().all())
    assert found[:, 0].tolist() == [0.0] * T


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
@pytest.mark.parametrize("name", ["l0", "l0_reverse"])
def test_saturated_shares_are_counted_one_by_one(kind: str, name: str) -> None:
    layer = layer_of(kind, torch.float32, both=True)[name]
    found = series.saturated(layer)
    symbols = columns.squashed(layer.cell, layer.activation)
    assert found is not None
    assert set(symbols) == set(layer.saturation())
    assert found.shape == (T, 3 * len(symbols))
    order = list(range(T - 1, -1, -1) if layer.reverse else range(T))
    for place, symbol in enumerate(symbols):
        value = layer.values["a" if kind == "relu" else symbol]
        value = value.tanh() if symbol == "c" else value
        if kind == "relu":
            low, high, flat = value <= 0, value != value, value <= 0  # nothing is at the high end
        elif symbol in "fiozr":
            low, high, flat = value < 0.05, value > 0.95, value * (1 - value) == 0
        else:
            low, high, flat = value < -0.95, value > 0.95, 1 - value * value == 0
        torch.testing.assert_close(found[:, 3 * place], low.double().mean((1, 2)))
        torch.testing.assert_close(found[:, 3 * place + 1], high.double().mean((1, 2)))
        for count, t in enumerate(order, start=1):
            dead = sum(all(bool(flat[s, b, u]) for s in order[:count] for b in range(B)) for u in range(H))
            assert float(found[t, 3 * place + 2]) == dead / H


def test_a_unit_of_a_relu_that_never_fires_is_dead_from_the_first_step_on() -> None:
    model = module("relu", 2, H, dtype=torch.float32, seed=5)
    with torch.no_grad():
        model.bias_ih_l0[1] = -1e3
    x = torch.rand(T, B, 2, generator=torch.Generator().manual_seed(7))
    found = series.saturated(engine.trace(model, x, loss=lambda y: y.sum())["l0"])
    assert found is not None
    assert bool((found[:, 2] >= 1 / H).all())


@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_singular_values_are_those_of_the_jacobians_that_autograd_gives(kind: str) -> None:
    layer = layer_of(kind)["l0"]
    found = series.singular(layer, 1)
    J = layer.jacobians(None, 1)["total"][:, 0]
    values = torch.linalg.svdvals(J).log10()
    torch.testing.assert_close(found[:, :3], values[:, :3], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found[:, 3], values[:, -1], rtol=1e-6, atol=1e-6)
    assert found[:, 4].tolist() == [1.0] * T


def test_singular_values_are_taken_at_a_spread_of_steps_where_all_would_take_long() -> None:
    layer = layer_of("tanh")["l0"]
    some, whole = series.singular(layer, 0, seconds=0.0012), series.singular(layer, 0)
    taken = some[:, 4] == 1
    assert taken.nonzero().flatten().tolist() == [0, 4, 8]
    torch.testing.assert_close(some[taken], whole[taken], rtol=0, atol=0)
    assert bool(some[~taken, :4].isnan().all())


def test_a_dead_unit_has_a_singular_value_of_exactly_zero() -> None:
    model = module("relu", 2, H, dtype=torch.float64, seed=5)
    with torch.no_grad():
        model.bias_ih_l0[1] = -1e3
    x = torch.rand(T, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    found = series.singular(engine.trace(model, x, loss=lambda y: y.sum())["l0"], 0)
    assert bool((found[:, 3] == -torch.inf).all())


@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_routes_are_the_engines_own_shares_of_the_chosen_sample(kind: str) -> None:
    layer = layer_of(kind)["l0"]
    found, expected = series.routes(layer, 2), route_shares(layer, 2)
    names = columns.routes(layer.cell)
    assert found.shape == (T, len(names))
    for place, name in enumerate(names):
        own = expected.log10_norms[name[6:]] if name.startswith("log10 ") else expected.shares[name]
        assert torch.equal(found[:, place], own[:, 0])
    count = len(expected.shares)
    torch.testing.assert_close(found[:, :count].sum(1), torch.ones(T, dtype=torch.float64))


def experiment(at: str = "last", activation: str = "tanh", layers: int = 1, dtype: str = "float64") -> Experiment:
    stack = tuple(LayerSpec(cell="rnn", hidden_size=H, activation=activation) for _ in range(layers))  # type: ignore[arg-type]
    model = ModelSpec(layers=stack, readout=ReadoutSpec(at=at))  # type: ignore[arg-type]
    return Experiment(model=model, task=AddingTask(steps=T, batch_size=B), dtype=dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_no_norm_of_the_last_loss_lies_above_pascanus_bound(at: str, scale: float) -> None:
    source = Computed(experiment(at), what_if=WhatIf(recurrent_scale=scale))
    line = series.of_layer(traced(source)[0], "l0", columns.BOUND, "", 0)
    assert line is not None
    network = Network(source.experiment, what_if=source.what_if)
    trace = network.trace()
    grads = trace["l0"].grads["h"] if at == "last" else trace.flow_gradient(-1)
    norms = grads.norm(dim=-1).mean(1).log10().numpy()
    assert line[-1] == pytest.approx(norms[-1], abs=1e-12)
    assert (line - norms > -1e-9).all()
    weight = network.effective["weight_hh_l0"]
    sigma = float(torch.linalg.svdvals(weight.double())[0])
    np.testing.assert_allclose(np.diff(line), -np.log10(sigma), rtol=1e-9)


def test_the_bound_of_a_linear_layer_is_reached_by_its_own_singular_vector() -> None:
    """h = W h₋ with W = s·Q, Q orthogonal: every step multiplies every gradient by s exactly."""
    given = experiment(activation="identity")
    weights = {name: w.numpy() for name, w in Network(given).weights.items()}
    Q = torch.linalg.qr(torch.randn(H, H, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).Q
    weights["weight_hh_l0"] = (0.7 * Q).numpy()
    found = run("excerpt", Look(Computed(given, weights), ("l0.bound",)))
    np.testing.assert_allclose(found.arrays["l0.bound"], np.log10(found.norms["grads.h"]), atol=1e-12)


def test_there_is_a_bound_only_where_it_says_something() -> None:
    two = traced(Computed(experiment(layers=2)))[0]
    assert series.of_layer(two, "l1", columns.BOUND, "", 0) is not None
    assert series.of_layer(two, "l0", columns.BOUND, "", 0) is None
    mean = traced(Computed(experiment("mean")))[0]
    assert series.of_layer(mean, "l0", columns.BOUND, "", 0) is None


def test_an_excerpt_has_the_series_that_are_asked_for() -> None:
    keys = ("l0.share.weight_ih", "l0.growth.weight_hh", "l0.saturation", "l0.singular", "l0.singular@quick")
    found = run("excerpt", Look(Computed(experiment(dtype="float32")), (*keys, "l0.routes", "l0.bound", "l3.routes")))
    assert tuple(found.arrays) == (*keys, "l0.routes", "l0.bound")
    assert all(len(array) == T and array.dtype == np.float64 for array in found.arrays.values())
