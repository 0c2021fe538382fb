"""The network of a spec: its gradients are autograd's, its what-if is on top, wrong weights are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import engine
from engine.errors import DataError
from engine.initial import gate_rows, initial_weights
from engine.network import Network
from engine.quantities import GATES
from engine.spec import (
    AddingTask,
    CellKind,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    SunspotsTask,
    Task,
    WhatIf,
)

CELLS: list[CellKind] = ["rnn", "lstm", "gru"]


def experiment(
    cell: CellKind, task: Task | None = None, at: Any = "last", loss: Any = "mse", **more: Any
) -> Experiment:
    layer = LayerSpec(cell=cell, hidden_size=5, activation=more.pop("activation", "tanh"))
    model = ModelSpec(layers=(layer,), readout=ReadoutSpec(at=at), loss=loss)
    return Experiment(model=model, task=task or AddingTask(steps=7, batch_size=3), dtype="float64", seed=4, **more)


def by_autograd(given: Experiment, weights: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and parameter gradients by torch's own modules and losses, with mean reduction."""
    kinds = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    options = {"nonlinearity": given.layer.activation} if given.layer.cell == "rnn" else {}
    network = Network(given)
    batch = network.batch(2)
    module = kinds[given.layer.cell](batch.x.shape[2], 5, dtype=torch.float64, **options)
    readout = nn.Linear(5, len(weights["readout.bias"]), dtype=torch.float64)
    module.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith("readout")})
    readout.load_state_dict({"weight": weights["readout.weight"], "bias": weights["readout.bias"]})
    h = module(batch.x)[0]
    outputs = readout(h if given.model.readout.at == "every" else h[-1])
    if given.model.loss == "mse":
        loss = nn.functional.mse_loss(outputs, batch.targets)
    else:
        loss = nn.functional.cross_entropy(outputs.reshape(-1, 2), batch.targets.reshape(-1))
    loss.backward()
    named = dict(module.named_parameters()) | {f"readout.{name}": p for name, p in readout.named_parameters()}
    return loss.detach(), {name: p.grad for name, p in named.items() if p.grad is not None}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("task", [AddingTask(steps=7, batch_size=3), SunspotsTask(steps=6, batch_size=2)])
def test_loss_and_every_gradient_are_those_of_autograd(cell: CellKind, at: str, loss: str, task: Task) -> None:
    given = experiment(cell, task, at, loss)
    expected_loss, expected = by_autograd(given, initial_weights(given))
    trace = Network(given).trace(iteration=2)
    torch.testing.assert_close(trace.loss, expected_loss, rtol=1e-12, atol=0)
    assert list(trace.weight_grads) == list(expected)
    for name, grad in expected.items():
        error = torch.linalg.norm(trace.weight_grads[name] - grad) / torch.linalg.norm(grad)
        assert float(error) < 1e-10, name


def test_relu_is_traced_too() -> None:
    given = experiment("rnn", activation="relu")
    _, expected = by_autograd(given, initial_weights(given))
    for name, grad in Network(given).trace(iteration=2).weight_grads.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-10, atol=1e-14)


def test_losses_at_every_step_sum_to_the_mean_over_everything() -> None:
    trace = Network(experiment("gru", at="every")).trace()
    assert trace.losses.shape == (7,)
    torch.testing.assert_close(trace.losses.sum(), trace.loss)
    targets = Network(experiment("gru", at="every")).batch().targets
    torch.testing.assert_close(trace.loss, (trace.outputs - targets).square().mean())


@pytest.mark.parametrize("cell", CELLS)
def test_a_what_if_stands_on_top_of_the_weights(cell: CellKind) -> None:
    given = experiment(cell)
    plain = initial_weights(given)
    what_if = WhatIf(recurrent_scale=1.7, forget_bias=-2.0 if cell == "lstm" else 0.0)
    network = Network(given, what_if=what_if)
    expected = {name: weight.clone() for name, weight in plain.items()}
    expected["weight_hh_l0"] *= 1.7
    if cell == "lstm":
        expected["bias_hh_l0"][gate_rows(GATES["lstm"], "f", 5)] -= 2.0
    for name, weight in plain.items():
        assert torch.equal(network.weights[name], weight), "the weights that are kept do not change"
        assert torch.equal(network.effective[name], expected[name])
    _, grads = by_autograd(given, expected)
    for name, grad in network.trace(iteration=2).weight_grads.items():
        torch.testing.assert_close(grad, grads[name], rtol=1e-10, atol=1e-14)


def test_weights_go_in_as_arrays_and_tensors_and_are_not_shared() -> None:
    given = experiment("lstm")
    weights = initial_weights(given)
    frozen = {name: weight.numpy().copy() for name, weight in weights.items()}
    for array in frozen.values():
        array.flags.writeable = False
    assert torch.equal(Network(given, frozen).trace().loss, Network(given, weights).trace().loss)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "weight_hh_l1",
            np.zeros((5, 5)),
            "'weight_hh_l1' is no parameter of the RNN with 5 units; it has weight_ih_l0",
        ),
        ("weight_hh_l0", np.zeros((5, 4)), "'weight_hh_l0' has shape (5, 4); the RNN with 5 units accepts (5, 5)"),
        (
            "bias_hh_l0",
            np.zeros(5, np.float32),
            "'bias_hh_l0' is float32; the experiment's dtype, float64, is accepted",
        ),
        ("bias_hh_l0", np.zeros(5, int), "'bias_hh_l0' is an array of int64; an array or a tensor of float64"),
        ("bias_hh_l0", [0.0] * 5, "'bias_hh_l0' is a list; an array or a tensor of float64"),
        ("bias_hh_l0", torch.zeros(5, device="meta").double(), "'bias_hh_l0' is on the device 'meta', where tensors"),
        ("readout.bias", None, "'readout.bias' is missing; the RNN with 5 units has weight_ih_l0"),
    ],
)
def test_wrong_weights_are_refused_with_a_sentence(name: str, value: Any, sentence: str) -> None:
    given = experiment("rnn")
    weights: dict[str, Any] = dict(initial_weights(given))
    weights[name] = value
    if value is None:
        del weights[name]
    with pytest.raises(DataError) as caught:
        Network(given, weights)
    assert sentence in str(caught.value)
    network = Network(given)
    kept, loss = dict(network.weights), network.trace().loss
    with pytest.raises(DataError) as caught:
        network.load(weights)
    assert sentence in str(caught.value)
    assert all(network.weights[name] is kept[name] for name in kept)
    assert torch.equal(network.trace().loss, loss)


def test_weights_that_a_what_if_cannot_stand_on_leave_the_network_as_it_was() -> None:
    network = Network(experiment("rnn"), what_if=WhatIf(spectral_radius=1.0))
    kept = dict(network.weights)
    nilpotent = torch.diag(torch.ones(4, dtype=torch.float64), 1)
    with pytest.raises(DataError, match="weight_hh_l0"):
        network.load(kept | {"weight_hh_l0": nilpotent})
    assert all(network.weights[name] is kept[name] for name in kept)


@pytest.mark.parametrize(("given", "what"), [([torch.zeros(5)], "a list"), (None, "a NoneType"), (3, "an int")])
def test_only_tensors_by_name_are_loaded(given: Any, what: str) -> None:
    with pytest.raises(DataError, match=rf"^Weights: {what} is given; tensors by parameter name are"):
        Network(experiment("rnn")).load(given)


def test_weights_are_loaded_as_arrays_too() -> None:
    network, other = Network(experiment("lstm")), Network(experiment("lstm"))
    network.load({name: (2 * weight).numpy() for name, weight in network.weights.items()})
    other.load({name: 2 * weight for name, weight in other.weights.items()})
    assert torch.equal(network.trace().loss, other.trace().loss)


def test_building_and_tracing_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    Network(experiment("lstm")).trace()
    assert torch.equal(before, torch.get_rng_state())


def test_engine_trace_takes_a_network_with_ones_own_data_and_loss() -> None:
    network = Network(experiment("lstm"))
    x = torch.randn(4, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    trace = engine.trace(network, x, loss=lambda y: y.square().sum())
    assert trace.outputs.shape == (4, 2, 1)
    lstm = torch.nn.LSTM(2, network.experiment.layer.hidden_size, dtype=torch.float64)
    lstm.load_state_dict({n: w for n, w in network.effective.items() if n.endswith("_l0")})
    weight, bias = (network.effective[f"readout.{part}"] for part in ("weight", "bias"))
    expected = torch.nn.functional.linear(lstm(x)[0], weight, bias).detach()
    torch.testing.assert_close(trace.outputs, expected)
    torch.testing.assert_close(trace.loss, expected.square().sum())
    with pytest.raises(DataError, match="loss is missing"):
        network.trace(x)
