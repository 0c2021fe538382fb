"""What in a column of a table could mean something else than it is read as, where only a person can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data import columns, units
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


def doubt(content: Content, cells: Sequence[str] | None, lines: Sequence[int]) -> str:
    """A note without the place and full stop; "" where nothing is in doubt. `cells` of a column of text; `lines` of the
    rows, from 1."""
    values = content.values
    if content.kind == "text" and cells is not None:
        return _dressed([(line, cell) for line, cell in zip(lines, cells[:_LOOKED_AT], strict=False) if cell])
    if values is None or content.problem or len(values) < 3:
        return ""
    if content.kind == "date":
        return "" if content.missing.any() else _order(values, lines)
    return _stand_in(values[~np.isnan(values)]) if content.kind == "number" else ""


def _order(times: NDArray[np.float64], lines: Sequence[int]) -> str:
    """Of dates that do not rise."""
    steps = np.diff(times)
    if not (steps < 0).any():
        return ""
    if not (steps > 0).any():
        return (
            "the dates fall from row to row, so that the newest comes first; a series is read from the last row upwards"
        )
    falls = bool((steps < 0).sum() > (steps > 0).sum())
    row = int(np.flatnonzero(steps > 0 if falls else steps < 0)[0]) + 1
    return (
        f"the dates are in no order: most {'fall' if falls else 'rise'} from row to row, but line {lines[row]:,} is "
        f"{'later' if falls else 'earlier'} than the row above it; sort the rows where they are one series"
    )


def _dressed(cells: list[tuple[int, str]]) -> str:
    """Of text in lines: numbers with other signs around them than those of one unit."""
    parts = [units.parted(cell) for _, cell in cells]
    plain = [columns.is_data(cell) for _, cell in cells]
    dressed = [one is not None or bool(_DRESSED.fullmatch(cell)) for one, (_, cell) in zip(parts, cells, strict=True)]
    if not any(dressed) or not all(a or b for a, b in zip(plain, dressed, strict=True)):
        return ""
    at = dressed.index(True)
    line, cell = cells[at]
    first = parts[at]
    other = next(
        (at for at, one in enumerate(parts) if first is not None and (one is None or one.same != first.same)), None
    )
    if first is None or other is None:
        return (
            f"line {line:,}: {_quoted(cell)} and the others are read as text; to be read as numbers they have to be "
            "written like 1234.5"
        )
    return (
        f"line {line:,}: {_quoted(cell)} has {_quoted(first.unit)} {first.where} its number, "
        f"and line {cells[other][0]:,}: {_quoted(cells[other][1])} has not; the column is read as text, and as numbers "
        "where all have the same unit, or none"
    )


def _quoted(cell: str) -> str:
    return shown(one_line(cell, 40))


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
