"""What the tape has reached at a position. Plain data, made once per step for all tracks."""

from __future__ import annotations

from dataclasses import dataclass

from engine.tape import Phase, Tape


@dataclass(frozen=True, slots=True)
class Now:
    position: int
    phase: Phase
    step: int
    """t of the playhead, from 1."""
    forward: int
    """The values of steps 1 … this are known."""
    backward: int
    """The gradients of steps this … T are known; T + 1: none."""
    loss: bool
    """The loss is known."""

    @classmethod
    def at(cls, tape: Tape, position: int) -> Now:
        position = min(max(0, position), len(tape) - 1)
        moment = tape.moment(position)
        return cls(
            position,
            moment.phase,
            moment.step,
            tape.forward_reached(position),
            tape.backward_reached(position),
            position >= tape.steps,
        )
