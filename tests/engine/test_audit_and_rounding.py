"""The audit tells rounding from errors: sums that almost cancel pass, and what is wrong by more than rounding fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from unrolled import module

import engine
from engine.measure import step_errors
from engine.operations import run
from engine.requests import Computed
from engine.spec import Experiment, LayerSpec, ModelSpec, ReadoutSpec, SunspotsTask, WhatIf

KINDS = ("tanh", "relu", "lstm", "gru")
CELLS = ("rnn", "lstm", "gru")


def noise(T: int, B: int, D: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(T, B, D, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [44, 200])
@pytest.mark.parametrize("cell", CELLS)
def test_a_right_trace_of_single_numbers_passes_in_float32(cell: str, steps: int) -> None:
    """One sample, one input: a step's ∂L/∂x is one number, and among thousands some have almost cancelled."""
    task = SunspotsTask(steps=steps, batch_size=1)
    for seed in range(6):
        for at in ("last", "every"):
            for scale in (1.0, 2.0):
                model = ModelSpec(layers=(LayerSpec(cell=cell),), readout=ReadoutSpec(at=at))  # type: ignore[arg-type]
                audit = run(
                    "audit",
                    Computed(Experiment(model=model, task=task, seed=seed), None, 0, WhatIf(recurrent_scale=scale)),
                )
                assert audit.passed, (audit.worst, seed, at, scale)


@pytest.mark.parametrize("H", [1, 2, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_long_sequences_of_narrow_layers_pass_in_float32(kind: str, H: int) -> None:
    for seed in range(4):
        trace = engine.trace(
            module(kind, 1, H, torch.float32, seed=seed),
            noise(400, 1, 1, seed),
            loss=lambda y: (y - 0.3).pow(2).sum((1, 2)),
        )
        assert trace.audit().passed, trace.audit().worst


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_ten_times_the_tolerance_is_found_wherever_it_stands(kind: str, dtype: torch.dtype) -> None:
    """In every step of a whole sequence, but for those whose terms cancel to a hundredth of themselves."""
    T = 60
    layer = engine.trace(module(kind, 2, 6, dtype), noise(T, 1, 2).to(dtype), loss=lambda y: y.pow(2).sum((1, 2)))["l0"]
    tolerance = layer.audit().tolerance
    for step in range(0, T, 7):
        h = layer.grads["h"].clone()
        h[step] *= 1 + 10 * tolerance
        rows = {row.quantity: row for row in replace(layer, grads={**layer.grads, "h": h}).audit().rows}
        assert rows["grads.h"].error > tolerance, step
        assert rows["grads.h"].step == step + 1


def test_a_vanished_gradient_that_is_zeroed_still_fails_after_a_thousand_steps() -> None:
    layer = engine.trace(
        module("gru", 1, 1, torch.float32), noise(1000, 1, 1), loss=lambda y: (y - 0.3).pow(2).sum((1, 2))
    )["l0"]
    for step in range(0, 1000, 199):
        h = layer.grads["h"].clone()
        h[step] = 0
        rows = {row.quantity: row for row in replace(layer, grads={**layer.grads, "h": h}).audit().rows}
        assert rows["grads.h"].error > 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_a_weight_gradient_whose_sum_overflows_on_the_way_may_be_inf_or_nan(seed: int) -> None:
    """Steps of ±1e38 and more: torch's product gives inf where a loop that adds up step by step gives inf − inf."""
    model = module("relu", 3, 16, torch.float32, seed=seed)
    trace = engine.trace(model, noise(30, 4, 3, seed) * 3e23, loss=lambda y: (y * 1e16).sum((1, 2)))
    assert not trace["l0"].weight_grads["weight_ih"].isfinite().all()
    assert trace["l0"].grads["a"].isfinite().all()
    assert trace.audit().passed, trace.audit().worst


def test_the_measure_forgives_eight_roundings_of_the_terms() -> None:
    """1 − (1 − 2⁻²⁰): two terms of size 1, so an error of 8 eps of 2 is within the tolerance and one of 16 is not."""
    eps = torch.finfo(torch.float32).eps
    reference, terms = torch.tensor([[2.0**-20]]), torch.tensor([[2.0]], dtype=torch.float64)
    assert step_errors(reference + 2 * 7.9 * eps, reference, terms).item() <= 1e-4
    assert step_errors(reference + 2 * 8.1 * eps, reference, terms).item() > 1e-4
    assert step_errors(reference + 2 * eps, reference).item() > 0.1
