"""Zooming and panning in whole steps. Plain numbers."""

from __future__ import annotations

import math

FEWEST = 4
"""Steps that a zoom always leaves on screen (or all, where there are fewer)."""


def zoomed(span: tuple[int, int], steps: int, at: int, share: float, factor: float) -> tuple[int, int]:
    """Zoom in (factor > 1) or out so that step `at` stays under the pointer, which is at `share` (0 … 1) of the width."""
    count = span[1] - span[0] + 1
    fewest = min(FEWEST, steps)
    wanted = count / factor
    new = math.floor(wanted) if factor > 1 else math.ceil(wanted)
    if new == count:
        new += -1 if factor > 1 else 1
    new = min(max(fewest, new), steps)
    if new == count:
        return span
    first = at - min(new - 1, max(0, math.floor(share * new)))
    return clamped((first, first + new - 1), steps)


def panned(span: tuple[int, int], steps: int, first: int) -> tuple[int, int]:
    count = span[1] - span[0] + 1
    return clamped((first, first + count - 1), steps)


def clamped(span: tuple[int, int], steps: int) -> tuple[int, int]:
    """The span moved, and only if it must be cut, into 1 … steps."""
    first, last = min(span), max(span)
    count = min(max(1, last - first + 1), steps)
    first = min(max(1, first), steps - count + 1)
    return first, first + count - 1
