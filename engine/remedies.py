"""What helps a training that has met a number that is not finite without any update to blame.

A lower rate or clipping acts through updates. Where the weights that training begins with meet such a number too, other
beginnings are tried: what is named here has been computed, and that iteration is finite with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec.structs
import torch

from engine.errors import EngineError
from engine.initial import initial_weights
from engine.parameters import places
from engine.quantities import GATES
from engine.spec import ClipSpec, Experiment, WhatIf
from engine.training import Learner
from engine.training_requests import Diverged, Remedy, RemedyKind

LEAST_STEPS = 2
"""Shorter sequences are nothing to be trained on."""


def explained(bad: Diverged, experiment: Experiment, what_if: WhatIf) -> Diverged:
    """With whether the weights that training begins with meet it too, and what helps then. Some passes more, once."""
    at_first = _tried(experiment, bad.iteration, what_if)
    if at_first is None or bad.phase == "update" or at_first.phase == "update":
        return bad  # the rate is in the update
    remedies: dict[RemedyKind, Remedy] = {}
    for kind, candidate in _candidates(experiment, bad):
        if kind not in remedies and _helps(candidate, bad.iteration, what_if):  # of several T the longest
            remedies[kind] = Remedy(kind, candidate)
    no_use = "lower rate" if bad.phase == "optimizer" else "lower rate or clipping"
    why = f"The initial weights do so too: no {no_use} can help."
    if not remedies:
        why = f"{why[:-1]}; smaller initial weights, fewer steps or a wider type may."
    return replace(bad, sentence=f"{bad.sentence} {why}", untrained=True, remedies=tuple(remedies.values()))


def _tried(experiment: Experiment, iteration: int, what_if: WhatIf) -> Diverged | None:
    """What the weights that training begins with meet at an iteration."""
    return Learner(experiment, None, iteration, what_if).learn(halt=True)


def _helps(experiment: Experiment, iteration: int, what_if: WhatIf) -> bool:
    try:
        return _tried(experiment, iteration, what_if) is None
    except (EngineError, MemoryError, RuntimeError):  # there is no such experiment, or no room for it
        return False


def _candidates(experiment: Experiment, bad: Diverged) -> Iterator[tuple[RemedyKind, Experiment]]:
    training = experiment.training
    if bad.phase == "optimizer" and training.clip.kind == "none":
        clipped = msgspec.structs.replace(training, clip=ClipSpec(kind="norm"))
        yield "clip", msgspec.structs.replace(experiment, training=clipped)
    smaller = _of_radius_one(experiment)
    if smaller is not None:
        yield "radius", smaller
    if "steps" in experiment.task.__struct_fields__:
        steps = experiment.task.steps // 2
        while steps >= LEAST_STEPS:
            shorter = msgspec.structs.replace(experiment.task, steps=steps)
            yield "steps", msgspec.structs.replace(experiment, task=shorter)
            steps //= 2
    if experiment.dtype == "float32":
        yield "float64", msgspec.structs.replace(experiment, dtype="float64")


def _of_radius_one(experiment: Experiment) -> Experiment | None:
    """Initial recurrent weights of spectral radius 1 in the layers where a gate's block has a larger one; None where
    there is no such layer."""
    weights, layers = initial_weights(experiment), list(experiment.model.layers)
    for place in places(experiment):
        weight = weights[f"weight_hh_{place.name}"].double()
        blocks = weight.reshape(len(GATES[place.spec.cell]), -1, weight.shape[1])
        if bool(torch.isfinite(blocks).all()) and float(torch.linalg.eigvals(blocks).abs().max()) > 1.0 + 1e-6:
            number = int(place.name.removeprefix("l").removesuffix("_reverse"))
            init = msgspec.structs.replace(layers[number].init, spectral_radius=1.0)
            layers[number] = msgspec.structs.replace(layers[number], init=init)
    if layers == list(experiment.model.layers):
        return None
    model = msgspec.structs.replace(experiment.model, layers=tuple(layers))
    return msgspec.structs.replace(experiment, model=model)
