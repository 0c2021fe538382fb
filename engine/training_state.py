"""The state of a training: one flat mapping of everything that its next iteration depends on. Plain data, no torch, so
that a file's state can be checked before anybody computes with it.

Parameters have their own names (engine.parameters); what torch.optim keeps of each is "optimizer.exp_avg.NAME", how
often it has stepped "optimizer.step" (), and the states that the next batch begins with are "carried.l0.h" (B, H). All
are of the experiment's dtype. Before the first iteration there are the parameters alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from engine.parameters import Shapes, parameter_shapes, places
from engine.requests import Array, Weights
from engine.spec import Experiment, OptimizerSpec

OPTIMIZER, CARRIED = "optimizer.", "carried."
MAX_STEPS_MADE = 10**9
STEPS = "optimizer.step"
"""How many steps Adam has made since it began: its averages are corrected by it."""

Entry = TypeVar("Entry")


def kept_of_each(optimizer: OptimizerSpec) -> tuple[str, ...]:
    """What torch.optim keeps of every parameter, in its own words."""
    momentum = ("momentum_buffer",) if optimizer.momentum > 0 else ()
    match optimizer.kind:
        case "sgd":
            return momentum
        case "rmsprop":
            return ("square_avg", *momentum)
    return ("exp_avg", "exp_avg_sq")


def counts_steps(optimizer: OptimizerSpec) -> bool:
    return optimizer.kind in ("adam", "adamw")


def optimizer_shapes(experiment: Experiment) -> Shapes:
    """What the experiment's optimiser keeps, by its flat name."""
    optimizer, parameters = experiment.training.optimizer, parameter_shapes(experiment)
    kept = kept_of_each(optimizer)
    found: Shapes = {f"{OPTIMIZER}{what}.{name}": shape for what in kept for name, shape in parameters.items()}
    return found | ({STEPS: ()} if counts_steps(optimizer) else {})


def carried_shapes(experiment: Experiment) -> Shapes:
    """The states that are carried from batch to batch, by their flat names; {} where none are."""
    if not experiment.training.carry:
        return {}
    B = experiment.task.batch_size
    return {
        f"{CARRIED}{place.name}.{state}": (B, place.spec.hidden_size)
        for place in places(experiment)
        for state in (("h", "c") if place.spec.cell == "lstm" else ("h",))
    }


def state_shapes(experiment: Experiment) -> Shapes:
    """Every name and shape of the experiment's state after an iteration: parameters first."""
    return parameter_shapes(experiment) | optimizer_shapes(experiment) | carried_shapes(experiment)


def parameters_of(state: Mapping[str, Entry]) -> dict[str, Entry]:
    """The parameters alone."""
    return {name: entry for name, entry in state.items() if not name.startswith((OPTIMIZER, CARRIED))}


def optimizer_of(state: Mapping[str, Entry]) -> dict[str, Entry]:
    """What the optimiser keeps alone, by its flat names."""
    return {name: entry for name, entry in state.items() if name.startswith(OPTIMIZER)}


def carried_of(state: Mapping[str, Entry]) -> dict[str, Entry]:
    """What is carried from batch to batch alone, by its flat names."""
    return {name: entry for name, entry in state.items() if name.startswith(CARRIED)}


def fitted(experiment: Experiment, state: Weights) -> dict[str, Array]:
    """The state as far as this experiment's training goes on from it: its parameters as they are; what an optimiser has
    kept, if one of the same kind has kept all that this one keeps, else nothing of it; what was carried if it is all
    that is carried here, else nothing (it starts from 0).

    Kinds, as torch has them: sgd (with and without momentum or Nesterov), rmsprop, and adam with adamw, whose averages
    are the same and which differ in how weights decay. Within a kind it goes on as an optimiser of torch.optim goes on
    whose options are set to others: another rate, momentum above 0, alpha, beta or epsilon, Nesterov or not, adam to
    adamw and back keep everything; rmsprop without momentum keeps the averages of one with it. Where something is
    missing (momentum is new), and between two kinds, it starts anew as a new optimiser of torch.optim: the
    momentum_buffer of rmsprop is of gradients divided by their size, and no start for that of sgd. Momentum that is
    switched off for an iteration is forgotten.
    """
    found, optimizer = parameters_of(state), optimizer_shapes(experiment)
    if _kind_of(optimizer) == _kind_of(state) and _all_fit(state, optimizer, experiment.dtype):
        found |= {name: state[name] for name in optimizer}
    carried = carried_shapes(experiment)
    if _all_fit(state, carried, experiment.dtype):
        found |= {name: state[name] for name in carried}
    return found


def wrong_steps(state: Mapping[str, Array]) -> str:
    """What is wrong with how often an optimiser is said to have stepped, and what would be right; "" if nothing is."""
    steps = state.get(STEPS)
    if steps is None or (0 <= steps <= MAX_STEPS_MADE and steps == np.floor(steps)):
        return ""
    return f"is {float(steps):g}; a whole number from 0 to {MAX_STEPS_MADE:,} is needed"


def _kind_of(names: Mapping[str, object]) -> str:
    """By what is there of it alone: what sgd keeps, rmsprop may keep too."""
    for what in ("exp_avg", "square_avg", "momentum_buffer"):
        if any(name.startswith(f"{OPTIMIZER}{what}.") for name in names):
            return what
    return ""


def traced_of(experiment: Experiment, state: Weights) -> dict[str, Array]:
    """What a trace of the experiment depends on: the parameters, and what was carried into it."""
    found = fitted(experiment, state)
    return parameters_of(found) | carried_of(found)


def _all_fit(state: Weights, shapes: Shapes, dtype: str) -> bool:
    arrays = ((state.get(name), shape) for name, shape in shapes.items())
    return all(array is not None and array.shape == shape and array.dtype == dtype for array, shape in arrays)
