"""What is detected of a table in a text: what separates its columns, whether it has a heading, how its numbers and
dates are written; and what of it could be otherwise."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.data import blanks, columns, dates, numbers, units
from engine.data.cells import BLANK, Cells
from engine.data.columns import MISSING
from engine.data.numbers import Notation
from engine.data.records import DELIMITER_NAMES, records
from engine.errors import DataError

if TYPE_CHECKING:
    from engine.data.table import TableOptions

Delimiter: TypeAlias = Literal[",", ";", "\t", "|", " "]
DELIMITERS: dict[str, Delimiter] = {",": ",", ";": ";", "\t": "\t", "|": "|", " ": " "}
# A heading without a comma, and two rows or more of "1,5".
_DECIMALS_ALONE = re.compile(r"[^,;\t|\n]+\n(?:[-+]?[0-9]+,[0-9]+[ ]*(?:\n+|\Z)){2,}\Z")
_NUMBER = r"[-+]?[.,]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?"
_SEVERAL = re.compile(rf"{_NUMBER}(?:\s+{_NUMBER})+")
"""Several numbers with white space between them."""
_YEAR = re.compile(r"[12][0-9]{3}")
SAMPLED_ROWS = 1000
SAMPLED_CELLS = 5_000


def without_preamble(text: str) -> tuple[str, int, Delimiter | None, list[str]]:
    """The text below comments and Excel's "sep=;", the number of its first line, and the delimiter named there."""
    at, line = 0, 1
    hint: Delimiter | None = None
    comments = 0
    while at < len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        first = text[at : min(stop, at + 16)].strip(" ")
        if first.lower().startswith("sep=") and stop - at < 8 and first[4:5] in DELIMITER_NAMES:
            hint = DELIMITERS[first[4:5]]
        elif first.startswith("#"):
            comments += 1
        elif first.strip():
            break
        at, line = stop + 1, line + 1
    notes = [f"{comments} lines that begin with # stand before the table and are left out"] if comments else []
    return text[at:], line, hint, notes


def delimiter(text: str, name: str, line: int, notes: list[str]) -> Delimiter:
    """The one that gives the most rows the same number of columns, more than one, the first row among them; blanks
    where that makes numbers of what is none."""
    best: tuple[float, Delimiter] = (0.0, ",")
    problem: DataError | None = None
    head = text[: 2**20]
    whole = len(head) == len(text)
    for delimiter in ("\t", ";", "|", ","):
        counts: list[int] = []
        try:
            counts.extend(len(fields) for _, fields in islice(records(head, delimiter, name, line), 200))
        except DataError as error:
            problem = error
        if not whole and len(counts) > 1 and len(counts) < 200:
            counts.pop()  # the sample may end in the middle of it
        if len(counts) < 1 or max(counts) < 2:
            continue
        usual, of_them = Counter(counts).most_common(1)[0]
        share = of_them / len(counts) * (1.0 if counts[0] == usual else 0.5)
        if usual > 1 and share > best[0]:
            best = (share, delimiter)
        if usual > 1 and share >= 0.9:
            break
    otherwise = _head(head, best[1], name, line) if best[0] else [[row] for row in head.split("\n", 200)[:200] if row]
    if blanks.part_columns(_head(head, BLANK, name, line), otherwise, best[0] or 1.0):
        return " "
    if best[0] == 0.0 and problem is not None:
        raise problem
    if best[1] == "," and _DECIMALS_ALONE.match(head if whole else head[: head.rfind("\n") + 1]):
        notes.append(
            "there is one word above rows of two numbers with a comma between them: it is read as a decimal sign, and "
            "the table as one column"
        )
        return ";"
    return best[1]


def _head(head: str, delimiter: str, name: str, line: int) -> list[list[str]]:
    """The first rows, as far as they can be read."""
    rows: list[list[str]] = []
    try:
        rows.extend(fields for _, fields in islice(records(head, delimiter, name, line), 200))
    except DataError:
        return rows
    return rows[:-1] if len(head) == 2**20 and 1 < len(rows) < 200 else rows


def has_header(rows: Sequence[Sequence[str]], only: bool, notes: list[str]) -> bool:
    """Of the first rows; `only`: there is but one."""
    first = [cell.strip() for cell in rows[0]]
    if not any(first):
        return False
    if any(columns.is_data(cell) or _SEVERAL.fullmatch(cell) for cell in first):
        if only or not (counted := _counted(first)) or _counted([cell.strip() for cell in rows[1]]):
            return False
        notes.append(
            f"the first row, with {counted[0]} to {counted[-1]} in it, is read as a heading; it could be the first row "
            "of numbers"
        )
        return True
    below = [[row[at].strip() for row in rows[1:SAMPLED_ROWS]] for at in range(len(first))]
    dressed = [at for at, cells in enumerate(below) if units.same_in_all(filter(None, cells))]
    if any(units.same_in_all((first[at], *filter(None, below[at]))) for at in dressed):
        return False
    of_data = [at for at, cells in enumerate(below) if at in dressed or any(map(columns.is_data, cells))]
    if of_data:
        return not all(first[at].lower() in MISSING for at in of_data)
    if only:
        return True  # of a table without rows
    # Words alone: a heading is complete, and repeated nowhere.
    return all(first) and len(set(first)) == len(first) and not any(map(_within, first, below))


def _counted(row: Sequence[str]) -> list[str]:
    """The years in a row, where all that is no word in it are years one apart from left to right; [] elsewhere."""
    years = [cell for cell in row if columns.is_data(cell)]
    apart = {int(b) - int(a) for a, b in pairwise(years)} if all(map(_YEAR.fullmatch, years)) else set()
    return years if apart in ({1}, {-1}) else []


def _within(cell: str, below: Sequence[str]) -> bool:
    return cell in below


def notation(cells: Cells, options: TableOptions, delimiter: str, notes: list[str]) -> Notation:
    among = [
        one
        for one in numbers.usual(delimiter)
        if not delimiter == BLANK == one.thousands  # a space that parts columns stands in no number
        and options.decimal in (None, one.decimal)
        and options.thousands in (None, one.thousands)
    ]
    if not among:  # both were chosen, and differ
        return Notation(options.decimal or ".", options.thousands or "")
    # From the whole length, since the first thousand rows may hold no decimals.
    sample = [list(map(units.bare, row)) for row in cells.sample(SAMPLED_CELLS // len(cells.block(0, 1)[0]))]
    found = numbers.detect((cell for row in sample for cell in row), among)
    spaced = _spaced([row[0] for row in sample if row[0]], found) if len(cells.block(0, 1)[0]) == 1 else ""
    notes += [doubt for doubt in (spaced, _in_doubt(sample, found, options, delimiter)) if doubt]
    return found


def _spaced(column: Sequence[str], found: Notation) -> str:
    """What to do where the only column holds as many numbers in each row, with spaces between them."""
    several = {len(cell.split()) for cell in column} if all(map(_SEVERAL.fullmatch, column)) else set()
    if len(several) != 1:
        return ""
    (count,) = several
    if all(found.number(cell) is not None for cell in column):
        return (
            f"every row has {count} groups of digits with spaces between them and is read as one number; where they "
            "are columns, choose spaces between them"
        )
    return f"every row has {count} numbers with spaces between them; where they are columns, choose spaces between them"


def _in_doubt(sample: Sequence[Sequence[str]], found: Notation, options: TableOptions, delimiter: str) -> str:
    """What could be otherwise about the notation, by a factor of a thousand."""

    def could_be(sign: str) -> bool:
        return numbers.ambiguous((c for row in sample for c in row if found.number(c) is not None), sign)

    if options.decimal is not None:
        return ""
    # A point between columns that commas or tabs part is a decimal one all over the world.
    if (found.decimal == "," or delimiter == ";") and not found.thousands and could_be(found.decimal):
        return (
            f"every '{found.decimal}' stands before three digits and is read as a decimal sign; it could stand between "
            "thousands"
        )
    if found.thousands in (",", ".") and options.thousands is None and could_be(found.thousands):
        # With a decimal sign somewhere in the table there is no doubt about the other one.
        if any(found.decimal in c for row in sample for c in row if found.number(c) is not None):
            return ""
        return (
            f"every '{found.thousands}' stands before three digits and is read as standing between thousands; it could "
            "be a decimal sign"
        )
    return ""


def day_first(cells: Cells) -> bool:
    """Day first, unless some date in the first rows can only be read with the month first."""
    for column in zip(*cells.block(0, SAMPLED_ROWS), strict=True):
        sample = [cell for cell in map(str.strip, column) if cell]
        if not sample or (dates.moment(sample[0], True) is None and dates.moment(sample[0], False) is None):
            continue
        if any(dates.moment(cell, True) is None and dates.moment(cell, False) is not None for cell in sample):
            return False
    return True
