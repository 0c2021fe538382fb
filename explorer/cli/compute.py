"""The engine in this process, for commands without a window. torch is imported when something is computed."""

from __future__ import annotations

import sys
from typing import Any

from engine.requests import Computed, Operation, Recorded, Source, Weights
from engine.spec import Experiment
from engine.training_requests import Train, Trained
from explorer.cli.target import Target

_CHUNK = 20
"""Iterations between two words about the progress."""


def compute(operation: Operation, request: Any) -> Any:
    """Raises EngineError."""
    from engine.operations import run

    return run(operation, request)


def source_of(target: Target) -> Source:
    """What to compute; a preset that is trained beforehand is trained now."""
    if target.probe is not None:
        return Recorded(str(target.path), target.probe.sha256)
    if target.session is not None:
        saved = target.session
        return Computed(saved.experiment, saved.history.get(saved.iteration), saved.iteration, saved.what_if)
    if target.preset is None:
        raise target.refused()
    experiment = target.preset.experiment
    iteration = experiment.training.iterations
    return Computed(experiment, _trained(experiment, iteration), iteration, target.preset.what_if)


def _trained(experiment: Experiment, iterations: int) -> Weights | None:
    """The weights after that many iterations; None where there are none to do."""
    weights: Weights | None = None
    done = 0
    told = sys.stderr.isatty()
    while done < iterations:
        if told:
            print(f"\rTraining: iteration {done} of {iterations} ", end="", file=sys.stderr, flush=True)
        count = min(_CHUNK, iterations - done)
        trained: Trained = compute("train", Train(experiment, weights, done, count))
        weights, done = trained.weights, trained.iteration
    if told and iterations:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return weights
