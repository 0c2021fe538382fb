"""What an edit of one field makes of an experiment. Plain functions; `engine.spec.checked` has the last word."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec.structs import replace

from engine.spec import AddingTask, CellKind, Experiment, SunspotsTask

Edit: TypeAlias = Callable[[Experiment, Any], Experiment]

MOST_YEARS = 308
"""The longest window of the sunspot series: 309 years, and one of them is the target."""
_OUT_OF_RANGE = re.compile(r"[\w.\[\]]+ is ([^ ;]+); (.+ is accepted\.)")
_PATH = re.compile(r"^[\w\[\]]+(?:\.[\w\[\]]+)*\.(?=\w)")


def with_cell(experiment: Experiment, cell: CellKind) -> Experiment:
    """Another cell with the same size; what the new cell does not have goes back to its default."""
    layer = experiment.layer
    init = replace(
        layer.init,
        forget_bias=layer.init.forget_bias if cell == "lstm" else None,
        update_bias=layer.init.update_bias if cell == "gru" else None,
    )
    return _layer(experiment, cell=cell, activation=layer.activation if cell == "rnn" else "tanh", init=init)


def with_task(experiment: Experiment, kind: str) -> Experiment:
    """Another task with the same number of sequences, and of steps as far as it has them."""
    steps, batch_size = experiment.task.steps, experiment.task.batch_size
    if kind == "sunspots":
        return replace(experiment, task=SunspotsTask(steps=min(steps, MOST_YEARS), batch_size=batch_size))
    return replace(experiment, task=AddingTask(steps=max(steps, 2), batch_size=batch_size))


def _layer(experiment: Experiment, **changes: Any) -> Experiment:
    layer = replace(experiment.layer, **changes)
    return replace(experiment, model=replace(experiment.model, layers=(layer, *experiment.model.layers[1:])))


def _of_layer(field: str) -> Edit:
    return lambda experiment, value: _layer(experiment, **{field: value})


def _of_init(field: str) -> Edit:
    return lambda experiment, value: _layer(experiment, init=replace(experiment.layer.init, **{field: value}))


def _of_task(field: str) -> Edit:
    return lambda experiment, value: replace(experiment, task=replace(experiment.task, **{field: value}))


def _of_training(field: str) -> Edit:
    return lambda experiment, value: replace(experiment, training=replace(experiment.training, **{field: value}))


def _of_clip(field: str) -> Edit:
    def edit(experiment: Experiment, value: Any) -> Experiment:
        clip = replace(experiment.training.clip, **{field: value})
        return replace(experiment, training=replace(experiment.training, clip=clip))

    return edit


def _of_experiment(field: str) -> Edit:
    return lambda experiment, value: replace(experiment, **{field: value})


def _loss(experiment: Experiment, value: Any) -> Experiment:
    return replace(experiment, model=replace(experiment.model, loss=value))


def _readout(experiment: Experiment, value: Any) -> Experiment:
    return replace(experiment, model=replace(experiment.model, readout=replace(experiment.model.readout, at=value)))


EDITS: dict[str, Edit] = {
    "loss": _loss,
    "at": _readout,
    "cell": with_cell,
    "hidden_size": _of_layer("hidden_size"),
    "activation": _of_layer("activation"),
    "recurrent": _of_init("recurrent"),
    "gain": _of_init("gain"),
    "forget_bias": _of_init("forget_bias"),
    "update_bias": _of_init("update_bias"),
    "task": with_task,
    "steps": _of_task("steps"),
    "batch_size": _of_task("batch_size"),
    "seed": _of_experiment("seed"),
    "dtype": _of_experiment("dtype"),
    "device": _of_experiment("device"),
    "learning_rate": _of_training("learning_rate"),
    "clip": _of_clip("kind"),
    "max_norm": _of_clip("max_norm"),
    "iterations": _of_training("iterations"),
}


def values(experiment: Experiment) -> dict[str, Any]:
    """What each field shows."""
    layer, task, training = experiment.layer, experiment.task, experiment.training
    return {
        "loss": experiment.model.loss,
        "at": experiment.model.readout.at,
        "cell": layer.cell,
        "hidden_size": layer.hidden_size,
        "activation": layer.activation,
        "recurrent": layer.init.recurrent,
        "gain": layer.init.gain,
        "forget_bias": layer.init.forget_bias,
        "update_bias": layer.init.update_bias,
        "task": "sunspots" if isinstance(task, SunspotsTask) else "adding",
        "steps": task.steps,
        "batch_size": task.batch_size,
        "seed": experiment.seed,
        "dtype": experiment.dtype,
        "device": experiment.device,
        "learning_rate": training.learning_rate,
        "clip": training.clip.kind,
        "max_norm": training.clip.max_norm,
        "iterations": training.iterations,
    }


def said_at_the_field(sentence: str) -> str:
    """A spec's sentence without the field's name: it stands at the field, which may have another name there."""
    found = _OUT_OF_RANGE.fullmatch(sentence)
    return f"{found[1]}: {found[2]}" if found else _PATH.sub("", sentence)
