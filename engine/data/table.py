"""A table from a text file: what separates its columns, whether it has a heading, how its numbers are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.data import blanks, columns, detecting, doubts, files
from engine.data.cells import BLANK, BLOCK, Cells, Reading, finished, parted, within
from engine.data.columns import MISSING, Content
from engine.data.datasets import MAX_NAME
from engine.data.decoding import Decoded, Encoding, check_encoding, decoding
from engine.data.detecting import Delimiter
from engine.data.numbers import Decimal, Notation, Thousands
from engine.data.records import DELIMITER_NAMES, MAX_CELLS, MAX_COLUMNS, MAX_ROWS, records
from engine.errors import DataError
from engine.plaintext import one_line, shortened
from engine.spec_reading import shown

MAX_NOTES = 8
"""Of one kind."""
SAID_NAME = 40
"""Characters of a column's name in a sentence."""
HEADS = 200
"""Rows at the beginning that say how many columns most have."""


@dataclass(frozen=True)
class TableOptions:
    """What a person says of a table, and the encoding of a text, instead of what was detected; None: detect it."""

    delimiter: Delimiter | None = None
    header: bool | None = None
    decimal: Decimal | None = None
    thousands: Thousands | None = None
    missing: tuple[str, ...] | None = None
    """Cells that stand for a missing number, in whatever case; the empty cell always does."""
    day_first: bool | None = None
    """Of dates such as 03/04/2020."""
    encoding: Encoding | None = None


@dataclass(frozen=True, eq=False)
class Table:
    name: str
    """Of the file, in quotes."""
    sha256: str
    """Of the file's bytes."""
    size: int
    """Bytes."""
    decoded: Decoded
    options: TableOptions
    """None of them None: given, or detected."""
    names: tuple[str, ...]
    """Of the columns, each once."""
    cells: Cells
    """Without the heading."""
    texts: dict[int, list[str]]
    """The cells of the columns that do not hold plain numbers."""
    contents: tuple[Content, ...]
    notes: tuple[str, ...] = ()
    """What was decided that could be otherwise."""

    @property
    def lines(self) -> Sequence[int]:
        """At which each row begins."""
        return self.cells.lines

    def column(self, at: int) -> list[str]:
        """The cells of a column, without white space around them."""
        return self.texts[at] if at in self.texts else self.cells.column(at)

    def row(self, row: int) -> list[str]:
        """The cells of a row, without white space around them."""
        return [cell.strip() for cell in self.cells.block(row, row + 1)[0]]

    def place(self, row: int, column: int) -> str:
        """Where a cell stands, in a sentence."""
        return (
            f"{self.name}, line {self.lines[row]:,}, column {column + 1} ({shortened(self.names[column], SAID_NAME)})"
        )


DETECTED = TableOptions()


def read_table(path: str | Path, options: TableOptions = DETECTED) -> Table:
    """Raises DataError with line and column."""
    return finished(reading(path, options))


def reading(path: str | Path, options: TableOptions = DETECTED) -> Reading[Table]:
    """The same piece by piece. The table that was read last is remembered (`forget`): between its preview and its use
    the file's bytes are looked at again, and nothing is parsed twice."""
    name = files.name_of(path)
    files.refuse_foreign(begins := files.head(path, 256, files.MAX_BYTES), name)
    if begins.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DataError(f"{name} is an HTML page (by its first bytes); export the table in it as CSV.")
    data, digest = yield from within(files.reading(path), 0.0, 0.04)
    for asked, kept in _kept:
        if (kept.sha256, kept.name) == (digest, name) and options in (asked, kept.options):
            return kept
    forget()
    _check(options)
    found = yield from within(decoding(data, name, options.encoding), 0.04, 0.08)
    text, line, hint, notes = detecting.without_preamble(found.text)
    if not text.strip():
        raise DataError(f"{name} has no rows, only {line - 1} lines before them.")
    delimiter = options.delimiter or hint or detecting.delimiter(text, name, line, notes)
    yield 0.08
    cells = yield from _cells(text, delimiter, name, line)
    head = cells.block(0, detecting.SAMPLED_ROWS)
    header = detecting.has_header(head, len(cells) == 1, notes) if options.header is None else options.header
    names = _names(head[0] if header else [""] * len(head[0]), notes)
    if header:
        cells = cells.below()
    if not len(cells):
        raise DataError(f"{name}, line {line:,}: there are no rows below the heading; one row or more is needed.")
    notation = detecting.notation(cells, options, delimiter, notes)
    missing = MISSING if options.missing is None else ("", *(one.strip().lower() for one in options.missing))
    day_first = detecting.day_first(cells) if options.day_first is None else options.day_first
    contents, texts = yield from _contents(cells, notation, frozenset(missing), day_first)
    in_doubt = [
        f"column {at + 1} ({shortened(names[at], SAID_NAME)}): {note}"
        for at, one in enumerate(contents)
        if (note := one.note or doubts.doubt(one, texts.get(at), cells.lines))
    ]
    notes.extend(in_doubt[:MAX_NOTES])
    used = TableOptions(
        detecting.DELIMITERS[delimiter], header, notation.decimal, notation.thousands, missing, day_first, found.codec
    )
    plain = Decoded((), found.encoding, found.line_ends, found.codec)  # the rows hold all of the text
    table = Table(name, digest, len(data), plain, used, names, cells, texts, contents, tuple(notes))
    _kept.append((options, table))
    return table


_kept: list[tuple[TableOptions, Table]] = []
"""The one that was read last, and how it was asked for."""


def forget() -> None:
    """Let go of the table that was read last."""
    _kept.clear()


def _contents(
    cells: Cells, notation: Notation, missing: frozenset[str], day_first: bool
) -> Reading[tuple[tuple[Content, ...], dict[int, list[str]]]]:
    """What each column holds, and the cells of those that are not plain numbers."""
    width = len(cells.block(0, 1)[0])
    read = [columns.Numbers(notation, missing) for _ in range(width)]
    texts: dict[int, list[str]] = {}
    for behind, block in cells.blocks():
        for at, column in enumerate(zip(*block, strict=True)):
            if read[at].is_one:
                read[at].take(column)
                if not read[at].is_one:
                    texts[at] = cells.column(at) if behind > len(block) else list(map(str.strip, column))
                    continue
            if at in texts and len(texts[at]) < behind:
                texts[at].extend(map(str.strip, column))
        yield 0.2 + 0.5 * behind / len(cells)
    contents: list[Content] = []
    for at, one in enumerate(read):
        content = one.content()
        if content is None:
            kept = texts.setdefault(at, []) or cells.column(at)
            texts[at] = kept
            content = yield from columns.classifying(kept, notation, missing, day_first)
        contents.append(content)
        yield 0.7 + 0.3 * (at + 1) / width
    return tuple(contents), texts


def _check(options: TableOptions) -> None:
    check_encoding(options.encoding)
    if options.delimiter is not None and options.delimiter not in DELIMITER_NAMES:
        raise DataError(f"delimiter is {shown(options.delimiter)}; comma, semicolon, tab, bar or space is accepted.")
    if options.decimal is not None and options.decimal not in (".", ","):
        raise DataError(f"decimal is {shown(options.decimal)}; '.' or ',' is accepted.")
    if options.thousands is not None and options.thousands not in ("", ",", ".", " ", "'"):
        raise DataError(f"thousands is {shown(options.thousands)}; nothing, ',', '.', a space or ''' is accepted.")
    if options.delimiter == BLANK == options.thousands:
        raise DataError("delimiter and thousands are both a space; two different signs are accepted.")
    if options.decimal is not None and options.decimal == options.thousands:
        raise DataError(f"decimal and thousands are both '{options.decimal}'; two different signs are accepted.")


def _cells(text: str, delimiter: str, name: str, line: int) -> Reading[Cells]:
    by_blanks = delimiter == BLANK
    if not by_blanks and '"' not in text and (plain := (yield from _even(text, delimiter))) is not None:
        return Cells(plain, range(line, line + len(plain)), delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    cells = 0
    for at, fields in records(text, delimiter, name, line):
        if not by_blanks and rows and len(fields) != len(rows[0]):
            heads = [one for _, one in islice(records(text, delimiter, name, line), HEADS)]
            raise _ragged(fields, at, heads, lines[0], delimiter, name)
        cells += len(fields)
        if len(rows) >= MAX_ROWS or cells > MAX_CELLS:
            raise _too_large(name, at)
        rows.append(fields)
        lines.append(at)
        if len(rows) % BLOCK == 0:
            yield 0.1
    if by_blanks:  # only all of them together tell which end with a mark
        rows = blanks.with_marks(rows)
        for at, fields in zip(lines, rows, strict=True):
            if len(fields) != len(rows[0]):
                raise _ragged(fields, at, rows[:HEADS], lines[0], delimiter, name)
    return Cells(rows, lines, delimiter)


def _too_large(name: str, line: int) -> DataError:
    most = f"{MAX_ROWS:,} rows and {MAX_CELLS:,} cells"
    return DataError(f"{name}, line {line:,}: the table is too large; at most {most} are read.")


def _even(text: str, delimiter: str) -> Reading[list[str] | None]:
    """The rows of a text without quotes and blank lines whose rows are all of one length, which is what most are: the
    quick way. None: it is no such text, or too large."""
    plain = text.removesuffix("\n").split("\n")
    yield 0.1
    width = plain[0].count(delimiter) + 1
    even = text.count(delimiter) == (width - 1) * len(plain)
    if not even or not 1 < width <= MAX_COLUMNS or len(plain) > MAX_ROWS or width * len(plain) > MAX_CELLS:
        return None
    for first in range(0, len(plain), 10 * BLOCK):
        if any(row.count(delimiter) != width - 1 for row in plain[first : first + 10 * BLOCK]):
            return None
        yield 0.15
    return plain


def _ragged(
    fields: Sequence[str], at: int, heads: Sequence[Sequence[str]], first: int, delimiter: str, name: str
) -> DataError:
    """`heads`: the rows at the beginning, of which the first one, at line `first`, says how many columns there are."""
    width, usual = len(heads[0]), Counter(map(len, heads)).most_common(1)[0][0]
    has = f"{len(fields)} column{'s' if len(fields) > 1 else ''} where line {first:,} has {width}"
    if len(fields) > width and not any(field.strip() for field in fields[width:]):
        advice = f"take the {DELIMITER_NAMES[delimiter]} at the end of the line out, or put one after the heading too"
    elif len(fields) == 1 and (others := _parted_by(fields[0], width, delimiter)):
        advice = f"it is parted by {others}s: part all lines by one sign"
    elif usual != width and usual == len(fields):
        there = "is 1 column" if width == 1 else f"are {width} columns"
        return DataError(
            f"{name}, line {first:,}: there {there} where most lines have {usual}; take what stands above the table "
            "away, or put a # before it."
        )
    elif len(fields) > width:
        extra = one_line(fields[width], 30)
        advice = (
            f"column {width + 1} ('{extra}') is one too many: put quotes around a field that holds a "
            f"{DELIMITER_NAMES[delimiter]}, or choose another delimiter"
        )
    elif delimiter == BLANK:
        advice = f"column {len(fields) + 1} is missing: write NA where there is nothing, or choose another delimiter"
    else:
        kept = DELIMITER_NAMES[delimiter]
        advice = f"column {len(fields) + 1} is missing: leave its field empty, but keep the {kept}"
    return DataError(f"{name}, line {at:,}: there {'are' if len(fields) > 1 else 'is'} {has}; {advice}.")


def _parted_by(row: str, width: int, delimiter: str) -> str:
    """What other sign makes so many columns of a row; "" for none."""
    others = (name for sign, name in DELIMITER_NAMES.items() if sign != delimiter and len(parted(row, sign)) == width)
    return next(others, "") if width > 1 else ""


def _names(first: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """Whole, as far as names are kept: shorter ones could be those of others."""
    found: dict[str, int] = {}
    seen: Counter[str] = Counter()
    twice: list[str] = []
    for at, cell in enumerate(first):
        name = given = one_line(cell, MAX_NAME) or f"column {at + 1}"
        while name in found:
            seen[given] += 1
            end = f" ({seen[given] + 1})"
            name = f"{given[: MAX_NAME - len(end)]}{end}"
        if name != given:
            other, called = shortened(given, SAID_NAME), shortened(name, SAID_NAME)
            alike = "has the name of another" if len(cell) <= MAX_NAME else "begins as the name of another"
            twice.append(f"column {at + 1} {alike}, '{other}', and is called '{called}'")
        found[name] = at
    notes.extend(twice[:MAX_NOTES])
    return tuple(found)
