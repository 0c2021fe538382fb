"""Every quantity that a trace hands out agrees with torch.autograd, step by step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from unrolled import module, unrolled

import engine
from engine.measure import TOLERANCE, step_errors
from engine.quantities import QUANTITIES, STATES

KINDS = ("tanh", "relu", "lstm", "gru")
CELL = {"tanh": "rnn", "relu": "rnn", "lstm": "lstm", "gru": "gru"}
DTYPES = (torch.float64, torch.float32)
LOSSES = {
    "one loss a step": lambda y: y.pow(2).sum((1, 2)),
    "one scalar": lambda y: y.sin().mean(),
    "the last step": lambda y: (y[-1] - 0.3).pow(2).sum(),
    "looking back over all steps": lambda y: y.cumsum(0).tanh().sum((1, 2)),
}


def assert_agrees(
    model: torch.nn.RNNBase, x: Tensor, loss, initial=None, tolerance: float | None = None
) -> engine.Trace:
    trace = engine.trace(model, x, loss=loss, initial=initial)
    reference = unrolled(model, x, loss, initial)
    layer = trace["l0"]
    limit = TOLERANCE[x.dtype] if tolerance is None else tolerance

    def close(name: str, ours: Tensor, theirs: Tensor) -> None:
        assert ours.shape == theirs.shape, name
        worst = float(step_errors(ours, theirs).max())
        assert worst <= limit, f"{name}: {worst:.2e}"

    assert set(layer.values) == set(layer.grads) == {q.symbol for q in QUANTITIES[layer.cell]}
    for symbol in layer.values:
        close(f"values.{symbol}", layer.values[symbol], reference.values[symbol])
        close(f"grads.{symbol}", layer.grads[symbol], reference.grads[symbol])
    assert set(layer.initial_grads) == set(STATES[layer.cell])
    for state in STATES[layer.cell]:
        close(f"initial_grads.{state}", layer.initial_grads[state][None], reference.initial_grads[state][None])
    for name, theirs in reference.weight_grads.items():
        short = name.removesuffix("_l0")
        close(f"weight_grads.{short}", layer.weight_grads[short][None], theirs[None])
        close(f"weight_grads.{name}", trace.weight_grads[name][None], theirs[None])
        close(f"share of {short}", layer.weight_grad_share(short)[:, None], reference.shares[name][:, None])
    close("input_grad", trace.input_grad, reference.input_grad)
    losses = loss(reference.values["h"])
    close("losses", trace.losses[None], losses.reshape(1, -1))
    close("loss", trace.loss.reshape(1, 1), losses.sum().reshape(1, 1))
    assert torch.equal(trace.outputs, layer.values["h"])
    assert trace.audit().passed, trace.audit().worst
    return trace


def batch(T: int, B: int, D: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(T, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def start(kind: str, B: int, H: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    return {s: batch(1, B, H, dtype, seed=7 + i)[0] * 0.5 for i, s in enumerate(STATES[CELL[kind]])}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_quantity_agrees_with_autograd(kind: str, dtype: torch.dtype, loss) -> None:
    assert_agrees(module(kind, 3, 6, dtype), batch(25, 4, 3, dtype), loss, start(kind, 4, 6, dtype))


@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 2, 4), (7, 1, 1, 1), (12, 1, 3, 5), (5, 4, 2, 1)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_shapes_agree(kind: str, shape: tuple[int, int, int, int], bias: bool) -> None:
    T, B, D, H = shape
    model, x = module(kind, D, H, bias=bias), batch(T, B, D)
    assert_agrees(model, x, lambda y: y.exp().sum((1, 2)))
    assert_agrees(model, x, lambda y: y.exp().sum((1, 2)), start(kind, B, H))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    T=st.integers(1, 12),
    B=st.integers(1, 4),
    D=st.integers(1, 4),
    H=st.integers(1, 5),
    bias=st.booleans(),
    zero_start=st.booleans(),
    gain=st.sampled_from([0.1, 1.0, 2.0]),
    seed=st.integers(0, 1000),
)
def test_any_shape_agrees(
    kind: str, T: int, B: int, D: int, H: int, bias: bool, zero_start: bool, gain: float, seed: int
) -> None:
    model = module(kind, D, H, bias=bias, seed=seed)
    with torch.no_grad():
        model.weight_hh_l0.mul_(gain)
    initial = None if zero_start else start(kind, B, H)
    assert_agrees(model, batch(T, B, D, seed=seed), lambda y: (y - 0.1).pow(2).sum((1, 2)), initial)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_saturated_gates_agree(kind: str, dtype: torch.dtype) -> None:
    """Inputs that drive gates to where float32's σ′ is exactly 0 on one side and 1e-8 on the other."""
    model = module(kind, 2, 5, dtype)
    with torch.no_grad():
        model.weight_ih_l0.mul_(40.0)
    assert_agrees(model, batch(20, 3, 2, dtype), lambda y: y.pow(2).sum((1, 2)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dead_relus_pass_nothing_on(dtype: torch.dtype) -> None:
    model = module("relu", 2, 4, dtype)
    with torch.no_grad():
        model.bias_ih_l0[:2] = -100.0
        model.weight_ih_l0[3], model.weight_hh_l0[3] = 0.0, 0.0
        model.bias_ih_l0[3], model.bias_hh_l0[3] = 0.0, 0.0  # a = 0 exactly: torch's slope is 0 there
    trace = assert_agrees(model, batch(15, 3, 2, dtype), lambda y: (y + 1).pow(2).sum((1, 2)))
    grads = trace["l0"].grads
    assert (grads["h"][..., 3] != 0).all()
    assert (grads["a"][..., [0, 1, 3]] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_input_gives_the_same_trace(kind: str) -> None:
    model, x = module(kind, 3, 4), batch(6, 2, 3)
    turned = type(model)(
        3, 4, batch_first=True, dtype=torch.float64, **({"nonlinearity": kind} if CELL[kind] == "rnn" else {})
    )
    turned.load_state_dict(model.state_dict())
    straight = engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)))
    other = engine.trace(turned, x.transpose(0, 1), loss=lambda y: y.pow(2).sum((1, 2)))
    assert straight.numpy().keys() == other.numpy().keys()
    for name, array in straight.numpy().items():
        assert (array == other.numpy()[name]).all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_out_through_autograd_gets_its_own_gradients(kind: str) -> None:
    model, x = module(kind, 3, 4), batch(6, 2, 3)
    readout = torch.nn.Linear(4, 2, dtype=torch.float64)
    targets = batch(6, 2, 2, seed=5)

    def head(h: Tensor) -> tuple[Tensor, Tensor]:
        outputs = readout(h)
        return outputs, (outputs - targets).pow(2).mean((1, 2))

    from engine.tracing import trace_layer

    parameters = {f"readout.{n}": p for n, p in readout.named_parameters()}
    trace = trace_layer(model, x, head, head_parameters=parameters)
    outputs, losses = head(model(x)[0])
    losses.sum().backward()
    torch.testing.assert_close(trace.outputs, outputs, rtol=1e-12, atol=1e-12)
    for name, parameter in parameters.items():
        torch.testing.assert_close(trace.head_grads[name], parameter.grad, rtol=1e-12, atol=1e-14)
        assert trace.weight_grads[name] is trace.head_grads[name]
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trace.weight_grads[name], parameter.grad, rtol=1e-10, atol=1e-14)
