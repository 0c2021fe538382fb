"""Another optimiser in the middle of a training: what it goes on from is what torch.optim would go on from, to the bit.

Within a kind that is an optimiser of torch whose options are set to others; between two kinds, and where something that
it needs was never kept, a new one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_cases import OPTIMIZERS, as_parameters, experiment, same_bits, torchs

from engine.errors import SpecError
from engine.network import Network
from engine.operations import run
from engine.requests import Weights
from engine.spec import Experiment, OptimizerSpec
from engine.training_requests import Train
from engine.training_state import STEPS, fitted, parameters_of

OF = {
    **OPTIMIZERS,
    "other momentum": OptimizerSpec(momentum=0.5),
    "rmsprop other momentum": OptimizerSpec(kind="rmsprop", momentum=0.9, alpha=0.9),
    "adam other betas": OptimizerSpec(kind="adam", beta1=0.5, beta2=0.9, epsilon=1e-4),
}
GOES_ON = {
    "momentum": {"nesterov", "other momentum", "sgd"},
    "nesterov": {"momentum", "other momentum", "sgd"},
    "other momentum": {"momentum", "nesterov", "sgd"},
    "rmsprop": set(),
    "rmsprop momentum": {"rmsprop other momentum", "rmsprop"},
    "rmsprop other momentum": {"rmsprop momentum", "rmsprop"},
    "adam": {"adamw", "adam other betas"},
    "adamw": {"adam", "adam other betas"},
    "adam other betas": {"adam", "adamw"},
}
"""From one to another of the same kind that needs nothing but what is there."""
STEPS_OF_EACH = 4


def of(name: str) -> Experiment:
    return experiment("gru", 3, optimizer=OF[name], learning_rate=0.02, l2=0.01)


def stepped(parameters: dict[str, nn.Parameter], optimizer: Any, iterations: range) -> None:
    network = Network(of("sgd"))
    for iteration in iterations:
        network.load({name: parameter.detach() for name, parameter in parameters.items()})
        for key, grad in network.trace(iteration=iteration).weight_grads.items():
            parameters[key].grad = grad.clone()
        optimizer.step()


def by_torch(before: str, after: str) -> dict[str, Tensor]:
    parameters = as_parameters(Network(of(before)).weights)
    first = torchs(OF[before], list(parameters.values()), 0.02, 0.01)
    stepped(parameters, first, range(STEPS_OF_EACH))
    then = torchs(OF[after], list(parameters.values()), 0.02, 0.01)
    if before == after or after in GOES_ON.get(before, ()):
        then.load_state_dict({"state": first.state_dict()["state"], "param_groups": then.state_dict()["param_groups"]})
    stepped(parameters, then, range(STEPS_OF_EACH, 2 * STEPS_OF_EACH))
    return {name: parameter.detach() for name, parameter in parameters.items()}


@pytest.mark.parametrize("before", OF)
@pytest.mark.parametrize("after", OF)
def test_it_goes_on_as_torch_does(before: str, after: str) -> None:
    state = run("train", Train(of(before), None, 0, STEPS_OF_EACH)).weights
    state = run("train", Train(of(after), state, STEPS_OF_EACH, STEPS_OF_EACH)).weights
    expected = {name: weight.numpy() for name, weight in by_torch(before, after).items()}
    assert same_bits(parameters_of(state), expected)


def test_momentum_of_rmsprop_is_none_of_sgd() -> None:
    state = run("train", Train(of("rmsprop momentum"), None, 0, 20)).weights
    assert "optimizer.momentum_buffer.weight_hh_l0" in state
    assert set(fitted(of("momentum"), state)) == set(parameters_of(state))
    ours = run("train", Train(of("momentum"), state, 20)).weights
    assert same_bits(ours, run("train", Train(of("momentum"), parameters_of(state), 20)).weights)


def test_momentum_that_was_off_for_an_iteration_is_forgotten_at_any_size_of_the_chunks() -> None:
    """Else it would hang on whether somebody has paused there."""
    state = run("train", Train(of("momentum"), None, 0, 3)).weights
    off = run("train", Train(of("sgd"), state, 3, 2)).weights
    assert set(off) == set(parameters_of(off))
    one = run("train", Train(of("sgd"), state, 3)).weights
    assert same_bits(run("train", Train(of("sgd"), one, 4)).weights, off)


@pytest.mark.parametrize("steps", [-5.0, -1.0, 0.5, np.nan, np.inf, 1e30])
def test_a_number_of_steps_that_cannot_be_is_refused_in_one_sentence(steps: float) -> None:
    """Adam divides by 1 − β^steps: without it −1 was a division by zero, and −5 a complex number."""
    state: Weights = run("train", Train(of("adam"), None, 0, 2)).weights
    wrong = {**state, STEPS: np.array(steps, np.float32)}
    with pytest.raises(SpecError) as raised:
        run("train", Train(of("adam"), wrong, 2))
    words = "nan" if np.isnan(steps) else f"{float(np.float32(steps)):g}"
    assert str(raised.value) == (
        f"optimizer.step of the state is {words}; a whole number from 0 to 1,000,000,000 is needed."
    )
    torch.testing.assert_close(run("train", Train(of("sgd"), wrong, 2)).iteration, 3)  # it is no part of that
