"""The tape: the ordered moments of one training iteration. Plain data.

Forward t = 1 … T, loss, backward t = T … 1, clip, update: 2T + 3 moments, numbered 0 … 2T + 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from engine.errors import SpecError
from engine.plaintext import one_line


class Phase(Enum):
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    CLIP = "clip"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Moment:
    """One position on the tape. `step` is t, from 1; in the phases without a time step it is T."""

    phase: Phase
    step: int

    def __str__(self) -> str:
        return f"{self.phase.value}:{self.step}" if self.phase in (Phase.FORWARD, Phase.BACKWARD) else self.phase.value


@dataclass(frozen=True, slots=True)
class Tape:
    """The moments of an iteration over `steps` time steps. Positions count from 0."""

    steps: int

    def __len__(self) -> int:
        return 2 * self.steps + 3

    def moment(self, position: int) -> Moment:
        """Raises IndexError outside 0 … len − 1."""
        T = self.steps
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} is outside the tape of {len(self)} moments")
        if position < T:
            return Moment(Phase.FORWARD, position + 1)
        if position == T:
            return Moment(Phase.LOSS, T)
        if position <= 2 * T:
            return Moment(Phase.BACKWARD, 2 * T + 1 - position)
        return Moment(Phase.CLIP if position == 2 * T + 1 else Phase.UPDATE, T)

    def position(self, moment: Moment) -> int:
        T = self.steps
        if moment.phase is Phase.FORWARD:
            return moment.step - 1
        if moment.phase is Phase.LOSS:
            return T
        if moment.phase is Phase.BACKWARD:
            return 2 * T + 1 - moment.step
        return 2 * T + (1 if moment.phase is Phase.CLIP else 2)

    def span(self, phase: Phase) -> range:
        """The positions of a phase."""
        T = self.steps
        return {
            Phase.FORWARD: range(0, T),
            Phase.LOSS: range(T, T + 1),
            Phase.BACKWARD: range(T + 1, 2 * T + 1),
            Phase.CLIP: range(2 * T + 1, 2 * T + 2),
            Phase.UPDATE: range(2 * T + 2, 2 * T + 3),
        }[phase]

    def forward_reached(self, position: int) -> int:
        """How many time steps the forward pass has computed: steps 1 … this are known."""
        return min(position + 1, self.steps)

    def backward_reached(self, position: int) -> int:
        """The earliest step whose gradient is known: steps this … T are. T + 1: none yet."""
        return self.steps + 1 - max(0, min(position - self.steps, self.steps))

    def parse(self, text: str) -> Moment:
        """'forward:12', 'loss', 'backward:12', 'clip', 'update'; 'backward:T/2' and 'backward:T' are understood too.

        Raises SpecError with one sentence.
        """
        name, colon, number = text.strip().lower().partition(":")
        text = one_line(text, 40)
        try:
            phase = Phase(name)
        except ValueError:
            raise SpecError(
                f"'{text}' is no moment of the tape; accepted are forward:t, loss, backward:t, clip and update."
            ) from None
        if phase not in (Phase.FORWARD, Phase.BACKWARD):
            if colon:
                raise SpecError(f"'{text}' has a time step, but the {name} has none; write '{name}'.")
            return Moment(phase, self.steps)
        step = {"t": self.steps, "t/2": max(1, self.steps // 2)}.get(number.strip())
        if step is None:
            # No tape is longer than this, and Python refuses to read thousands of digits.
            digits = number.strip()
            step = int(digits) if digits.isdecimal() and len(digits) <= 12 else 0
        if not 1 <= step <= self.steps:
            raise SpecError(f"'{text}' names no time step; write {name}:t with t from 1 to {self.steps}.")
        return Moment(phase, step)
