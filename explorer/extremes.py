"""The steps with the smallest and the largest gradient, among those that the tape has reached. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.quantities import STATES
from engine.requests import Array, Excerpt, ShownLayer


@dataclass(frozen=True, slots=True)
class Extreme:
    state: str
    """ "h"."""
    step: int
    """t, from 1: of several that are alike, the one that the way back comes to first."""
    norm: float
    alike: int
    """Steps with exactly this norm."""
    finite_only: bool = False
    """Other steps have NaN or ∞, which is no size to be compared."""


def extreme(norms: Array, first: int, last: int, *, largest: bool, reverse: bool) -> tuple[int, int] | None:
    """(t, how many are alike) among the steps first … last; NaN is neither small nor large. None: nothing is known."""
    if first > last:
        return None
    part = norms[first - 1 : last]
    if np.isnan(part).all():
        return None
    best = np.nanmax(part) if largest else np.nanmin(part)
    found = np.flatnonzero(part == best)
    return first + int(found[0] if reverse else found[-1]), len(found)


def extremes(excerpt: Excerpt, layer: ShownLayer, known: tuple[int, int], *, largest: bool) -> list[Extreme]:
    """Of each state of a layer, h first. `known`: the first and the last step whose gradients the tape has reached.
    Steps that are padding in every sample have no gradient, and are left out."""
    first, last = known[0], min(known[1], excerpt.longest or excerpt.steps)
    found = []
    for state in STATES[layer.cell]:
        norms = layer.norms[f"grads.{state}"]
        at = extreme(norms, first, last, largest=largest, reverse=layer.reverse)
        if at is not None:
            norm, all_finite = float(norms[at[0] - 1]), bool(np.isfinite(norms[first - 1 : last]).all())
            found.append(Extreme(state, at[0], norm, at[1], bool(np.isfinite(norm)) and not all_finite))
    return found


def said(found: list[Extreme], layer: str, *, largest: bool, all_known: bool) -> str:
    """ "Smallest ‖∂L/∂h‖ of layer 1: 3.2e-9 at t = 3 · ‖∂L/∂c‖: 4e-4 at t = 12"."""
    from explorer.widgets.numbers import short

    far = "" if all_known else " so far"
    parts = []
    for one in found:
        value = "exactly 0" if one.norm == 0.0 else short(one.norm, 3)
        more = f" and {one.alike - 1} more step{'s' if one.alike > 2 else ''}" if one.alike > 1 else ""
        parts.append(f"‖∂L/∂{one.state}‖ {value} at t = {one.step}{more}")
    finite = " finite" if any(one.finite_only for one in found) else ""
    return f"{'Largest' if largest else 'Smallest'}{finite} gradient of {layer}{far}: {' · '.join(parts)}"
