"""Where truncated BPTT stops the gradient on its way from a step to the one before it (engine.truncation)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.requests import Excerpt

Stop = Literal["", "some", "all"]


def stop(excerpt: Excerpt, step: int) -> Stop:
    """How much of its gradient step t keeps from the step before it: all of it where a window begins and no other one
    goes over it, some where windows overlap."""
    cut = excerpt.truncation
    if cut is None or step <= 1:
        return ""
    if excerpt.readout != "every":  # a single loss, at the last step
        return "all" if step == excerpt.steps - cut.k2 + 1 else ""
    # A window ends at every multiple of k1, also past the last step, and has k2 steps; it needs a loss of its own.
    end = step - 1 + cut.k2
    if end % cut.k1 or end - cut.k1 >= excerpt.steps:
        return ""
    return "all" if cut.k1 == cut.k2 else "some"


def severed(excerpt: Excerpt) -> NDArray[np.bool_]:
    """(T,): the steps t to which nothing comes from t + 1, since a window begins there."""
    cut, t = excerpt.truncation, np.arange(1, excerpt.steps + 1)
    if cut is None or overlap(excerpt):
        return np.zeros(excerpt.steps, np.bool_)
    begins = t == excerpt.steps - cut.k2 if excerpt.readout != "every" else t % cut.k1 == 0
    return np.asarray(begins & (t < excerpt.steps))


def partly(excerpt: Excerpt) -> NDArray[np.bool_]:
    """(T,): the steps t to which only some of the gradient comes from t + 1, since one of several windows begins
    there."""
    found = np.zeros(excerpt.steps, np.bool_)
    if overlap(excerpt):
        found[:-1] = [stop(excerpt, t + 1) == "some" for t in range(1, excerpt.steps)]
    return found


def overlap(excerpt: Excerpt) -> bool:
    """Whether windows overlap, so that at a border some of the gradient goes on."""
    cut = excerpt.truncation
    return cut is not None and excerpt.readout == "every" and cut.k1 != cut.k2


def equations_note(excerpt: Excerpt | None) -> str:
    """What the numbers of the step after are, in the equations of the way back."""
    if excerpt is None or excerpt.truncation is None:
        return ""
    if overlap(excerpt):
        return (
            "Truncated, with windows that overlap: of the δ of t+1 only what goes on to t stands here; the part of "
            "windows that begin at t+1 stops there."
        )
    return "Truncated: where a window begins at t+1 nothing comes from there, and the δ of t+1 counts as 0."
