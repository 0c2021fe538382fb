"""The document's frozen parts. `State` is what an edit changes and undo restores; `View` is where somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from engine.parameters import input_size, output_size
from engine.requests import Computed, Recorded, Source, Weights
from engine.spec import CellKind, Experiment, OwnTask, SeriesTask, WhatIf
from engine.tracks import LayerKind, layer_kinds
from engine.within import Granularity, Within
from explorer.document.pins import Pin
from explorer.document.unfinished import problem_of
from explorer.document.what_ifs import Places, fitted

_NO_HISTORY: Mapping[int, Weights] = MappingProxyType({})
Recipe: TypeAlias = tuple[Experiment | None, WhatIf]
HISTORY_BYTES = 128 * 2**20


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
    """What each of them was trained with, as far as it is known (not for those that came from a file)."""

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

    def kept_before(self, iteration: int) -> int | None:
        """The nearest kept iteration at or before one; None if there is none."""
        return max((k for k in self.history if k <= iteration), default=None)

    @property
    def recipe(self) -> Recipe:
        """What the next iteration would be trained with."""
        return self.experiment, self.what_if

    def next_is_current(self, iteration: int) -> bool:
        """Whether the iteration after this one was trained as it would be now."""
        return iteration + 1 in self.history and self.recipes.get(iteration + 1) == self.recipe

    def remembering(self, iteration: int, weights: Weights, recipe: Recipe | None = None) -> State:
        """With one more iteration kept. Other weights than those that were there begin another future: what came after
        the old ones is let go. Where memory runs out, the middle of the past is thinned."""
        known = self.history.get(iteration)
        if known is not None and not _same(known, weights):
            history = {k: w for k, w in self.history.items() if k < iteration}
        else:
            history = dict(self.history)
        history[iteration] = weights
        size = sum(array.nbytes for array in weights.values())
        while size * len(history) > HISTORY_BYTES and len(history) > 4:
            kept = sorted(history)
            history = {k: history[k] for n, k in enumerate(kept) if n % 2 == 0 or k >= kept[-2]}
        recipes = {k: r for k, r in self.recipes.items() if k in history}
        if recipe is not None:
            recipes[iteration] = recipe
        return replace(self, history=MappingProxyType(history), recipes=MappingProxyType(recipes))

    def with_experiment(self, experiment: Experiment, places: Places | None = None) -> State:
        """After an edit. The weights stay unless the edit makes them another network's; of the what-if stays what the
        stack still has. `places`: where each layer has gone, for an edit that moved some."""
        old = self.experiment
        assert old is not None, "a recorded trace cannot be edited"
        history = self.history if _same_weights(old, experiment) else _NO_HISTORY
        what_if = fitted(self.what_if, experiment, places)
        if history and old.dtype != experiment.dtype:
            trained = set(history) != {0}
            history = _cast(history, experiment.dtype) if trained else _NO_HISTORY
        return replace(self, experiment=experiment, what_if=what_if, history=history)


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
    whose = [(one.task.data, _columns(one.task)) if isinstance(one.task, OwnTask) else None for one in (old, new)]
    return sizes[0] == sizes[1] and whose[0] == whose[1]


def _columns(task: OwnTask) -> tuple[str, ...]:
    return (*task.columns, task.target) if isinstance(task, SeriesTask) else ()


def _same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def _cast(history: Mapping[int, Weights], dtype: str) -> Mapping[int, Weights]:
    """Trained weights outlive a change of dtype: the same network, in another arithmetic."""
    return MappingProxyType(
        {k: {name: array.astype(dtype) for name, array in weights.items()} for k, weights in history.items()}
    )


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
