"""Every optimiser steps as torch.optim's own class does, and what it keeps travels as plain arrays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from torch import nn
from training_cases import CLIP, OPTIMIZERS, PlainTorch, as_parameters, experiment, same_bits, torchs

from engine.clipping import clip_grads
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.schedule import factor, learning_rate
from engine.spec import ClipSpec, Cut, ScheduleSpec, TrainingSpec, WhatIf
from engine.training_requests import Train, Trained
from engine.training_state import fitted, parameters_of, state_shapes
from engine.what_if import effective_weights


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("l2", [0.0, 0.02])
def test_steps_are_torchs_to_the_bit_on_the_same_gradients(name: str, l2: float) -> None:
    given = experiment("gru", optimizer=OPTIMIZERS[name], learning_rate=0.03, l2=l2, clip=CLIP)
    network = Network(given)
    parameters = as_parameters(network.weights)
    of_torch = torchs(OPTIMIZERS[name], list(parameters.values()), 0.03, l2)
    for iteration in range(5):
        network.load({name: parameter.detach() for name, parameter in parameters.items()})
        for key, grad in network.trace(iteration=iteration).weight_grads.items():
            parameters[key].grad = grad.clone()
        nn.utils.clip_grad_norm_(parameters.values(), CLIP.max_norm)
        of_torch.step()
    done: Trained = run("train", Train(given, None, 0, 5))
    for key, parameter in parameters.items():
        assert done.weights[key].tobytes() == parameter.detach().numpy().tobytes(), key
        for what, kept in of_torch.state[parameter].items():
            flat = "optimizer.step" if what == "step" else f"optimizer.{what}.{key}"
            if kept is not None and flat in state_shapes(given):
                assert np.array_equal(done.weights[flat], kept.numpy()), flat


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_iterations_are_those_of_a_plain_torch_loop(name: str) -> None:
    given = experiment("lstm", dtype="float64", optimizer=OPTIMIZERS[name], learning_rate=0.01, l2=0.01, clip=CLIP)
    plain = PlainTorch(given)
    of_torch = torchs(OPTIMIZERS[name], list(plain.parameters()), 0.01, 0.01)
    losses = []
    for iteration in range(20):
        batch = Network(given).batch(iteration)
        loss = nn.functional.mse_loss(plain(batch.x), batch.targets)
        losses.append(loss.item())
        of_torch.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), CLIP.max_norm)
        of_torch.step()
    done: Trained = run("train", Train(given, None, 0, 20))
    assert done.losses == pytest.approx(losses, rel=1e-10)
    for key, weight in parameters_of(done.weights).items():
        np.testing.assert_allclose(weight, plain.state_dict()[PlainTorch.name(key)].numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("what_if", [WhatIf(), WhatIf(recurrent_scale=1.3, forget_bias=0.7)])
def test_chunks_and_a_way_through_a_file_give_the_same_bits(name: str, what_if: WhatIf) -> None:
    schedule = ScheduleSpec(kind="step", every=2, warmup=3)
    given = experiment(optimizer=OPTIMIZERS[name], learning_rate=0.03, l1=1e-3, l2=0.01, schedule=schedule, clip=CLIP)
    whole: Trained = run("train", Train(given, None, 0, 7, what_if))
    state, iteration, losses = None, 0, []
    for count in (1, 3, 2, 1):
        part: Trained = run("train", Train(given, state, iteration, count, what_if))
        state, iteration = load(save({name: np.array(array) for name, array in part.weights.items()})), part.iteration
        losses.extend(part.losses)
    assert state is not None
    assert same_bits(whole.weights, state)
    assert whole.losses == tuple(losses)
    assert {key: array.shape for key, array in whole.weights.items()} == state_shapes(given)
    assert {str(array.dtype) for array in whole.weights.values()} == {"float32"}


def test_plain_sgd_keeps_the_bits_of_its_formula() -> None:
    given = experiment(learning_rate=0.2, clip=CLIP)
    network = Network(given)
    for iteration in range(4):
        grads = clip_grads(network.trace(iteration=iteration).weight_grads, CLIP)
        network.load({n: torch.add(w, grads[n], alpha=-0.2) for n, w in network.weights.items()})
    done: Trained = run("train", Train(given, None, 0, 4))
    assert same_bits(done.weights, {name: weight.numpy() for name, weight in network.weights.items()})


def test_l1_adds_the_sign_of_every_weight_to_its_clipped_gradient() -> None:
    given = experiment(learning_rate=0.1, l1=0.5, clip=CLIP, dtype="float64")
    plain = experiment(learning_rate=0.1, clip=CLIP, dtype="float64")
    first = Network(given).weights
    ours, without = run("train", Train(given, None)).weights, run("train", Train(plain, None)).weights
    for name, weight in first.items():
        np.testing.assert_allclose(ours[name], without[name] - 0.1 * 0.5 * np.sign(weight.numpy()), rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_network_on_screen_steps_as_torch_would_step_it(name: str, l2: float) -> None:
    """W_eff = s·W: the effective weights move as torch moves them, and the what-if stays on top."""
    given = experiment(dtype="float64", optimizer=OPTIMIZERS[name], learning_rate=0.03, l1=0.01, l2=l2)
    what_if = WhatIf(recurrent_scale=2.0, forget_bias=1.5)
    network = Network(given, what_if=what_if)
    parameters = as_parameters(network.effective)
    of_torch = torchs(OPTIMIZERS[name], list(parameters.values()), 0.03, l2)
    state = None
    for iteration in range(3):
        for key, grad in network.trace(iteration=iteration).weight_grads.items():
            parameters[key].grad = grad + 0.01 * parameters[key].detach().sign()
        of_torch.step()
        state = run("train", Train(given, state, iteration, 1, what_if)).weights
        network.load(parameters_of(state))
        for key, weight in network.effective.items():
            torch.testing.assert_close(weight, parameters[key].detach(), rtol=1e-10, atol=1e-12)


def test_the_update_that_is_shown_is_the_one_that_training_does_with_adam_too() -> None:
    given = experiment("gru", optimizer=OPTIMIZERS["adam"], learning_rate=0.05, schedule=ScheduleSpec(warmup=20))
    for what_if in (WhatIf(), WhatIf(recurrent_scale=0.5), WhatIf(cuts=(Cut(route="z"),))):
        state = run("train", Train(given, None, 0, 6, what_if)).weights
        shown = run("excerpt", Look(Computed(given, state, 6, what_if), ()))
        after = run("train", Train(given, state, 6, 1, what_if)).weights
        tensors = [{n: torch.from_numpy(w.copy()) for n, w in parameters_of(of).items()} for of in (state, after)]
        ours, theirs = (effective_weights(given, of, what_if) for of in tensors)
        for row in shown.update_rows:
            change = (theirs[row.parameter] - ours[row.parameter]).double().norm().item()
            assert row.after == pytest.approx(change, rel=1e-6), row.parameter


def test_a_state_of_another_optimiser_starts_anew() -> None:
    adam = experiment(optimizer=OPTIMIZERS["adam"], learning_rate=0.01)
    rms = experiment(optimizer=OPTIMIZERS["rmsprop momentum"], learning_rate=0.01)
    state = run("train", Train(adam, None, 0, 3)).weights
    alone = parameters_of(state)
    assert fitted(rms, state) == alone
    assert same_bits(run("train", Train(rms, state, 3, 2)).weights, run("train", Train(rms, alone, 3, 2)).weights)
    assert not same_bits(run("train", Train(adam, state, 3)).weights, run("train", Train(adam, alone, 3)).weights)


SCHEDULES: list[tuple[ScheduleSpec, Any]] = [
    (ScheduleSpec(kind="step", every=7, factor=0.3), lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.3)),
    (ScheduleSpec(kind="exponential", every=9), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5 ** (1 / 9))),
    (ScheduleSpec(kind="linear", length=30, floor=0.2), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, 30)),
    (
        ScheduleSpec(kind="cosine", length=50, floor=0.1),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50, 0.1 * 0.4),
    ),
    (ScheduleSpec(warmup=11), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / 12, 1.0, 11)),
]


@pytest.mark.parametrize(("schedule", "made"), SCHEDULES, ids=lambda case: getattr(case, "kind", ""))
def test_schedules_are_torchs(schedule: ScheduleSpec, made: Any) -> None:
    training = TrainingSpec(learning_rate=0.4, schedule=schedule)
    of_torch = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler = made(of_torch)
    for iteration in range(50):
        assert learning_rate(training, iteration) == pytest.approx(of_torch.param_groups[0]["lr"], rel=1e-12)
        of_torch.step()
        scheduler.step()


def test_after_the_warm_up_a_schedule_counts_from_there_and_past_its_length_it_stays() -> None:
    cosine = ScheduleSpec(kind="cosine", length=10, floor=0.25, warmup=3)
    assert [factor(cosine, i) for i in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert factor(cosine, 3 + 5) == pytest.approx(0.25 + 0.75 / 2)
    assert factor(cosine, 13) == factor(cosine, 10_000) == pytest.approx(0.25)
    assert factor(ScheduleSpec(), 10**6) == 1.0


def test_training_follows_its_schedule() -> None:
    given = experiment(learning_rate=0.4, schedule=ScheduleSpec(kind="step", every=2, factor=0.5))
    rates = run("train", Train(given, None, 0, 5)).records.learning_rates
    assert rates.tolist() == pytest.approx([0.4, 0.4, 0.2, 0.2, 0.1])


def test_what_torch_loads_for_its_optimiser_classes_is_not_loaded() -> None:
    """torch._dynamo takes seconds to import, which the first iteration would wait for."""
    code = (
        "import sys\nfrom engine.operations import run\nfrom engine.training_requests import Train\n"
        "sys.path.insert(0, sys.argv[1])\nfrom training_cases import OPTIMIZERS, experiment\n"
        "for optimizer in OPTIMIZERS.values():\n run('train', Train(experiment(optimizer=optimizer), None, 0, 2))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent)], check=False).returncode == 0


def test_clipping_is_before_what_is_added_for_the_size_of_the_weights() -> None:
    clip = ClipSpec(kind="value", max_value=1e-6)
    given = experiment(learning_rate=1.0, l2=0.5, clip=clip, dtype="float64")
    first, after = Network(given).weights, run("train", Train(given, None)).weights
    for name, weight in first.items():
        np.testing.assert_allclose(after[name], 0.5 * weight.numpy(), atol=1.01e-6)
