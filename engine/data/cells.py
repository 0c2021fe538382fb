"""The cells of a table as they were read: rows by blocks, columns when they are asked for.

A table of fifty megabytes has millions of cells. They are made block by block, and only those of text are kept: numbers
are read at once, and made again for whoever asks for what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

BLOCK = 8192
"""Rows that are made together."""
BLANK = " "
"""The delimiter that stands for one blank or more."""
_RUN = re.compile(r"[ \t]+")

Found = TypeVar("Found")
Reading: TypeAlias = Generator[float, None, Found]
"""Something read piece by piece: gives its share that is done, 0 … 1, and returns what was found."""


def finished(reading: Reading[Found]) -> Found:
    """Without a pause."""
    kept: list[Found] = []

    def returned() -> Generator[float, None, None]:
        kept.append((yield from reading))

    for _ in returned():
        pass
    return kept[0]


def within(reading: Reading[Found], first: float, last: float) -> Reading[Found]:
    """The same as a part of something longer, which it takes from one share to another."""
    while True:
        try:
            share = next(reading)
        except StopIteration as over:
            found: Found = over.value
            return found
        yield first + (last - first) * share


def parted(row: str, delimiter: str) -> list[str]:
    """The cells of a row without quotes. Blanks part columns by runs, and none stands at an end of a row."""
    if delimiter != BLANK:
        return row.split(delimiter)
    # A blank that does not break is inside of a cell: it stands between thousands.
    return row.split() if row.isascii() else _RUN.split(row.strip(" \t"))


@dataclass(frozen=True, eq=False)
class Cells:
    rows: Sequence[str] | Sequence[list[str]]
    """As they stand in the file, or parted already."""
    lines: Sequence[int]
    """At which each row begins."""
    delimiter: str
    """Between the cells of a row as it stands in the file."""

    def __len__(self) -> int:
        return len(self.rows)

    def block(self, first: int, behind: int) -> list[list[str]]:
        """Rows first … behind − 1, with white space around their cells as it is."""
        return self._parted(self.rows[first:behind])

    def _parted(self, rows: Sequence[str] | Sequence[list[str]]) -> list[list[str]]:
        return [parted(row, self.delimiter) if isinstance(row, str) else row for row in rows]

    def blocks(self) -> Iterator[tuple[int, list[list[str]]]]:
        """(the row behind a block, the block), to the last one."""
        for first in range(0, len(self), BLOCK):
            behind = min(first + BLOCK, len(self))
            yield behind, self.block(first, behind)

    def sample(self, count: int) -> list[list[str]]:
        """At most about `count` rows from the whole length, without white space around their cells."""
        every = -(-len(self) // max(1, count))
        return [[cell.strip() for cell in row] for row in self._parted(self.rows[::every])]

    def column(self, at: int) -> list[str]:
        """All cells of a column, without white space around them."""
        return [row[at].strip() for _, block in self.blocks() for row in block]

    def below(self) -> Cells:
        """Without the first row."""
        return Cells(self.rows[1:], self.lines[1:], self.delimiter)
