"""Clipping within the backward pass: every step's ∂L/∂(states), or every step's contribution to a weight's gradient.

The reference differentiates one step at a time with autograd and clips in between; it knows nothing of engine.cells.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import linear

import engine
from engine import bptt
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.spec import (
    AddingTask,
    CellKind,
    ClipSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    TrainingSpec,
    WhatIf,
)
from engine.step_clipping import clipped_backward, clipped_contributions, clipped_trace
from engine.training import clipped_of, moved, updated
from engine.training_requests import Train

CELLS: list[CellKind] = ["rnn", "lstm", "gru"]
MODULES: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def layer_trace(
    cell: str, T: int = 7, B: int = 3, H: int = 4, dtype: torch.dtype = torch.float64, bias: bool = True, seed: int = 0
) -> LayerTrace:
    torch.manual_seed(seed)
    module = MODULES[cell](2, H, bias=bias, dtype=dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 1.5
    target = torch.randn(T, B, H, dtype=dtype)
    return engine.trace(module, torch.randn(T, B, 2, dtype=dtype), loss=lambda y: (y - target).pow(2).sum((1, 2)))["l0"]


def one_step(cell: str, x: Tensor, state: dict[str, Tensor], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """{"h", "c"} after the step and, for the LSTM, "h_of_o": h with c held, for c has its own total."""
    x_side = linear(x, weights["weight_ih"], weights.get("bias_ih"))
    h_side = linear(state["h"], weights["weight_hh"], weights.get("bias_hh"))
    if cell == "rnn":
        return {"h": torch.tanh(x_side + h_side)}
    if cell == "gru":
        (x_r, x_z, x_n), (h_r, h_z, h_n) = x_side.chunk(3, -1), h_side.chunk(3, -1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        return {"h": (1 - z) * torch.tanh(x_n + r * h_n) + z * state["h"]}
    i, f, g, o = (x_side + h_side).chunk(4, -1)
    c = torch.sigmoid(f) * state["c"] + torch.sigmoid(i) * torch.tanh(g)
    return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c, "h_of_o": torch.sigmoid(o) * torch.tanh(c.detach())}


def by_autograd(layer: LayerTrace, max_norm: float) -> dict[str, Any]:
    """BPTT one step at a time, ∂L/∂(states) clipped per sample before it goes through the step."""
    weights = {name: weight.clone().requires_grad_() for name, weight in layer.weights.items()}
    names = list(layer.initial)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    states: dict[str, list[Tensor]] = {name: [] for name in names}
    norms, inputs = [], []
    reaching = {name: torch.zeros_like(layer.initial[name]) for name in names}
    for t in range(layer.steps - 1, -1, -1):
        reaching["h"] = reaching["h"] + layer.output_grads[t]
        before = {n: (layer.values[n][t - 1] if t else layer.initial[n]).clone().requires_grad_() for n in names}
        x = layer.x[t].clone().requires_grad_()
        after = one_step(layer.cell, x, before, weights)
        delta = dict(reaching)
        if "c" in after:
            (through_h,) = torch.autograd.grad(after["h"], after["c"], reaching["h"], retain_graph=True)
            delta["c"] = reaching["c"] + through_h
        size = torch.cat(list(delta.values()), -1).norm(dim=-1)
        delta = {n: d * (max_norm / size).clamp(max=1.0)[:, None] for n, d in delta.items()}
        norms.append(size)
        for name in names:
            states[name].append(delta[name])
        ends = [after["h_of_o"], after["c"]] if "c" in after else [after["h"]]
        wanted = [*before.values(), x, *weights.values()]
        found = torch.autograd.grad(ends, wanted, [delta["h"], *([delta["c"]] if "c" in after else [])])
        reaching = dict(zip(names, found, strict=False))
        inputs.append(found[len(names)])
        for name, grad in zip(weights, found[len(names) + 1 :], strict=True):
            sums[name] += grad
    return {
        "weights": sums,
        "initial": reaching,
        "states": {name: torch.stack(found[::-1]) for name, found in states.items()},
        "norms": torch.stack(norms[::-1]),
        "input": torch.stack(inputs[::-1]),
    }


@settings(max_examples=30, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    T=st.integers(1, 8),
    B=st.integers(1, 3),
    H=st.integers(1, 4),
    max_norm=st.sampled_from([1e-3, 0.3, 1.0, 3.0, 1e6]),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
def test_every_step_is_clipped_before_it_is_passed_on(
    cell: str, T: int, B: int, H: int, max_norm: float, bias: bool, seed: int
) -> None:
    layer = layer_trace(cell, T, B, H, bias=bias, seed=seed)
    ours, reference = clipped_backward(layer, max_norm), by_autograd(layer, max_norm)
    for name, expected in reference["weights"].items():
        torch.testing.assert_close(ours.weight_grads[name], expected, rtol=1e-10, atol=1e-13)
    for name in layer.initial:
        torch.testing.assert_close(ours.initial_grads[name], reference["initial"][name], rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(ours.grads[name], reference["states"][name], rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(ours.norms, reference["norms"], rtol=1e-10, atol=0)
    torch.testing.assert_close(ours.input_grad, reference["input"], rtol=1e-10, atol=1e-13)
    assert torch.equal(ours.fired, (reference["norms"] > max_norm).sum(1))
    together = torch.cat([ours.grads[name] for name in layer.initial], -1)
    assert bool((together.norm(dim=-1) <= max_norm * (1 + 1e-12)).all())
    assert set(ours.grads) == set(layer.grads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_where_nothing_is_clipped_it_is_bptt_to_the_bit(cell: str, dtype: torch.dtype) -> None:
    layer = layer_trace(cell, dtype=dtype)
    plain = bptt.backward_stepwise(layer.recurrence, layer.values, layer.before, layer.output_grads, layer.final_grads)
    made = clipped_backward(layer, 1e9)
    assert made.is_gradient
    assert not made.fired.any()
    for name, grad in plain.grads.items():
        assert torch.equal(made.grads[name], grad), name
    for name, grad in plain.initial.items():
        assert torch.equal(made.initial_grads[name], grad)
    assert made.whole.cosine == pytest.approx(1.0, abs=1e-6)
    assert made.whole.ratio == pytest.approx(1.0, abs=1e-5)
    assert made.sentence.startswith("Nothing was clipped: ")


def test_the_cosine_and_the_ratio_are_against_the_gradient() -> None:
    layer = layer_trace("lstm", T=12)
    made = clipped_backward(layer, 0.8)
    true = torch.cat([layer.weight_grads[name].flatten() for name in layer.weights])
    ours = torch.cat([made.weight_grads[name].flatten() for name in layer.weights])
    expected = float(torch.nn.functional.cosine_similarity(true, ours, dim=0))
    assert made.whole.cosine == pytest.approx(expected, abs=1e-12)
    assert made.whole.ratio == pytest.approx(float(ours.norm() / true.norm()), rel=1e-12)
    assert expected < 1 - 1e-6
    assert not made.is_gradient
    assert "no longer a gradient of the loss" in made.sentence
    for name, pair in made.against.items():
        a, b = layer.weight_grads[name], made.weight_grads[name]
        assert pair.before == pytest.approx(float(a.norm()), rel=1e-12)
        assert pair.after == pytest.approx(float(b.norm()), rel=1e-12)
        assert pair.cosine == pytest.approx(float((a * b).sum() / a.norm() / b.norm()), abs=1e-12)


def test_an_exploding_gradient_is_held_at_every_step() -> None:
    module = nn.RNN(1, 3, nonlinearity="relu", bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.eye(3) * 3.0)
        module.weight_ih_l0.fill_(1e-30)
    x = torch.ones(70, 1, 1)
    layer = engine.trace(module, x, loss=lambda y: y[-1].sum() * 1e8)["l0"]
    assert not layer.grads["h"][0].isfinite().any(), "3^69 · 1e8 is no float32"
    made = clipped_backward(layer, 2.0)
    assert made.fired.tolist() == [1] * 70
    torch.testing.assert_close(made.grads["h"].norm(dim=-1), torch.full((70, 1), 2.0))
    # From each clipped step three times its length reaches the step before.
    torch.testing.assert_close(made.norms[:-1], torch.full((69, 1), 6.0, dtype=torch.float64), rtol=1e-6, atol=0)
    torch.testing.assert_close(made.factors[:-1], torch.full((69, 1), 1 / 3, dtype=torch.float64), rtol=1e-6, atol=0)
    assert math.isnan(made.whole.cosine), "the gradient itself is not finite"


def test_a_window_is_clipped_as_its_own_stretch_of_steps() -> None:
    layer = layer_trace("gru", T=9)
    window = layer.window(4, 9)
    whole, part = clipped_backward(layer, 0.7), clipped_backward(window, 0.7)
    assert torch.equal(part.grads["h"], whole.grads["h"][3:])
    assert torch.equal(part.norms, whole.norms[3:])


def test_what_reaches_h_can_come_from_a_layer_that_was_clipped_too() -> None:
    layer = layer_trace("lstm")
    doubled = clipped_backward(layer, 1e9, layer.output_grads * 2)
    for name, grad in layer.weight_grads.items():
        torch.testing.assert_close(doubled.weight_grads[name], 2 * grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
@pytest.mark.parametrize("max_norm", [0.05, 0.2])
def test_each_contribution_is_clipped_before_the_sum(cell: str, name: str, max_norm: float) -> None:
    layer = layer_trace(cell, T=6, H=3)
    expected, norms = torch.zeros_like(layer.weights[name]), []
    for t in range(1, layer.steps + 1):
        share = layer.window(t, t).weight_grads[name]
        norms.append(float(share.norm()))
        expected += share * (max_norm / norms[-1] if norms[-1] > max_norm else 1.0)
    made = clipped_contributions(layer, name, max_norm)
    torch.testing.assert_close(made.grad, expected, rtol=1e-11, atol=1e-14)
    assert made.before.tolist() == pytest.approx(norms, rel=1e-11)
    assert made.after.tolist() == pytest.approx([min(n, max_norm) for n in norms], rel=1e-11)
    assert made.fired.tolist() == [n > max_norm for n in norms]
    assert made.fired.any()
    a, b = layer.weight_grads[name], expected
    assert made.against.cosine == pytest.approx(float((a * b).sum() / a.norm() / b.norm()), abs=1e-11)
    assert made.against.ratio == pytest.approx(float(b.norm() / a.norm()), rel=1e-11)
    assert not made.is_gradient
    assert "no longer a gradient of the loss" in made.sentence
    assert f"∂L/∂{name}" in made.sentence


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_contributions_below_the_limit_give_the_gradient_to_the_bit(cell: str, dtype: torch.dtype) -> None:
    layer = layer_trace(cell, dtype=dtype)
    for name, grad in layer.weight_grads.items():
        made = clipped_contributions(layer, name, 1e9)
        assert torch.equal(made.grad, grad)
        assert made.is_gradient
        assert made.against.cosine == 1.0
        assert made.sentence.startswith("Nothing was clipped: ")


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.inf, math.nan, True, "1", None])
def test_a_limit_that_is_none_is_refused(max_norm: Any) -> None:
    layer = layer_trace("rnn", T=2)
    for call in (
        lambda: clipped_backward(layer, max_norm),
        lambda: clipped_contributions(layer, "weight_hh", max_norm),
    ):
        with pytest.raises(DataError, match=r"^max_norm is .*; a number above 0 is accepted\.$"):
            call()


def test_what_does_not_fit_the_layer_is_refused() -> None:
    layer = layer_trace("rnn", T=2)
    with pytest.raises(DataError, match="'readout' is no parameter of this layer"):
        clipped_contributions(layer, "readout", 1.0)
    with pytest.raises(DataError, match="output_grads is "):
        clipped_backward(layer, 1.0, layer.output_grads[:1])


# Training


def experiment(clip: ClipSpec, cell: CellKind = "lstm", **more: Any) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=4),), readout=ReadoutSpec(at="every")),
        task=AddingTask(steps=6, batch_size=3),
        training=TrainingSpec(learning_rate=0.5, clip=clip),
        **more,
    )


OF_EVERY_KIND = [
    ClipSpec(),
    ClipSpec(kind="norm", max_norm=0.1),
    ClipSpec(kind="value", max_value=0.01),
    ClipSpec(kind="layer", max_norm=0.1),
    ClipSpec(kind="parameter", max_norm=0.05),
    ClipSpec(kind="agc", ratio=0.01),
    ClipSpec(kind="step", max_norm=0.01),
]


@pytest.mark.parametrize("clip", OF_EVERY_KIND, ids=lambda clip: clip.kind)
@pytest.mark.parametrize("what_if", [WhatIf(), WhatIf(recurrent_scale=1.3, forget_bias=0.7)], ids=["plain", "what-if"])
def test_what_is_shown_of_any_clipping_is_what_training_does(clip: ClipSpec, what_if: WhatIf) -> None:
    given = experiment(clip)
    shown = run("excerpt", Look(Computed(given, what_if=what_if), ()))
    assert shown.clip.kind == clip.kind
    assert shown.clip.fired == (clip.kind != "none")
    assert [event.kind for event in shown.events].count("clip") == int(shown.clip.fired)
    after = run("train", Train(given, None, what_if=what_if))
    again = run("train", Train(given, None, what_if=what_if))
    before = Network(given, what_if=what_if).effective
    now = Network(given, after.weights, what_if).effective
    for row in shown.update_rows:
        change = float((now[row.parameter] - before[row.parameter]).double().norm())
        assert row.after == pytest.approx(change, rel=1e-4)
        assert np.array_equal(after.weights[row.parameter], again.weights[row.parameter])
        clipped_row = next(r for r in shown.clip.rows if r.parameter == row.parameter)
        assert row.after == pytest.approx(0.5 * clipped_row.after, rel=1e-4), "lr times the norm after clipping"


@pytest.mark.parametrize("clip", OF_EVERY_KIND, ids=lambda clip: clip.kind)
def test_an_update_takes_every_kind_but_clipping_at_every_step(clip: ClipSpec) -> None:
    given = experiment(clip)
    network = Network(given)
    trace = network.trace()
    expected = run("train", Train(given, None)).weights
    made = clipped_of(trace, clip, network.effective)
    by_parts = moved(given, network.weights, made.grads)
    assert all(np.array_equal(by_parts[name].numpy(), weight) for name, weight in expected.items())
    if clip.kind == "step":
        with pytest.raises(DataError, match="within the backward pass"):
            updated(given, network.weights, trace.weight_grads)
        return
    at_once = updated(given, network.weights, trace.weight_grads)
    assert all(np.array_equal(at_once[name].numpy(), weight) for name, weight in expected.items())


def test_training_that_clips_at_every_step_follows_the_clipped_backward_pass() -> None:
    given = experiment(ClipSpec(kind="step", max_norm=0.01), dtype="float64")
    network = Network(given)
    trace = network.trace()
    reference = by_autograd(trace["l0"], 0.01)["weights"]
    after = run("train", Train(given, None)).weights
    for name, weight in network.weights.items():
        if name.endswith("_l0"):
            grad = reference[name.removesuffix("_l0")]
        else:
            grad = trace.head_grads[name]  # the read-out stands above the recurrence
        torch.testing.assert_close(torch.from_numpy(after[name].copy()), weight - 0.5 * grad, rtol=1e-11, atol=1e-13)


def test_the_report_on_clipped_steps_says_that_it_is_no_gradient() -> None:
    network = Network(experiment(ClipSpec(kind="step", max_norm=0.01)))
    trace = network.trace()
    report = clipped_trace(trace, 0.01).report
    assert report.kind == "step"
    assert report.fired
    assert not report.is_gradient
    assert "no longer a gradient of the loss" in report.sentence
    assert math.isnan(report.factor)
    assert report.units == 6 * 3
    assert [row.parameter for row in report.rows] == list(trace.weight_grads)
    of_head = [row for row in report.rows if row.parameter.startswith("readout")]
    assert all(row.before == row.after and row.cosine == 1.0 for row in of_head)
    quiet = clipped_trace(trace, 1e6).report
    assert not quiet.fired
    assert quiet.is_gradient


def test_adaptive_clipping_measures_against_the_weights_that_compute() -> None:
    clip, what_if = ClipSpec(kind="agc", ratio=1e-3), WhatIf(recurrent_scale=3.0)
    given = experiment(clip, "rnn", dtype="float64")
    base = Network(given).weights["weight_hh_l0"]
    after = torch.from_numpy(run("train", Train(given, None, what_if=what_if)).weights["weight_hh_l0"].copy())
    # Every row's gradient is above the limit, so each effective row moves by lr · λ · its own length.
    moved_by = (3.0 * (after - base)).norm(dim=1)
    torch.testing.assert_close(moved_by, 0.5 * 1e-3 * (3.0 * base).norm(dim=1), rtol=1e-9, atol=0)
    network = Network(given, what_if=what_if)
    at_once = updated(given, network.weights, network.trace().weight_grads, what_if)["weight_hh_l0"]
    assert torch.equal(at_once, after)
