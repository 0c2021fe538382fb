"""Numbers held to their ranges, in one sentence. Plain data, no torch."""

from __future__ import annotations

import math

from engine.errors import SpecError
from engine.figures import figure
from engine.spec_reading import shown


def whole(field: str, value: int, low: int, high: int) -> None:
    """Raises SpecError."""
    if isinstance(value, bool) or not low <= value <= high:
        raise SpecError(f"{field} is {shown(value)}; a whole number from {low} to {high:,} is accepted.")


def real(field: str, value: float, low: float, high: float) -> None:
    """Raises SpecError."""
    if not (math.isfinite(value) and low <= value <= high):
        raise SpecError(f"{field} is {figure(value, 6)}; a number from {figure(low)} to {figure(high)} is accepted.")
