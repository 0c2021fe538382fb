"""Specs held to their ranges: each problem is a SpecError of one sentence, with the field, its value and what is
accepted.

`checked(experiment)` returns the experiment; `experiment_from(data)` does the same for plain dicts (TOML, JSON).
msgspec validates only what it reads, and only types. Plain data, no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine import spec_reading
from engine.errors import SpecError
from engine.figures import figure
from engine.parameters import input_size, parameter_shapes
from engine.quantities import CELL_TITLES, CLAMPABLE, GATES, HELD_WITHIN, ROUTES
from engine.ranges import real, whole
from engine.spec import (
    FORGET_BIAS_RANGE,
    MAX_HIDDEN_SIZE,
    MAX_LAYERS,
    MAX_RECORDED_VALUES,
    RECURRENT_SCALE_RANGE,
    AddingTask,
    CellKind,
    ClipSpec,
    CopyTask,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    Task,
    TruncationSpec,
    WhatIf,
)
from engine.task_checks import check_task
from engine.task_facts import facts, form
from engine.task_specs import MAX_STEPS
from engine.training_checks import check_goes_on, check_training

MAX_PARAMETERS = 500_000_000
"""4 GB in float64, and gradients of the same size."""


def checked(experiment: Experiment) -> Experiment:
    """The experiment itself, if every field is in its range. Raises SpecError.

    The types are checked by a round trip through plain data, so a spec that was built in code is held to the same
    rules as one that was read from a file.
    """
    _typed(experiment, Experiment, "the experiment")
    model, task, training = experiment.model, experiment.task, experiment.training
    _check_model(model, task)
    check_task(task)
    check_training(training)
    _check_clip("training.clip.", training.clip)
    if training.truncation is not None:
        _check_truncation(experiment, training.truncation)
    check_goes_on(experiment)
    whole("seed", experiment.seed, 0, 2**31 - 1)
    _check_size(experiment)
    return experiment


def checked_layer(layer: LayerSpec, input_size: int) -> LayerSpec:
    """The layer itself, if every field is in its range, where it is to read `input_size` numbers a step and the batch
    is of two samples or more. Raises SpecError."""
    _typed(layer, LayerSpec, "the layer", "layer")
    if isinstance(input_size, bool) or not isinstance(input_size, int):
        raise SpecError(f"input_size is {spec_reading.shown(input_size)}; a whole number is accepted.")
    whole("input_size", input_size, 1, 1_000_000)
    _check_layer("layer.", layer, input_size, batch_size=2)
    return layer


def checked_clip(clip: ClipSpec) -> ClipSpec:
    """The clipping itself, if every field is in its range. Raises SpecError."""
    _typed(clip, ClipSpec, "the clipping", "clip")
    _check_clip("clip.", clip)
    return clip


def checked_what_if(what_if: WhatIf) -> WhatIf:
    """The what-if itself, if every field is in its range. Raises SpecError."""
    _typed(what_if, WhatIf, "the what-if", "what_if")
    real("what_if.recurrent_scale", what_if.recurrent_scale, *RECURRENT_SCALE_RANGE)
    real("what_if.forget_bias", what_if.forget_bias, *FORGET_BIAS_RANGE)
    if what_if.spectral_radius is not None:
        real("what_if.spectral_radius", what_if.spectral_radius, 0.0, 1e3)
        if what_if.recurrent_scale != 1.0:
            raise SpecError(
                f"what_if.spectral_radius is {figure(what_if.spectral_radius)} beside what_if.recurrent_scale "
                f"{figure(what_if.recurrent_scale)}; one of them is accepted."
            )
    for place, bias in enumerate(what_if.gate_biases):
        _one_of(f"what_if.gate_biases[{place}].gate", bias.gate, GATES)
        real(f"what_if.gate_biases[{place}].shift", bias.shift, -100.0, 100.0)
    for place, clamp in enumerate(what_if.clamps):
        where = f"what_if.clamps[{place}]."
        _one_of(where + "gate", clamp.gate, CLAMPABLE)
        real(where + "value", clamp.value, *HELD_WITHIN[clamp.gate])
        whole(where + "first", clamp.first, 1, MAX_STEPS)
        if clamp.last is not None:
            whole(where + "last", clamp.last, clamp.first, MAX_STEPS)
        _units(where + "units", clamp.units, MAX_HIDDEN_SIZE)
    for place, cut in enumerate(what_if.cuts):
        _one_of(f"what_if.cuts[{place}].route", cut.route, ROUTES)
    if what_if.clip_norm is not None:
        real("what_if.clip_norm", what_if.clip_norm, 1e-12, 1e12)
    return what_if


def check_fit(stack: Sequence[LayerSpec], steps: int, what_if: WhatIf) -> None:
    """That the shifts, clamps and cuts name what a stack over so many steps has: layers, gates, units, routes. Raises
    SpecError."""
    layers = {
        f"l{depth}{suffix}": layer
        for depth, layer in enumerate(stack)
        for suffix in (("", "_reverse") if layer.bidirectional else ("",))
    }
    gates = {gate for layer in stack for gate in GATES[layer.cell]}
    cells = {CELL_TITLES[layer.cell] for layer in stack}
    whose = f"the {cells.pop()}" if len(cells) == 1 else "this network"
    if what_if.forget_bias != 0.0 and "f" not in gates:
        raise SpecError(
            f"what_if.forget_bias is {figure(what_if.forget_bias)}; {whose} has no forget gate, and 0 is accepted."
        )
    for place, bias in enumerate(what_if.gate_biases):
        if bias.gate not in gates:
            names = ", ".join(f"'{gate}'" for gate in sorted(gates))
            raise SpecError(
                f"what_if.gate_biases[{place}].gate is {spec_reading.shown(bias.gate)}; {whose} has {names}."
            )
    for place, clamp in enumerate(what_if.clamps):
        where = f"what_if.clamps[{place}]."
        layer = _layer(where + "layer", clamp.layer, layers)
        _has(where + "gate", clamp.gate, layer, CLAMPABLE, "gates that can be held")
        for name, step in (("first", clamp.first), ("last", clamp.last)):
            if step is not None and step > steps:
                raise SpecError(f"{where}{name} is {step:,}; the sequence has {steps:,} steps.")
        _units(where + "units", clamp.units, layer.hidden_size)
    for place, cut in enumerate(what_if.cuts):
        where = f"what_if.cuts[{place}]."
        _has(where + "route", cut.route, _layer(where + "layer", cut.layer, layers), ROUTES, "routes")


def experiment_from(data: Any, where: str = "") -> Experiment:
    """An experiment from plain dicts, checked. `where` stands before the sentence, for example a file's name."""
    try:
        return checked(_convert(data, Experiment, "the experiment"))
    except SpecError as error:
        raise SpecError(f"{where}{error}") from None


def _check_model(model: ModelSpec, task: Task) -> None:
    if not 1 <= len(model.layers) <= MAX_LAYERS:
        raise SpecError(
            f"model.layers has {len(model.layers)} entries; 1 to {MAX_LAYERS} recurrent layers are accepted."
        )
    given, embedding = form(task), model.embedding
    if embedding is not None:
        if not given.symbols:
            raise SpecError("model.embedding is a table, but this task's input is numbers; only symbols are embedded.")
        whole("model.embedding.symbols", embedding.symbols, given.symbols, 1_000_000)
        whole("model.embedding.size", embedding.size, 1, MAX_HIDDEN_SIZE)
    _accepted("model.readout.at", model.readout.at, given.readouts, task)
    _accepted("model.loss", model.loss, given.losses, task)
    whole("model.readout.attention_size", model.readout.attention_size, 1, MAX_HIDDEN_SIZE)
    read = input_size(model, task)
    for place, layer in enumerate(model.layers):
        _check_layer(f"model.layers[{place}].", layer, read, task.batch_size)
        read = layer.width


def _accepted(field: str, value: str, accepted: Sequence[str], task: Task) -> None:
    if value not in accepted:
        names = [f"'{name}'" for name in accepted]
        words = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        only = "only " if len(names) == 1 else ""
        raise SpecError(f"{field} is '{value}'; {facts(task).noun} accepts {only}{words}.")


def _check_truncation(experiment: Experiment, truncation: TruncationSpec) -> None:
    """That engine.truncation takes it: forward layers alone, and losses that read their own step."""
    whole("training.truncation.k2", truncation.k2, 1, MAX_STEPS)
    whole("training.truncation.k1", truncation.k1, 1, truncation.k2)
    for place, layer in enumerate(experiment.model.layers):
        if layer.bidirectional:
            raise SpecError(
                f"training.truncation is set, but model.layers[{place}] runs in both directions, and the reverse one "
                "has the whole future in it; forward layers alone are accepted."
            )
    if (at := experiment.model.readout.at) in ("mean", "attention"):
        raise SpecError(
            f"training.truncation is set, but model.readout.at is '{at}', one loss that reads every step; 'last' or "
            "'every' is accepted."
        )
    if form(experiment.task).lengths and at == "last":
        why = "with task.shortest" if isinstance(experiment.task, AddingTask) else f"in {facts(experiment.task).noun}"
        raise SpecError(
            f"training.truncation is set, but {why} the sequences end at steps of their own, which one "
            "loss reads; model.readout.at 'every' is accepted."
        )
    if experiment.training.clip.kind == "step":
        raise SpecError(
            "training.truncation is set beside training.clip.kind 'step', which both change the way back; one of them "
            "is accepted."
        )


def _check_layer(where: str, layer: LayerSpec, read: int, batch_size: int) -> None:
    """`read`: numbers a step that the layer is given."""
    whole(where + "hidden_size", layer.hidden_size, 1, MAX_HIDDEN_SIZE)
    if layer.activation != "tanh" and layer.cell != "rnn":
        raise SpecError(f"{where}activation is '{layer.activation}'; the {layer.cell.upper()} accepts only 'tanh'.")
    real(where + "norm_eps", layer.norm_eps, 0.0, 1.0)
    real(where + "dropout", layer.dropout, 0.0, 0.99)
    if layer.recurrent_dropout is not None:
        real(where + "recurrent_dropout.p", layer.recurrent_dropout.p, 0.0, 0.99)
    if layer.batch_norm and batch_size == 1:
        raise SpecError(f"{where}batch_norm is true, but task.batch_size is 1; a batch of 2 or more is needed.")
    if layer.residual and layer.width != read:
        raise SpecError(
            f"{where}residual is true, but the layer reads {read} numbers a step and gives {layer.width}; "
            "both must be the same to be added."
        )
    _check_init(where + "init.", layer.init, layer)


def _check_clip(where: str, clip: ClipSpec) -> None:
    for field in ("max_norm", "max_value", "ratio"):
        real(where + field, getattr(clip, field), 1e-12, 1e12)


def _check_init(where: str, init: InitSpec, layer: LayerSpec) -> None:
    real(where + "gain", init.gain, 0.0, 1e6)
    normal = "normal" in (init.input, init.recurrent)
    if init.std is not None:
        if not normal:
            raise SpecError(
                f"{where}std is {figure(init.std)}, but neither input nor recurrent is 'normal'; leave it out."
            )
        real(where + "std", init.std, 0.0, 1e6)
    elif normal:
        raise SpecError(f"{where}std is missing; 'normal' needs a number from 0 to 1e6.")
    if init.spectral_radius is not None:
        real(where + "spectral_radius", init.spectral_radius, 0.0, 1e6)
    for name, gate, words in (("forget_bias", "f", "forget gate"), ("update_bias", "z", "update gate")):
        value = getattr(init, name)
        if value is not None:
            if gate not in GATES[layer.cell]:
                raise SpecError(
                    f"{where}{name} is {figure(value)}, but the {CELL_TITLES[layer.cell]} has no {words}; leave it out."
                )
            real(where + name, value, -100.0, 100.0)
    if init.chrono is not None:
        if layer.cell == "rnn":
            raise SpecError(
                f"{where}chrono is {spec_reading.shown(init.chrono)}, but the RNN has no gates; leave it out."
            )
        for name in ("forget_bias", "update_bias"):
            if getattr(init, name) is not None:
                raise SpecError(
                    f"{where}chrono is {spec_reading.shown(init.chrono)} beside {name} {figure(getattr(init, name))}, "
                    "which is the same gate's; one of them is accepted."
                )
        whole(where + "chrono", init.chrono, 3, MAX_STEPS)


def _check_size(experiment: Experiment) -> None:
    """That the trace and the weights fit into memory."""
    layers, task = experiment.model.layers, experiment.task
    recorded = task.steps * task.batch_size * sum(layer.width for layer in layers)
    if recorded > MAX_RECORDED_VALUES:
        steps = "(task.delay + 20)" if isinstance(task, CopyTask) else "task.steps"
        sizes = "hidden_size" if len(layers) == 1 else "the hidden_size of all layers"
        raise SpecError(
            f"{steps} × task.batch_size × {sizes} is {recorded:,}, too large to record; "
            f"at most {MAX_RECORDED_VALUES:,} is accepted."
        )
    read = input_size(experiment.model, task)
    given = task.steps * task.batch_size * read
    if given > MAX_RECORDED_VALUES:
        advice = "" if experiment.model.embedding or not form(task).symbols else ", or an embedding of the symbols"
        raise SpecError(
            f"task.steps × task.batch_size × the {read:,} numbers that are read a step is {given:,}, too large to "
            f"record; at most {MAX_RECORDED_VALUES:,} is accepted{advice}."
        )
    weights = sum(math.prod(shape) for shape in parameter_shapes(experiment).values())
    if weights > MAX_PARAMETERS:
        raise SpecError(f"The model has {weights:,} parameters; at most {MAX_PARAMETERS:,} are accepted.")


def _layer(field: str, name: str, layers: Mapping[str, LayerSpec]) -> LayerSpec:
    if name not in layers:
        raise SpecError(f"{field} is {spec_reading.shown(name)}; this network has {', '.join(layers)}.")
    return layers[name]


def _one_of(field: str, value: str, table: Mapping[CellKind, tuple[str, ...]]) -> None:
    """That some cell has it."""
    known = sorted({name for names in table.values() for name in names})
    if value not in known:
        names = ", ".join(f"'{name}'" for name in known)
        note = " ('' is the RNN's)" if "" in known else ""
        raise SpecError(f"{field} is {spec_reading.shown(value)}; one of {names} is accepted{note}.")


def _has(field: str, value: str, layer: LayerSpec, table: Mapping[CellKind, tuple[str, ...]], words: str) -> None:
    """That this layer's cell has it."""
    names = table[layer.cell]
    if value not in names:
        has = ", ".join(f"'{name}'" for name in names) if names else f"no {words}"
        raise SpecError(f"{field} is {spec_reading.shown(value)}; the {CELL_TITLES[layer.cell]} has {has}.")


def _units(field: str, units: tuple[int, ...] | None, hidden_size: int) -> None:
    if units is not None and not units:
        raise SpecError(f"{field} is an empty list; one unit or more is accepted, or nothing for all of them.")
    for place, unit in enumerate(units or ()):
        whole(f"{field}[{place}]", unit, 0, hidden_size - 1)


def _typed(spec: Any, kind: type[msgspec.Struct], name: str, field: str = "") -> None:
    """That it is a spec of that kind, with the right types in its fields."""
    if not isinstance(spec, kind):
        shown = "a dict" if isinstance(spec, dict) else spec_reading.shown(spec)
        raise SpecError(f"{name[0].upper()}{name[1:]} is {shown}; an engine.{kind.__name__} is accepted.")
    _convert(spec, kind, name, field)


def _convert(data: Any, kind: type[Any], name: str, field: str = "") -> Any:
    plain = spec_reading.plain
    try:
        return spec_reading.read(plain(data) if isinstance(data, msgspec.Struct) else data, kind, name, field)
    except ValueError as error:
        raise SpecError(str(error)) from None
