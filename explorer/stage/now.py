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
    steps: int = 0
    """T."""

    def values(self, reverse: bool = False) -> tuple[int, int]:
        """First and last step whose values are known. A reverse layer's are so from T on: each direction has gone as
        many of its own steps."""
        return (self.steps + 1 - self.forward, self.steps) if reverse else (1, self.forward)

    def grads(self, reverse: bool = False) -> tuple[int, int]:
        """First and last step whose gradients are known; (1, 0) and (T + 1, T): none."""
        return (1, self.steps + 1 - self.backward) if reverse else (self.backward, self.steps)

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
            tape.steps,
        )
