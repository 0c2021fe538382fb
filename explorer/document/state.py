"""The document's frozen parts. `State` is what an edit changes and undo restores; `View` is where somebody looks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from engine.history import Evaluation, Log
from engine.parameters import input_size, output_size
from engine.past import Past, as_trained
from engine.requests import Computed, Recorded, Source, Weights
from engine.spec import CellKind, Experiment, OwnTask, SeriesTask, TextTask, WhatIf
from engine.tracks import LayerKind, layer_kinds
from engine.training_requests import Trained
from engine.within import Granularity, Within
from explorer.document.pins import Pin
from explorer.document.turns import Recipe as Recipe
from explorer.document.turns import Turn, turns_of
from explorer.document.unfinished import problem_of
from explorer.document.what_ifs import Places, fitted


@dataclass(frozen=True, eq=False)
class State:
    """What is traced, and which tracks show it. Either an experiment or a recorded trace, never both."""

    tracks: tuple[str, ...]
    experiment: Experiment | None = None
    recorded: Recorded | None = None
    what_if: WhatIf = field(default_factory=WhatIf)
    past: Past = field(default_factory=Past)
    """What has been trained."""

    @property
    def history(self) -> Mapping[int, Weights]:
        """States by iteration, as far as they were kept."""
        return self.past.history

    @property
    def log(self) -> Log:
        """What was recorded of the iterations that were trained."""
        return self.past.log

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Of what is held back, in the order of the iterations."""
        return self.past.evaluations

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
        return self.past.furthest

    @property
    def first(self) -> int:
        """The iteration that an experiment opens on: after its training beforehand."""
        return self.experiment.training.iterations if self.experiment is not None else 0

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Where training was changed on its way, and what was."""
        return turns_of(self.past)

    def kept_before(self, iteration: int) -> int | None:
        """The nearest kept iteration at or before one; None if there is none."""
        return self.past.kept_before(iteration)

    def out_of_reach(self, iteration: int) -> str:
        """Why one cannot travel to an iteration, in one sentence; "" where one can."""
        return self.past.out_of_reach(iteration)

    @property
    def recipe(self) -> Recipe:
        """What the next iteration would be trained with. When it is judged, and when it stops, changes no iteration."""
        return as_trained(self.experiment), self.what_if

    def next_is_current(self, iteration: int) -> bool:
        """Whether the iteration after this one was trained as it would be now."""
        return self.past.next_is(iteration, self.recipe)

    def goes_on(self, iteration: int) -> bool:
        """Whether everything that comes after an iteration was trained as it would be now."""
        return self.past.goes_on(iteration, self.recipe)

    def recipe_into(self, iteration: int) -> Recipe:
        """What an iteration was trained with, or would be."""
        return self.past.led_to(iteration, self.recipe)

    def is_another(self, iteration: int, weights: Weights, recipe: Recipe | None = None) -> bool:
        """Whether an iteration was known otherwise (Past.is_another)."""
        return self.past.is_another(iteration, weights, recipe, self.recipe)

    def remembering(
        self, iteration: int, weights: Weights, recipe: Recipe | None = None, shown: Collection[int] = ()
    ) -> State:
        """With one more iteration kept (Past.remembering)."""
        return replace(self, past=self.past.remembering(iteration, weights, recipe, self.recipe, shown))

    def learning(self, trained: Trained, recipe: Recipe, shown: Collection[int] = ()) -> State:
        """With the iterations of a chunk (Past.learning)."""
        return replace(self, past=self.past.learning(trained, recipe, self.recipe, shown))

    def judging(self, evaluation: Evaluation) -> State:
        return replace(self, past=self.past.judged(evaluation))

    def until(self, iteration: int) -> State:
        """Without everything that came after an iteration."""
        return replace(self, past=self.past.until(iteration))

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
            return replace(state, past=self.past.cast(experiment.dtype))
        return state

    def could_be_of(self, experiment: Experiment | None) -> bool:
        """Whether weights of an experiment are weights of this one: an answer may come after an edit."""
        own = self.experiment
        if own is None or experiment is None:
            return False
        return _same_weights(own, experiment) and own.dtype == experiment.dtype

    def trains_otherwise(self, other: State) -> bool:
        """Whether the other state's next iteration, apart from a what-if, or its past is another."""
        return not self.past.is_as(other.past) or as_trained(self.experiment) != as_trained(other.experiment)

    def with_training_of(self, other: State) -> State:
        return replace(self, past=other.past)

    def without_training(self) -> State:
        return replace(self, past=Past())


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
