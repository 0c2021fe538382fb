"""Round numbers of steps for the time axis."""

from __future__ import annotations


def ticks(first: int, last: int, pitch: float, room: float) -> list[int]:
    """Steps that get a number: multiples of 1, 2 or 5 × 10^k, at least `room` pixels apart; always the view's first
    step where it is 1. `pitch`: pixels per step."""
    every = 1
    for every in _rounds():
        if every * pitch >= room:
            break
    start = -(-first // every) * every
    found = list(range(max(start, every), last + 1, every))
    if first == 1 and every > 1 and (not found or (found[0] - 1) * pitch >= room):
        found.insert(0, 1)
    return found


def _rounds() -> list[int]:
    return [factor * 10**k for k in range(7) for factor in (1, 2, 5)]
