"""A saved experiment: its spec, its weights at the iterations that were kept, and where somebody was looking.

What determines the numbers is stored exactly; the trace is computed again. No torch is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import container
from engine.checks import checked
from engine.errors import SessionError, SpecError
from engine.history import (
    Evaluation,
    Log,
    evaluation_arrays,
    evaluations_from,
)
from engine.parameters import layer_of, parameter_shapes
from engine.past import Led, Past, as_trained, led_by_own
from engine.plaintext import one_line, several_lines
from engine.recipes import MAX_RECIPES as MAX_RECIPES
from engine.recipes import (
    Origin,
    alike,
    in_dtype,
    of_one_network,
    out_of_reach,
    recorded_until,
    with_origin,
)
from engine.recipes import Recipe as Recipe
from engine.requests import Array, Weights
from engine.session_checks import MAX_PINS as MAX_PINS
from engine.session_checks import check as check
from engine.session_room import check_room as check_room
from engine.session_room import fitting as fitting
from engine.session_room import has_room, said
from engine.session_room import left_out as left_out
from engine.session_view import MAX_TRACKS as MAX_TRACKS
from engine.session_view import PinnedNorms as PinnedNorms
from engine.session_view import SessionView as SessionView
from engine.spec import NO_WHAT_IF, Experiment, Spec, WhatIf
from engine.task_facts import metric
from engine.training_state import (
    fitted,
)

MAX_NOTES = 20_000
MAX_EVALUATIONS = 10_000


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
    led: Recipe | None = None
    """What led to its last state: of a session that is made new, its own. It goes along where the experiment or the
    what-if are replaced, and `recipes` then say so: an edit of what is trained next changes nothing of what was."""
    known_from: int = 0
    """From here on they are known; an iteration before it can be shown where its state is in the history, and can no
    longer be trained again. 0: from the beginning; else its state is in the history."""
    cast_before: int = 0
    """The iterations before it were done before the experiment's dtype was changed: they cannot be trained again in the
    new one, and `known_from` is where the first state is kept from here on, or later."""
    origins: tuple[Origin, ...] = ()
    """What the records were made by, those of the last one aside, which wrote the file."""
    written_with: Mapping[str, str] = field(default_factory=dict)
    """Versions of "gradient-flow-explorer", "torch" and "numpy" that wrote the file; filled in by `load`."""
    newer: str = ""
    """Of a file of a newer minor version: that something may have been left out; filled in by `load`."""

    def __post_init__(self) -> None:
        last, led = self.furthest, self.led
        if self.history and 0 <= self.known_from < self.cast_before:
            first = min((k for k in self.history if k >= self.cast_before), default=last)
            object.__setattr__(self, "known_from", first)
        recipes = list(self.recipes)
        own = Recipe(until=last, experiment=self.experiment, what_if=self.what_if)
        known = recipes[-1].until if recipes else 0
        if led is not None:
            led = in_dtype(led, own.experiment.dtype)  # whoever trains on casts the states (engine.training_loop.fit)
        if led is not None and not of_one_network(led.experiment, own.experiment):
            led = None  # the states are others too, or none of it fits together, which `check` says
        if led is not None and known < min(led.until, last) and not alike(led, own):
            known = min(led.until, last)
            recipes.append(msgspec.structs.replace(led, until=known))
        ends = recipes[-1] if last <= known and recipes else own
        object.__setattr__(self, "recipes", tuple(recipes))
        object.__setattr__(self, "led", msgspec.structs.replace(ends, until=last) if last else None)

    @property
    def furthest(self) -> int:
        """The last iteration whose state is in it."""
        return max(self.history, default=0)

    @property
    def past(self) -> Past:
        """What was trained, with what led to each state, also where it is said here once for all: an edit of the
        experiment must not change it. Where nothing is said of it, all has come of the session's own, and what was
        trained before it opened for the first time without its what-if."""
        known = (k for k in self.history if not self.recipes or k == 0 or k >= self.known_from)
        return Past(
            history=MappingProxyType(dict(self.history)),
            recipes=MappingProxyType({k: self._led_to(k) for k in known}),
            log=self.log,
            evaluations=self.evaluations,
            known_from=self.known_from,
            cast_before=self.cast_before,
            origins=self.recorded_by(),
        )

    def _led_to(self, iteration: int) -> Led:
        if not self.recipes:
            return led_by_own(iteration, (as_trained(self.experiment), self.what_if))
        recipe = self.trained(iteration)
        return as_trained(recipe.experiment), recipe.what_if

    def with_past(self, past: Past) -> Session:
        """With another training in it, and with what that was trained with."""
        return replace(
            self,
            history=past.history,
            log=past.log,
            evaluations=past.evaluations,
            recipes=past.said((as_trained(self.experiment), self.what_if)),
            led=None,
            known_from=past.known_from,
            cast_before=past.cast_before,
            origins=recorded_until(past.origins, past.log.next or 0),
        )

    def gone_on(self, past: Past) -> Session:
        """Trained on with its own experiment and what-if to the end of `past`, which is then shown; what its
        iterations before were trained with, it says as it did."""
        return replace(
            self,
            iteration=past.furthest,
            history=dict(past.history),
            log=past.log,
            evaluations=past.evaluations,
            origins=self.recorded_by(),
            fingerprint={},  # what was saved is of another iteration
        )

    def trained(self, iteration: int) -> Recipe:
        """What an iteration was trained with."""
        own = Recipe(until=iteration, experiment=self.experiment, what_if=self.what_if)
        return next((recipe for recipe in self.recipes if iteration <= recipe.until), own)

    @property
    def turns(self) -> frozenset[int]:
        """The iterations at which another recipe began: from before such a one none after it could be trained again."""
        return frozenset(recipe.until for recipe in self.recipes) | ({self.known_from} if self.known_from else set())

    def out_of_reach(self, iteration: int) -> str:
        """Why one cannot go back to an iteration, in one sentence; "" where one can."""
        return out_of_reach(iteration, self.history, self.known_from, self.cast_before)

    def recorded_by(self) -> tuple[Origin, ...]:
        """What made the records: of those of a file that was read, all of them."""
        until, torch = self.log.next or 0, self.written_with.get("torch", "")
        if not torch or not until:
            return recorded_until(self.origins, until)
        return with_origin(self.origins, Origin(until=until, torch=torch, device=self.device))

    def differences(self, norms: Mapping[str, Array]) -> tuple[str, ...]:
        """The keys whose norms, computed again, are not those that were saved, to the bit (NaN equals NaN)."""
        return tuple(
            key
            for key, saved in self.fingerprint.items()
            if key not in norms or not np.array_equal(saved, norms[key], equal_nan=True)
        )


def save(session: Session, path: Path | str) -> str:
    """Write a session, atomically. Returns the file's `Probe.sha256`. Raises SessionError; the old file is then as it
    was. Of a history that is too large for a file the newest is saved (`fitting`), and what is saved says from which
    iteration on one can go back to (`Session.known_from`)."""
    try:
        # What an optimiser of another kind has kept is no part of what is saved: training would start it anew.
        states = {
            iteration: fitted(session.trained(iteration).experiment, state)
            for iteration, state in session.history.items()
        }
        last = max(states, default=0)
        done = tuple(evaluation for evaluation in session.evaluations if evaluation.iteration <= last)
        log = session.log.within().until(last)
        session = replace(session, history=states, log=log, evaluations=done[-MAX_EVALUATIONS:])
        session = check(session if has_room(session) else fitting(session))
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
        recipes=said(session),
        known_from=session.known_from,
        cast_before=session.cast_before,
        origins=session.origins,
        pins=tuple(_Pin(pin.experiment, pin.what_if, pin.iteration, tuple(pin.norms)) for pin in session.pins),
    )
    return container.write(
        Path(path),
        "session",
        {name: value for name, value in msgspec.to_builtins(written).items() if value or name not in _SELDOM},
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
    known_from: int = 0
    cast_before: int = 0
    origins: tuple[Origin, ...] = ()


_SELDOM = ("known_from", "cast_before", "origins")
"""Are there only where they say something."""


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
            known_from=_known_from(read, history),
            cast_before=read.cast_before,
            origins=read.origins,
            written_with=contents.probe.written_with,
            newer=newer,
        )
    )


def _known_from(read: _SessionFile, history: Mapping[int, Any]) -> int:
    """Not before a state at which another recipe began and that the file has not: what comes after it would be trained
    again from before it, with what came later."""
    last = max(history, default=0)
    missing = [recipe.until for recipe in read.recipes if recipe.until not in history and 0 < recipe.until < last]
    return max([read.known_from, *(min(k for k in history if k > until) for until in missing)])


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
