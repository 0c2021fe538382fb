"""The state of a training: one flat mapping of everything that its next iteration depends on. Plain data, no torch, so
that a file's state can be checked before anybody computes with it.

Parameters have their own names (engine.parameters); what torch.optim keeps of each is "optimizer.exp_avg.NAME", how
often it has stepped "optimizer.step" (), and the states that the next batch begins with are "carried.l0.h" (B, H). All
are of the experiment's dtype. Before the first iteration there are the parameters alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from engine.parameters import Shapes, parameter_shapes, places
from engine.requests import Array, Weights
from engine.spec import Experiment, OptimizerSpec

OPTIMIZER, CARRIED = "optimizer.", "carried."
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
    kept if it is all that this one keeps, else nothing (it starts anew); what was carried likewise (it starts from 0).
    """
    found = parameters_of(state)
    for shapes in (optimizer_shapes(experiment), carried_shapes(experiment)):
        if all(_fits(state.get(name), shape, experiment.dtype) for name, shape in shapes.items()):
            found |= {name: state[name] for name in shapes}
    return found


def traced_of(experiment: Experiment, state: Weights) -> dict[str, Array]:
    """What a trace of the experiment depends on: the parameters, and what was carried into it."""
    found = fitted(experiment, state)
    return parameters_of(found) | carried_of(found)


def _fits(array: Array | None, shape: tuple[int, ...], dtype: str) -> bool:
    return array is not None and array.shape == shape and array.dtype == dtype
