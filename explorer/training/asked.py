"""What the runner has asked for, and what it has seen of the document."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests import Weights
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
class Seen:
    """The document as it was before its last change."""

    state: State
    recipe: Recipe

    @property
    def iteration(self) -> int:
        return self.state.furthest
