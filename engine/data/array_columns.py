"""What arrays from a file could become, from their names, shapes and types alone: no number of them is read here."""

from __future__ import annotations

import numpy as np

from engine.data.preview import ArraysPreview, Column
from engine.data.shapes import Arrays, taken_for
from engine.data.windows import unpacked


def arrays_of(preview: ArraysPreview) -> Arrays:
    """As engine.data takes them, over arrays of the same shapes that take no memory."""
    found = {fact.name: np.broadcast_to(np.ones((), dtype=np.dtype(fact.dtype)), fact.shape) for fact in preview.arrays}
    return taken_for(found, f"'{preview.name}'")


def series_columns(preview: ArraysPreview) -> tuple[int, tuple[Column, ...]]:
    """Rows, and the columns of a series with what is missing in them: "x0", "x1", and "y" for one more. The first
    missing one is a row from 0."""
    of = arrays_of(preview)
    facts = {fact.name.lower(): fact for fact in preview.arrays}
    x = facts["x"] if len(facts) > 1 else preview.arrays[0]
    rows, width = len(of.x), of.x.shape[1]
    found = [_column(f"x{at}", x.missing_rows[at] if x.missing_rows else b"", rows) for at in range(width)]
    if of.y is not None:
        found.append(_column("y", (facts["y"].missing_rows or (b"",))[0], rows))
    return rows, tuple(found)


def _column(name: str, missing: bytes, rows: int) -> Column:
    absent = np.flatnonzero(unpacked(missing, rows)) if missing else np.zeros(0, dtype=np.int64)
    first = int(absent[0]) if len(absent) else None
    return Column(name, "number", len(absent), first, "", missing_rows=missing)
