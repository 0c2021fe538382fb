"""The document's frozen parts. `State` is what an edit changes and undo restores; `View` is where somebody looks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

import msgspec
import numpy as np

from engine.history import MOST_STATES, STATE_BYTES, Evaluation, Log, thinned
from engine.parameters import input_size, output_size
from engine.recipes import Origin, out_of_reach, recorded_until
from engine.requests import Computed, Recorded, Source, Weights
from engine.spec import NO_WHAT_IF, CellKind, Experiment, OwnTask, SeriesTask, TextTask, TrainingSpec, WhatIf
from engine.tracks import LayerKind, layer_kinds
from engine.training_requests import Trained
from engine.within import Granularity, Within
from explorer.document.pins import Pin
from explorer.document.turns import Recipe as Recipe
from explorer.document.turns import Turn, turns_of
from explorer.document.unfinished import problem_of
from explorer.document.what_ifs import Places, fitted

_NO_HISTORY: Mapping[int, Weights] = MappingProxyType({})
TURN_BYTES = 4 * STATE_BYTES
"""For the states at which training was changed: what came before those that do not fit cannot be trained again."""
_ROOMIER = 0.9
"""Of the budget: where it is full it is thinned to this, so that it need not be thinned again at every chunk."""


def _no_history() -> Mapping[int, Weights]:
    return _NO_HISTORY


@dataclass(frozen=True, eq=False)
class State:
    """What is traced, and which tracks show it. Either an experiment or a recorded trace, never both."""

    tracks: tuple[str, ...]
    experiment: Experiment | None = None
    recorded: Recorded | None = None
    what_if: WhatIf = field(default_factory=WhatIf)
    history: Mapping[int, Weights] = field(default_factory=_no_history)
    """Weights by iteration, as far as they were kept; what is missing is trained again from the nearest one before."""
    recipes: Mapping[int, Recipe] = field(default_factory=dict)
    """What each of them was trained with, as far as it is known."""
    log: Log = field(default_factory=Log)
    """What was recorded of the iterations that were trained."""
    evaluations: tuple[Evaluation, ...] = ()
    """Of what is held back, in the order of the iterations."""
    known_from: int = 0
    """From here on it is known what each iteration was trained with (engine.recipes); 0: from the beginning, else the
    state of this one is kept."""
    cast_before: int = 0
    """Iterations before it were trained in another number type: they are known from here on at the earliest, and their
    records are not compared."""
    origins: tuple[Origin, ...] = ()
    """What made the records that came with a file; the others were made here."""

    def source(self, iteration: int) -> Source:
        """What to ask the engine for. For iteration 0 of an untouched experiment the engine draws the weights."""
        if self.recorded is not None:
            return self.recorded
        assert self.experiment is not None
        return Computed(self.experiment, self.history.get(iteration), iteration, self.what_if)

    @property
    def unfinished(self) -> str:
        """Why this cannot be traced (a stack without a layer, parts that cannot stand together), in one sentence; ""
        where it can. Such a state is kept, undone and redone like any other, but nothing is asked for it."""
        return "" if self.experiment is None else problem_of(self.experiment)

    @property
    def cell(self) -> CellKind | None:
        """Of the last layer; None for a recorded trace, and where there is no layer yet."""
        layers = () if self.experiment is None else self.experiment.model.layers
        return layers[-1].cell if layers else None

    @property
    def layers(self) -> Mapping[str, LayerKind]:
        """Of an experiment, by name; {} of a recorded trace, which tells by its picture."""
        return layer_kinds(self.experiment.model.layers) if self.experiment is not None else {}

    @property
    def furthest(self) -> int:
        """The last iteration that is known."""
        return max(self.history, default=0)

    @property
    def first(self) -> int:
        """The iteration that an experiment opens on: after its training beforehand."""
        return self.experiment.training.iterations if self.experiment is not None else 0

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Where training was changed on its way, and what was."""
        return turns_of(self.history, self.recipes)

    def kept_before(self, iteration: int) -> int | None:
        """The nearest kept iteration at or before one; None if there is none."""
        return max((k for k in self.history if k <= iteration), default=None)

    def out_of_reach(self, iteration: int) -> str:
        """Why one cannot travel to an iteration, in one sentence; "" where one can."""
        return out_of_reach(iteration, self.history, self.known_from, self.cast_before)

    @property
    def recipe(self) -> Recipe:
        """What the next iteration would be trained with. When it is judged, and when it stops, changes no iteration."""
        return as_trained(self.experiment), self.what_if

    def next_is_current(self, iteration: int) -> bool:
        """Whether the iteration after this one was trained as it would be now."""
        return iteration + 1 in self.history and self.recipes.get(iteration + 1) == self.recipe

    def goes_on(self, iteration: int) -> bool:
        """Whether everything that comes after an iteration was trained as it would be now."""
        now = self.recipe
        return iteration >= self.known_from and all(self._led_to(k, k) == now for k in self.history if k > iteration)

    def recipe_into(self, iteration: int) -> Recipe:
        """What an iteration was trained with, or would be: that of the next one that is kept, for where it changed an
        iteration is kept."""
        return self._led_to(iteration, min((k for k in self.history if k >= iteration), default=None))

    def recorded_with(self, iteration: int) -> Recipe | None:
        """What the record of an iteration was made with: what it goes on to was trained so. None where it is not
        known."""
        if iteration < max(self.known_from, self.cast_before):
            return None
        later = min((k for k in self.history if k > iteration), default=None)
        return None if later is None else self.recipes.get(later)

    def _led_to(self, iteration: int, later: int | None) -> Recipe:
        """`later`: the next one that is kept."""
        assert self.experiment is not None
        known = None if later is None else self.recipes.get(later)
        if known is not None:
            return known
        # What is trained before an experiment opens is the experiment's own; a what-if belongs to what is done later.
        own = iteration <= self.experiment.training.iterations
        return as_trained(self.experiment), NO_WHAT_IF if own else self.what_if

    def remembering(
        self, iteration: int, weights: Weights, recipe: Recipe | None = None, shown: Collection[int] = ()
    ) -> State:
        """With one more iteration kept. Other weights than those that were there begin another future: what came after
        the old ones is let go. Where memory runs out, the past is thinned, but for this one and what is shown."""
        if self.is_another(iteration, weights, recipe):
            return self.until(iteration - 1).remembering(iteration, weights, recipe, shown)
        history = {**self.history, iteration: weights}
        recipes = dict(self.recipes)
        if recipe is not None:
            recipes[iteration] = recipe
        size, known_from = sum(array.nbytes for array in weights.values()), self.known_from
        if len(history) > MOST_STATES or size * len(history) > STATE_BYTES:
            budget, most = int(_ROOMIER * STATE_BYTES), int(_ROOMIER * MOST_STATES)
            turns = turning_points(history, recipes)
            needed = sorted(k for k in turns | ({known_from} - {0}) if k >= known_from)
            room = max(1, min(most - len(shown) - 1, TURN_BYTES // max(1, size)))
            if len(needed) > room:
                known_from = needed[-room]
                history = {k: w for k, w in history.items() if k >= known_from or k in {0, iteration, *shown}}
            # This one too, wherever it lies: whoever had it trained again would else ask for it without end.
            history = thinned(history, {iteration, *shown, *needed[-room:], *({0} & turns)}, budget, most)
        recipes = {k: r for k, r in recipes.items() if k in history and k >= known_from}
        return replace(
            self, history=MappingProxyType(history), recipes=MappingProxyType(recipes), known_from=known_from
        )

    def learning(self, trained: Trained, recipe: Recipe, shown: Collection[int] = ()) -> State:
        """With the iterations of a chunk: where it has come to, and their records."""
        another = self.is_another(trained.iteration, trained.weights, recipe)
        state = self.remembering(trained.iteration, trained.weights, recipe, shown)
        if another or trained.iteration > (self.log.next or 0):
            state = replace(state, log=state.log.appended(trained.records))
        return state

    def judging(self, evaluation: Evaluation) -> State:
        kept = tuple(one for one in self.evaluations if one.iteration < evaluation.iteration)
        return replace(self, evaluations=(*kept, evaluation))

    def until(self, iteration: int) -> State:
        """Without everything that came after an iteration."""
        history = {k: w for k, w in self.history.items() if k <= iteration}
        return replace(
            self,
            known_from=self.known_from if self.known_from <= iteration else max(history, default=0),
            cast_before=min(self.cast_before, max(0, iteration)),
            origins=recorded_until(self.origins, iteration),
            history=MappingProxyType(history),
            recipes=MappingProxyType({k: r for k, r in self.recipes.items() if k in history}),
            log=self.log.until(max(0, iteration)),
            evaluations=tuple(one for one in self.evaluations if one.iteration <= iteration),
        )

    def is_another(self, iteration: int, weights: Weights, recipe: Recipe | None = None) -> bool:
        """Whether an iteration was known with other weights than these; where they are not kept, whether it had come
        of another recipe."""
        known = self.history.get(iteration)
        if known is None:
            if recipe is None or iteration >= self.furthest:
                return False
            return iteration < self.known_from or recipe != self.recipe_into(iteration)
        return known is not weights and not _same(known, weights)

    def with_experiment(self, experiment: Experiment, places: Places | None = None) -> State:
        """After an edit. The weights stay unless the edit makes them another network's; of the what-if stays what the
        stack still has. `places`: where each layer has gone, for an edit that moved some."""
        old = self.experiment
        assert old is not None, "a recorded trace cannot be edited"
        what_if = fitted(self.what_if, experiment, places)
        state = replace(self, experiment=experiment, what_if=what_if)
        if not _same_weights(old, experiment):
            return state.without_training()
        if self.history and old.dtype != experiment.dtype:
            if set(self.history) == {0}:
                return state.without_training()
            # What came before was trained in another arithmetic, and cannot be trained again in this one.
            cast, before = _cast(self.history, experiment.dtype), self.furthest
            recipes = {k: _in_dtype(recipe, experiment.dtype) for k, recipe in self.recipes.items() if k == before}
            known = MappingProxyType(recipes)
            return replace(state, history=cast, recipes=known, known_from=before, cast_before=before)
        return state

    def could_be_of(self, experiment: Experiment | None) -> bool:
        """Whether weights of an experiment are weights of this one: an answer may come after an edit."""
        own = self.experiment
        if own is None or experiment is None:
            return False
        return _same_weights(own, experiment) and own.dtype == experiment.dtype

    def parts_from(self, other: State) -> bool:
        """Whether both have been trained, but not only one further than the other: where both know an iteration, it is
        another one."""
        recorded = np.intersect1d(self.log.iterations, other.log.iterations)
        if len(recorded):
            a, b = (log.column("losses")[log.iterations == recorded[-1]] for log in (self.log, other.log))
            if not np.array_equal(a, b, equal_nan=True):
                return True
        shared = max(self.history.keys() & other.history.keys(), default=0)
        if not shared:
            return False
        mine, its = self.history[shared], other.history[shared]
        cast = {a.dtype for a in mine.values()} != {a.dtype for a in its.values()}
        return mine is not its and not cast and not _same(mine, its)

    def trains_otherwise(self, other: State) -> bool:
        """Whether the other state's next iteration, apart from a what-if, or its past is another."""
        pasts = ((one.history, one.log, one.evaluations) for one in (self, other))
        same = all(a is b for a, b in zip(*pasts, strict=True))
        return not same or as_trained(self.experiment) != as_trained(other.experiment)

    def with_training_of(self, other: State) -> State:
        return replace(
            self,
            history=other.history,
            recipes=other.recipes,
            log=other.log,
            evaluations=other.evaluations,
            known_from=other.known_from,
            cast_before=other.cast_before,
            origins=other.origins,
        )

    def without_training(self) -> State:
        return self.with_training_of(State(self.tracks, recipes=MappingProxyType({})))


def as_trained(experiment: Experiment | None) -> Experiment | None:
    """As far as it changes an iteration: when it is judged, and when it stops, are as usual."""
    if experiment is None:
        return None
    usual, training = TrainingSpec(), experiment.training
    watched = (training.evaluate_every, training.early_stop) != (usual.evaluate_every, usual.early_stop)
    if not watched:
        return experiment
    training = msgspec.structs.replace(training, evaluate_every=usual.evaluate_every, early_stop=usual.early_stop)
    return msgspec.structs.replace(experiment, training=training)


def turning_points(history: Mapping[int, Weights], recipes: Mapping[int, Recipe]) -> set[int]:
    """The iterations after which another recipe led on: from the one before it none could be trained again."""
    kept = sorted(history)
    return {k for k, after in pairwise(kept) if recipes.get(k) != recipes.get(after)}


def _same_weights(old: Experiment, new: Experiment) -> bool:
    return (
        old.model == new.model
        and type(old.task) is type(new.task)
        and _same_answers(old, new)
        and old.seed == new.seed
        and old.training.iterations == new.training.iterations
    )


def _same_answers(old: Experiment, new: Experiment) -> bool:
    """The same numbers a step go in and come out, and of somebody's own data they mean the same."""
    sizes = [(input_size(one.model, one.task), output_size(one.model, one.task)) for one in (old, new)]
    whose = [(one.task.data, _reading(one.task)) if isinstance(one.task, OwnTask) else None for one in (old, new)]
    return sizes[0] == sizes[1] and whose[0] == whose[1]


def _reading(task: OwnTask) -> tuple[str, ...]:
    """What of the data a network has learned to read and to answer."""
    if isinstance(task, SeriesTask):
        return (*task.columns, task.target)
    return (task.level,) if isinstance(task, TextTask) else ()


def _same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def _cast(history: Mapping[int, Weights], dtype: str) -> Mapping[int, Weights]:
    """Trained weights outlive a change of dtype: the same network, in another arithmetic."""
    return MappingProxyType(
        {k: {name: array.astype(dtype) for name, array in weights.items()} for k, weights in history.items()}
    )


def _in_dtype(recipe: Recipe, dtype: str) -> Recipe:
    """What led to where the number type was changed goes on in the new one, but else as it was."""
    experiment, what_if = recipe
    return None if experiment is None else msgspec.structs.replace(experiment, dtype=dtype), what_if


@dataclass(frozen=True)
class View:
    """Where somebody looks. Saved with a session, but neither undone nor a reason to save."""

    position: int = 0
    within: Within | None = None
    """How far inside that step; None: it is whole."""
    granularity: Granularity = "step"
    """What a step of the tape is."""
    iteration: int = 0
    sample: int = 0
    layer: str = ""
    """The one in the cell panel; "" is the layer that the read-out reads, forward."""
    unit: int | None = None
    """Of that layer."""
    heights: Mapping[str, int] = field(default_factory=dict)
    collapsed: tuple[str, ...] = ()
    """Tracks that are shown as a strip."""
    time_range: tuple[int, int] | None = None
    """First and last step on screen; None shows all."""
    scales: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Those that somebody has chosen (explorer.stage.scalebook.Chosen)."""
    pins: tuple[Pin, ...] = ()
    """Earlier traces whose norms stay on screen."""
