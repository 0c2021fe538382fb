"""What a training has left behind, for the tracks that show it. Plain data, made anew for every change."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.history import Log


@dataclass(frozen=True, eq=False)
class Past:
    log: Log = field(default_factory=Log)
    """One row for every iteration that is recorded."""
    shown: int = 0
    """The iteration on screen."""
    last: int = 10
    """Where the axis of iterations ends: a round number, so that it moves on in steps."""
    trains: bool = True
    """Whether there is anything to be trained: not in a recorded trace."""
