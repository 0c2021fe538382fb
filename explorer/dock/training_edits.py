"""What an edit of the training makes of an experiment. Plain functions.

A field that another choice has taken away goes back to its default, so that nothing is wrong that cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec.structs import replace

from engine.figures import figure
from engine.spec import (
    EarlyStopSpec,
    Experiment,
    OptimizerSpec,
    SamplingSpec,
    ScheduleSpec,
    TruncationSpec,
)

Edit: TypeAlias = Callable[[Experiment, Any], Experiment]

OPTIMIZER_FIELDS: dict[str, tuple[str, ...]] = {
    "sgd": ("momentum", "nesterov"),
    "rmsprop": ("momentum", "alpha", "epsilon"),
    "adam": ("beta1", "beta2", "epsilon"),
    "adamw": ("beta1", "beta2", "epsilon"),
}
"""What each of them has."""
SCHEDULE_FIELDS: dict[str, tuple[str, ...]] = {
    "constant": (),
    "step": ("every", "factor"),
    "exponential": ("every", "factor"),
    "linear": ("length", "floor"),
    "cosine": ("length", "floor"),
}
USUAL_RATES: dict[str, float] = {"sgd": 0.1, "rmsprop": 1e-3, "adam": 1e-2, "adamw": 1e-2}
"""The learning rate that each begins with; of Adam that of engine.beginning."""
OPTIMIZER_NAMES: dict[str, str] = {"sgd": "SGD", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}
_FAR_BELOW, _FAR_ABOVE = 1 / 1000, 20
"""Times the usual rate: what lies beyond is seldom meant."""
SAMPLING_K = {"linear": 1.0, "exponential": 0.999, "inverse_sigmoid": 100.0}
"""To begin with."""


def _training(experiment: Experiment, **changes: Any) -> Experiment:
    return replace(experiment, training=replace(experiment.training, **changes))


def _of_training(field: str) -> Edit:
    return lambda experiment, value: _training(experiment, **{field: value})


def _of_part(part: str, field: str) -> Edit:
    """Of one of the specs that a training holds."""

    def edit(experiment: Experiment, value: Any) -> Experiment:
        return _training(experiment, **{part: replace(getattr(experiment.training, part), **{field: value})})

    return edit


def _optimizer(experiment: Experiment, kind: Any) -> Experiment:
    """With its own usual learning rate, unless somebody has chosen another than the usual one of the old optimizer."""
    old, rate = experiment.training.optimizer, experiment.training.learning_rate
    kept = {name: getattr(old, name) for name in OPTIMIZER_FIELDS[kind]}
    rate = USUAL_RATES[kind] if rate == USUAL_RATES[old.kind] else rate
    return _training(experiment, optimizer=OptimizerSpec(kind=kind, **kept), learning_rate=rate)


def rate_words(kind: str, rate: float) -> str:
    """What is odd about a learning rate, in a sentence; "" where nothing is. A rate of 0 is meant."""
    usual, name = USUAL_RATES[kind], OPTIMIZER_NAMES[kind]
    if rate > _FAR_ABOVE * usual:
        return f"This is {rate / usual:,.0f} times the usual rate of {name}, {figure(usual)}: it may diverge."
    if 0 < rate < _FAR_BELOW * usual:
        return f"The usual rate of {name} is {usual / rate:,.0f} times this, {figure(usual)}: it learns slowly."
    return ""


def _momentum(experiment: Experiment, value: Any) -> Experiment:
    """Nesterov's needs some."""
    old = experiment.training.optimizer
    return _training(experiment, optimizer=replace(old, momentum=value, nesterov=old.nesterov and value > 0))


def _schedule(experiment: Experiment, kind: Any) -> Experiment:
    old = experiment.training.schedule
    kept = {name: getattr(old, name) for name in SCHEDULE_FIELDS[kind]}
    return _training(experiment, schedule=ScheduleSpec(kind=kind, warmup=old.warmup, **kept))


def _sampling(experiment: Experiment, decay: Any) -> Experiment:
    """None: the truth is always read."""
    old = experiment.training.sampling
    if decay is None:
        return _training(experiment, sampling=None)
    floor = old.floor if old is not None else 0.0
    return _training(experiment, sampling=SamplingSpec(decay=decay, k=SAMPLING_K[decay], floor=floor))


def _of_sampling(field: str) -> Edit:
    def edit(experiment: Experiment, value: Any) -> Experiment:
        old = experiment.training.sampling
        return experiment if old is None else _training(experiment, sampling=replace(old, **{field: value}))

    return edit


def _patience(experiment: Experiment, value: Any) -> Experiment:
    """None: it does not stop early."""
    old = experiment.training.early_stop or EarlyStopSpec()
    return _training(experiment, early_stop=None if value is None else replace(old, patience=value))


def _least(experiment: Experiment, value: Any) -> Experiment:
    old = experiment.training.early_stop
    return experiment if old is None else _training(experiment, early_stop=replace(old, least=value))


def _truncation(experiment: Experiment, value: Any) -> Experiment:
    """k2; None: full BPTT."""
    old = experiment.training.truncation
    if value is None:
        return _training(experiment, truncation=None)
    k1 = min(value, old.k1 if old is not None else value)
    return _training(experiment, truncation=TruncationSpec(k1=k1, k2=value))


def _truncation_every(experiment: Experiment, value: Any) -> Experiment:
    old = experiment.training.truncation
    return experiment if old is None else _training(experiment, truncation=replace(old, k1=value))


TRAINING_EDITS: dict[str, Edit] = {
    "learning_rate": _of_training("learning_rate"),
    "optimizer": _optimizer,
    "momentum": _momentum,
    "nesterov": _of_part("optimizer", "nesterov"),
    "alpha": _of_part("optimizer", "alpha"),
    "beta1": _of_part("optimizer", "beta1"),
    "beta2": _of_part("optimizer", "beta2"),
    "epsilon": _of_part("optimizer", "epsilon"),
    "schedule": _schedule,
    "warmup": _of_part("schedule", "warmup"),
    "schedule_every": _of_part("schedule", "every"),
    "factor": _of_part("schedule", "factor"),
    "length": _of_part("schedule", "length"),
    "schedule_floor": _of_part("schedule", "floor"),
    "l1": _of_training("l1"),
    "l2": _of_training("l2"),
    "clip": _of_part("clip", "kind"),
    "max_norm": _of_part("clip", "max_norm"),
    "max_value": _of_part("clip", "max_value"),
    "ratio": _of_part("clip", "ratio"),
    "clip_readout": _of_part("clip", "readout"),
    "truncation": _truncation,
    "truncation_every": _truncation_every,
    "carry": _of_training("carry"),
    "sampling": _sampling,
    "sampling_k": _of_sampling("k"),
    "sampling_c": _of_sampling("c"),
    "sampling_floor": _of_sampling("floor"),
    "evaluate_every": _of_training("evaluate_every"),
    "patience": _patience,
    "least": _least,
    "iterations": _of_training("iterations"),
}


def training_values(experiment: Experiment) -> dict[str, Any]:
    """What each field of the Training section shows; None where there is no such thing."""
    training = experiment.training
    optimizer, schedule, clip = training.optimizer, training.schedule, training.clip
    truncation, sampling, stop = training.truncation, training.sampling, training.early_stop
    return {
        "learning_rate": training.learning_rate,
        "optimizer": optimizer.kind,
        "momentum": optimizer.momentum,
        "nesterov": optimizer.nesterov,
        "alpha": optimizer.alpha,
        "beta1": optimizer.beta1,
        "beta2": optimizer.beta2,
        "epsilon": optimizer.epsilon,
        "schedule": schedule.kind,
        "warmup": schedule.warmup,
        "schedule_every": schedule.every,
        "factor": schedule.factor,
        "length": schedule.length,
        "schedule_floor": schedule.floor,
        "l1": training.l1,
        "l2": training.l2,
        "clip": clip.kind,
        "max_norm": clip.max_norm,
        "max_value": clip.max_value,
        "ratio": clip.ratio,
        "clip_readout": clip.readout,
        "truncation": None if truncation is None else truncation.k2,
        "truncation_every": None if truncation is None else truncation.k1,
        "carry": training.carry,
        "sampling": None if sampling is None else sampling.decay,
        "sampling_k": None if sampling is None else sampling.k,
        "sampling_c": None if sampling is None else sampling.c,
        "sampling_floor": None if sampling is None else sampling.floor,
        "evaluate_every": training.evaluate_every,
        "patience": None if stop is None else stop.patience,
        "least": None if stop is None else stop.least,
        "iterations": training.iterations,
    }
