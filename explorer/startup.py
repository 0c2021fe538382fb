"""While a program starts, nothing of what it makes is garbage, and looking for some takes an eighth of the time."""

from __future__ import annotations

import gc


def begin() -> None:
    """To be called before anything large is imported."""
    gc.disable()


def done() -> None:
    """What is there by now stays: it is never looked through again."""
    gc.freeze()
    gc.enable()
