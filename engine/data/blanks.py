"""Tables whose columns are parted by blanks, as those of many sciences are: "1749 01  96.7"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.data import columns

_DIGIT = re.compile(r"[0-9]")
MANY = 0.9
"""Share of the rows that have to be alike."""
LINES = 5
"""So many rows of numbers, and a text is a table without being called one."""


def part_columns(rows: Sequence[Sequence[str]], otherwise: Sequence[Sequence[str]], alike_otherwise: float) -> bool:
    """Whether blanks part the columns of a table, of its first rows as blanks part them and as some other sign does,
    or as they stand: numbers and dates come of it in the same number in every row, and not without it.

    alike_otherwise: the share of rows of one length that the other sign makes.
    """
    below = rows[1:] if len(rows) > 1 else rows
    widths = [len(row) for row in below]
    usual = max(dict.fromkeys(widths), key=widths.count) if widths else 0
    alike = [row for row in below if usual <= len(row) <= usual + marked(row)]
    if usual < 2 or len(alike) < MANY * len(below) or not usual <= len(rows[0]) <= usual + 1:
        return False
    if _data(otherwise[1:] if len(otherwise) > 1 else otherwise) * alike_otherwise >= MANY:
        return False
    return _data([row[:usual] for row in alike]) >= 0.5


def marked(row: Sequence[str]) -> bool:
    """Whether a row ends with a mark, such as the "*" of what is provisional."""
    return len(row) > 1 and not _DIGIT.search(row[-1]) and len(row[-1]) <= 2


def _data(rows: Sequence[Sequence[str]]) -> float:
    """Share of the cells that are numbers or dates."""
    cells = [cell.strip() for row in rows for cell in row]
    return sum(map(columns.is_data, cells)) / max(1, len(cells))


def with_marks(rows: list[list[str]]) -> list[list[str]]:
    """The same with an empty last cell in rows without a mark, where others have one."""
    widths = {len(row) for row in rows}
    least, most = min(widths, default=0), max(widths, default=0)
    if most != least + 1 or not all(marked(row) for row in rows[1:] if len(row) == most):
        return rows
    return [row if len(row) == most else [*row, ""] for row in rows]


def is_table(head: bytes) -> bool:
    """Whether the first bytes of a file that is not called a table are rows of numbers that blanks part."""
    try:
        lines = head.decode("ascii").splitlines()[:-1]
    except UnicodeDecodeError:
        return False
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    widths = {len(row) - marked(row) for row in rows}
    numbers = all(columns.is_data(cell) for row in rows for cell in row[: len(row) - marked(row)])
    return len(rows) >= LINES and numbers and len(widths) == 1 and min(widths) > 1
