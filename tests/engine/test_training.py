"""Training: plain SGD on exactly the gradients that are shown, repeatable to the bit in chunks of any size."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from engine.errors import SpecError
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look, Weights
from engine.spec import (
    AddingTask,
    CellKind,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    SunspotsTask,
    TrainingSpec,
    WhatIf,
)
from engine.tasks import sunspots
from engine.training_requests import Train, Trained

CELLS: list[CellKind] = ["rnn", "lstm", "gru"]
CLIP = ClipSpec(kind="norm", max_norm=0.3)


def experiment(cell: CellKind = "rnn", gain: float = 1.0, **more: Any) -> Experiment:
    layer = LayerSpec(cell=cell, hidden_size=4, init=InitSpec(gain=gain))
    training = TrainingSpec(learning_rate=0.2, clip=more.pop("clip", CLIP))
    task = AddingTask(steps=6, batch_size=3)
    return Experiment(**({"model": ModelSpec(layers=(layer,)), "task": task, "training": training} | more))


def same_bits(one: Weights, other: Weights) -> bool:
    return list(one) == list(other) and all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("what_if", [WhatIf(), WhatIf(recurrent_scale=1.3, forget_bias=0.7, clip_norm=0.1)])
def test_chunks_of_one_give_the_bits_of_one_chunk(cell: CellKind, what_if: WhatIf) -> None:
    if cell != "lstm":
        what_if = msgspec.structs.replace(what_if, forget_bias=0.0)
    whole: Trained = run("train", Train(experiment(cell), None, 3, 5, what_if))
    weights, losses = None, []
    for iteration in range(3, 8):
        part: Trained = run("train", Train(experiment(cell), weights, iteration, 1, what_if))
        weights = part.weights
        losses.extend(part.losses)
    assert weights is not None
    assert same_bits(whole.weights, weights)
    assert whole.losses == tuple(losses)
    assert whole.iteration == part.iteration == 8
    assert same_bits(whole.weights, run("train", Train(experiment(cell), None, 3, 5, what_if)).weights)


@pytest.mark.parametrize("cell", CELLS)
def test_an_update_is_torchs_sgd_after_torchs_clipping(cell: CellKind) -> None:
    given = experiment(cell)
    network = Network(given)
    trace = network.trace(iteration=0)
    parameters = [torch.nn.Parameter(weight.clone()) for weight in network.weights.values()]
    for parameter, grad in zip(parameters, trace.weight_grads.values(), strict=True):
        parameter.grad = grad.clone()
    torch.nn.utils.clip_grad_norm_(parameters, CLIP.max_norm)
    torch.optim.SGD(parameters, lr=0.2).step()
    done: Trained = run("train", Train(given, None))
    for (name, weight), parameter in zip(done.weights.items(), parameters, strict=True):
        assert np.array_equal(weight, parameter.detach().numpy()), name
    assert done.losses == (float(trace.loss),)


def test_what_is_shown_at_an_iteration_is_what_is_applied() -> None:
    given = experiment("lstm")
    first: Trained = run("train", Train(given, None, 0, 2))
    shown = run("excerpt", Look(Computed(given, first.weights, first.iteration), ()))
    after: Trained = run("train", Train(given, first.weights, first.iteration))
    for row in shown.update_rows:
        change = np.linalg.norm(after.weights[row.parameter].astype(float) - first.weights[row.parameter])
        assert row.after == pytest.approx(change, rel=1e-6)
        assert row.before == pytest.approx(np.linalg.norm(first.weights[row.parameter].astype(float)), rel=1e-12)
    assert after.losses == (shown.loss,)


def test_the_network_on_screen_learns_and_the_what_if_stays_on_top() -> None:
    given = experiment("lstm", dtype="float64")
    what_if = WhatIf(recurrent_scale=2.0, forget_bias=1.5)
    network = Network(given, what_if=what_if)
    effective, grads = {n: w.clone() for n, w in network.effective.items()}, network.trace().weight_grads
    total = math.sqrt(sum(float(grad.square().sum()) for grad in grads.values()))
    factor = min(1.0, CLIP.max_norm / (total + 1e-6))
    done: Trained = run("train", Train(given, None, 0, 1, what_if))
    after = Network(given, done.weights, what_if).effective
    for name, weight in effective.items():
        torch.testing.assert_close(after[name], weight - 0.2 * factor * grads[name], rtol=1e-12, atol=1e-15)


def test_weights_that_are_scaled_to_nothing_stay_as_they_were() -> None:
    given = experiment()
    done: Trained = run("train", Train(given, None, 0, 2, WhatIf(recurrent_scale=0.0)))
    before = Network(given).weights
    assert np.array_equal(done.weights["weight_hh_l0"], before["weight_hh_l0"].numpy())
    assert not np.array_equal(done.weights["weight_ih_l0"], before["weight_ih_l0"].numpy())


def test_nan_and_inf_travel_on_and_never_raise() -> None:
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="relu", init=InitSpec(gain=1e6))
    wild = experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=30, batch_size=2))
    done: Trained = run("train", Train(wild, None, 0, 3))
    assert done.iteration == 3
    assert not math.isfinite(done.losses[0])
    assert any(np.isnan(weight).any() for weight in done.weights.values())


def test_training_lowers_the_loss_of_a_real_series() -> None:
    training = TrainingSpec(learning_rate=0.2, clip=ClipSpec(kind="norm"))
    given = experiment("gru", task=SunspotsTask(steps=11, batch_size=32), training=training)
    losses = np.array(run("train", Train(given, None, 0, 100)).losses)
    # The series has unit variance: always answering its mean costs about 1.
    without_looking = float(sunspots.scaled().square().mean())
    assert losses[-20:].mean() < 0.5 * without_looking


@pytest.mark.parametrize("change", [{"count": -1}, {"count": 10**9}, {"iteration": -1}])
def test_a_wrong_chunk_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        run("train", Train(experiment(), None, **change))


def test_the_weights_that_come_back_cannot_be_written_to() -> None:
    done: Trained = run("train", Train(experiment(), None))
    assert not any(weight.flags.writeable for weight in done.weights.values())
    assert all(weight.dtype == np.float32 for weight in done.weights.values())
    wide = msgspec.structs.replace(experiment(), dtype="float64")
    assert all(weight.dtype == np.float64 for weight in run("train", Train(wide, None)).weights.values())
