"""Training by plain SGD. The gradients are those of the trace, so that what is seen is what is applied."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.clipping import Clipped, clip_grads, clipped
from engine.errors import SpecError
from engine.network import Network
from engine.parameters import places
from engine.requests import Train, Trained
from engine.spec import NO_WHAT_IF, ClipSpec, Experiment, WhatIf, clip_of
from engine.step_clipping import clipped_trace
from engine.tracing import Trace
from engine.truncated_trace import as_asked
from engine.what_if import base_step, effective_weights

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
    clip = clip_of(network.experiment, network.what_if)
    losses = []
    for iteration in range(request.iteration, request.iteration + request.count):
        trace = as_asked(network.trace(iteration=iteration), network.experiment)
        losses.append(float(trace.loss))
        grads = clipped_of(trace, clip, network.effective).grads
        network.load(moved(network.experiment, network.weights, grads, network.what_if))
    return Trained(
        weights={name: read_only(weight) for name, weight in network.weights.items()},
        iteration=request.iteration + request.count,
        losses=tuple(losses),
    )


def clipped_of(trace: Trace, clip: ClipSpec, weights: Mapping[str, Tensor]) -> Clipped:
    """A trace's parameter gradients after clipping of any kind, and the report on it. `weights`: the effective ones.

    Clipping at every step is the one kind that needs the whole trace, since it happens within the backward pass.
    """
    if clip.kind == "step":
        return clipped_trace(trace, clip.max_norm, report=False)
    return clipped(trace.weight_grads, clip, weights, report=False)


def updated(
    experiment: Experiment, weights: Mapping[str, Tensor], grads: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The base weights after one update of the network on screen; new tensors.

    `grads` are those of the effective weights, before clipping. Raises DataError where the experiment clips at every
    step: then they come from `clipped_of`, and `moved` is the rest.
    """
    clip = clip_of(experiment, what_if)
    grads = clip_grads(grads, clip, effective_weights(experiment, weights, what_if))
    return moved(experiment, weights, grads, what_if)


def moved(
    experiment: Experiment, weights: Mapping[str, Tensor], grads: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The base weights after a step against gradients that are clipped already; new tensors.

    The effective weights move by −lr·g, and the what-if stays on top: with W_eff = s·W the base W moves by −lr·g/s (and
    stays where s is 0), and a shifted bias moves as it would without the shift.
    """
    with torch.no_grad():
        rows = {f"weight_hh_{place.name}": place for place in places(experiment)}
        after = {}
        for name, weight in weights.items():
            step = grads[name].to(weight.dtype)
            if name in rows and _scaled(what_if):
                step = base_step(rows[name], weight, step, what_if)
            after[name] = torch.add(weight, step, alpha=-experiment.training.learning_rate)
        return after


def _scaled(what_if: WhatIf) -> bool:
    return what_if.recurrent_scale != 1.0 or what_if.spectral_radius is not None
