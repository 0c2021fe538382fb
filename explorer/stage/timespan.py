"""Zooming and panning in whole steps. Plain numbers."""

from __future__ import annotations

import math

FEWEST = 4
"""Steps that a zoom always leaves on screen (or all, where there are fewer)."""


def zoomed(span: tuple[int, int], steps: int, factor: float) -> int:
    """How many steps a view shows after zooming in (factor > 1) or out; at least one more or fewer, where it can."""
    count = span[1] - span[0] + 1
    wanted = count / factor
    new = math.floor(wanted) if factor > 1 else math.ceil(wanted)
    if new == count:
        new += -1 if factor > 1 else 1
    return min(max(min(FEWEST, steps), new), steps)


def panned(span: tuple[int, int], steps: int, first: int) -> tuple[int, int]:
    count = span[1] - span[0] + 1
    return clamped((first, first + count - 1), steps)


def clamped(span: tuple[int, int], steps: int) -> tuple[int, int]:
    """The span moved, and only if it must be cut, into 1 … steps."""
    first, last = min(span), max(span)
    count = min(max(1, last - first + 1), steps)
    first = min(max(1, first), steps - count + 1)
    return first, first + count - 1
