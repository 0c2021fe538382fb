"""Where the gradient goes over many steps: products of Jacobians, and what some routes alone carry."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from route_layers import (
    CLOSE,
    KINDS,
    at_the_end,
    before,
    by_jacrev,
    draw,
    gap,
    layer_of,
    logs,
    states,
    step,
)
from torch import Tensor
from unrolled import module, unrolled

import engine
from engine.layer_trace import LayerTrace
from engine.quantities import ROUTES
from engine.route_products import carried, forget_gate_product, product
from engine.routes import jacobians

LOG10 = math.log(10)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    T=st.integers(1, 8),
    H=st.integers(1, 4),
    dtype=st.sampled_from(list(CLOSE)),
    gain=st.sampled_from([0.1, 1.0, 2.0]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_a_product_is_the_product_of_the_jacobians(
    kind: str, T: int, H: int, dtype: torch.dtype, gain: float, seed: int, data: st.DataObject
) -> None:
    layer = layer_of(kind, T, 2, H, dtype=dtype, gain=gain, seed=seed)
    t0 = data.draw(st.integers(0, T - 1), "t0")
    t1 = data.draw(st.integers(t0 + 1, T), "t1")
    names = ROUTES[layer.cell]
    open_ = data.draw(st.one_of(st.none(), st.lists(st.sampled_from(names), min_size=1, unique=True)), "routes")
    expected = torch.eye(H * len(states(kind)), dtype=torch.float64)
    for t in range(t0 + 1, t1 + 1):
        of_step = by_jacrev(layer, t, 1)
        expected = sum(of_step[route] for route in open_ or names) @ expected
    found = product(layer, t1, t0, 1, open_)
    if not expected.any():
        assert not found.matrix.any()
        assert found.log_scale == -math.inf
        return
    assert float(found.matrix.abs().max()) == 1.0
    assert gap(found.matrix * math.exp(found.log_scale), expected, expected) <= 10 * CLOSE[dtype]


def test_a_product_of_two_thousand_steps_keeps_its_logarithm() -> None:
    """One tanh unit: the product is Π w(1 − h²), and all of it is far below the smallest number."""
    layer = layer_of("tanh", T=2000, B=1, H=1, gain=0.2)
    slopes = (1 - layer.values["h"][:, 0, 0] ** 2).abs().log() + layer.weights["weight_hh"].abs().log().item()
    found = product(layer, 2000, 0)
    assert slopes.sum() < -2000
    assert found.log_scale == pytest.approx(float(slopes.sum()), rel=1e-12)
    curve = carried(layer)["h"]
    expected = slopes.flip(0).cumsum(0).flip(0) / LOG10 + logs(layer.grads["h"][-1])
    torch.testing.assert_close(curve[:-1, 0], expected[1:], rtol=1e-12, atol=0)


def test_a_product_that_grows_past_every_number_keeps_its_logarithm() -> None:
    """h = 4 U h₋ with U orthogonal: log ‖M‖ = T log 4, and M/4^T is the power of U."""
    model = module("relu", 1, 2)
    with torch.no_grad():
        model.weight_ih_l0.zero_()
        model.bias_ih_l0.zero_()
        model.bias_hh_l0.zero_()
        model.weight_hh_l0.copy_(4.0 * torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    start = torch.full((1, 2), 1e-300, dtype=torch.float64)
    layer = engine.trace(model, torch.zeros(900, 1, 1, dtype=torch.float64), loss=at_the_end, initial=start)["l0"]
    found = product(layer, 900, 0)
    assert found.log_scale == pytest.approx(900 * math.log(4), rel=1e-12)
    assert torch.equal(found.matrix, torch.eye(2, dtype=torch.float64))
    assert torch.equal(product(layer, 899, 0).matrix, torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64))


def test_a_product_that_overflows_within_a_step_keeps_its_zeros() -> None:
    """Three units at the edge of float64 and a dead one: inf where the sum of products is, 0 in the dead unit's row."""
    model = module("relu", 1, 4, bias=False)
    with torch.no_grad():
        model.weight_ih_l0.zero_()
        model.weight_hh_l0.fill_(1.5e308)
        model.weight_hh_l0[3] = 0.0
    start = torch.full((1, 4), 1e-320, dtype=torch.float64)
    layer = engine.trace(model, torch.zeros(1, 1, 1, dtype=torch.float64), loss=at_the_end, initial=start)["l0"]
    parts = (layer.cell, layer.activation, layer.x[:1].expand(2, 1, 1), layer.weights, layer.initial)
    values = {s: v.expand(2, 1, 4) for s, v in layer.values.items()}
    twice = LayerTrace.from_parts(*parts, values, layer.output_grads.expand(2, 1, 4))
    found = product(twice, 2, 0)
    assert (found.matrix[:3] == math.inf).all()
    assert (found.matrix[3] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_of_one_loss_at_the_end_all_routes_carry_the_truth(kind: str) -> None:
    for loss, T, H in ((at_the_end, 12, 5), (at_the_end, 1, 1), (at_the_end, 40, 1)):
        model, x = module(kind, 3, H), draw(T, 2, 3)
        layer, reference = engine.trace(model, x, loss=loss)["l0"], unrolled(model, x, loss)
        found = carried(layer)
        assert list(found) == [*states(kind), "all"]
        for s in states(kind):
            torch.testing.assert_close(found[s], logs(reference.grads[s]), rtol=1e-10, atol=1e-10)
        joint = logs(torch.cat([reference.grads[s] for s in states(kind)], -1))
        torch.testing.assert_close(found["all"], joint, rtol=1e-10, atol=1e-10)


def cut_by_autograd(layer: LayerTrace, open_: tuple[str, ...], start: int) -> dict[str, Tensor]:
    """(start, S-part) of ‖dL/d(state_t)‖: the unrolled loop with the other routes' states detached, L = ⟨grad, h⟩."""
    T, B = start, layer.batch_size
    found = {s: torch.zeros(T, B, dtype=torch.float64) for s in layer.initial}
    for b in range(B):
        state = before(layer, 1, b)
        made: list[dict[str, Tensor]] = []
        for t in range(T):
            routes_in = {
                route: state if route in open_ else {s: v.detach() for s, v in state.items()}
                for route in ROUTES[layer.cell]
            }
            # x requires a gradient so that every state of every step stands in the graph.
            state = step(layer, layer.x[t, b].clone().requires_grad_(), routes_in)
            made.append(state)
        reached = {s: layer.grads[s][T - 1, b] for s in state}
        if "c" in state:  # the total of c has what h brings it
            inside = torch.autograd.grad(state["h"], state["c"], reached["h"], retain_graph=True)[0]
            reached["c"] = reached["c"] - inside
        outputs = list(state.values())
        flat = [v for v_t in made for v in v_t.values()]
        grads = iter(torch.autograd.grad(outputs, flat, list(reached.values()), allow_unused=True))
        for t in range(T):
            for s in state:
                grad = next(grads)
                found[s][t, b] = 0.0 if grad is None else grad.norm()
    return found


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["tanh", "lstm", "gru"]),
    T=st.integers(1, 6),
    H=st.integers(1, 4),
    gain=st.sampled_from([0.5, 2.0]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_some_routes_alone_carry_what_autograd_finds_with_the_others_cut(
    kind: str, T: int, H: int, gain: float, seed: int, data: st.DataObject
) -> None:
    layer = layer_of(kind, T, 2, H, gain=gain, seed=seed)
    start = data.draw(st.integers(1, T), "start")
    names = ROUTES[layer.cell]
    open_ = tuple(data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True), "routes"))
    found = carried(layer, open_, start)
    for s, expected in cut_by_autograd(layer, open_, start).items():
        torch.testing.assert_close(found[s][:start], expected.log10(), rtol=1e-9, atol=1e-9)
        assert found[s][start:].isnan().all()


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_carousel_alone_is_the_product_of_the_gates_that_keep(kind: str) -> None:
    """Closed form: δ_T ⊙ Π_{s>t} f_s (GRU: z), over 300 steps, past the smallest number of float64."""
    layer = layer_of(kind, T=300, B=2, H=5, gain=0.5)
    with torch.no_grad():
        gate, state, route = {"lstm": ("f", "c", "carousel"), "gru": ("z", "h", "leak")}[kind]
        logs_of_gate = layer.values[gate].log()
    expected = torch.zeros_like(logs_of_gate)
    for t in range(298, -1, -1):
        expected[t] = expected[t + 1] + logs_of_gate[t + 1]
    found = forget_gate_product(layer)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(forget_gate_product(layer, sample=1), expected[:, 1:], rtol=1e-12, atol=0)
    entries = layer.grads[state][-1].abs().log() + expected
    curve = 0.5 * torch.logsumexp(2 * entries, -1) / LOG10
    torch.testing.assert_close(carried(layer, route)[state], curve, rtol=1e-11, atol=0)


def test_a_gate_that_is_shut_ends_the_product() -> None:
    layer = layer_of("lstm", T=5, B=1, H=2)
    values = dict(layer.values)
    values["f"] = values["f"].clone()
    values["f"][3, 0, 0] = 0.0
    shut = LayerTrace.from_parts(
        layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, layer.output_grads
    )
    found = forget_gate_product(shut)[:, 0]
    assert (found[:3, 0] == -math.inf).all()
    assert found[:, 1].isfinite().all()
    assert (found[4] == 0).all()
    with pytest.raises(engine.DataError, match="RNN"):
        forget_gate_product(layer_of("tanh"))


def test_the_quoted_derivative_of_c_is_not_closed_under_products() -> None:
    """diag(f_t) + P_t diag(u_{t−1}), ∂c_t/∂c_{t−1} at fixed o_{t−1}: right for one step, and about 8 % off after two,
    for it loses the way c₋ → h₋ → o_t → h_t → c_{t+1}. The product over (h, c) is exact."""
    H, off = 32, []
    for seed in range(5):
        layer = layer_of("lstm", T=5, B=1, H=H, gain=4.0, seed=seed)
        u = {t: layer.values["o"][t - 1, 0] * (1 - layer.values["c"][t - 1, 0].tanh() ** 2) for t in (3, 4)}

        def states_after(c: Tensor, steps: tuple[int, ...], seed_layer: LayerTrace = layer) -> Tensor:
            """c after these steps as a function of c at step 3, o_3 held fixed: in plain torch."""
            state = {"h": seed_layer.values["o"][2, 0] * c.tanh(), "c": c}
            for t in steps:
                state = step(seed_layer, seed_layer.x[t - 1, 0], dict.fromkeys(ROUTES["lstm"], state))
            return state["c"]

        c_3 = layer.values["c"][2, 0]
        one, two = (torch.func.jacrev(states_after)(c_3, steps) for steps in ((4,), (4, 5)))
        quoted = {}
        for t in (4, 5):
            J = {route: part[0, 0, H:] for route, part in jacobians(layer, t).items()}
            P = sum(J[route][:, :H] for route in "ifg")
            quoted[t] = J["carousel"][:, H:] + P * u[t - 1]
        torch.testing.assert_close(quoted[4], one, rtol=1e-10, atol=1e-12)
        off.append(float((quoted[5] @ quoted[4] - two).norm() / two.norm()))
        found = product(layer, 5, 3)
        M = found.matrix * math.exp(found.log_scale)
        torch.testing.assert_close(M[H:, H:] + M[H:, :H] * u[3], two, rtol=1e-10, atol=1e-12)
    assert 0.04 < sum(off) / len(off) < 0.16
    assert min(off) > 0.02


def test_other_routes_carry_ten_times_more_than_the_product_of_forget_gates() -> None:
    """torch's default LSTM, 64 units, over 20 steps: what the README of the design warns of."""
    for seed in range(3):
        layer = layer_of("lstm", T=20, B=1, H=64, loss=at_the_end, seed=seed, started=False)
        truth, gates = carried(layer)["c"], carried(layer, "carousel")["c"]
        torch.testing.assert_close(truth[-1], gates[-1], rtol=1e-12, atol=0)
        assert float(truth[0] - gates[0]) > 1.0
        torch.testing.assert_close(truth, logs(layer.grads["c"]), rtol=1e-9, atol=1e-9)
