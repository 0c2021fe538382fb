"""What the runner has asked for, and what it has seen of the document."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests import Weights
from engine.training_requests import Judge
from explorer.document.state import Recipe, State


@dataclass(frozen=True, eq=False)
class Chunk:
    """A few iterations, as they were asked for."""

    generation: int
    iteration: int
    count: int
    weights: Weights | None
    recipe: Recipe
    due: float
    """When its answer is expected (time.perf_counter)."""


@dataclass(frozen=True, eq=False)
class Judging:
    """An evaluation, as it was asked for."""

    generation: int
    iteration: int | None
    """None: it only shows whether there can be any."""
    request: Judge

    def is_as(self, iteration: int, request: Judge) -> bool:
        mine, what = self.request, (request.experiment, request.what_if)
        return (
            self.iteration == iteration and mine.weights is request.weights and (mine.experiment, mine.what_if) == what
        )


@dataclass(frozen=True, eq=False)
class Seen:
    """The document as it was before its last change."""

    state: State
    recipe: Recipe

    @property
    def iteration(self) -> int:
        return self.state.furthest
