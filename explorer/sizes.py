"""The size of everything, in percent. It is Qt's own scale factor, so text, lines, icons and what is drawn by hand all
grow together and stay crisp; Qt reads it once, when the application is made, so another size needs a new start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

USUAL, LEAST, MOST = 100, 80, 250
STEPS = (80, 90, 100, 110, 125, 150, 175, 200, 225, 250)
_FACTOR = "QT_SCALE_FACTOR"

_in_force = USUAL


def larger(now: int) -> int:
    """The next larger size; the largest stays."""
    return next((step for step in STEPS if step > now), now)


def smaller(now: int) -> int:
    return next((step for step in reversed(STEPS) if step < now), now)


def where(now: int) -> str:
    """Why there is nothing to change."""
    if now in (STEPS[0], STEPS[-1]):
        return f"Everything is shown at {now} %: there is nothing {'smaller' if now == STEPS[0] else 'larger'}."
    return f"Everything is shown at {now} %."


def in_force() -> int:
    """The size that the application was made in."""
    return _in_force


@contextmanager
def applied(percent: int) -> Iterator[None]:
    """An application that is made within gets this size, on top of a factor that somebody has set for all programs.
    What is started later (the engine, another window) does not inherit it."""
    global _in_force
    percent = min(max(percent, LEAST), MOST)
    given = os.environ.get(_FACTOR)
    if percent != USUAL:
        os.environ[_FACTOR] = f"{_number(given) * percent / 100:g}"
    try:
        yield
        _in_force = percent
    finally:
        if given is not None:
            os.environ[_FACTOR] = given
        else:
            os.environ.pop(_FACTOR, None)


def _number(text: str | None) -> float:
    try:
        found = float(text or 1.0)
    except ValueError:
        return 1.0
    return found if found > 0 else 1.0
