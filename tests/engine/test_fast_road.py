"""The fast road gives what the careful one gives, and steps aside where it could not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from fast_layers import VARIANTS, Case, of_torch, variant
from torch import Tensor, nn
from unrolled import module

import engine
from engine import bptt, fast, intake
from engine.fast import backwards, chain, forwards, kernel, scan
from engine.later import Later
from engine.layer_trace import LayerTrace
from engine.measure import ROUNDINGS, step_errors
from engine.recorded import Recorded

KINDS = ("tanh", "relu", "lstm", "gru")
ROUNDING = {torch.float64: 1e-12, torch.float32: 2e-5}


def case_of(kind: str, dtype: torch.dtype, T: int = 40, B: int = 3, H: int = 7, gain: float = 1.0) -> Case:
    model = module(kind, 2, H, dtype)
    with torch.no_grad():
        model.weight_hh_l0.mul_(gain)
    x = torch.randn(T, B, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).to(dtype)
    taken = intake.take(model, x, None)
    layer = taken.levels[0].layers[0]
    return Case(layer.recurrence(T, None), taken.x, layer.initial)


def quick_forward(case: Case) -> Recorded | None:
    return fast.forward(case.layer, case.x, case.initial)


def ingredients(case: Case) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, dict[str, Tensor]]:
    """Values, states before, direct gradients, and gradients that reach the last states from outside."""
    values = bptt.forward_stepwise(case.layer, case.x, case.initial)
    generator = torch.Generator().manual_seed(3)
    direct = torch.randn(values["h"].shape, dtype=torch.float64, generator=generator).to(case.x.dtype)
    final = {s: direct[0] * (0.3 + i) for i, s in enumerate(case.layer.rules.state_names)}
    return values, case.layer.before(values, case.initial), direct, final


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor], dtype: torch.dtype) -> None:
    for name, reference in theirs.items():
        if name in ours:
            assert float(step_errors(ours[name], reference).max()) < ROUNDING[dtype], name


@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 64, 1 << 16])
@pytest.mark.parametrize("small", [0, 1 << 30], ids=["torch's product", "NumPy's product"])
@pytest.mark.parametrize("road", [forwards._by_kernel, forwards._by_loop])
def test_both_roads_agree(
    kind: str, dtype: torch.dtype, chunk: int, small: int, road: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backwards, "CHUNK", chunk)
    monkeypatch.setattr(chain, "SMALL", small)
    monkeypatch.setattr(forwards, "_kernel_is_quicker", lambda *_: road is forwards._by_kernel)
    monkeypatch.setattr(forwards, "STRETCH", 1 + chunk % 60)
    monkeypatch.setattr(scan, "LONG", 1)
    case = case_of(kind, dtype)
    values, before, direct, final = ingredients(case)
    quick = quick_forward(case)
    assert quick is not None
    assert set(quick) == set(values)
    assert_close(quick, values, dtype)
    careful = bptt.backward_stepwise(case.layer, values, before, direct, final)
    back = fast.backward(case.layer, values, before, direct, final)
    assert back is not None
    assert_close(back[0], dict(careful.grads), dtype)
    for state, grad in careful.initial.items():
        assert float(step_errors(back[1][state][None], grad[None]).max()) < ROUNDING[dtype]


@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("stretch", [1, 7, 256])
def test_layers_without_a_kernel_take_it_too(
    name: str, dtype: torch.dtype, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwards, "STRETCH", stretch)
    monkeypatch.setattr(backwards, "CHUNK", stretch * 40)
    case = variant(name, dtype)
    given = [array.clone() for array in (case.x, *case.initial.values(), *case.layer.weights.values())]
    values, before, direct, final = ingredients(case)
    quick = fast.forward(case.layer, case.x, case.initial)
    assert quick is not None
    assert set(quick) == set(values)
    assert_close(quick, values, dtype)
    for state, reference in case.layer.before(quick, case.initial).items():
        assert torch.equal(quick.before[state], reference)
    lengths, reverse = case.layer.course.lengths, case.layer.course.reverse
    if lengths is not None and not reverse:
        final = {s: grad if s == "h" else torch.zeros_like(grad) for s, grad in final.items()}
    direct = case.layer.course.zeroed(direct)
    careful = bptt.backward_stepwise(case.layer, values, before, direct, final)
    back = fast.backward(case.layer, values, before, direct, final)
    assert back is not None
    assert_close(back[0], dict(careful.grads), dtype)
    for state, grad in careful.initial.items():
        assert float(step_errors(back[1][state][None], grad[None]).max()) < ROUNDING[dtype]
    for array, copy in zip((case.x, *case.initial.values(), *case.layer.weights.values()), given, strict=True):
        assert torch.equal(array, copy)


@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["forward", "reverse", "lengths", "lengths, reverse"])
@pytest.mark.parametrize("bias", [True, False])
def test_torchs_kernel_goes_the_whole_way_back(
    kind: str, dtype: torch.dtype, way: str, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where a launch for every operation of every step would take longer than all of them together."""
    monkeypatch.setattr(backwards, "_kernel_is_quicker", lambda layer, _: kernel.can_go_back(layer))
    monkeypatch.setattr(backwards, "product_of", lambda *_: None)  # there is no chain
    monkeypatch.setattr(scan, "LONG", 20)
    model = module(kind, 2, 6, dtype, bias=bias)
    x = torch.randn(30, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).to(dtype)
    lengths = torch.tensor([30, 4, 15]) if "lengths" in way else None
    taken = replace(intake.take(model, x, None).levels[0].layers[0], reverse="reverse" in way)
    layer = taken.recurrence(30, lengths)
    case = Case(layer, layer.course.zeroed(x), taken.initial)
    values, before, direct, final = ingredients(case)
    ends = final if lengths is None else {s: torch.zeros_like(grad) for s, grad in final.items()}
    direct = layer.course.zeroed(direct)
    careful = bptt.backward_stepwise(layer, values, before, direct, ends)
    back = fast.backward(layer, values, before, direct, final if lengths is None else None)
    assert back is not None
    assert_close(back[0], dict(careful.grads), dtype)
    for state, grad in careful.initial.items():
        assert float(step_errors(back[1][state][None], grad[None]).max()) < ROUNDING[dtype]


def test_where_the_kernel_rounds_otherwise_the_chain_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of("lstm", torch.float32)
    values, before, direct, final = ingredients(case)
    expected = fast.backward(case.layer, values, before, direct, final)
    monkeypatch.setattr(backwards, "_kernel_is_quicker", lambda *_: True)
    monkeypatch.setattr(kernel, "AGREEMENT", {torch.float32: 1e-12})
    found = fast.backward(case.layer, values, before, direct, final)
    assert found is not None
    assert expected is not None
    assert all(torch.equal(found[0][name], grad) for name, grad in expected[0].items())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("T", [1, 2, 9, 50])
@pytest.mark.parametrize("long", [1, 1000])
def test_a_scan_is_its_recurrence(T: int, long: int, reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "LONG", long)
    generator = torch.Generator().manual_seed(1)
    keep, new = torch.rand(2, T, 2, 3, dtype=torch.float64, generator=generator)
    start = torch.rand(2, 3, dtype=torch.float64, generator=generator)
    state, expected = start, torch.empty_like(new)
    for t in range(T - 1, -1, -1) if reverse else range(T):
        state = expected[t] = keep[t] * state + new[t]
    scan.scan(keep, new, start, reverse)
    assert float(step_errors(new, expected).max()) < 1e-15


@pytest.mark.parametrize("kind", KINDS)
def test_no_final_gradient_is_one_of_zero(kind: str) -> None:
    case = case_of(kind, torch.float64)
    values, before, direct, final = ingredients(case)
    without = fast.backward(case.layer, values, before, direct)
    zero = fast.backward(case.layer, values, before, direct, {s: torch.zeros_like(grad) for s, grad in final.items()})
    assert without is not None
    assert zero is not None
    for ours, theirs in zip(without, zero, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_it_needs_nothing_but_torch_where_numpy_cannot_see_the_memory(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code with torch's operations, as it runs on a GPU."""
    case = case_of(kind, torch.float64)
    values, before, direct, final = ingredients(case)
    arguments = (case.layer, values, before, direct, final)
    with_numpy, forward_with_numpy = fast.backward(*arguments), quick_forward(case)
    for module_of_it in (forwards, backwards, chain, scan):
        monkeypatch.setattr(module_of_it, "arrays", of_torch)
    monkeypatch.setattr(chain, "SMALL", 0)
    with_torch, forward_with_torch = fast.backward(*arguments), quick_forward(case)
    assert with_numpy is not None
    assert with_torch is not None
    assert forward_with_numpy is not None
    assert forward_with_torch is not None
    assert_close(with_torch[0], with_numpy[0], torch.float64)
    assert_close(forward_with_torch, forward_with_numpy, torch.float64)


@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
def test_it_steps_aside_where_numbers_run_away(dtype: torch.dtype) -> None:
    assert quick_forward(case_of("relu", dtype, T=400, gain=1e3)) is None  # inf
    assert quick_forward(case_of("gru", dtype, gain=torch.finfo(dtype).max / 10)) is None  # a sum could overflow
    spoiled = case_of("lstm", dtype)
    spoiled.x[5, 1, 0] = torch.nan
    assert quick_forward(spoiled) is None
    exploding = case_of("relu", dtype, T=30, gain=20.0)
    values, before, direct, final = ingredients(exploding)
    assert fast.backward(exploding.layer, values, before, direct, final) is None


@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_careful_road_stays_with_autograd_through_chaos(kind: str, dtype: torch.dtype) -> None:
    """Its order of products and sums is autograd's, so that rounding does not grow from step to step."""
    case = case_of(kind, dtype, T=80, gain=4.0)
    values, before, direct, _ = ingredients(case)
    final = {s: torch.zeros_like(start) for s, start in case.initial.items()}
    careful = bptt.backward_stepwise(case.layer, values, before, direct, final)
    activation = "relu" if kind == "relu" else "tanh"
    made = LayerTrace.from_parts(
        case.layer.kind, activation, case.x, case.layer.weights, case.initial, values, direct, final
    )
    rows = replace(made, grads=careful.grads, initial_grads=careful.initial).audit().rows
    for row in rows:
        if row.quantity.startswith(("grads", "initial_grads")):
            assert row.error <= 4 * torch.finfo(dtype).eps, row


def test_a_slope_that_underflows_meets_a_large_gradient_one_factor_at_a_time() -> None:
    """g · i(1 − i) = 3e-21 · σ(−52) ≈ 8e-44 is subnormal; the loss's 1e7 makes a normal number of it.

    All other weights are 0, so each factor of the gradients is known; c itself is subnormal, and taken as recorded.
    """
    model = torch.nn.LSTM(1, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.weight_ih_l0[2], model.bias_ih_l0[0], model.bias_ih_l0[3] = 3e-21, -52.0, 3.0
    layer = engine.trace(model, torch.ones(1, 1, 1), loss=lambda y: y.sum() * 1e7)["l0"]
    i, o, c = 1 / (1 + math.exp(52)), 1 / (1 + math.exp(-3)), layer.values["c"].item()
    assert 0 < c < torch.finfo(torch.float32).tiny
    assert layer.grads["a_o"].item() == pytest.approx(1e7 * c * o * (1 - o), rel=1e-5, abs=0.0)
    assert layer.grads["a_i"].item() == pytest.approx(1e7 * o * 3e-21 * i * (1 - i), rel=1e-5, abs=0.0)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e6])
def test_an_impulse_that_has_died_away_keeps_its_gradients(kind: str, scale: float) -> None:
    """Without biases and with one input at t = 1, gates and states sink to 1e-40: so do the slopes."""
    model = module(kind, 2, 8, torch.float32, bias=False)
    x = torch.zeros(200, 1, 2)
    x[0] = 1.0
    trace = engine.trace(model, x, loss=lambda y: (y * scale).sum((1, 2)))
    assert trace.audit().passed, trace.audit().worst


def test_slopes_that_are_zero_for_a_reason_do_not_leave_the_fast_road() -> None:
    """c₀ = 0 makes every ∂c/∂a_f of step 1 an exact 0, and a dead unit those of its step."""
    for kind in KINDS:
        case = case_of(kind, torch.float32)
        values, before, direct, final = ingredients(case)
        for state in before.values():
            state[0] = 0
        assert fast.backward(case.layer, values, before, direct * 50, final) is not None


@pytest.mark.parametrize("seed", [11, 23, 35])
def test_chaos_is_left_to_the_careful_road(seed: int) -> None:
    """Weights 8 times torch's default: rounding grows with the gradient, beyond what float32 promises."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, x = torch.nn.GRU(1, 32), torch.randn(100, 4, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    trace = engine.trace(model, x, loss=lambda y: y[-1].pow(2).sum())
    assert trace.audit().passed, trace.audit().worst


def test_what_comes_later_is_made_once_and_only_when_asked() -> None:
    made = []

    def make() -> dict[str, Tensor]:
        made.append(1)
        return {"f": torch.ones(2), "h": torch.full((2,), 9.0)}

    grads = Later({"h": torch.zeros(2)}, ["h", "f"], make)
    assert list(grads) == ["h", "f"]
    assert len(grads) == 2
    assert (grads["h"] == 0).all()
    assert not made
    assert (grads["f"] == 1).all()
    assert grads["f"] is grads["f"]
    assert (grads["h"] == 0).all()
    assert len(made) == 1
    with pytest.raises(KeyError):
        grads["nothing"]


def test_where_terms_cancel_the_fast_road_is_no_further_off_than_the_careful_one() -> None:
    """Of ∂L/∂h_0 = W_hhᵀ δa (+ z⊙δh) next to nothing may be left, and that is off by the roundings of its terms in any
    float32. In units of eps·Σ|terms|, over many small stacks: over one step both roads are nowhere more than ROUNDINGS
    apart, and beside the same way back in float64 the fast one is no further off on the average.
    """
    eps, errors = torch.finfo(torch.float32).eps, {"fast": torch.zeros(0), "careful": torch.zeros(0)}
    for seed in range(96):
        torch.manual_seed(seed)
        kind, H, B, T = (nn.LSTM, nn.GRU, nn.RNN)[seed % 3], (1, 4)[seed // 2 % 2], (1, 3)[seed % 2], 1 + seed // 3 % 2
        model, x = kind(3, H, 1 + seed % 3, bidirectional=bool(seed % 2)), torch.randn(T, B, 3)
        start = torch.randn((1 + seed % 3) * (1 + seed % 2), B, H)
        initial = (start, start) if kind is nn.LSTM else start
        trace = engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)), initial=initial)
        for layer in trace.layers.values():
            wide = in_float64(layer)
            exact = bptt.backward_stepwise(
                wide.recurrence, wide.values, wide.before, wide.output_grads, wide.final_grads
            )
            careful = bptt.backward_stepwise(
                layer.recurrence, layer.values, layer.before, layer.output_grads, layer.final_grads
            )
            quick = fast.backward(layer.recurrence, layer.values, layer.before, layer.output_grads)
            assert quick is not None
            place = -1 if layer.reverse else 0
            first, past = wide.rules.h_side(exact.grads).flatten(-2), wide.rules.carry(wide.values, exact.grads)
            terms = first[place].abs() @ wide.weights["weight_hh"].abs() + 1e-30
            terms += past["h"][place].abs() if "h" in past else 0.0
            both = {"fast": quick[1]["h"].double(), "careful": careful.initial["h"].double()}
            apart = float(((both["fast"] - both["careful"]).abs() / terms / eps).max())
            assert T > 1 or apart <= ROUNDINGS  # with more steps δh is itself a sum that may cancel
            for name, found in both.items():
                off = (found - exact.initial["h"]).abs() / terms / eps
                errors[name] = torch.cat([errors[name], off.flatten()])
    assert float(errors["fast"].mean()) <= 1.1 * float(errors["careful"].mean())


def in_float64(layer: LayerTrace) -> LayerTrace:
    def wide(arrays: Any) -> dict[str, Tensor]:
        return {name: array.double() for name, array in arrays.items()}

    return LayerTrace.from_parts(
        layer.cell,
        layer.activation,
        layer.x.double(),
        wide(layer.weights),
        wide(layer.initial),
        wide(layer.values),
        layer.output_grads.double(),
        reverse=layer.reverse,
    )
