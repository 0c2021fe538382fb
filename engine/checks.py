"""Specs held to their ranges: each problem is a SpecError of one sentence, with the field, its value and what is accepted.

`checked(experiment)` returns the experiment; `experiment_from(data)` does the same for plain dicts (TOML, JSON). msgspec
validates only what it reads, and only types. Plain data, no torch.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from engine import spec_reading
from engine.errors import SpecError
from engine.figures import figure
from engine.quantities import CELL_TITLES, CLAMPABLE, GATES, ROUTES
from engine.spec import (
    FORGET_BIAS_RANGE,
    MAX_BATCH_SIZE,
    MAX_HIDDEN_SIZE,
    MAX_LAYERS,
    MAX_RECORDED_VALUES,
    MAX_STEPS,
    RECURRENT_SCALE_RANGE,
    AddingTask,
    CopyTask,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    SunspotsTask,
    Task,
    WhatIf,
)


def checked(experiment: Experiment) -> Experiment:
    """The experiment itself, if every field is in its range. Raises SpecError.

    The types are checked by a round trip through plain data, so a spec that was built in code is held to the same
    rules as one that was read from a file.
    """
    if not isinstance(experiment, Experiment):
        raise SpecError(f"The experiment is {spec_reading.shown(experiment)}; an engine.Experiment is accepted.")
    _convert(experiment, Experiment)
    model, task, training = experiment.model, experiment.task, experiment.training
    _check_model(model, task)
    _check_task(task)
    _real("training.learning_rate", training.learning_rate, 0.0, 1e6)
    _real("training.clip.max_norm", training.clip.max_norm, 1e-12, 1e12)
    _whole("training.iterations", training.iterations, 0, 1_000_000)
    _whole("seed", experiment.seed, 0, 2**31 - 1)
    size = task.steps * task.batch_size * sum(layer.width for layer in model.layers)
    if size > MAX_RECORDED_VALUES:
        raise SpecError(
            f"task.steps × task.batch_size × hidden_size is {size:,}, too large to record; "
            f"at most {MAX_RECORDED_VALUES:,} is accepted."
        )
    return experiment


def checked_what_if(what_if: WhatIf) -> WhatIf:
    """The what-if itself, if every field is in its range. Raises SpecError."""
    if not isinstance(what_if, WhatIf):
        raise SpecError(f"The what-if is {spec_reading.shown(what_if)}; an engine.WhatIf is accepted.")
    _convert(what_if, WhatIf)
    _real("what_if.recurrent_scale", what_if.recurrent_scale, *RECURRENT_SCALE_RANGE)
    _real("what_if.forget_bias", what_if.forget_bias, *FORGET_BIAS_RANGE)
    if what_if.spectral_radius is not None:
        _real("what_if.spectral_radius", what_if.spectral_radius, 0.0, 1e3)
        if what_if.recurrent_scale != 1.0:
            raise SpecError(
                "what_if.spectral_radius and what_if.recurrent_scale are both set; one of them is accepted."
            )
    for place, bias in enumerate(what_if.gate_biases):
        _gate(f"what_if.gate_biases[{place}].gate", bias.gate)
        _real(f"what_if.gate_biases[{place}].shift", bias.shift, -100.0, 100.0)
    for place, clamp in enumerate(what_if.clamps):
        where = f"what_if.clamps[{place}]."
        _gate(where + "gate", clamp.gate)
        _real(where + "value", clamp.value, -1e6, 1e6)
        _whole(where + "first", clamp.first, 1, MAX_STEPS)
        if clamp.last is not None:
            _whole(where + "last", clamp.last, clamp.first, MAX_STEPS)
        for unit in clamp.units or ():
            _whole(where + "units", unit, 0, MAX_HIDDEN_SIZE - 1)
    for place, cut in enumerate(what_if.cuts):
        known = sorted({route for routes in ROUTES.values() for route in routes})
        if cut.route not in known:
            shown = spec_reading.shown(cut.route)
            raise SpecError(f"what_if.cuts[{place}].route is {shown}; {', '.join(known)} are accepted.")
    if what_if.clip_norm is not None:
        _real("what_if.clip_norm", what_if.clip_norm, 1e-12, 1e12)
    return what_if


def check_fit(experiment: Experiment, what_if: WhatIf) -> None:
    """That the clamps and cuts name layers, gates, steps, units and routes that this experiment has. Raises SpecError."""
    layers = {
        f"l{depth}{suffix}": layer
        for depth, layer in enumerate(experiment.model.layers)
        for suffix in (("", "_reverse") if layer.bidirectional else ("",))
    }
    for part, ones in (("clamps", what_if.clamps), ("cuts", what_if.cuts)):
        for place, one in enumerate(ones):
            if one.layer not in layers:
                raise SpecError(
                    f"what_if.{part}[{place}].layer is {spec_reading.shown(one.layer)}; "
                    f"this network has {', '.join(layers)}."
                )
    for place, clamp in enumerate(what_if.clamps):
        layer, where = layers[clamp.layer], f"what_if.clamps[{place}]."
        gates = CLAMPABLE[layer.cell]
        if clamp.gate not in gates:
            raise SpecError(f"{where}gate is '{clamp.gate}'; {_has(layer, gates)}.")
        if clamp.first > experiment.task.steps:
            raise SpecError(f"{where}first is {clamp.first}; the sequence has {experiment.task.steps} steps.")
        for unit in clamp.units or ():
            _whole(where + "units", unit, 0, layer.hidden_size - 1)
    for place, cut in enumerate(what_if.cuts):
        routes = ROUTES[layers[cut.layer].cell]
        if cut.route not in routes:
            raise SpecError(f"what_if.cuts[{place}].route is '{cut.route}'; {_has(layers[cut.layer], routes)}.")


def experiment_from(data: Any, where: str = "") -> Experiment:
    """An experiment from plain dicts, checked. `where` stands before the sentence, for example a file's name."""
    try:
        return checked(_convert(data, Experiment))
    except SpecError as error:
        raise SpecError(f"{where}{error}") from None


def _check_model(model: ModelSpec, task: Task) -> None:
    if not 1 <= len(model.layers) <= MAX_LAYERS:
        raise SpecError(
            f"model.layers has {len(model.layers)} entries; 1 to {MAX_LAYERS} recurrent layers are accepted."
        )
    symbols = isinstance(task, CopyTask)
    if symbols and model.embedding is None:
        raise SpecError("model.embedding is missing; the copy task's input is symbols, 10 of them.")
    if model.embedding is not None:
        if not symbols:
            raise SpecError("model.embedding is set, but this task's input is numbers; only symbols are embedded.")
        _whole("model.embedding.symbols", model.embedding.symbols, 10, 1_000_000)
        _whole("model.embedding.size", model.embedding.size, 1, MAX_HIDDEN_SIZE)
    if symbols and (model.readout.at != "every" or model.loss != "cross_entropy"):
        raise SpecError("The copy task asks for symbols: readout.at = 'every' with loss = 'cross_entropy' is accepted.")
    _whole("model.readout.attention_size", model.readout.attention_size, 1, MAX_HIDDEN_SIZE)
    read = model.embedding.size if model.embedding is not None else (2 if isinstance(task, AddingTask) else 1)
    for place, layer in enumerate(model.layers):
        _check_layer(f"model.layers[{place}].", layer, read, task.batch_size)
        read = layer.width


def _check_layer(where: str, layer: LayerSpec, read: int, batch_size: int) -> None:
    """`read`: numbers a step that the layer is given."""
    _whole(where + "hidden_size", layer.hidden_size, 1, MAX_HIDDEN_SIZE)
    if layer.activation != "tanh" and layer.cell != "rnn":
        raise SpecError(f"{where}activation is '{layer.activation}'; the {layer.cell.upper()} accepts only 'tanh'.")
    _real(where + "norm_eps", layer.norm_eps, 0.0, 1.0)
    _real(where + "dropout", layer.dropout, 0.0, 0.99)
    if layer.recurrent_dropout is not None:
        _real(where + "recurrent_dropout.p", layer.recurrent_dropout.p, 0.0, 0.99)
    if layer.batch_norm and batch_size == 1:
        raise SpecError(f"{where}batch_norm is true, but task.batch_size is 1; a batch of 2 or more is needed.")
    if layer.residual and layer.width != read:
        raise SpecError(
            f"{where}residual is true, but the layer reads {read} numbers a step and gives {layer.width}; "
            "both must be the same to be added."
        )
    _check_init(where + "init.", layer.init, layer)


def _check_init(where: str, init: InitSpec, layer: LayerSpec) -> None:
    _real(where + "gain", init.gain, 0.0, 1e6)
    normal = "normal" in (init.input, init.recurrent)
    if init.std is not None:
        if not normal:
            raise SpecError(f"{where}std is set, but neither input nor recurrent is 'normal'.")
        _real(where + "std", init.std, 0.0, 1e6)
    elif normal:
        raise SpecError(f"{where}std is missing; 'normal' needs a number from 0 to 1e6.")
    if init.spectral_radius is not None:
        _real(where + "spectral_radius", init.spectral_radius, 0.0, 1e6)
    for name, gate, words in (("forget_bias", "f", "forget gate"), ("update_bias", "z", "update gate")):
        value = getattr(init, name)
        if value is not None:
            if gate not in GATES[layer.cell]:
                raise SpecError(f"{where}{name} is set, but the {layer.cell.upper()} has no {words}.")
            _real(where + name, value, -100.0, 100.0)
    if init.chrono is not None:
        if layer.cell == "rnn":
            raise SpecError(f"{where}chrono is set, but the RNN has no gates.")
        if init.forget_bias is not None or init.update_bias is not None:
            raise SpecError(f"{where}chrono is set beside a bias of the same gate; one of them is accepted.")
        _whole(where + "chrono", init.chrono, 3, MAX_STEPS)


def _check_task(task: Task) -> None:
    if isinstance(task, CopyTask):
        _whole("task.delay", task.delay, 1, MAX_STEPS - 20)
    else:
        _whole("task.steps", task.steps, 2 if isinstance(task, AddingTask) else 1, _max_steps(task))
    _whole("task.batch_size", task.batch_size, 1, MAX_BATCH_SIZE)
    if isinstance(task, AddingTask) and task.shortest is not None:
        _whole("task.shortest", task.shortest, 2, task.steps)


def _max_steps(task: Task) -> int:
    return 308 if isinstance(task, SunspotsTask) else MAX_STEPS  # 309 years, and one of them is the target


def _gate(field: str, gate: str) -> None:
    known = sorted({one for gates in GATES.values() for one in gates})
    if gate not in known:
        names = ", ".join(f"'{one}'" for one in known)
        raise SpecError(f"{field} is {spec_reading.shown(gate)}; {names} are accepted ('' is the RNN's).")


def _has(layer: LayerSpec, names: tuple[str, ...]) -> str:
    return f"the {CELL_TITLES[layer.cell]} has {', '.join(names)}"


def _convert(data: Any, kind: type[Any]) -> Any:
    field = "what_if" if kind is WhatIf else ""
    try:
        return spec_reading.read(
            spec_reading.plain(data) if isinstance(data, msgspec.Struct) else data, kind, "the experiment", field
        )
    except ValueError as error:
        raise SpecError(str(error)) from None


def _whole(field: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not low <= value <= high:
        raise SpecError(f"{field} is {spec_reading.shown(value)}; a whole number from {low} to {high:,} is accepted.")


def _real(field: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise SpecError(f"{field} is {figure(value, 6)}; a number from {figure(low)} to {figure(high)} is accepted.")
