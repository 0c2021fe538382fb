"""How much memory a long trace takes, and how its budget is divided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import DataError
from engine.figures import figure
from engine.quantities import STATES, quantities
from engine.stack import Level
from engine.step_pieces import StepByStep

BUDGET = 2**30
"""Bytes, where nothing else is asked for."""
WORK = 1.5
"""A stretch while it is computed, in units of what is recorded of it."""
AUDIT = 10
"""An audit's own memory, in the same units: autograd's graph, and the sizes of terms in float64 (measured 9.5)."""
NUMBERS = 2**19
"""Of a state in a stretch: enough for the cost of starting one not to matter."""


@dataclass(frozen=True)
class Room:
    """All in bytes."""

    budget: int
    kept: int
    """What stays: checkpoints, norms, losses, x."""
    record: int
    """What a window records of a step."""
    work: int
    """What a stretch needs while it is computed, of a step."""
    size: int
    """Steps of a stretch."""
    steps: int
    """T."""

    @property
    def left(self) -> int:
        """Beside what stays and a stretch that is computed."""
        return max(0, self.budget - self.kept - self.work * self.size)

    @property
    def audit_steps(self) -> int:
        """So many steps are audited at once: a quarter of what is left is for that, or less where all steps then fit
        into the rest."""
        step = AUDIT * self.record
        quarter, beside_all = self.left // 4 // step, (self.left - self.steps * self.record) // step
        return max(1, min(self.size, quarter, beside_all if beside_all > 0 else quarter))

    @property
    def for_windows(self) -> int:
        """Beside what stays, a stretch that is computed, and an audit."""
        return max(0, self.left - AUDIT * self.record * self.audit_steps)

    @property
    def window_steps(self) -> int:
        """The longest window that can be held, computed and audited."""
        return min(self.steps, max(1, self.for_windows // self.record))


def room_for(
    levels: Sequence[Level], steps: int, inputs: int, budget: int, size: int | None = None, reads_stream: bool = False
) -> Room:
    """The division of a budget for T steps. `inputs`: bytes of x that is held; `size`: steps of a stretch, None: as
    many as seem best; `reads_stream`: see `recorded_a_step`. Raises DataError where the budget is too small."""
    record, border, series = recorded_a_step(levels, reads_stream), 0, 0
    for level in levels:
        for layer in level.layers:
            weight = layer.weights["weight_ih"]
            B, H = layer.initial["h"].shape
            symbols = len(quantities(layer.cell, "norm_weight" in layer.weights))
            states = len(STATES[layer.cell])
            border += 2 * weight.element_size() * B * H * states
            series += 2 * 8 * symbols
            held = [array for one in layer.held.values() for array in (one.where, one.value)]
            inputs += sum(array.nbytes for array in (*held, *([] if layer.drop is None else [layer.drop])))
    outputs = _outputs(levels)
    work = int(WORK * record) + 8 * outputs
    fixed = inputs + steps * (series + 8)
    if size is None:
        numbers = max(one.initial["h"].numel() for level in levels for one in level.layers)
        size = min(steps, max(math.isqrt(steps), NUMBERS // numbers, 16))
        # A stretch at a time, and all borders, each within a quarter of what is left.
        share = (budget - fixed) // 4
        size = max(1, min(size, share // work))
        size = max(size, -(-steps * border // share)) if share > 0 else steps
    size = min(size, steps)
    kept = fixed + (-(-steps // size) + 1) * border
    if kept + work * size + (AUDIT + 1) * record > budget:
        least = fixed + int(4 * math.sqrt(steps * border * work)) + 4 * (AUDIT + 1) * record
        raise DataError(
            f"The budget is {bytes_shown(budget)}; a long trace of {steps:,} steps of this model needs about "
            f"{bytes_shown(least)}."
        )
    return Room(budget, kept, record, work, size, steps)


def recorded_a_step(levels: Sequence[Level], reads_stream: bool = False) -> int:
    """Bytes that a trace holds of one step. `reads_stream`: what stands after the last level reads what that read."""
    record = _outputs(levels)
    above = levels[1].enter if len(levels) > 1 else None
    if reads_stream if len(levels) == 1 else isinstance(above, StepByStep) and above.reads_stream:
        first = levels[0].layers[0]  # Trace.past_grad
        record += first.weights["weight_ih"][0].nbytes * len(first.initial["h"])
    for layer in (layer for level in levels for layer in level.layers):
        weight = layer.weights["weight_ih"]
        B, H = layer.initial["h"].shape
        symbols, states = len(quantities(layer.cell, "norm_weight" in layer.weights)), len(STATES[layer.cell])
        record += weight.element_size() * B * (H * (2 * symbols + 1 + states) + 2 * weight.shape[1])
    return record


def _outputs(levels: Sequence[Level]) -> int:
    return sum(one.initial["h"].nbytes for one in levels[-1].layers)


def bytes_shown(count: float) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{figure(count / size)} {unit}"
    return f"{int(count)} bytes"
