"""What arrays from a file could become, from their names, shapes and types alone: no number of them is read here."""

from __future__ import annotations

from engine.data.preview import ArraysPreview
from engine.data.shapes import Arrays, taken_for


def arrays_of(preview: ArraysPreview) -> Arrays:
    """As engine.data takes them, over arrays of the same shapes that take no memory."""
    import numpy as np

    found = {fact.name: np.broadcast_to(np.ones((), dtype=np.dtype(fact.dtype)), fact.shape) for fact in preview.arrays}
    return taken_for(found, f"'{preview.name}'")


def series_columns(preview: ArraysPreview) -> tuple[int, tuple[str, ...]]:
    """Rows, and what the columns of a series are called: "x0", "x1", and "y" for one more."""
    of = arrays_of(preview)
    names = tuple(f"x{at}" for at in range(of.x.shape[1]))
    return len(of.x), (*names, "y") if of.y is not None else names
