"""A saved experiment: its spec, its weights at the iterations that were kept, and where somebody was looking.

What determines the numbers is stored exactly; the trace is computed again. No torch is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import container, tensorfile, tracks, zipframe
from engine.checks import checked, checked_what_if
from engine.errors import SessionError, SpecError
from engine.history import (
    FLOW_BYTES,
    SCALAR_BYTES,
    Evaluation,
    Log,
    evaluation_arrays,
    evaluations_from,
)
from engine.parameters import layer_of, parameter_shapes
from engine.plaintext import one_line, several_lines
from engine.requests import Array, Weights
from engine.spec import MAX_LAYERS, NO_WHAT_IF, Experiment, OptimizerSpec, Spec, WhatIf
from engine.tape import Tape
from engine.task_facts import metric
from engine.training_state import (
    carried_of,
    carried_shapes,
    fitted,
    optimizer_of,
    optimizer_shapes,
    parameters_of,
    state_shapes,
)
from engine.within import Granularity

MAX_TRACKS, MAX_HEIGHT = 64, 10_000
MAX_ITERATION = 10**9
MAX_NOTES = 20_000
MAX_PINS = 6
MAX_EVALUATIONS = 10_000
MAX_RECIPES = 256
_MOST_TENSORS = tensorfile.MAX_TENSORS - 5000
"""Of the history; the rest is for what else there is."""
_ROOM_FOR_WEIGHTS = 56 * 2**20
"""For states that only save replaying."""
MAX_STATE_BYTES = container.MAX_FILE_BYTES["session"] - SCALAR_BYTES - FLOW_BYTES - 8 * 2**20
"""For the states that a training cannot do without."""


class SessionView(Spec, frozen=True, kw_only=True):
    """Where somebody was looking."""

    tracks: tuple[str, ...] = ("network", "norms")
    """From top to bottom, as engine.tracks reads them."""
    position: int = 0
    """On the tape, from 0."""
    granularity: Granularity = "step"
    within: tuple[int, int | None] | None = None
    """How far inside the step: (level, operation) as in engine.within; None: it is whole."""
    sample: int = 0
    layer: str = ""
    """The one in the cell panel: "l0", "l1_reverse"; "" is the one that the read-out reads, forward."""
    unit: int | None = None
    """Of that layer."""
    heights: dict[str, int] = msgspec.field(default_factory=dict)
    """Of tracks, in pixels, where somebody has changed them."""
    collapsed: tuple[str, ...] = ()
    """Tracks that are shown as a strip."""
    time_range: tuple[int, int] | None = None
    """First and last step on screen; None shows all."""
    scales: dict[str, tuple[float, float, float]] = msgspec.field(default_factory=dict)
    """Those that somebody has chosen, by the track that stands for all that share one: low end, high end, linear zone
    (0: none)."""
    theme: Literal["", "light", "dark", "system"] = ""


@dataclass(frozen=True, eq=False)
class PinnedNorms:
    """What is kept of a pinned trace: what it was made of, and norms of its states."""

    experiment: Experiment
    what_if: WhatIf
    iteration: int
    norms: Mapping[str, Array]
    """(T,) float64 by layer and quantity: "l0.grads.h"."""


class Recipe(Spec, frozen=True, kw_only=True):
    """What iterations were trained with: those after the recipe before it, up to `until`."""

    until: int
    experiment: Experiment
    what_if: WhatIf = NO_WHAT_IF


@dataclass(frozen=True, eq=False)
class Session:
    experiment: Experiment
    what_if: WhatIf = NO_WHAT_IF
    iteration: int = 0
    """The one that is shown. Its weights are in the history; only iteration 0 can do without."""
    history: Mapping[int, Weights] = field(default_factory=dict)
    """Whole states (engine.training_state) by iteration, or their parameters alone. Without the what-if."""
    view: SessionView = field(default_factory=SessionView)
    preset: str = ""
    """Slug of the preset that it began as; "" if none."""
    title: str = ""
    notes: str = ""
    device: str = ""
    """Where its numbers were computed: "cpu", "cuda:0"."""
    pins: tuple[PinnedNorms, ...] = ()
    fingerprint: Mapping[str, Array] = field(default_factory=dict)
    """What was shown, to be compared when it is opened: the norms of every step, (T,) float64, as in
    Excerpt.fingerprint."""
    log: Log = field(default_factory=Log)
    """Records of the iterations that were trained, as far as they were kept."""
    evaluations: tuple[Evaluation, ...] = ()
    """Of the validation part, in the order of the iterations; early stopping goes by them."""
    recipes: tuple[Recipe, ...] = ()
    """What its iterations were trained with, where that is not all the same; what comes after the last of them was
    trained with the session's own experiment and what-if."""
    written_with: Mapping[str, str] = field(default_factory=dict)
    """Versions of "gradient-flow-explorer", "torch" and "numpy" that wrote the file; filled in by `load`."""
    newer: str = ""
    """Of a file of a newer minor version: that something may have been left out; filled in by `load`."""

    def trained(self, iteration: int) -> Recipe:
        """What an iteration was trained with."""
        own = Recipe(until=iteration, experiment=self.experiment, what_if=self.what_if)
        return next((recipe for recipe in self.recipes if iteration <= recipe.until), own)

    def differences(self, norms: Mapping[str, Array]) -> tuple[str, ...]:
        """The keys whose norms, computed again, are not those that were saved, to the bit (NaN equals NaN)."""
        return tuple(
            key
            for key, saved in self.fingerprint.items()
            if key not in norms or not np.array_equal(saved, norms[key], equal_nan=True)
        )


def save(session: Session, path: Path | str) -> str:
    """Write a session, atomically. Returns the file's `Probe.sha256`. Raises SessionError; the old file is then as it
    was. A history that is too large for a file is refused: see `fitting`."""
    try:
        # What an optimiser of another kind has kept is no part of what is saved: training would start it anew.
        states = {
            iteration: fitted(session.trained(iteration).experiment, state)
            for iteration, state in session.history.items()
        }
        log, evaluations = session.log.within(), session.evaluations[-MAX_EVALUATIONS:]
        session = check(replace(session, history=states, log=log, evaluations=evaluations))
    except (SpecError, SessionError) as error:
        raise SessionError(f"The session cannot be saved. {error}") from None
    tensors: dict[str, NDArray[Any]] = {
        f"history/{iteration}/{name}": array
        for iteration, weights in session.history.items()
        for name, array in weights.items()
    }
    tensors |= {f"fingerprint/{key}": array for key, array in session.fingerprint.items()}
    for number, pin in enumerate(session.pins):
        tensors |= {f"pin/{number}/{key}": array for key, array in pin.norms.items()}
    tensors |= {f"records/{name}": array for name, array in session.log.arrays().items()}
    tensors |= {f"evaluations/{name}": array for name, array in evaluation_arrays(session.evaluations).items()}
    written = _SessionFile(
        experiment=session.experiment,
        what_if=session.what_if,
        iteration=session.iteration,
        history=tuple(sorted(session.history)),
        view=session.view,
        preset=one_line(session.preset, 80),
        title=one_line(session.title, container.MAX_TITLE),
        notes=several_lines(session.notes, MAX_NOTES),
        device=one_line(session.device, 40),
        fingerprint=tuple(session.fingerprint),
        recipes=session.recipes,
        pins=tuple(_Pin(pin.experiment, pin.what_if, pin.iteration, tuple(pin.norms)) for pin in session.pins),
    )
    return container.write(
        Path(path),
        "session",
        msgspec.to_builtins(written),
        tensors,
        summary=_summary(session.experiment),
        title=session.title,
    )


def load(path: Path | str, sha256: str | None = None) -> Session:
    """Read a session, all of it checked: nothing is computed, and nothing is left that a later step could refuse.

    `sha256`: the `Probe.sha256` that is expected. Raises SessionError, and nothing else.
    """
    path = Path(path)
    contents = container.read(path, "session", sha256)
    with container.explained(path):
        try:
            return _session_of(contents)
        except SpecError as error:
            raise SessionError(str(error)) from None


def fitting(session: Session) -> Session:
    """The session with as much of its history as a file has room for: the current and the last iteration, those up to
    which a recipe leads (from before them nothing behind them could be replayed), whatever they take; then the first
    one, and of the others as many as fit, evenly spread."""
    size = sum(array.nbytes for weights in session.history.values() for array in weights.values())
    count, tensors = len(session.history), sum(len(state) for state in session.history.values())
    if (size <= _ROOM_FOR_WEIGHTS and tensors <= _MOST_TENSORS) or count <= 1:
        return session
    turns = [recipe.until for recipe in session.recipes]
    needed = len({session.iteration, max(session.history), *turns} & session.history.keys())
    room = max(needed, min(_ROOM_FOR_WEIGHTS * count // size, _MOST_TENSORS * count // tensors))
    known = sorted(session.history)
    spread = [known[round(i)] for i in np.linspace(0, count - 1, room)]
    wanted = dict.fromkeys([session.iteration, known[-1], *turns, known[0], *spread])
    kept = [k for k in wanted if k in session.history][:room]
    return replace(session, history={k: session.history[k] for k in sorted(kept)})


def check_room(experiment: Experiment) -> None:
    """That a training of it can be saved: before somebody trains for it. Raises SpecError and SessionError."""
    needed = _state_bytes(checked(experiment))
    if needed <= MAX_STATE_BYTES:
        return
    training = experiment.training
    plain = msgspec.structs.replace(training, optimizer=OptimizerSpec(kind="sgd"))
    lighter = msgspec.structs.replace(experiment, training=plain)
    ways = ["fewer or smaller layers"]
    if experiment.dtype == "float64" and needed // 2 <= MAX_STATE_BYTES:
        ways.append("float32")
    if _state_bytes(lighter) <= MAX_STATE_BYTES:
        ways.append(f"sgd without momentum ({zipframe.mebibytes(_state_bytes(lighter))})")
    # The ways out come first: they are what is wanted, and no short line cuts them off.
    raise SessionError(
        f"This training could not be saved: {' or '.join(ways)} would do, for its state takes "
        f"{zipframe.mebibytes(needed)} with {training.optimizer.kind} and a session has room for "
        f"{zipframe.mebibytes(MAX_STATE_BYTES)}."
    )


def _state_bytes(experiment: Experiment) -> int:
    return sum(map(prod, state_shapes(experiment).values())) * np.dtype(experiment.dtype).itemsize


def check(session: Session) -> Session:
    """The session itself, if everything in it fits together. Raises SpecError or SessionError with one sentence."""
    experiment, view = checked(session.experiment), session.view
    checked_what_if(session.what_if)
    for iteration in (session.iteration, *session.history):
        if isinstance(iteration, bool) or not 0 <= iteration <= MAX_ITERATION:
            raise SessionError(f"iteration is {iteration}; 0 to {MAX_ITERATION:,} is accepted.")
    if session.iteration not in session.history and session.iteration != 0:
        raise SessionError(f"The weights of iteration {session.iteration}, which it shows, are missing.")
    _check_recipes(session.recipes, experiment)
    for iteration, weights in session.history.items():
        _check_weights(iteration, weights, session.trained(iteration).experiment)
    _check_view(view, experiment)
    layers = tracks.layer_kinds(experiment.model.layers)
    for key, array in session.fingerprint.items():
        tracks.check(tracks.parse(key), layers)
        if array.shape != (experiment.task.steps,) or array.dtype != np.float64:
            raise SessionError(f"The saved norms of {key} are not one float64 a step.")
    if len(session.pins) > MAX_PINS:
        raise SessionError(f"It has {len(session.pins)} pins; up to {MAX_PINS} are accepted.")
    for pin in session.pins:
        _check_pin(pin)
    return session


def _check_recipes(recipes: tuple[Recipe, ...], of: Experiment) -> None:
    if len(recipes) > MAX_RECIPES:
        raise SessionError(f"It was trained with {len(recipes)} recipes; up to {MAX_RECIPES} are accepted.")
    last = -1
    for recipe in recipes:
        checked(recipe.experiment)
        checked_what_if(recipe.what_if)
        if not last < recipe.until <= MAX_ITERATION:
            raise SessionError(f"A recipe leads up to iteration {recipe.until}; {last + 1} or more is needed.")
        last = recipe.until
        if recipe.experiment.dtype != of.dtype or parameter_shapes(recipe.experiment) != parameter_shapes(of):
            raise SessionError(f"The recipe up to iteration {recipe.until} is another network's.")


def _check_pin(pin: PinnedNorms) -> None:
    checked(pin.experiment)
    checked_what_if(pin.what_if)
    if isinstance(pin.iteration, bool) or not 0 <= pin.iteration <= MAX_ITERATION:
        raise SessionError(f"iteration of a pin is {pin.iteration}; 0 to {MAX_ITERATION:,} is accepted.")
    layers = tracks.layer_kinds(pin.experiment.model.layers)
    for key, array in pin.norms.items():
        track = tracks.parse(key)
        tracks.check(track, layers)
        if not track.is_quantity or not track.layer or track.options:
            raise SessionError(f"A pin has norms of '{one_line(key, 40)}', which is no quantity of a layer.")
        if array.shape != (pin.experiment.task.steps,) or array.dtype != np.float64:
            raise SessionError(f"The pinned norms of {key} are not one float64 a step.")


# -- the file ---------------------------------------------------------------------------------------------------------


class _Pin(Spec, frozen=True):
    experiment: Experiment
    what_if: WhatIf
    iteration: int
    norms: tuple[str, ...]


class _SessionFile(Spec, frozen=True, kw_only=True):
    """session.json."""

    experiment: Experiment
    what_if: WhatIf
    iteration: int
    history: tuple[int, ...]
    view: SessionView
    preset: str
    title: str
    notes: str
    device: str
    fingerprint: tuple[str, ...]
    pins: tuple[_Pin, ...] = ()
    recipes: tuple[Recipe, ...] = ()


def _summary(experiment: Experiment) -> container.Summary:
    task, layer = experiment.task, experiment.layer
    return container.Summary(layer.cell, task.steps, task.batch_size, layer.hidden_size, experiment.dtype)


_PIN = re.compile(r"pin/([0-9])/([a-z_0-9.]+)", re.ASCII)
_HISTORY = re.compile(r"history/(0|[1-9]\d{0,9})/([a-z_0-9.]+)", re.ASCII)


def _session_of(contents: container.Contents) -> Session:
    """Raises SpecError or SessionError."""
    raw, version = contents.description, contents.probe.version
    newer = container.newer_words(version)
    if newer and isinstance(raw, dict):
        raw = {name: value for name, value in raw.items() if name in _SessionFile.__struct_fields__}
    try:
        read = msgspec.convert(raw, _SessionFile)
    except msgspec.ValidationError as error:
        by = f" (written by a newer version, format {version[0]}.{version[1]})" if newer else ""
        raise SessionError(f"Its session.json{by}: {one_line(str(error), 160)}.") from None
    history: dict[int, dict[str, Any]] = {iteration: {} for iteration in read.history}
    fingerprint: dict[str, Any] = {}
    of_training: dict[str, dict[str, Any]] = {"records": {}, "evaluations": {}}
    pinned: list[dict[str, Any]] = [{} for _ in read.pins]
    if len(history) != len(read.history):
        raise SessionError("Its history names an iteration twice.")
    for name, array in contents.tensors.items():
        match = _HISTORY.fullmatch(name)
        if match and int(match[1]) in history:
            history[int(match[1])][match[2]] = array
        elif name.startswith("fingerprint/") and name.removeprefix("fingerprint/") in read.fingerprint:
            fingerprint[name.removeprefix("fingerprint/")] = array
        elif (of := name.partition("/"))[0] in of_training:
            of_training[of[0]][of[2]] = array
        elif (pin := _PIN.fullmatch(name)) and int(pin[1]) < len(pinned) and pin[2] in read.pins[int(pin[1])].norms:
            pinned[int(pin[1])][pin[2]] = array
        elif not newer:
            raise SessionError(f"It has a tensor '{one_line(name, 80)}' that belongs to nothing.")
    if set(fingerprint) != set(read.fingerprint):
        raise SessionError("The norms that its fingerprint names are missing.")
    if any(set(pin.norms) != set(found) for pin, found in zip(read.pins, pinned, strict=True)):
        raise SessionError("The norms that a pin names are missing.")
    log, evaluations = _of_training(read.experiment, **of_training)
    return check(
        Session(
            experiment=read.experiment,
            what_if=read.what_if,
            iteration=read.iteration,
            history=history,
            view=read.view,
            preset=one_line(read.preset, 80),
            title=one_line(read.title, container.MAX_TITLE),
            notes=several_lines(read.notes, MAX_NOTES),
            device=one_line(read.device, 40),
            pins=tuple(
                PinnedNorms(pin.experiment, pin.what_if, pin.iteration, found)
                for pin, found in zip(read.pins, pinned, strict=True)
            ),
            fingerprint=fingerprint,
            log=log,
            evaluations=evaluations,
            recipes=read.recipes,
            written_with=contents.probe.written_with,
            newer=newer,
        )
    )


def _of_training(
    experiment: Experiment, records: Mapping[str, Any], evaluations: Mapping[str, Any]
) -> tuple[Log, tuple[Evaluation, ...]]:
    """Raises SpecError or SessionError."""
    layers = dict.fromkeys(layer_of(name) for name in parameter_shapes(checked(experiment)))
    try:
        log = Log.from_arrays(records, layers)
    except ValueError as error:
        raise SessionError(f"The records of its training do not fit together: {one_line(str(error), 160)}.") from None
    try:
        return log, evaluations_from(evaluations, metric(experiment.task, experiment.model))
    except ValueError as error:
        raise SessionError(f"The evaluations in it do not fit together: {one_line(str(error), 160)}.") from None


def _check_weights(iteration: int, weights: Weights, experiment: Experiment) -> None:
    expected = parameter_shapes(experiment)
    if set(parameters_of(weights)) != set(expected):
        raise SessionError(f"The weights of iteration {iteration} are not {', '.join(expected)}.")
    for part, shapes in ((optimizer_of, optimizer_shapes), (carried_of, carried_shapes)):
        if names := set(part(weights)):  # a file may have the parameters alone
            expected |= shapes(experiment)
            if names != set(shapes(experiment)):
                odd = one_line(min(names ^ set(shapes(experiment))), 80)
                raise SessionError(f"The state of iteration {iteration} has '{odd}' too much or too little.")
    for name, shape in expected.items():
        array = weights[name]
        if array.shape != shape or array.dtype != np.dtype(experiment.dtype):
            raise SessionError(
                f"{name} of iteration {iteration} is {array.shape} of {array.dtype}; "
                f"{shape} of {experiment.dtype} is needed."
            )


def _check_view(view: SessionView, experiment: Experiment) -> None:
    steps, layers = experiment.task.steps, tracks.layer_kinds(experiment.model.layers)
    if len(view.tracks) > MAX_TRACKS or len(set(view.tracks)) != len(view.tracks):
        raise SessionError(f"view.tracks names a track twice, or more than {MAX_TRACKS}.")
    try:
        for text in (*view.tracks, *view.heights, *view.collapsed, *view.scales):
            tracks.check(tracks.parse(text), layers)
    except SpecError as error:
        raise SessionError(f"view: {error}") from None
    if len(set(view.collapsed)) != len(view.collapsed):
        raise SessionError("view.collapsed names a track twice.")
    if not all(1 <= height <= MAX_HEIGHT for height in view.heights.values()):
        raise SessionError(f"view.heights: 1 to {MAX_HEIGHT} pixels are accepted.")
    for name, (low, high, linear) in view.scales.items():
        if not (np.isfinite(low) and np.isfinite(high) and low < high and 0 <= linear < high):
            raise SessionError(f"view.scales: that of {name} is no scale; its low end must be below its high one.")
    if not 0 <= view.position < len(Tape(steps)):
        raise SessionError(f"view.position is {view.position}; the tape has 0 to {len(Tape(steps)) - 1}.")
    if view.within is not None and not (0 <= view.within[0] < MAX_LAYERS and 0 <= (view.within[1] or 0) <= 99):
        raise SessionError(f"view.within is {view.within}; a level and an operation of it, both from 0, are needed.")
    if not 0 <= view.sample < experiment.task.batch_size:
        raise SessionError(f"view.sample is {view.sample}; the batch has 0 to {experiment.task.batch_size - 1}.")
    if view.layer and view.layer not in layers:
        raise SessionError(f"view.layer is '{one_line(view.layer, 20)}'; there are {', '.join(layers)}.")
    units = layers[view.layer or tracks.read_layer(tuple(layers))].hidden_size
    if view.unit is not None and not 0 <= view.unit < units:
        raise SessionError(f"view.unit is {view.unit}; the layer has 0 to {units - 1}.")
    if view.time_range is not None and not 1 <= view.time_range[0] <= view.time_range[1] <= steps:
        raise SessionError(f"view.time_range is {view.time_range}; steps 1 to {steps} are there.")
