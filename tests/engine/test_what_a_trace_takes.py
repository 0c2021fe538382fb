"""What `engine.trace` accepts, as everybody has it, and what it refuses in one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from unrolled import module

import engine
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec

KINDS = ("tanh", "relu", "lstm", "gru")


def batch(T: int = 9, B: int = 3, D: int = 2) -> Tensor:
    return torch.randn(T, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def network() -> engine.Network:
    layer = LayerSpec(cell="lstm", hidden_size=4)
    return engine.Network(Experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=6, batch_size=3)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leading", [False, True])
def test_initial_states_are_taken_as_torch_takes_them(kind: str, leading: bool) -> None:
    model, x = module(kind, 2, 5), batch()
    h, c = batch(T=1, D=5)[0], batch(T=1, D=5)[0] / 2
    named = {"h": h, "c": c} if kind == "lstm" else {"h": h}
    h, c = (h[None], c[None]) if leading else (h, c)
    natural = (h, c) if kind == "lstm" else h
    expected = engine.trace(model, x, loss=each_step, initial=named).numpy()
    for name, array in engine.trace(model, x, loss=each_step, initial=natural).numpy().items():
        assert (array == expected[name]).all(), name
    h, c = h.view(1, 3, 5), c.view(1, 3, 5)
    y, _ = model(x, (h, c) if kind == "lstm" else h)
    torch.testing.assert_close(torch.from_numpy(expected["outputs"].copy()), y.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("initial", "words"),
    [
        (torch.zeros(3, 5, dtype=torch.float64), "pair"),
        ("h", "'h'"),
        (3, "3"),
        ((torch.zeros(3, 5),), "tuple of 1"),
        ({"h": [0.0, 1.0]}, "list of 2"),
        ({"h": np.zeros((3, 5))}, r"numpy\.ndarray"),
        ({7: torch.zeros(3, 5)}, "7"),
        ({"h": torch.zeros(3, 5)}, "float32"),
        ({"h": torch.zeros(3, 5, dtype=torch.float64).to_sparse()}, "sparse"),
        ((np.zeros((3, 5)), np.zeros((3, 5))), r"numpy\.ndarray"),
    ],
)
def test_other_initial_states_are_refused(initial: Any, words: str) -> None:
    with pytest.raises(engine.DataError, match=words) as refused:
        engine.trace(module("lstm", 2, 5), batch(), loss=each_step, initial=initial)
    assert "initial" in str(refused.value)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (batch().numpy(), "ndarray"),
        (batch().to_sparse(), "sparse"),
        (batch().to("meta"), "meta"),
        (batch().long(), "int64"),
        (None, "missing"),
        ([1.0], "list"),
    ],
)
def test_other_inputs_are_refused(x: Any, words: str) -> None:
    for model in (module("gru", 2, 5), network()):
        if x is None and isinstance(model, engine.Network):
            continue
        with pytest.raises(engine.DataError, match=words):
            engine.trace(model, x, loss=each_step)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("mse", "'mse'"),
        (3, "3"),
        (lambda y: y.to(torch.complex128).sum(), "complex"),
        (lambda y: 3.0, "float"),
        (lambda y: None, "NoneType"),
    ],
)
def test_other_losses_are_refused(loss: Any, words: str) -> None:
    for model in (module("gru", 2, 5), network()):
        x = batch() if isinstance(model, nn.Module) else batch().float()
        with pytest.raises(engine.DataError, match=words):
            engine.trace(model, x, loss=loss)


def test_a_network_is_traced_on_its_own_task_without_x() -> None:
    net = network()
    for name, array in engine.trace(net, iteration=2).numpy().items():
        assert (net.trace(iteration=2).numpy()[name] == array).all(), name


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: engine.trace(network(), clip=1.0), "clip"),
        (lambda: engine.trace(network(), loss=each_step), "loss is given"),
        (lambda: engine.trace(network(), iteration="a"), "iteration"),
        (lambda: engine.trace(network(), iteration=-1), "iteration"),
        (lambda: engine.trace(network(), iteration=True), "iteration"),
        (lambda: engine.trace(torch.eye(3), batch(), loss=each_step), "Tensor"),
        (lambda: engine.trace(np.eye(3), batch(), loss=each_step), "ndarray"),
        (lambda: engine.trace(module("gru", 2, 5), batch(), loss=each_step, depth=1), "depth"),
    ],
)
def test_what_it_cannot_follow_is_said(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(engine.DataError, match=words) as refused:
        ask()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "steps", [(1.0, 2), (None, 2), (True, 2), (1, "2"), (1, torch.ones(2)), (0, 2), (3, 2), (1, 10)]
)
def test_windows_and_losses_are_counted_in_whole_numbers(steps: tuple[Any, Any]) -> None:
    trace = engine.trace(module("gru", 2, 5), batch(), loss=each_step)
    for part in (trace, trace["l0"]):
        with pytest.raises(engine.DataError):
            part.window(*steps)
    for loss in ("x", 1.5, None, True, 9, -10):
        with pytest.raises(engine.DataError):
            trace.flow_row(loss)
    assert torch.equal(trace.window(np.int64(2), 3)["l0"].x, trace["l0"].x[1:3])


class _Doubled(nn.LSTM):
    def forward(self, *given: Any) -> Any:
        y, states = super().forward(*given)
        return 2 * y, states


def _with_hook(register: str) -> nn.LSTM:
    model = nn.LSTM(2, 5)
    getattr(model, register)(lambda *given: None)
    return model


def _replaced() -> nn.LSTM:
    model = nn.LSTM(2, 5)
    model.forward = _Doubled(2, 5).forward  # type: ignore[method-assign]
    return model


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: _Doubled(2, 5), "forward of its own"),
        (_replaced, "forward of its own"),
        (lambda: _with_hook("register_forward_hook"), "a forward hook"),
        (lambda: _with_hook("register_forward_pre_hook"), "a forward pre-hook"),
        (lambda: _with_hook("register_full_backward_hook"), "a backward hook"),
        (lambda: _with_hook("register_full_backward_pre_hook"), "a backward pre-hook"),
    ],
)
def test_a_model_that_computes_something_else_is_refused(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(engine.DataError, match=words):
        engine.trace(make(), batch().float(), loss=each_step)


def test_a_subclass_and_a_parametrised_layer_are_traced_as_what_they_compute() -> None:
    class Named(nn.GRU):
        pass

    model, x = Named(2, 5, dtype=torch.float64), batch()
    nn.utils.parametrizations.weight_norm(model, "weight_hh_l0")
    trace = engine.trace(model, x, loss=each_step)
    torch.testing.assert_close(trace.outputs, model(x)[0].detach(), rtol=1e-12, atol=1e-14)
    assert trace.audit().passed
