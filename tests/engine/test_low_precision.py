"""bfloat16 and float16 as the arithmetic that everything is computed in: the numbers are torch's own in that type, they
cross the border to NumPy unchanged, and the audit still tells right from wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from agreement import largest_error, of_reference, of_trace
from reference_network import TORCHS, reference
from test_stacks_against_autograd import small, weights_of
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

import engine
from engine.events import events
from engine.layer_trace import LayerTrace
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.spec import (
    AddingTask,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    WhatIf,
)
from engine.training_requests import Train

NARROW = ("bfloat16", "float16")
CELLS = ("rnn", "lstm", "gru")


def traced(experiment: Experiment, dtype: Any, iteration: int = 1) -> engine.Trace:
    return Network(experiment, weights_of(experiment), WhatIf(dtype=dtype)).trace(iteration=iteration)


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "both ways, dropped": {
        "bidirectional": True,
        "dropout": 0.3,
        "recurrent_dropout": RecurrentDropoutSpec(p=0.3, mask="step"),
    },
}


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", NARROW)
def test_values_are_those_of_a_plain_loop_to_the_bit_and_gradients_autograd_s_to_a_few_roundings(
    dtype: str, cell: str, variant: dict[str, Any], at: str
) -> None:
    experiment, what_if = small(cell, 8, 3, 5, at, layers=2, **variant), WhatIf(dtype=dtype)
    weights = weights_of(experiment)
    batch = Network(experiment, weights, what_if).batch(1)
    trace = traced(experiment, dtype)
    ours = dict(of_trace(trace))
    theirs = dict(of_reference(reference(experiment, weights, batch, what_if, iteration=1)))
    eps = torch.finfo(TORCHS[dtype]).eps
    for name, expected in theirs.items():
        if ".values." in name:
            assert torch.equal(ours[name], expected), name
        else:
            assert largest_error(name, ours[name], expected) <= 32 * eps, name
    assert all(layer.values["h"].dtype == TORCHS[dtype] for layer in trace.layers.values())
    audit = trace.audit()
    assert audit.passed, audit.worst


@pytest.mark.parametrize("dtype", NARROW)
def test_layer_normalisation_is_torch_s_to_two_roundings_of_its_terms(dtype: str) -> None:
    """Torch's normalises narrow types in float32."""
    layer = traced(small("gru", 20, 4, 16, layer_norm=True), dtype)["l0"]
    W = layer.weights["norm_weight"].chunk(3)
    b = layer.weights["norm_bias"].chunk(3)
    eps = torch.finfo(TORCHS[dtype]).eps
    for k, gate in enumerate("rzn"):
        expected = layer_norm(layer.values[f"s_{gate}"], (16,), W[k], b[k], layer.norm_eps)
        error = (layer.values[f"a_{gate}"].double() - expected.double()).abs()
        size = expected.double().abs() + b[k].double().abs() + W[k].double().abs()
        assert float((error / size).max()) <= 2 * eps
    assert layer.audit().passed


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", NARROW)
def test_somebody_s_own_module_in_a_narrow_type_is_traced_in_it(dtype: str, cell: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](3, 4, dtype=TORCHS[dtype])
        x = torch.randn(7, 2, 3).to(TORCHS[dtype])
    trace = engine.trace(module, x, loss=lambda y: y.square().sum((1, 2)))
    a = linear(x[0], module.weight_ih_l0, module.bias_ih_l0) + module.bias_hh_l0
    first = "a" if cell == "rnn" else {"lstm": "a_i", "gru": "a_r"}[cell]
    assert torch.equal(trace["l0"].values[first][0], a[:, :4].detach())
    leaf = x.clone().requires_grad_()
    module(leaf)[0].square().sum().backward()
    assert leaf.grad is not None
    assert largest_error("input_grad", trace.input_grad, leaf.grad) <= 32 * torch.finfo(x.dtype).eps
    assert trace.audit().passed


@pytest.mark.parametrize("dtype", NARROW)
def test_numpy_gets_the_same_numbers(dtype: str) -> None:
    """It has a float16 of its own; bfloat16 is widened to float32, which holds every one of them."""
    trace = traced(small("lstm", 5, 2, 3, layers=2, bidirectional=True), dtype)
    arrays = trace.numpy()
    own = np.dtype(np.float16 if dtype == "float16" else np.float32)
    for name, array in arrays.items():
        assert array.dtype == own, name
        assert not array.flags.writeable, name
    for name, layer in trace.layers.items():
        for symbol, grad in layer.grads.items():
            assert np.array_equal(arrays[f"{name}.grads.{symbol}"], grad.float().numpy()), name
    assert arrays["loss"] == trace.loss.item()


def zeroed(layer: LayerTrace, symbol: str, steps: slice) -> LayerTrace:
    changed = layer.grads[symbol].clone()
    changed[steps] = 0
    return replace(layer, grads={**layer.grads, symbol: changed})


@pytest.mark.parametrize("H", [1, 4, 512])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", NARROW)
def test_a_gradient_that_is_zeroed_at_one_step_fails_wherever_it_is(dtype: str, cell: str, H: int) -> None:
    """Of many units too, where Σ|x| of a sum is far above the sum."""
    layer = traced(small(cell, 5, 2, H, "last"), dtype)["l0"]
    assert layer.audit().passed, layer.audit().worst
    for place, symbol in enumerate(layer.grads if H < 512 else ("h", "a_o" if cell == "lstm" else "h")):
        t = (0, 3, 1, 2)[place % 4]
        audit = zeroed(layer, symbol, slice(t, t + 1)).audit()
        found = {row.quantity: row for row in audit.rows if row.error > 2 * audit.tolerance}
        assert found[f"grads.{symbol}"].step == t + 1


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", NARROW)
def test_a_gradient_that_vanishes_for_no_reason_fails(dtype: str, cell: str) -> None:
    """All of it together, from some step back, as if the chain had been broken there."""
    layer = traced(small(cell, 30, 2, 64, "last", init=InitSpec(gain=2.0)), dtype)["l0"]
    whole = replace(
        layer,
        grads={s: torch.cat([torch.zeros_like(g[:12]), g[12:]]) for s, g in layer.grads.items()},
        initial_grads={s: torch.zeros_like(g) for s, g in layer.initial_grads.items()},
    )
    audit = whole.audit()
    wrong = {row.quantity: row for row in audit.rows if row.error > audit.tolerance}
    assert {f"grads.{symbol}" for symbol in layer.grads} <= set(wrong)
    assert all(wrong[f"grads.{symbol}"].step <= 12 for symbol in layer.grads)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", NARROW)
def test_a_wrong_factor_in_one_step_fails(dtype: str, cell: str) -> None:
    """By four tolerances: a quarter in bfloat16, a thirtieth in float16."""
    layer = traced(small(cell, 8, 3, 8, "every"), dtype)["l0"]
    factor = 1 + 4 * layer.audit().tolerance
    for part in ("values", "grads"):
        for symbol, array in getattr(layer, part).items():
            changed = array.clone()
            changed[5] *= factor
            audit = replace(layer, **{part: {**getattr(layer, part), symbol: changed}}).audit()
            assert f"{part}.{symbol}" in {row.quantity for row in audit.rows if row.error > audit.tolerance}, symbol


def test_weights_gradients_are_held_to_the_sum_not_to_what_a_narrow_type_makes_of_adding_up() -> None:
    """Ones added to a bfloat16 stop at 256. Autograd adds up 600 steps like that; the trace does not, and is right."""
    layers = (LayerSpec(cell="lstm", hidden_size=3),)
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at="every"))
    task = AddingTask(steps=600, batch_size=1)
    layer = traced(Experiment(model=model, task=task, dtype="float64", device="cpu"), "bfloat16")["l0"]
    steps = layer.grads["a_o"].double().sum(1)
    exact, one_by_one = steps.sum(0), torch.zeros(3, dtype=torch.bfloat16)
    for step in steps.flip(0):
        one_by_one += step.to(torch.bfloat16)
    audit = layer.audit()
    rows = {row.quantity: row.error for row in audit.rows}
    both = (one_by_one, layer.weight_grads["bias_hh"][9:])
    naive, ours = (largest_error("bias_hh", bias[None].double(), exact[None]) for bias in both)
    assert ours <= torch.finfo(torch.bfloat16).eps
    assert naive > 4 * torch.finfo(torch.bfloat16).eps
    assert audit.passed, audit.worst
    assert rows["weight_grads.bias_hh"] <= torch.finfo(torch.bfloat16).eps
    wrong = {**layer.weight_grads, "bias_hh": layer.weight_grads["bias_hh"] * 1.25}
    vars(layer)["weight_grads"] = wrong
    assert not layer.audit().passed


def looked(experiment: Experiment, dtype: Any, *keys: str) -> Any:
    return run("excerpt", Look(Computed(experiment, what_if=WhatIf(dtype=dtype)), keys))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", NARROW)
def test_what_the_window_asks_for_is_answered(dtype: str, cell: str) -> None:
    experiment = small(cell, 8, 3, 4, "every", layers=2)
    excerpt = looked(experiment, dtype, "values.h", "grads.h")
    network = Network(experiment, what_if=WhatIf(dtype=dtype))
    trace = network.trace()
    assert excerpt.dtype == dtype
    assert np.array_equal(excerpt.arrays["values.h"], trace["l1"].values["h"][:, 0].float().numpy())
    assert np.array_equal(excerpt.arrays["grads.h"], trace["l1"].grads["h"][:, 0].float().numpy())
    norms = torch.linalg.vector_norm(trace["l1"].grads["h"].double(), dim=2).mean(1)
    np.testing.assert_allclose(excerpt.norms["grads.h"], norms.numpy(), rtol=1e-12)
    assert excerpt.verdict.kind == "healthy"
    assert all(event.kind == "underflow" and "starts to underflow" in event.sentence for event in excerpt.events)
    source = Computed(experiment, what_if=WhatIf(dtype=dtype))
    assert run("audit", source).passed
    assert np.array_equal(run("arrays", source)["l1.grads.h"], trace["l1"].grads["h"].float().numpy())
    trained = run("train", Train(experiment, None, what_if=WhatIf(dtype=dtype)))
    moved = trained.weights["weight_hh_l0"] - experiment_weights(experiment)["weight_hh_l0"].numpy()
    assert trained.weights["weight_hh_l0"].dtype == np.float64, "the weights that are kept stay what they are"
    step = -experiment.training.learning_rate * trace.weight_grads["weight_hh_l0"].double().numpy()
    np.testing.assert_allclose(moved, step, rtol=1e-9, atol=1e-16)


def experiment_weights(experiment: Experiment) -> dict[str, Tensor]:
    return Network(experiment).weights


@pytest.mark.parametrize(("dtype", "steps"), [("float16", 40), ("bfloat16", 200)])
def test_underflow_is_the_arithmetic_s_and_is_told_with_its_name(dtype: str, steps: int) -> None:
    """A network that vanishes by some 0.6 a step is at exact 0 in the narrow type, and a number in float64."""
    experiment = small("rnn", steps, 2, 16, "last", init=InitSpec(gain=0.5))
    narrow, wide = looked(experiment, dtype, "grads.h"), looked(experiment, "float64", "grads.h")
    assert (narrow.arrays["grads.h"][0] == 0).all()
    assert (wide.arrays["grads.h"][0] != 0).all()
    assert narrow.verdict.kind == "vanishing"
    assert narrow.verdict.log10_ratio == -math.inf
    assert -math.inf < wide.verdict.log10_ratio < -6
    (event,) = narrow.events
    assert (event.kind, event.phase) == ("underflow", "backward")
    assert dtype in event.sentence
    assert f"t = {event.step}" in event.sentence
    tiny = torch.finfo(TORCHS[dtype]).tiny
    sizes = np.abs(wide.arrays["grads.h"])
    assert sizes[event.step].max() > tiny / 4, "at the step after, it was still within the range"
    assert sizes[event.step - 1].min() < tiny * 4
    assert run("audit", Computed(experiment, what_if=WhatIf(dtype=dtype))).passed


def test_terms_that_cancel_to_exactly_0_are_no_underflow() -> None:
    """In bfloat16 e_t + Uᵀδ is exactly 0 every now and then. A unit that is dead stays at 0, and so does all before."""
    grad = torch.full((6, 2, 3), 0.5, dtype=torch.bfloat16)
    values = {"h": torch.zeros_like(grad), "a": torch.zeros_like(grad)}
    grad[0, 1, 2] = grad[3, 0, 1] = 0
    assert events("rnn", values, {"h": grad}) == ()
    grad[:2, 0, 0] = 0
    (event,) = events("rnn", values, {"h": grad})
    assert (event.kind, event.step) == ("underflow", 2)
    assert "for 1 of 6 entries" in event.sentence
    assert "dead or saturated" in event.sentence
    grad[:5] = 0
    (event,) = events("rnn", values, {"h": grad})
    assert (event.step, "for 6 of 6 entries" in event.sentence) == (5, True)


def test_overflow_comes_at_6e4_in_float16_and_not_in_bfloat16() -> None:
    """A linear network whose gradient doubles at every step, 30 times."""
    init = InitSpec(recurrent="identity", gain=2.0, bias="zero", input="normal", std=0.0)
    experiment = small("rnn", 30, 1, 1, "last", activation="identity", init=init)
    for dtype, overflows in (("float16", True), ("bfloat16", False)):
        excerpt = looked(experiment, dtype, "grads.h")
        assert np.isinf(excerpt.arrays["grads.h"][0]).all() == overflows
        assert excerpt.verdict.kind == "exploding"
        assert [event.kind for event in excerpt.events] == (["overflow"] if overflows else [])
        assert run("audit", Computed(experiment, what_if=WhatIf(dtype=dtype))).passed
    sentence = looked(experiment, "float16", "grads.h").events[0].sentence
    assert "float16" in sentence
    assert "6.6e4" in sentence.replace("65,504", "6.6e4").replace("6.6e+04", "6.6e4")
