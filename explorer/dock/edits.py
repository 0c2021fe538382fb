"""What an edit of one field makes of an experiment. Plain functions; `engine.checks.checked` has the last word.

Fields of a layer have bare names, and are told which layer; those of the rest of the experiment have names of their
own. A field that another choice has taken away takes its value along, so that nothing is wrong that cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec.structs import replace

from engine.spec import CellKind, Experiment, InitSpec, LayerSpec, RecurrentDropoutSpec
from explorer.dock.task_edits import TASK_EDITS, task_values
from explorer.dock.training_edits import TRAINING_EDITS, training_values

Edit: TypeAlias = Callable[[Experiment, Any], Experiment]
LayerEdit: TypeAlias = Callable[[LayerSpec, Any], LayerSpec]

STD = 0.1
"""Of normal weights, to begin with."""


# -- a layer ----------------------------------------------------------------------------------------------------------


def with_cell(layer: LayerSpec, cell: CellKind) -> LayerSpec:
    """Another cell with the same size; what the new cell does not have goes back to its default."""
    init = replace(
        layer.init,
        forget_bias=layer.init.forget_bias if cell == "lstm" else None,
        update_bias=layer.init.update_bias if cell == "gru" else None,
        chrono=layer.init.chrono if cell != "rnn" else None,
    )
    return replace(layer, cell=cell, activation=layer.activation if cell == "rnn" else "tanh", init=init)


def _of_layer(field: str) -> LayerEdit:
    return lambda layer, value: replace(layer, **{field: value})


def _of_init(field: str) -> LayerEdit:
    return lambda layer, value: replace(layer, init=replace(layer.init, **{field: value}))


def _weights(field: str) -> LayerEdit:
    """The kind of initial weights; "normal" needs a deviation, the others must not have one."""

    def edit(layer: LayerSpec, value: Any) -> LayerSpec:
        init = replace(layer.init, **{field: value})
        normal = "normal" in (init.input, init.recurrent)
        std = (init.std if init.std is not None else STD) if normal else None
        return replace(layer, init=replace(init, std=std))

    return edit


def _recurrent_p(layer: LayerSpec, value: Any) -> LayerSpec:
    """0: there is none."""
    old = layer.recurrent_dropout or RecurrentDropoutSpec()
    return replace(layer, recurrent_dropout=replace(old, p=float(value)) if value else None)


def _recurrent_mask(layer: LayerSpec, value: Any) -> LayerSpec:
    old = layer.recurrent_dropout or RecurrentDropoutSpec()
    return replace(layer, recurrent_dropout=replace(old, mask=value))


LAYER_EDITS: dict[str, LayerEdit] = {
    "cell": with_cell,
    "hidden_size": _of_layer("hidden_size"),
    "bidirectional": _of_layer("bidirectional"),
    "activation": _of_layer("activation"),
    "input": _weights("input"),
    "recurrent": _weights("recurrent"),
    "std": _of_init("std"),
    "gain": _of_init("gain"),
    "spectral_radius": _of_init("spectral_radius"),
    "bias": _of_init("bias"),
    "forget_bias": _of_init("forget_bias"),
    "update_bias": _of_init("update_bias"),
    "chrono": _of_init("chrono"),
    "dropout": _of_layer("dropout"),
    "dropout_mask": _of_layer("dropout_mask"),
    "recurrent_dropout": _recurrent_p,
    "recurrent_mask": _recurrent_mask,
    "layer_norm": _of_layer("layer_norm"),
    "batch_norm": _of_layer("batch_norm"),
    "norm_eps": _of_layer("norm_eps"),
    "residual": _of_layer("residual"),
}


def layer_values(layer: LayerSpec) -> dict[str, Any]:
    """What each field of a layer's card shows."""
    recurrent = layer.recurrent_dropout
    found = {name: getattr(layer, name) for name in LAYER_EDITS if name in LayerSpec.__struct_fields__}
    found |= {name: getattr(layer.init, name) for name in LAYER_EDITS if name in InitSpec.__struct_fields__}
    found["recurrent_dropout"] = 0.0 if recurrent is None else recurrent.p
    found["recurrent_mask"] = (recurrent or RecurrentDropoutSpec()).mask
    return found


def with_layer(experiment: Experiment, number: int, field: str, value: Any) -> Experiment:
    layers = list(experiment.model.layers)
    layers[number] = LAYER_EDITS[field](layers[number], value)
    return replace(experiment, model=replace(experiment.model, layers=tuple(layers)))


# -- the rest ---------------------------------------------------------------------------------------------------------


def _of_experiment(field: str) -> Edit:
    return lambda experiment, value: replace(experiment, **{field: value})


def _of_readout(field: str) -> Edit:
    def edit(experiment: Experiment, value: Any) -> Experiment:
        readout = replace(experiment.model.readout, **{field: value})
        return replace(experiment, model=replace(experiment.model, readout=readout))

    return edit


def _loss(experiment: Experiment, value: Any) -> Experiment:
    return replace(experiment, model=replace(experiment.model, loss=value))


EDITS: dict[str, Edit] = {
    "loss": _loss,
    "at": _of_readout("at"),
    "attention_size": _of_readout("attention_size"),
    "seed": _of_experiment("seed"),
    "dtype": _of_experiment("dtype"),
    "device": _of_experiment("device"),
    **TASK_EDITS,
    **TRAINING_EDITS,
}


def values(experiment: Experiment) -> dict[str, Any]:
    """What each field outside of the layers shows."""
    model = experiment.model
    own = {
        "loss": model.loss,
        "at": model.readout.at,
        "attention_size": model.readout.attention_size,
        "seed": experiment.seed,
        "dtype": experiment.dtype,
        "device": experiment.device,
    }
    return own | task_values(experiment) | training_values(experiment)
