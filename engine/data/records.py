"""The records of a delimited text (CSV as in RFC 4180, with other delimiters too), each with the line it begins at.

Written here rather than with the csv module, which names no column, reads past the end of an open quote and bounds a
field by a setting of the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.data.cells import BLANK, parted
from engine.errors import DataError

MAX_COLUMNS = 4096
MAX_ROWS = 2_000_000
MAX_CELLS = 10_000_000
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", BLANK: "space"}


def records(text: str, delimiter: str, name: str, line: int = 1) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every record that is no blank line. `line`: the number of the first one.

    A field in quotes may hold delimiters, line breaks and doubled quotes; a quote within a field that does not begin
    with one is a character as any other. Raises DataError.
    """
    at, end = 0, len(text)
    blank = None if delimiter == "\t" else " \t"
    while at < end:
        stop = text.find("\n", at)
        stop = end if stop < 0 else stop
        if text.find('"', at, stop) < 0:
            row = text[at:stop]
            if row.strip(" " if blank is None else blank):
                if row.count(delimiter) >= MAX_COLUMNS and len(parted(row, delimiter)) > MAX_COLUMNS:
                    raise _too_many(name, line)
                yield line, parted(row, delimiter)
            at, line = stop + 1, line + 1
        else:
            fields, at, breaks = _quoted(text, at, delimiter, name, line)
            yield line, fields
            line += breaks


def _quoted(text: str, at: int, delimiter: str, name: str, line: int) -> tuple[list[str], int, int]:
    """The fields of the record that begins at `at`, where the next one begins, and the line breaks between."""
    fields: list[str] = []
    end, first = len(text), line
    stop = -1
    blank = delimiter == BLANK
    skipped = " \t" if blank else " "
    while True:
        if len(fields) >= MAX_COLUMNS:
            raise _too_many(name, first)
        begin = at
        while begin < end and text[begin] in skipped:
            begin += 1
        if begin < end and text[begin] == '"':
            field, at = _in_quotes(text, begin + 1, f"{name}, line {line:,}, column {len(fields) + 1}")
            line += field.count("\n")
            closed = at
            while at < end and text[at] in skipped:
                at += 1
            if at < end and text[at] not in (delimiter, "\n") and not (blank and at > closed):
                raise DataError(
                    f"{name}, line {line:,}, column {len(fields) + 1}: after the closing quote {text[at]!r} follows; a "
                    f"{DELIMITER_NAMES.get(delimiter, 'delimiter')} or the end of the line is accepted there, and "
                    "quotes inside of a quoted field are doubled."
                )
        else:
            if stop < at:
                stop = text.find("\n", at)
                stop = end if stop < 0 else stop
            at = begin if blank else at
            found = _next_blank(text, at, stop) if blank else text.find(delimiter, at, stop)
            found = stop if found < 0 else found
            field, at = text[at:found], found
        fields.append(field)
        while blank and at < end and text[at] in skipped:
            at += 1
        if at >= end or text[at] == "\n":
            return fields, at + 1, line - first + 1
        at += not blank


def _next_blank(text: str, at: int, stop: int) -> int:
    return min((found for found in (text.find(" ", at, stop), text.find("\t", at, stop)) if found >= 0), default=-1)


def _in_quotes(text: str, at: int, where: str) -> tuple[str, int]:
    """What stands up to the closing quote, and the place behind it."""
    parts = []
    while True:
        close = text.find('"', at)
        if close < 0:
            raise DataError(f"{where}: the quote that opens there is never closed; close it, or take it out.")
        if text[close + 1 : close + 2] != '"':
            parts.append(text[at:close])
            return "".join(parts), close + 1
        parts.append(text[at : close + 1])
        at = close + 2


def _too_many(name: str, line: int) -> DataError:
    return DataError(f"{name}, line {line:,}: there are more than {MAX_COLUMNS:,} columns, which is all that is read.")
