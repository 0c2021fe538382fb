"""The document's frozen parts. `State` is what an edit changes and undo restores; `View` is where somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from engine.requests import Computed, Recorded, Source, Weights
from engine.spec import Experiment, WhatIf

_NO_HISTORY: Mapping[int, Weights] = MappingProxyType({})
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

    def source(self, iteration: int) -> Source:
        """What to ask the engine for. For iteration 0 of an untouched experiment the engine draws the weights."""
        if self.recorded is not None:
            return self.recorded
        assert self.experiment is not None
        return Computed(self.experiment, self.history.get(iteration), iteration, self.what_if)

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

    def remembering(self, iteration: int, weights: Weights) -> State:
        """With one more iteration kept. Where memory runs out, the middle of the past is thinned."""
        history = {**self.history, iteration: weights}
        size = sum(array.nbytes for array in weights.values())
        while size * len(history) > HISTORY_BYTES and len(history) > 4:
            kept = sorted(history)
            history = {k: history[k] for n, k in enumerate(kept) if n % 2 == 0 or k >= kept[-2]}
        return replace(self, history=MappingProxyType(history))

    def with_experiment(self, experiment: Experiment) -> State:
        """After an edit. The weights stay unless the edit makes them another network's."""
        old = self.experiment
        assert old is not None, "a recorded trace cannot be edited"
        history = self.history if _same_weights(old, experiment) else _NO_HISTORY
        what_if = self.what_if
        if experiment.layer.cell != "lstm" and what_if.forget_bias:
            what_if = WhatIf(recurrent_scale=what_if.recurrent_scale, clip_norm=what_if.clip_norm)
        if history and old.dtype != experiment.dtype:
            trained = set(history) != {0}
            history = _cast(history, experiment.dtype) if trained else _NO_HISTORY
        return replace(self, experiment=experiment, what_if=what_if, history=history)


def _same_weights(old: Experiment, new: Experiment) -> bool:
    return (
        old.model == new.model
        and type(old.task) is type(new.task)
        and old.seed == new.seed
        and old.training.iterations == new.training.iterations
    )


def _cast(history: Mapping[int, Weights], dtype: str) -> Mapping[int, Weights]:
    """Trained weights outlive a change of dtype: the same network, in another arithmetic."""
    return MappingProxyType(
        {k: {name: array.astype(dtype) for name, array in weights.items()} for k, weights in history.items()}
    )


@dataclass(frozen=True)
class View:
    """Where somebody looks. Saved with a session, but neither undone nor a reason to save."""

    position: int = 0
    iteration: int = 0
    sample: int = 0
    unit: int | None = None
    heights: Mapping[str, int] = field(default_factory=dict)
    time_range: tuple[int, int] | None = None
    """First and last step on screen; None shows all."""
