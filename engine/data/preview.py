"""What is in a file, before it is used: nothing is kept yet, and everything that was detected can be overridden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.data import arrays, blanks, dates, files
from engine.data.cells import Reading, finished, within
from engine.data.columns import Kind
from engine.data.datasets import MAX_CLASSES
from engine.data.decoding import Decoded, Encoding, check_encoding, decoding
from engine.data.records import DELIMITER_NAMES
from engine.data.symbols import at_words, placing, words
from engine.data.table import DETECTED, SAID_NAME, Table, TableOptions, reading
from engine.data.windows import packed
from engine.errors import DataError
from engine.plaintext import as_it_stands, one_line, shortened
from engine.spec_reading import shown

MAX_TEXT_BYTES = 128 * 2**20
HEAD_ROWS = 20
HEAD_CHARACTERS = 2000
COUNTED_CHARACTERS = 8_000_000
COUNTED_CLASSES = 50 * MAX_CLASSES
JUMP = 1.5
"""A step in time of more than so many usual ones is a jump."""
RARE = 0.02
"""Share of the steps up to which jumps are gaps in a series. More of them belong to its rhythm, as weekends do to
prices: cut there, it would fall into pieces of fewer than 50 rows on average, and longer windows find no place."""
TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".psv")
As: TypeAlias = Literal["text", "table", "arrays"]


@dataclass(frozen=True)
class LastNew:
    row: int
    """From 0."""
    line: int
    """From 1."""
    cell: str


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind
    missing: int
    """Cells without a value."""
    first_missing: int | None
    """Line of the first one, from 1."""
    problem: str
    """A sentence with line and column about what does not fit into a column of this kind; "" where everything does."""
    low: float | None = None
    """Of numbers."""
    high: float | None = None
    different: int | None = None
    """Different words, of text; None for numbers and dates."""
    rising: bool = False
    """Of numbers and dates: each is above the one before, so that it can be the time."""
    falling: bool = False
    """Each is below the one before: the time of a file that begins with what is newest."""
    falls: bool = False
    """The same, but several rows may have one time."""
    unordered: int | None = None
    """Of dates: the line of the first one that is neither above the one before in a file that begins with the oldest,
    nor below it where it begins with the newest."""
    counter: bool = False
    """Whole numbers in equal steps, as those that count rows or years: there is nothing in them to forecast."""
    unit: str = ""
    """Of numbers: what every cell has beside its number."""
    classes: int | None = None
    """Different cells, of which each would be a class; None of a column with many more than may be classes."""
    last_new: LastNew | None = None
    """The one of them that comes first behind all others; None where they are not counted."""
    misfits: tuple[str, ...] = ()
    """Different cells that do not fit, where they are few enough to be mistakes."""
    jumps: int = 0
    """Of a rising or falling column: steps of more than 1.5 usual ones."""
    first_jump: int | None = None
    """Line of the later side of the first one, in the order of time."""
    missing_rows: bytes = field(default=b"", repr=False)
    """Which rows have no value (`windows.unpacked`)."""
    jumped_rows: bytes = field(default=b"", repr=False)
    """Which rows stand behind a jump; of a falling column with the rows counted from the last one."""


@dataclass(frozen=True)
class TablePreview:
    path: str
    name: str
    sha256: str
    """Of the file, so that it is noticed where it changes before it is used."""
    size: int
    """Bytes."""
    encoding: str
    options: TableOptions
    """Given, or detected: none of them None."""
    rows: int
    columns: tuple[Column, ...]
    day_or_month: bool
    """Whether there are dates of which it is a choice which of day and month stands first."""
    head: tuple[tuple[str, ...], ...]
    """The first rows as they stand in the file, cells shortened."""
    detected: tuple[str, ...]
    """In words, one each: "the columns are separated by semicolons"."""
    notes: tuple[str, ...]
    """What was decided that could be otherwise."""

    @property
    def kind(self) -> Literal["table"]:
        return "table"

    def column(self, name: str) -> Column:
        """Raises DataError."""
        for column in self.columns:
            if column.name == name:
                return column
        names = ", ".join(shortened(column.name, SAID_NAME) for column in self.columns[:20])
        raise DataError(f"'{self.name}' has no column {shown(name)}; it has {names}.")


@dataclass(frozen=True)
class TextPreview:
    path: str
    name: str
    sha256: str
    size: int
    encoding: str
    """In words."""
    codec: Encoding
    """Given, or detected."""
    line_ends: str
    lines: int
    characters: int
    different_characters: int
    first_characters: tuple[int, ...] = field(repr=False)
    """Where each different one comes first, in that order: how many of them are in a part that begins the text follows
    from it."""
    words: int
    """Words, signs and line ends, of the first 8 million characters."""
    different_words: int
    """Of those."""
    first_words: tuple[int, ...] = field(repr=False)
    """As of the characters."""
    head: str
    """How it begins."""

    @property
    def kind(self) -> Literal["text"]:
        return "text"


@dataclass(frozen=True)
class ArrayFacts:
    name: str
    shape: tuple[int, ...]
    dtype: str
    missing: int
    """NaN."""
    missing_rows: tuple[bytes, ...] = field(default=(), repr=False)
    """In which rows of each column a number is missing (`windows.unpacked`); () where none is, or there are no rows and
    columns."""


@dataclass(frozen=True)
class ArraysPreview:
    path: str
    name: str
    sha256: str
    size: int
    arrays: tuple[ArrayFacts, ...]
    says: str
    """What they are taken for: "100 sequences of 20 steps with 3 numbers each, and a class for each"."""

    @property
    def kind(self) -> Literal["arrays"]:
        return "arrays"


Preview: TypeAlias = TablePreview | TextPreview | ArraysPreview


def look_at(path: str | Path, options: TableOptions = DETECTED, as_: As | None = None) -> Preview:
    """What is in a file. `options` overrides what is detected of a table, and the encoding of a text; `as_` what the
    file is taken for, which is otherwise told by its first bytes and its ending (.csv, .tsv, and rows of numbers that
    blanks part: a table; .txt and all others: a text).

    Raises DataError: one sentence with line and column.
    """
    return finished(looking_at(path, options, as_))


def looking_at(path: str | Path, options: TableOptions = DETECTED, as_: As | None = None) -> Reading[Preview]:
    """The same piece by piece."""
    kind = as_ or _kind(path)
    yield 0.0
    if kind == "table":
        return (yield from _of_table(path, (yield from reading(path, options))))
    if kind == "arrays":
        return (yield from _of_arrays(path))
    sha256, size, found = yield from within(reading_text(path, options.encoding), 0.0, 0.3)
    return (yield from within(_of_text(path, sha256, size, found), 0.3, 1.0))


def reading_text(path: str | Path, encoding: Encoding | None = None) -> Reading[tuple[str, int, Decoded]]:
    """SHA-256 and bytes of a file, and the text in it. Raises DataError."""
    check_encoding(encoding)
    name = files.name_of(path)
    head = files.head(path, 256, MAX_TEXT_BYTES)
    files.refuse_foreign(head, name)
    if head.startswith(arrays.MAGIC_NPY):
        raise DataError(f"{name} is an .npy file (by its first bytes), and no text; it is accepted as arrays.")
    data, sha256 = yield from within(files.reading(path, MAX_TEXT_BYTES), 0.0, 0.4)
    return sha256, len(data), (yield from within(decoding(data, name, encoding), 0.4, 1.0))


def unchanged(preview: Preview, sha256: str) -> None:
    """Raises DataError where the file is another one than what was looked at."""
    if preview.sha256 != sha256:
        raise DataError(f"'{preview.name}' has changed since it was looked at; look at it again.")


def _kind(path: str | Path) -> As:
    ending = Path(path).suffix.lower()
    head = files.head(path, 4096, arrays.MAX_BYTES)
    if head.startswith(arrays.MAGIC_NPY) or arrays.is_npz(head) or ending in (".npy", ".npz"):
        return "arrays"
    return "table" if ending in TABLE_ENDINGS or blanks.is_table(head) else "text"


def _of_table(path: str | Path, table: Table) -> Reading[TablePreview]:
    rows = len(table.lines)
    head = tuple(tuple(one_line(cell, 60) for cell in table.row(row)) for row in range(min(rows, HEAD_ROWS)))
    made: list[Column] = []
    for at in range(len(table.names)):
        made.append(_column(table, at))
        yield 1.0
    return TablePreview(
        path=str(path),
        name=_plain_name(path),
        sha256=table.sha256,
        size=table.size,
        encoding=table.decoded.encoding,
        options=table.options,
        rows=rows,
        columns=tuple(made),
        day_or_month=_day_or_month(table),
        head=head,
        detected=_detected(table),
        notes=table.notes,
    )


def _column(table: Table, at: int) -> Column:
    content = table.contents[at]
    absent = np.flatnonzero(content.missing)
    values = content.values
    problem = f"{table.place(content.problem_row, at)}: {content.problem}." if content.problem else ""
    low = high = different = first_jump = unordered = None
    rising = falling = falls = counter = False
    behind_jumps = np.zeros(0, dtype=np.int64)
    if content.kind == "number" and values is not None and not np.isnan(values).all():
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if content.kind == "text":
        different = len({cell for cell in table.column(at) if cell})
    firsts = _first_rows(table, at)
    if values is not None and len(values) > 1 and not problem and not len(absent):
        steps = np.diff(values)
        rising, falling = bool((steps > 0).all()), bool((steps < 0).all())
        falls = bool((steps <= 0).all() and (steps < 0).any())
        if not (rising or falling):
            wrong = steps >= 0 if (steps < 0).sum() > (steps > 0).sum() else steps <= 0
            unordered = table.lines[int(np.argmax(wrong)) + 1]
        counter = content.kind == "number" and len(steps) > 1 and bool((steps == steps[0]).all())
        counter = counter and not content.unit and steps[0] != 0 and values[0] % 1 == 0 and steps[0] % 1 == 0
        if (rising or falling) and len(behind_jumps := jump_rows(in_time(values, falling))):
            first_jump = in_time(table.lines, falling)[int(behind_jumps[0])]
    return Column(
        name=table.names[at],
        kind=content.kind,
        missing=len(absent),
        first_missing=table.lines[int(absent[0])] if len(absent) else None,
        problem=problem,
        low=low,
        high=high,
        different=different,
        rising=rising,
        falling=falling,
        falls=falls,
        unordered=unordered if content.kind == "date" else None,
        counter=bool(counter),
        unit=content.unit,
        classes=len(firsts) or None,
        last_new=_last_new(table, firsts),
        misfits=content.misfits,
        jumps=len(behind_jumps),
        first_jump=first_jump,
        missing_rows=packed(content.missing),
        jumped_rows=packed(np.isin(np.arange(len(content.missing)), behind_jumps)),
    )


def _first_rows(table: Table, at: int) -> dict[str, int]:
    """In which row each different cell of a column comes first; {} where they are many more than may be classes."""
    values = table.contents[at].values
    if values is not None and len(np.unique(values[~np.isnan(values)])) > MAX_CLASSES:
        return {}
    firsts: dict[str, int] = {}
    for row, cell in enumerate(table.column(at)):
        if cell not in firsts:
            firsts[cell] = row
            if len(firsts) > COUNTED_CLASSES:
                return {}
    firsts.pop("", None)
    return firsts


def _last_new(table: Table, firsts: dict[str, int]) -> LastNew | None:
    if not firsts:
        return None
    cell = max(firsts, key=lambda one: firsts[one])
    return LastNew(firsts[cell], table.lines[firsts[cell]], one_line(cell, 40))


Rows = TypeVar("Rows", bound="NDArray[Any] | Sequence[int]")


def in_time(rows: Rows, falling: bool) -> Rows:
    """Rows of a file in the order of time: from the last one upwards where the time falls."""
    turned: Rows = rows[::-1] if falling else rows  # type: ignore[assignment]
    return turned


def turned_usually(preview: TablePreview, time: str | None) -> bool:
    """Whether the rows had better be read from the last one upwards: where their time falls, or, of rows that are said
    to be one step apart, a column of dates."""
    if time is not None:
        return preview.column(time).falls
    dates = [column for column in preview.columns if column.kind == "date"]
    return any(column.falls for column in dates) and not any(column.rising for column in dates)


def breaks_usually(jumps: int, rows: int) -> bool:
    """Whether windows had better not go over the jumps in time of so many rows: where they are rare."""
    return jumps <= max(1, RARE * (rows - 1))


def jump_rows(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows that come more than 1.5 usual (median) steps after the one before; `times` rise."""
    steps = np.diff(times)
    return np.flatnonzero(steps > JUMP * np.median(steps)) + 1 if len(steps) else np.zeros(0, dtype=np.int64)


def _detected(table: Table) -> tuple[str, ...]:
    options = table.options
    names = {"": "nothing", " ": "a space"}
    said = [
        f"the text is {table.decoded.encoding}",
        f"the columns are separated by {DELIMITER_NAMES[options.delimiter or ',']}s",
        "the first row is a heading" if options.header else "there is no heading",
        f"'{options.decimal}' stands before the decimals",
    ]
    if options.thousands:
        said.append(f"{names.get(options.thousands, repr(options.thousands))} stands between the thousands")
    return (*said, *(_ORDERS[order] for order in _orders(table)))


_ORDERS: dict[dates.Order, str] = {
    "year first": "dates begin with the year",
    "day first": "dates are read with the day first",
    "month first": "dates are read with the month first",
    "time": "there are times of day",
}


def _orders(table: Table) -> list[dates.Order]:
    """Of the columns of dates, each once."""
    found: dict[dates.Order, None] = {}
    for at, content in enumerate(table.contents):
        if content.kind == "date" and content.values is not None:
            row = int(np.flatnonzero(~np.isnan(content.values))[0])
            read = dates.moment(table.row(row)[at], table.options.day_first is not False)
            found.update({read.order: None} if read is not None else {})
    return list(found)


def _day_or_month(table: Table) -> bool:
    return any(
        dates.is_choice(next((cell for cell in table.column(at) if cell), ""))
        for at, content in enumerate(table.contents)
        if content.kind == "date"
    )


def _of_text(path: str | Path, sha256: str, size: int, found: Decoded) -> Reading[TextPreview]:
    characters = sum(map(len, found.pieces))
    first_characters = yield from within(placing(found.pieces), 0.0, 0.3)
    lines = 0
    for at, piece in enumerate(found.pieces):
        lines += piece.count("\n")
        yield 0.3 + 0.1 * at / len(found.pieces)
    counted = seen = 0
    different: dict[str, int] = {}
    for some in at_words(_first(found.pieces, COUNTED_CHARACTERS)):
        for word in words(some):
            different.setdefault(word, counted)
            counted += 1
        seen += len(some)
        yield 0.4 + 0.6 * seen / min(characters, COUNTED_CHARACTERS)
    head = "".join(_first(found.pieces, HEAD_CHARACTERS))
    return TextPreview(
        path=str(path),
        name=_plain_name(path),
        sha256=sha256,
        size=size,
        encoding=found.encoding,
        codec=found.codec,
        line_ends=found.line_ends,
        lines=lines + (not found.pieces[-1].endswith("\n")),
        characters=characters,
        different_characters=len(first_characters),
        first_characters=tuple(first_characters.values()),
        words=counted,
        different_words=len(different),
        first_words=tuple(different.values()),
        head="\n".join(as_it_stands(line, 200) for line in islice(head.split("\n"), HEAD_ROWS)),
    )


def _first(pieces: Iterable[str], count: int) -> Iterator[str]:
    """The first characters of a text in pieces."""
    for piece in pieces:
        if count <= 0:
            return
        yield piece[:count]
        count -= len(piece)


def _of_arrays(path: str | Path) -> Reading[ArraysPreview]:
    from engine.data.shapes import says

    found = yield from arrays.surveying(path)
    facts = tuple(
        ArrayFacts(one_line(key, 60), array.shape, str(array.dtype), found.missing[key], found.missing_rows[key])
        for key, array in found.arrays.items()
    )
    said = says(found.arrays, files.name_of(path))
    return ArraysPreview(str(path), _plain_name(path), found.sha256, found.size, facts, said)


def _plain_name(path: str | Path) -> str:
    return files.name_of(path)[1:-1]
