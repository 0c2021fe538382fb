"""The numbers of the field that need no training, each computed by the engine: what vanishes, what explodes, what
helps, and where the arithmetic itself gives out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from unrolled import module

import engine
from engine import tasks
from engine.bounds import decay
from engine.initial import initial_weights
from engine.network import Network
from engine.spec import (
    AddingTask,
    CopyTask,
    EmbeddingSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    SunspotsTask,
    Task,
    WhatIf,
)
from engine.tasks import baseline
from engine.tracing import Trace

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}


def network(layer: LayerSpec, task: Task, at: Any = "last", seed: int = 0, what_if: WhatIf | None = None) -> Network:
    model = ModelSpec(layers=(layer,), readout=ReadoutSpec(at=at))
    experiment = Experiment(model=model, task=task, seed=seed, dtype="float64", device="cpu")
    return Network(experiment, what_if=what_if or WhatIf())


def sizes(grads: Tensor) -> Tensor:
    """(T,): norm of each sample's, then the mean."""
    return torch.linalg.vector_norm(grads.double(), dim=2).mean(1)


def unit(w: float, activation: Any, dtype: Any = "float64", read: float = 1.0, bias: float = 0.0) -> Network:
    """One unit, h = φ(read·x + w·h₋ + bias), read out as it is."""
    layer = LayerSpec(cell="rnn", hidden_size=1, activation=activation)
    made = network(layer, SunspotsTask(), what_if=WhatIf(dtype=dtype))
    numbers = {"weight_ih_l0": read, "weight_hh_l0": w, "bias_ih_l0": bias, "readout.weight": 1.0}
    made.load({name: torch.full_like(weight, numbers.get(name, 0.0)) for name, weight in made.weights.items()})
    return made


def of_last(made: Network, steps: int, start: float = 0.0) -> Trace:
    """Without input, of the last step's answer: what comes back is nothing but the recurrence."""
    x, h = torch.zeros(steps, 1, 1, dtype=made.dtype), torch.full((1, 1), start, dtype=made.dtype)
    return made.trace(x, lambda y: y[-1].sum(), initial={"h": h})


# Vanishing and exploding


def test_a_default_vanilla_rnn_vanishes_at_one_over_root_three_a_step() -> None:
    """U(±1/√H) has variance 1/(3H): log₁₀ slope −½·log₁₀ 3 = −.2386 in the limit, and −.2278 ± .007 over 5 seeds at
    H = 128. Pascanu's bound does not certify it: σ_max ≈ 1.15."""
    slopes, largest = [], []
    for seed in range(5):
        x = torch.randn(60, 4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        layer = engine.trace(module("tanh", 1, 128, seed=seed), x, loss=lambda y: y[-1].pow(2).sum())["l0"]
        norms = sizes(layer.grads["h"]).log10()
        slopes.append(float(norms[9] - norms[-1]) / 50)  # per step backward
        bound = layer.pascanu_bound()
        assert bound.measured.slope < 0
        assert bound.slope > 0, "as far as the bound can tell, it might explode"
        largest.append(10**bound.slope)
    assert sum(slopes) / 5 == pytest.approx(-0.2278, abs=0.007)
    assert sum(largest) / 5 == pytest.approx(1.15, abs=0.03)


@pytest.mark.parametrize(("gain", "log10"), [(0.9, -9.1515), (1.0, 0.0), (1.1, 8.2785)])
def test_a_linear_orthogonal_network_changes_the_gradient_by_its_gain_at_every_step(gain: float, log10: float) -> None:
    init = InitSpec(recurrent="orthogonal", gain=gain)
    layer = LayerSpec(cell="rnn", hidden_size=64, activation="identity", init=init)
    traced = network(layer, AddingTask(steps=200, batch_size=4)).trace()["l0"]
    ends = [torch.linalg.vector_norm(grad, dim=1) for grad in (traced.initial_grads["h"], traced.grads["h"][-1])]
    ratios = torch.log10(ends[0] / ends[1])
    assert ratios.tolist() == [pytest.approx(200 * math.log10(gain), abs=1e-10)] * 4
    assert round(float(ratios[0]), 4) == pytest.approx(log10, abs=1e-9)


@pytest.mark.parametrize(("w", "log10"), [(3.9, -53.4), (20.0, -365.0)])
def test_larger_weights_do_not_help_a_sigmoid_unit(w: float, log10: float) -> None:
    """h = σ(w·h₋) from .5, 50 steps: the product of w·σ′ is smaller still where w is larger, since the unit saturates.
    10^−365 is no number of float64's any more; the way over the steps keeps its logarithm."""
    traced = of_last(unit(w, "sigmoid"), 50, start=0.5)["l0"]
    product = traced.product(50, 0)
    found = float(product.log_scale + product.matrix.abs().log().squeeze()) / math.log(10)
    assert found == pytest.approx(log10, abs=0.05 if w < 10 else 0.5)
    start = float(traced.initial_grads["h"])
    if w < 10:
        assert math.log10(start) == pytest.approx(found, abs=1e-9)
    else:
        assert start == 0.0
        by_hand, h = 0.0, 0.5
        for _ in range(50):
            h = 1 / (1 + math.exp(-w * h))
            by_hand += math.log10(w * h * math.exp(-math.log(h / (1 - h))) / (1 + math.exp(-math.log(h / (1 - h)))))
        assert found == pytest.approx(by_hand, rel=1e-6)


def test_the_cliff_of_pascanu_has_a_wall_of_8_thousand_and_throws_the_weights_411_away() -> None:
    """x_t = w·σ(x_{t−1}) + b, x_0 = .5, E = (σ(x_50) − .7)²; plain descent with .05 from w = 6, b = −2.85. The valley
    is flat until the cliff is reached; one step later E stands at .49, where nothing leads back. Here h = σ(x)."""
    made, x = unit(6.0, "sigmoid", bias=-2.85), torch.zeros(50, 1, 1, dtype=torch.float64)
    start = {"h": torch.full((1, 1), 1 / (1 + math.exp(-0.5)), dtype=torch.float64)}
    norms = []
    for _ in range(400):
        trace = made.trace(x, lambda y: (y[-1] - 0.7).square().sum(), initial=start)
        grads = {name: trace.weight_grads[name] for name in ("weight_hh_l0", "bias_ih_l0")}
        norms.append(math.hypot(*(float(grad) for grad in grads.values())))
        if norms[-1] > 1e3:
            break
        made.load({name: weight - 0.05 * grads.get(name, 0.0) for name, weight in made.weights.items()})
    assert norms[-1] == pytest.approx(8.2e3, rel=0.01)
    assert max(norms[:-1]) < 1, "nothing told of it before"
    assert 0.05 * norms[-1] == pytest.approx(411, abs=1)
    made.load({name: weight - 0.05 * grads.get(name, 0.0) for name, weight in made.weights.items()})
    trace = made.trace(x, lambda y: (y[-1] - 0.7).square().sum(), initial=start)
    assert float(trace.loss) == pytest.approx(0.49, abs=1e-6)
    assert abs(float(trace.weight_grads["weight_hh_l0"])) < 1e-100


def test_a_rope_of_norm_1_holds_the_weights_at_the_cliff_until_the_error_is_1e_4() -> None:
    """The same descent with the gradient clipped at norm 1; every step of it as by the chain rule in plain numbers."""
    made, x = unit(6.0, "sigmoid", bias=-2.85), torch.zeros(50, 1, 1, dtype=torch.float64)
    start = {"h": torch.full((1, 1), 1 / (1 + math.exp(-0.5)), dtype=torch.float64)}
    clip, names = engine.ClipSpec(kind="norm", max_norm=1.0), ("weight_hh_l0", "bias_ih_l0")
    fired, error, steps = 0, math.inf, 0
    while error > 1e-4 and steps < 1000:
        w = float(made.weights["weight_hh_l0"])
        b = float(made.weights["bias_ih_l0"] + made.weights["bias_hh_l0"])
        h, dh_dw, dh_db = 1 / (1 + math.exp(-0.5)), 0.0, 0.0
        for _ in range(50):
            before, h = h, 1 / (1 + math.exp(-(w * h + b)))
            dh_dw, dh_db = h * (1 - h) * (before + w * dh_dw), h * (1 - h) * (1.0 + w * dh_db)
        error, by_hand = (h - 0.7) ** 2, [2 * (h - 0.7) * dh_dw, 2 * (h - 0.7) * dh_db]
        trace = made.trace(x, lambda y: (y[-1] - 0.7).square().sum(), initial=start)
        assert float(trace.loss) == pytest.approx(error, rel=1e-8, abs=1e-15)
        factor = min(1.0, 1.0 / (math.hypot(*by_hand) + 1e-6))
        grads = engine.clipped({name: trace.weight_grads[name] for name in names}, clip).grads
        for name, expected in zip(names, by_hand, strict=True):
            assert float(grads[name]) == pytest.approx(factor * expected, rel=1e-6, abs=1e-12)
        fired, steps = fired + (factor < 1.0), steps + 1
        made.load({name: weight - 0.05 * grads.get(name, 0.0) for name, weight in made.weights.items()})
    assert error <= 1e-4
    assert fired > 0, "the wall was there"
    assert math.hypot(w - 6.0, b + 2.85) < 2.0, "nothing was thrown away"


# What helps


def forgetting(init: InitSpec, steps: int, seed: int = 0, H: int = 64) -> Tensor:
    """(T,): ‖∂L/∂c_t‖ of an untrained LSTM on the adding problem."""
    layer = LayerSpec(cell="lstm", hidden_size=H, init=init)
    return sizes(network(layer, AddingTask(steps=steps, batch_size=8), seed=seed).trace()["l0"].grads["c"])


def test_each_larger_forget_bias_keeps_more_of_the_gradient() -> None:
    """Jozefowicz et al. 2015. In log₁₀‖∂L/∂c‖ a step."""
    slopes = [decay(forgetting(InitSpec(forget_bias=bias), 50)).slope for bias in (0.0, 1.0, 2.0, 3.0, 5.0)]
    assert slopes == sorted(slopes)
    assert slopes[0] < -0.1, "with torch's default it is gone soon"
    assert slopes[0] < 2 * slopes[1] < 4 * slopes[2]


def test_both_forget_biases_at_one_make_two() -> None:
    traces = []
    for of_x, of_h in ((1.0, 1.0), (2.0, 0.0)):
        lstm = module("lstm", 1, 4)
        with torch.no_grad():
            lstm.bias_ih_l0[4:8], lstm.bias_hh_l0[4:8] = of_x, of_h
        traces.append(engine.trace(lstm, torch.ones(6, 1, 1, dtype=torch.float64), loss=lambda y: y[-1].sum()))
    one, other = (trace["l0"] for trace in traces)
    torch.testing.assert_close(one.values["f"], other.values["f"], rtol=1e-14, atol=0)
    torch.testing.assert_close(one.grads["c"], other.grads["c"], rtol=1e-12, atol=0)


def test_chrono_initialisation_keeps_what_a_forget_bias_of_one_loses_over_200_steps() -> None:
    """Tallec & Ollivier 2018. log₁₀ of ‖∂L/∂c_1‖/‖∂L/∂c_200‖: −.68 against −13.7 with bias 1 and −39.2 by default."""
    inits = {"chrono": InitSpec(chrono=200), "one": InitSpec(forget_bias=1.0), "default": InitSpec()}
    found = {}
    for name, init in inits.items():
        rows = [forgetting(init, 200, seed) for seed in range(3)]
        found[name] = sum(float(torch.log10(row[0] / row[-1])) for row in rows) / 3
    assert found["chrono"] == pytest.approx(-0.68, abs=0.2)
    assert found["one"] == pytest.approx(-13.7, abs=3)
    assert found["default"] == pytest.approx(-39.2, abs=4)


@pytest.mark.parametrize(("cell", "rounding"), [("rnn", 6e-15), ("gru", 6e-15), ("lstm", 6e-14)])
def test_with_layer_normalisation_the_size_of_the_weights_changes_no_gradient_on_its_way_back(
    cell: Any, rounding: float
) -> None:
    """Both matrices times .1 or 10, ε = 0: what is normalised is the same but for rounding, 6e-15 (the LSTM's c, which
    adds up what no normalisation meets, takes ten times as much); and times a power of two, which rounds nothing, to
    the bit."""
    for layer_norm in (True, False):
        layer = LayerSpec(cell=cell, hidden_size=32, layer_norm=layer_norm, norm_eps=0.0, init=InitSpec(bias="zero"))
        made = network(layer, AddingTask(steps=12, batch_size=4))
        plain, base = sizes(made.trace()["l0"].grads["h"]), dict(made.weights)
        for factor, within in ((0.1, rounding), (10.0, rounding), (0.125, 0.0), (8.0, 0.0)):
            matrices = ("weight_ih_l0", "weight_hh_l0")
            made.load(base | {name: base[name] * factor for name in matrices})
            changed = float((sizes(made.trace()["l0"].grads["h"]) / plain - 1).abs().max())
            assert changed <= within if layer_norm else changed > 0.5


@pytest.mark.parametrize(("mask", "survives"), [("step", 0.0033), ("sequence", 0.751)])
def test_one_dropout_mask_for_the_sequence_lets_the_gradient_through_and_fresh_ones_do_not(
    mask: Any, survives: float
) -> None:
    """h = h₋ dropped with p = .25 for 20 steps: .75²⁰ of the units with fresh masks, .75 with one."""
    layer = LayerSpec(
        cell="rnn",
        hidden_size=128,
        activation="identity",
        init=InitSpec(recurrent="identity", bias="zero"),
        recurrent_dropout=RecurrentDropoutSpec(p=0.25, mask=mask),
    )
    grads = network(layer, SunspotsTask(steps=20, batch_size=256)).trace()["l0"].initial_grads["h"]
    share, expected = float((grads != 0).double().mean()), 0.75**20 if mask == "step" else 0.75
    deviation = math.sqrt(expected * (1 - expected) / grads.numel())
    assert share == pytest.approx(expected, abs=4 * deviation)
    assert share == pytest.approx(survives, abs=4 * deviation + 5e-4)


def test_attention_reaches_early_steps_that_the_last_step_s_read_out_does_not() -> None:
    """tanh, T = 100: ‖∂L/∂h_5‖/‖∂L/∂h_100‖ is 9e-25 with one, about 1/√3 for each step, and 1.29 with the other."""
    layer = LayerSpec(cell="rnn", hidden_size=50)
    for seed in range(3):
        ratios = {}
        for at in ("last", "attention"):
            norms = sizes(network(layer, AddingTask(steps=100, batch_size=16), at, seed).trace()["l0"].grads["h"])
            ratios[at] = float(norms[4] / norms[99])
        assert 1e-28 < ratios["last"] < 1e-18
        assert ratios["attention"] == pytest.approx(1.29, abs=0.4)


# Baselines and worked examples


@pytest.mark.parametrize(("delay", "plateau"), [(30, 0.4159), (100, 0.1733)])
def test_without_memory_the_copy_task_costs_ten_ln_eight_over_its_steps(delay: int, plateau: float) -> None:
    """The blank where it is certain, and one of eight symbols, each as likely, where it is not."""
    task = CopyTask(delay=delay, batch_size=4)
    layers, embedding = (LayerSpec(cell="gru", hidden_size=2),), EmbeddingSpec(symbols=10, size=2)
    model = ModelSpec(layers=layers, embedding=embedding, readout=ReadoutSpec(at="every"), loss="cross_entropy")
    expected = baseline(task, model)
    assert expected is not None
    assert round(expected, 4) == plateau
    targets = tasks.batch(task, model, seed=0).targets
    answers = torch.full((task.steps, 4, 10), -math.inf, dtype=torch.float64)
    answers[:-10, :, 0] = 0.0
    answers[-10:, :, 1:9] = 0.0
    cost = nn.functional.cross_entropy(answers.reshape(-1, 10), targets.reshape(-1))
    assert float(cost) == pytest.approx(expected, rel=1e-12)


def test_the_scalar_worked_example_comes_out_digit_for_digit() -> None:
    """h = tanh(.5x + .1h₋), y = h, x = 1, 2, 3, targets .5, 1, 1.5, L = ½Σ(y − target)²."""
    rnn = nn.RNN(1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        rnn.weight_ih_l0.fill_(0.5)
        rnn.weight_hh_l0.fill_(0.1)
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(3, 1, 1)
    targets = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    trace = engine.trace(rnn, x, loss=lambda y: 0.5 * (y[:, 0, 0] - targets).pow(2))
    assert [f"{h:.4f}" for h in trace["l0"].values["h"].flatten().tolist()] == ["0.4621", "0.7803", "0.9183"]
    assert f"{trace.loss.item():.4f}" == "0.1940"
    assert f"{trace.weight_grads['weight_ih_l0'].item():.6f}" == "-0.489304"
    assert f"{trace.weight_grads['weight_hh_l0'].item():.6f}" == "-0.112494"


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_the_first_step_from_a_zero_state_gives_the_recurrent_weights_nothing(kind: str) -> None:
    trace = engine.trace(module(kind, 2, 3), torch.ones(1, 2, 2, dtype=torch.float64), loss=lambda y: y.sum())
    assert bool((trace["l0"].weight_grads["weight_hh"] == 0).all())
    assert bool((trace["l0"].weight_grads["weight_ih"] != 0).any())


# The edges of the arithmetic

HALVINGS = {"float16": 25, "bfloat16": 134, "float32": 150, "float64": 1075}
DOUBLINGS = {"float16": 16, "bfloat16": 128, "float32": 128, "float64": 1024}


def backwards(w: float, dtype: str, steps: int) -> list[float]:
    """∂L/∂h of a linear unit with this weight, from the last step back to the initial state."""
    trace = of_last(unit(w, "identity", dtype), steps)
    assert trace["l0"].grads["h"].dtype == DTYPES[dtype]
    assert trace.audit().passed, trace.audit().worst
    return [*trace["l0"].grads["h"].flip(0).flatten().tolist(), trace["l0"].initial_grads["h"].item()]


@pytest.mark.parametrize(("dtype", "steps"), HALVINGS.items())
def test_halving_reaches_exact_zero(dtype: str, steps: int) -> None:
    sent = backwards(0.5, dtype, steps + 3)
    assert sent[:steps] == [2.0**-k for k in range(steps)]
    assert sent[steps:] == [0.0] * 4


@pytest.mark.parametrize(("dtype", "steps"), DOUBLINGS.items())
def test_doubling_overflows(dtype: str, steps: int) -> None:
    sent = backwards(2.0, dtype, steps + 3)
    assert sent[:steps] == [2.0**k for k in range(steps)]
    assert sent[steps:] == [math.inf] * 4


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_factor_of_577_thousandths_sticks_at_the_smallest_subnormal_number(dtype: str) -> None:
    """0.577 of it rounds to itself: a plateau that is the arithmetic's. Exactly, nothing would stay."""
    smallest = torch.finfo(DTYPES[dtype]).smallest_normal * torch.finfo(DTYPES[dtype]).eps
    steps = math.ceil(math.log(smallest) / math.log(0.577)) + 20
    sent = backwards(0.577, dtype, steps)
    assert sent[-15:] == [smallest] * 15
    assert sent[:-15] == sorted(sent[:-15], reverse=True)


ZEROS = {
    "sigmoid": {"float16": 8.32, "bfloat16": 6.25, "float32": 16.64, "float64": 36.7},
    "tanh": {"float16": 4.51, "bfloat16": 3.47, "float32": 9.02, "float64": 19.1},
}


def slopes(activation: str, dtype: str, a: Tensor) -> tuple[Tensor, Tensor]:
    """(a, φ′(a)) of the trace, for pre-activations (N,)."""
    made = unit(0.0, activation, dtype)
    layer = made.trace(a.to(made.dtype).reshape(1, -1, 1), lambda y: y.sum())["l0"]
    assert bool((layer.grads["h"] == 1).all())
    return layer.values["a"].flatten().double(), layer.grads["a"].flatten().double()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ZEROS)
def test_derivatives_become_exactly_zero(activation: str, dtype: str) -> None:
    edge = ZEROS[activation][dtype]
    a, slope = slopes(activation, dtype, torch.linspace(0.9 * edge, 1.1 * edge, 2001, dtype=torch.float64))
    zero = slope == 0
    first = float(a[zero][0])
    assert first == pytest.approx(edge, abs=max(0.06, float(torch.finfo(DTYPES[dtype]).eps) * 4))
    assert bool(zero[a >= first].all())
    assert bool((slope[a < first] > 0).all())
    assert bool((slopes(activation, dtype, -a)[1] == 0).any()) is (activation == "tanh")


def test_a_sigmoid_is_less_saturated_on_the_left_than_on_the_right() -> None:
    """Near 1 float32 has no numbers left to tell 1 − σ from 0; near 0 it has plenty."""
    _, slope = slopes("sigmoid", "float32", torch.tensor([17.0, -17.0]))
    assert slope[0] == 0
    assert float(slope[1]) == pytest.approx(4.14e-8, rel=1e-3)


def test_the_initial_weights_are_those_of_torch_s_default() -> None:
    """So that what is said of a default network here is said of nn.RNN: U(±1/√H)."""
    layer = LayerSpec(cell="rnn", hidden_size=64)
    weight = initial_weights(network(layer, SunspotsTask()).experiment)["weight_hh_l0"]
    assert float(weight.abs().max()) <= 1 / 8
    assert float(weight.std()) == pytest.approx(1 / 8 / math.sqrt(3), rel=0.03)
