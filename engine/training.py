"""Training by plain SGD. The gradients are those of the trace, so that what is seen is what is applied."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.clipping import clip_grads
from engine.errors import SpecError
from engine.network import Network
from engine.parameters import places
from engine.requests import Train, Trained
from engine.spec import NO_WHAT_IF, Experiment, WhatIf, clip_of
from engine.what_if import base_step

MAX_CHUNK = 1_000_000


def train(request: Train) -> Trained:
    """Iterations iteration … iteration + count − 1. NaN and inf travel on. Chunks of any size give the same bits.

    Raises SpecError and DataError.
    """
    from engine.arrays import read_only

    if not 0 <= request.count <= MAX_CHUNK:
        raise SpecError(f"count is {request.count}; a whole number from 0 to {MAX_CHUNK:,} is accepted.")
    if request.iteration < 0:
        raise SpecError(f"iteration is {request.iteration}; a whole number from 0 is accepted.")
    network = Network(request.experiment, request.weights, request.what_if)
    losses = []
    for iteration in range(request.iteration, request.iteration + request.count):
        trace = network.trace(iteration=iteration)
        losses.append(float(trace.loss))
        network.load(updated(network.experiment, network.weights, trace.weight_grads, network.what_if))
    return Trained(
        weights={name: read_only(weight) for name, weight in network.weights.items()},
        iteration=request.iteration + request.count,
        losses=tuple(losses),
    )


def updated(
    experiment: Experiment, weights: Mapping[str, Tensor], grads: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The base weights after one update of the network on screen; new tensors.

    `grads` are those of the effective weights, before clipping. The effective weights move by −lr·g, and the what-if
    stays on top: with W_eff = s·W the base W moves by −lr·g/s (and stays where s is 0), and a shifted bias moves as it
    would without the shift.
    """
    with torch.no_grad():
        steps = {name: grad.to(weights[name].dtype) for name, grad in grads.items()}
        steps = clip_grads(steps, clip_of(experiment, what_if))
        rows = {f"weight_hh_{place.name}": place for place in places(experiment)}
        moved = {}
        for name, weight in weights.items():
            step = steps[name]
            if name in rows and _scaled(what_if):
                step = base_step(rows[name], weight, step, what_if)
            moved[name] = torch.add(weight, step, alpha=-experiment.training.learning_rate)
        return moved


def _scaled(what_if: WhatIf) -> bool:
    return what_if.recurrent_scale != 1.0 or what_if.spectral_radius is not None
