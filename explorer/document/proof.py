"""Whether an iteration that is traced again is the one that was recorded while it was trained: the net below all that
is kept of a training, whatever has gone wrong with it."""

from __future__ import annotations

import math

from engine import container
from engine.recipes import Origin, as_traced
from engine.requests import Excerpt
from engine.spec import Experiment, WhatIf
from explorer.document.state import State
from explorer.widgets.numbers import exact, short

ROUNDING = {"float64": 1e-10, "float32": 1e-4, "float16": 2**-7, "bfloat16": 2**-4}
"""Relative; what two right computations of a loss may be apart, as engine.measure has it."""
_SUMS = 1e-9
"""What two ways to add up a norm in float64 may be apart."""


def difference(state: State, iteration: int, excerpt: Excerpt) -> str:
    """How a trace differs from the record of its iteration, in one sentence; "" where it does not, or where they cannot
    be compared: nothing is recorded, or it was recorded of another T, batch or what-if. `state`: what was traced.

    What this program has recorded on this CPU comes back to the bit; a GPU, or whatever wrote the file, may have
    rounded otherwise.
    """
    recorded, recipe = state.log.recorded(iteration), state.past.recorded_with(iteration)
    if recorded is None or recipe is None or recipe[0] is None or state.experiment is None:
        return ""
    if as_traced(recipe[0], recipe[1]) != as_traced(state.experiment, state.what_if):
        return ""
    origin = state.past.recorded_by(iteration)
    here = origin is None and excerpt.device == "cpu" and not excerpt.device_note
    rounding = 0.0 if here else ROUNDING[_dtype(state.experiment, state.what_if)]
    loss, norm = recorded
    if not _same(excerpt.loss, loss, rounding):
        return _sentence("loss", iteration, excerpt.loss, loss, _written(origin, excerpt.device))
    if here and excerpt.clip is not None and not _same(excerpt.clip.norm, norm, _SUMS):
        return _sentence("gradient norm", iteration, excerpt.clip.norm, norm, ("", ""))
    return ""


def _dtype(experiment: Experiment, what_if: WhatIf) -> str:
    return what_if.dtype or experiment.dtype


def _same(a: float, b: float, rounding: float) -> bool:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return True
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= rounding * max(abs(a), abs(b))


def _written(origin: Origin | None, device: str) -> tuple[str, str]:
    """Who traces it and who recorded it, where they are not the same: " (torch 2.10.0 on cpu)" each."""
    torch = "" if origin is None else container.version_of("torch")
    if origin is None or (origin.torch == torch and origin.device in ("", device)):
        return "", ""
    there = f" on {origin.device}" if origin.device else ""
    return f" (torch {torch} on {device})", f" (torch {origin.torch}{there})"


def _sentence(what: str, iteration: int, now: float, then: float, by: tuple[str, str]) -> str:
    """`by`: who traces it and who recorded it, as far as that is to be said."""
    digits = next((n for n in (3, 5, 7, 9) if short(now, n) != short(then, n)), None)
    numbers = [exact(number) if digits is None else short(number, digits) for number in (now, then)]
    both = f"{numbers[0]} here{by[0]}, {numbers[1]} in the record{by[1]}"
    return f"Iteration {iteration:,} is not as it was recorded: its {what} is {both}."
