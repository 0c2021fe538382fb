"""The audit passes what is right, however extreme, and fails what is wrong, however small."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from unrolled import module

import engine
from engine.layer_trace import LayerTrace
from engine.measure import step_errors
from engine.quantities import keys

KINDS = ("tanh", "relu", "lstm", "gru")
DTYPES = (torch.float64, torch.float32)


def run(kind: str, dtype: torch.dtype, T: int = 60, gain: float = 1.0, H: int = 8, last: bool = True) -> engine.Trace:
    model = module(kind, 2, H, dtype)
    with torch.no_grad():
        model.weight_hh_l0.mul_(gain)
    x = torch.randn(T, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).to(dtype)
    return engine.trace(model, x, loss=lambda y: y[-1].pow(2).sum() if last else y.pow(2).sum((1, 2)))


def test_it_has_a_row_for_every_quantity() -> None:
    for kind in KINDS:
        trace = run(kind, torch.float64)
        quantities = {row.quantity for row in trace.audit().rows}
        assert {f"l0.{key}" for key in keys(trace["l0"].cell)} <= quantities
        assert {f"l0.weight_grads.{name}" for name in trace["l0"].weights} <= quantities
        assert {"l0.initial_grads.h", "l0.input_grad", "l0.output_grads", "outputs", "losses", "loss"} <= quantities
        shares = {f"l0.weight_grad_share.{name}" for name in trace["l0"].weights}
        assert shares <= quantities
        assert quantities - shares <= set(trace.numpy())


@pytest.mark.parametrize("gain", [0.1, 1.0, 3.0, 10.0, 1e3, 1e20, 1e38], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_vanishing_exploding_and_overflowing_runs_pass_when_they_are_right(
    kind: str, dtype: torch.dtype, gain: float
) -> None:
    for last in (True, False):
        audit = run(kind, dtype, T=150, gain=gain, last=last).audit()
        assert audit.passed, audit.worst


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_overflowing_forward_pass_has_inf_and_nan_where_torch_has_them(dtype: torch.dtype) -> None:
    model = module("relu", 2, 8, dtype)
    with torch.no_grad():
        model.weight_hh_l0.abs_().mul_(1e30)
    x = torch.ones(100, 3, 2, dtype=dtype)
    trace = engine.trace(model, x, loss=lambda y: y.sum((1, 2)))
    h = trace["l0"].values["h"]
    assert h.isinf().any()
    assert trace["l0"].grads["h"].isinf().any()
    assert trace.audit().passed
    with torch.no_grad():
        state = torch.zeros(3, 8, dtype=dtype)
        for t, x_t in enumerate(trace["l0"].x):
            state = torch.rnn_relu_cell(x_t, state, *model.parameters())
            torch.testing.assert_close(h[t], state, rtol=1e-4, atol=0.0, equal_nan=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e38], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_number_in_the_input_travels_as_in_torch(kind: str, dtype: torch.dtype, bad: float) -> None:
    model = module(kind, 2, 6, dtype)
    x = torch.randn(12, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).to(dtype)
    x[5, 1, 0] = bad
    trace = engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)))
    audit = trace.audit()
    assert audit.passed, audit.worst
    h = trace["l0"].values["h"]
    state = tuple(torch.zeros(3, 6, dtype=dtype) for _ in trace["l0"].initial)
    cell = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell, "lstm": torch.lstm_cell, "gru": torch.gru_cell}[
        kind
    ]
    with torch.no_grad():
        for t, x_t in enumerate(x):
            out = cell(x_t, state if kind == "lstm" else state[0], *model.parameters())
            state = out if kind == "lstm" else (out,)
            torch.testing.assert_close(h[t], state[0], rtol=1e-4, atol=1e-5, equal_nan=True)
    others = [0, 2]
    assert h[:, others].isfinite().all()
    assert trace["l0"].grads["h"][:, others].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_that_is_missing_in_the_early_steps_fails(kind: str, dtype: torch.dtype) -> None:
    """200 of 250 steps zeroed: over the whole array the relative error would be about 5e-8."""
    trace = run(kind, dtype, T=250)
    layer = trace["l0"]
    h = layer.grads["h"].clone()
    h[:200] = 0
    audit = replace(layer, grads={**layer.grads, "h": h}).audit()
    rows = {row.quantity: row for row in audit.rows}
    assert not audit.passed
    assert rows["grads.h"].error == pytest.approx(1.0)
    assert rows["grads.h"].step <= 200


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_one_wrong_weight_gradient_fails(kind: str, dtype: torch.dtype) -> None:
    layer = run(kind, dtype)["l0"]
    layer.weight_grads["weight_hh"][3, 2] *= 1.5  # type: ignore[index]
    rows = {row.quantity: row.error for row in layer.audit().rows}
    assert rows["weight_grads.weight_hh"] > 1e-4
    assert not layer.audit().passed


def test_swapped_gates_fail() -> None:
    layer = run("lstm", torch.float64)["l0"]
    for part in ("values", "grads"):
        arrays = getattr(layer, part)
        swapped = replace(layer, **{part: {**arrays, "i": arrays["f"], "f": arrays["i"]}})
        failed = {row.quantity for row in swapped.audit().rows if row.error > 1e-10}
        assert {f"{part}.i", f"{part}.f"} <= failed


@pytest.mark.parametrize("kind", KINDS)
def test_every_single_quantity_is_watched(kind: str) -> None:
    """A relative change of 1e-6 in one step of any array is found, in that row, at that step."""
    layer = run(kind, torch.float64, T=20, last=False)["l0"]
    for part in ("values", "grads"):
        arrays = getattr(layer, part)
        for symbol, array in arrays.items():
            changed = array.clone()
            changed[11] *= 1 + 1e-6
            rows = {row.quantity: row for row in replace(layer, **{part: {**arrays, symbol: changed}}).audit().rows}
            found = rows[f"{part}.{symbol}"]
            assert found.error == pytest.approx(1e-6, rel=0.5), found
            if part == "grads":
                assert found.step == 12


def test_what_stands_after_the_layer_is_watched_too() -> None:
    from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec

    layers = (LayerSpec(cell="gru", hidden_size=4),)
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at="every"))
    made = Experiment(model=model, task=AddingTask(steps=6, batch_size=3), dtype="float64")
    trace = engine.Network(made).trace()
    assert trace.audit().passed
    for change, quantity in (
        ({"loss": trace.loss * (1 + 1e-6)}, "loss"),
        ({"losses": trace.losses * (1 + 1e-6)}, "losses"),
        ({"outputs": trace.outputs * (1 + 1e-6)}, "outputs"),
        ({"head_grads": {n: g * (1 + 1e-6) for n, g in trace.head_grads.items()}}, "head_grads.readout.bias"),
        (
            {"layers": {"l0": replace(trace.layer, output_grads=trace.layer.output_grads * (1 + 1e-6))}},
            "l0.output_grads",
        ),
    ):
        rows = {row.quantity: row.error for row in replace(trace, **change).audit().rows}  # type: ignore[arg-type]
        assert rows[quantity] == pytest.approx(1e-6, rel=0.01), quantity
    assert trace.window(2, 4).audit().passed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_each_step_s_share_of_a_weight_s_gradient_is_watched(
    kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = run(kind, dtype, last=False)["l0"]
    assert layer.audit().passed
    own = type(layer).weight_grad_share

    def wrong(self: LayerTrace, name: str) -> Tensor:
        share = own(self, name)
        share[20] *= 1.001
        return share

    monkeypatch.setattr(LayerTrace, "weight_grad_share", wrong)
    rows = {row.quantity: row for row in layer.audit().rows}
    for name in layer.weights:
        found = rows[f"weight_grad_share.{name}"]
        assert found.error == pytest.approx(1e-3, rel=0.1)
        assert found.step == 21


def test_the_measure_compares_steps_not_the_whole_array() -> None:
    reference = torch.tensor([[1e-30, 0.0], [1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    ours = torch.tensor([[2e-30, 0.0], [1.0, 1e-12], [0.0, 0.0]], dtype=torch.float64)
    assert step_errors(ours, reference).tolist() == pytest.approx([1.0, 1e-12, 0.0])


def test_the_measure_wants_inf_and_nan_in_the_same_places() -> None:
    inf, nan = math.inf, math.nan

    def error(ours: list[float], reference: list[float]) -> float:
        pair: list[Tensor] = [torch.tensor([row], dtype=torch.float64) for row in (ours, reference)]
        return step_errors(*pair).item()

    assert error([inf, nan, 2.0], [inf, nan, 2.0]) == 0.0
    assert error([inf, nan, 2.0], [inf, nan, 1.0]) == 1.0
    for ours, reference in (([inf], [-inf]), ([nan], [inf]), ([1.0], [nan]), ([inf], [1.0])):
        assert error(ours, reference) == inf
    assert error([1e300, 1e300], [1e300, 1.5e300]) == pytest.approx(0.5 / math.hypot(1, 1.5))


def test_the_measure_counts_subnormals_in_units_in_the_last_place() -> None:
    ulp = 2.0**-149
    ours, reference = torch.tensor([[3 * ulp]]), torch.tensor([[2 * ulp]])
    assert step_errors(ours, reference).item() == torch.finfo(torch.float32).eps
    assert step_errors(torch.zeros(1, 1), torch.tensor([[1e-30]])).item() == 1.0
