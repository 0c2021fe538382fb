"""What in a column of a table could mean something else than it is read as, where only a person can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.columns import Content
from engine.plaintext import one_line
from engine.spec_reading import shown

_SIGNS = "€$£¥%°‰"
_DRESSED = re.compile(
    rf"(?=.*[{_SIGNS}()])[({_SIGNS}]?\s?[-+]?[{_SIGNS}]?\s?[0-9][0-9.,' ]*\s?[{_SIGNS})]{{0,2}}"
    r"|[-+]?[0-9]{1,3}(?:,[0-9]{2,3})+(?:\.[0-9]+)?"
)
"""Numbers with a sign of money or of a unit, in parentheses, or in groups of two digits."""
_STAND_INS = (-9999.0, -999.0, -99.0, -99.9, -99.99, -999.9, -9999.9, 999.0, 9999.0, 99999.0, -99999.0)
_FAR = 3.0
"""Times the spread of all other numbers."""
_LOOKED_AT = 1000


def doubt(content: Content, cells: Sequence[str] | None) -> str:
    """A note without the place and full stop; "" where nothing is in doubt. `cells` of a column of text."""
    values = content.values
    if content.kind == "text" and cells is not None:
        return _dressed([cell for cell in cells[:_LOOKED_AT] if cell])
    if values is None or content.problem or len(values) < 3:
        return ""
    if content.kind == "date":
        falls = not content.missing.any() and bool((np.diff(values) < 0).all())
        return (
            "the dates fall from row to row, so that the newest comes first; sort the rows to read on in time" * falls
        )
    return _stand_in(values[~np.isnan(values)]) if content.kind == "number" else ""


def _dressed(cells: list[str]) -> str:
    if not cells or not all(map(_DRESSED.fullmatch, cells)):
        return ""
    return (
        f"{shown(one_line(cells[0], 40))} and the others are read as text; to be read as numbers they have to be "
        "written like 1234.5"
    )


def _stand_in(values: NDArray[np.float64]) -> str:
    for one in _STAND_INS:
        found = values == one
        count = int(found.sum())
        if count < 2 or count == len(values):
            continue
        low, high = float(values[~found].min()), float(values[~found].max())
        if max(low - one, one - high) > _FAR * max(high - low, abs(low), abs(high)):
            return (
                f"{one:g} comes {count:,} times, far from all other numbers, and is read as a number; where it stands "
                "for a missing one, leave its cell empty"
            )
    return ""
