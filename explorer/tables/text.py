"""What stands in a table's cells, and the same as tab-separated and comma-separated text. Plain functions.

Numbers are written as the shortest decimals that read back as the same number in their own type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PySide6.QtCore import Qt

from explorer.stage import classes
from explorer.stage.tracks import words
from explorer.stage.tracks.base import Block, TableData
from explorer.stage.tracks.flow_rows import classify, size_words
from explorer.tables.lines import csv_lines
from explorer.widgets.numbers import exact

NOT_REACHED, PADDING = "not reached yet", words.PADDING
ELSEWHERE = "there is one answer, at another step"
_ROWS_A_PART = 64
_KEPT_ROWS = 256
_MOST_READ = 4000


class Columns:
    """The columns of a table's blocks, side by side: which block, and which of its columns."""

    def __init__(self, table: TableData) -> None:
        self.blocks = table.blocks
        widths = [block.values.shape[1] for block in table.blocks]
        self._starts = np.concatenate(([0], np.cumsum(widths))).astype(int)
        self.count = int(self._starts[-1])
        self._classified: dict[tuple[int, int], classes.Codes] = {}

    def at(self, column: int) -> tuple[Block, int]:
        block = int(np.searchsorted(self._starts, column, side="right")) - 1
        return self.blocks[block], column - int(self._starts[block])

    def name(self, column: int) -> str:
        block, inside = self.at(column)
        return block.names[inside]

    def text(self, row: int, column: int) -> str:
        """The exact number of step row + 1, or its symbol; "" where there is nothing (yet)."""
        block, inside = self.at(column)
        if state(block, row):
            return ""
        return block.words[row] if block.words else number(block, row, inside)

    def code(self, row: int, column: int) -> int:
        """The number's class (explorer.stage.classes); 0 where nothing stands there, or no class is known."""
        block, inside = self.at(column)
        if block.scale is None or block.words or state(block, row):
            return 0
        return int(self._codes(block, row)[inside])

    def _codes(self, block: Block, row: int) -> classes.Codes:
        """Of a whole row: views ask for its cells one by one."""
        name = id(block.values), row
        if name not in self._classified:
            if len(self._classified) >= _KEPT_ROWS:
                self._classified.clear()
            assert block.scale is not None
            bad = None if block.logarithms_bad is None else block.logarithms_bad[row]
            row_of = block.values[row]
            found = classes.classify(row_of, block.scale) if bad is None else classify(row_of, bad, block.scale)
            self._classified[name] = found
        return self._classified[name]

    def note(self, row: int, column: int) -> str:
        """The number's class in words; why a cell is empty; "" for an ordinary number."""
        block, inside = self.at(column)
        if why := state(block, row):
            return why
        value = block.values[row, inside]
        if block.logarithms_bad is not None:
            return _note_of_logarithm(block, row, inside, self.code(row, column))
        if block.words or not isinstance(value, np.floating):
            return ""
        if block.scale is not None:
            return words.class_words(value, int(self._codes(block, row)[inside]), block.scale)
        return _plain_class(value)

    def waits(self, row: int, column: int) -> bool:
        """Whether the tape has not reached it."""
        return state(self.at(column)[0], row) == NOT_REACHED


def sorted_steps(columns: Columns, steps: int, column: int, order: Qt.SortOrder) -> list[int]:
    """The steps, from 0, in the order of a column."""
    block, inside = columns.at(column)
    of_words = block.words and not block.ranked
    there: list[int] = []
    other: list[int] = []
    for step in range(steps):
        nothing = state(block, step) or (not of_words and bool(np.isnan(block.values[step, inside])))
        (other if nothing else there).append(step)
    key = block.words.__getitem__ if of_words else block.values[:, inside].__getitem__
    return sorted(there, key=key, reverse=order == Qt.SortOrder.DescendingOrder) + other


def longest(columns: Columns, steps: int) -> str:
    """The longest number that stands in the table, or could stand in one that is too large to be gone through."""
    found = [""]
    for block in columns.blocks:
        if block.words:
            found += block.words
        elif block.values.size <= _MOST_READ or not np.issubdtype(block.values.dtype, np.floating):
            found += [number(block, row, n) for row in range(min(steps, _MOST_READ)) for n in range(len(block.names))]
        else:
            wide = np.nextafter(np.finfo(block.values.dtype).tiny * -1.2345678, -1)
            found.append(exact(float(wide), block.values.dtype.name))
    return max(found, key=len)


def state(block: Block, row: int) -> str:
    """Why nothing stands there; "" where something does."""
    t = row + 1
    if not (block.known[0] <= t <= block.known[1] or block.also[0] <= t <= block.also[1]):
        return NOT_REACHED
    if block.length and t > block.length:
        return PADDING
    return ELSEWHERE if block.only not in (0, t) else ""


def number(block: Block, row: int, column: int) -> str:
    value = block.values[row, column]
    if block.logarithms_bad is not None:
        return "" if np.isnan(value) and not block.logarithms_bad[row, column] else size_words(value)
    return exact(float(value), value.dtype.name) if isinstance(value, np.floating) else str(value)


def _note_of_logarithm(block: Block, row: int, column: int, code: int) -> str:
    assert block.logarithms_bad is not None
    if block.had is not None and row >= block.had[column]:
        return ": ".join(words.no_step((int(block.had[column]),)))
    if np.isnan(block.values[row, column]):
        return "not a number" if block.logarithms_bad[row, column] else PADDING
    if block.scale is None:
        return "exactly 0" if np.isneginf(block.values[row, column]) else ""
    return words.code_words(code, block.scale.ends)


def _plain_class(value: np.floating) -> str:
    if np.isnan(value):
        return "not a number"
    if np.isinf(value):
        return "infinite" if value > 0 else "infinite, negative"
    if value == 0:
        return "exactly 0"
    tiny = np.finfo(value.dtype).tiny
    return classes.SUBNORMAL if abs(value) < tiny else ""


def tsv(columns: Columns, rows: Sequence[int], wanted: Sequence[int]) -> str:
    """A heading and these cells, as spreadsheets paste it."""
    lines = ["\t".join(["t", *(columns.name(column) for column in wanted)])]
    lines += ["\t".join([str(row + 1), *(columns.text(row, column) for column in wanted)]) for row in rows]
    return "\n".join(lines)


def csv_parts(table: TableData) -> Iterator[bytes]:
    """The whole table in UTF-8, a few rows at a time: long tables are written between other things."""
    columns = Columns(table)
    names = [columns.name(column) for column in range(columns.count)]
    yield csv_lines([["t", *names]])
    for start in range(0, table.steps, _ROWS_A_PART):
        stop = min(start + _ROWS_A_PART, table.steps)
        yield csv_lines([[str(row + 1), *_row(columns, row)] for row in range(start, stop)])


def parts_of(table: TableData) -> int:
    """How many of them there are."""
    return 1 + -(-table.steps // _ROWS_A_PART)


def _row(columns: Columns, row: int) -> Iterator[str]:
    for block in columns.blocks:
        width = block.values.shape[1]
        if state(block, row):
            yield from [""] * width
        elif block.words:
            yield block.words[row]
        else:
            yield from (number(block, row, column) for column in range(width))
