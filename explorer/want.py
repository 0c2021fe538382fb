"""One picture that is wanted, asked for or on screen, and when two of them are the same."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.document.state import State


@dataclass(frozen=True, eq=False)
class Want:
    """Which state, where in training, which numbers of it."""

    state: State
    iteration: int
    sample: int
    layer: str
    unit: int | None
    keys: tuple[str, ...]
    routes: bool = True
    """With the shares of the routes."""
    position: int | None = None
    """Where the playhead goes once it is there; None leaves it."""
    left: int | None = None
    """Where the playhead was when it was asked for: whoever has moved it since is not taken back."""

    def same_picture(self, other: Want | None) -> bool:
        return (
            other is not None
            and self.same_trace(other)
            and (self.sample, self.layer, self.unit, self.keys) == (other.sample, other.layer, other.unit, other.keys)
            and (other.routes or not self.routes)
        )

    def same_trace(self, other: Want | None) -> bool:
        if other is None or self.iteration != other.iteration:
            return False
        a, b = self.state, other.state
        weights = a.history.get(self.iteration) is b.history.get(self.iteration)
        return a.recorded is b.recorded and a.experiment == b.experiment and a.what_if == b.what_if and weights
