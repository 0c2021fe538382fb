"""Biases that keep the cell's memory open: the order of forget biases, and chrono initialisation."""

from __future__ import annotations

import functools
import math
import statistics

from torch import Tensor

from benchmarks.findings.adding import experiment as adding_experiment
from benchmarks.findings.parts import Finding, Measured, Run, Tell, updates
from benchmarks.findings.training import course
from engine.bounds import decay
from engine.network import Network
from engine.norms import mean_over_samples, norm
from engine.spec import AddingTask, Experiment, InitSpec, LayerSpec, ModelSpec

H = 64
SLOPES = {0.0: -0.215, 1.0: -0.080, 2.0: -0.017, 3.0: 0.004, 5.0: 0.016}
CHRONO = {"chrono": -0.68, "bias 1": -13.7, "default": -39.2}
INITS = {"chrono": InitSpec(chrono=200), "bias 1": InitSpec(forget_bias=1.0), "default": InitSpec()}
SEEDS = range(3)


def norms(init: InitSpec, steps: int, seed: int) -> Tensor:
    """(T,): ‖∂L/∂c_t‖ of an LSTM that has learned nothing, on the adding problem."""
    layer = LayerSpec(cell="lstm", hidden_size=H, init=init)
    task = AddingTask(steps=steps, batch_size=8)
    made = Network(Experiment(model=ModelSpec(layers=(layer,)), task=task, seed=seed, dtype="float64", device="cpu"))
    return mean_over_samples(norm(made.trace().layer.grads["c"], dim=-1), None)


def _order(tell: Tell) -> tuple[Measured, ...]:
    rows: list[Measured] = []
    before = -math.inf
    for place, (bias, published) in enumerate(SLOPES.items()):
        found = statistics.fmean(decay(norms(InitSpec(forget_bias=bias), 50, seed)).slope for seed in SEEDS)
        what = f"forget bias {bias:g}: slope of log₁₀‖∂L/∂c‖ a step back"
        rows.append(Measured(what, found, f"{published:+.3f}", low=before))
        before = found
        tell((place + 1) / len(SLOPES), what)
    return tuple(rows)


def _ratios(tell: Tell) -> tuple[Measured, ...]:
    rows: list[Measured] = []
    for place, (name, published) in enumerate(CHRONO.items()):
        grads = [norms(INITS[name], 200, seed) for seed in SEEDS]
        found = statistics.fmean(math.log10(row[0] / row[-1]) for row in grads)
        within = max(0.2, abs(published) / 4)
        what = f"{name}: log₁₀ of ‖∂L/∂c₁‖/‖∂L/∂c₂₀₀‖"
        rows.append(Measured(what, found, f"{published:g}", published - within, published + within))
        tell((place + 1) / len(CHRONO), what)
    return tuple(rows)


def _trained(seed: int, tell: Tell) -> tuple[Measured, ...]:
    layer = LayerSpec(cell="lstm", hidden_size=H, init=INITS["chrono"])
    went = course(adding_experiment(layer, 0.01, seed, steps=200), 2000, "loss<0.02", tell)
    return (updates("adding problem of 200 steps: solved after", went.solved, "about 700-850", 700, 850),)


FORGET_BIAS = Finding(
    "forget-bias",
    "Each larger forget bias keeps more of the gradient",
    "Jozefowicz, Zaremba & Sutskever 2015; numbers: reference runs",
    f"LSTM, H = {H}, T = 50, adding problem, before training; mean of 3 seeds",
    (Run("order", _order, 0.1, quick=True),),
    "The order is the finding; how steep each slope is depends on H, T and the task, which are not published.",
)
CHRONO_FINDING = Finding(
    "chrono",
    "Chrono initialisation",
    "Tallec & Ollivier 2018; numbers: reference runs",
    f"LSTM, H = {H}, T = 200, adding problem; ratios before training, mean of 3 seeds; trained with Adam .01, clipped "
    "at norm 1, B = 50",
    (
        Run("ratios", _ratios, 0.1, quick=True),
        *(Run(f"trained, seed {seed}", functools.partial(_trained, seed), 1.5) for seed in (0, 1)),
    ),
)
