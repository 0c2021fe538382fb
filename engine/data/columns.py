"""What stands in a column of a table: numbers, dates, text or nothing, and what in it does not fit."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data import dates, numbers, units
from engine.data.cells import Reading, finished
from engine.data.numbers import LARGEST, Notation
from engine.plaintext import one_line
from engine.spec_reading import shown

Kind: TypeAlias = Literal["number", "date", "text", "empty"]

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "–", "—")
"""Cells without a number, in whatever case. Of a text column only the empty cell is missing."""
_PLAIN = re.compile(r"[0-9+\-.eE,;]*")
MAX_MISFITS = 100
"""Different cells; of more of them the column is no column of numbers with mistakes in it."""
SHARE_OF_MISFITS = 0.1
"""Likewise of its cells."""
_AT_ONCE = 20_000
"""Cells that are looked at between two pauses."""


@dataclass(frozen=True, eq=False)
class Content:
    kind: Kind
    values: NDArray[np.float64] | None
    """(rows,): numbers, or seconds of dates; NaN where one is missing or does not fit. None for text."""
    missing: NDArray[np.bool_]
    """(rows,)"""
    problem: str = ""
    """What does not fit, without place and full stop; "" where everything does."""
    problem_row: int = -1
    note: str = ""
    """What was decided that could be otherwise."""
    misfits: tuple[str, ...] = ()
    """The different cells that do not fit, in the order of the rows, where they are few enough to be mistakes."""
    unit: str = ""
    """That every number has with it in the file."""


def classify(cells: Sequence[str], notation: Notation, missing: frozenset[str], day_first: bool) -> Content:
    """`cells` without white space around them."""
    return finished(classifying(cells, notation, missing, day_first))


def classifying(cells: Sequence[str], notation: Notation, missing: frozenset[str], day_first: bool) -> Reading[Content]:
    """The same piece by piece."""
    different = set(cells)
    without = _without(different, missing)
    absent = np.array([cell in without for cell in cells] if without else np.zeros(len(cells)), dtype=bool)
    rows = np.flatnonzero(~absent).tolist()
    values = np.full(len(cells), np.nan)
    quick = plain_numbers([cells[row] for row in rows] if without else cells, notation)
    if quick is not None:
        values[~absent] = quick
        return Content("number", values, absent)
    read: dict[str, float | None] = {}
    for some in batched(different, _AT_ONCE):
        read.update((cell, notation.number(cell)) for cell in some)
        yield 0.3
    others: list[int] = []
    for row in rows:
        value = read[cells[row]]
        if value is None or not abs(value) <= LARGEST:
            others.append(row)
        else:
            values[row] = value
    yield 0.5
    fit = len(rows) - len(others)
    if not fit and not others:
        return Content("empty", None, absent)
    if not others:
        return Content("number", values, absent)
    if fit >= len(others) or any(numbers.other_notation(cells[row], notation) for row in others[:1]):
        row = others[0]
        said = _no_number(cells, row, notation, values)
        # Numbers in another notation are no mistakes that could be done without.
        few = len(others) <= SHARE_OF_MISFITS * len(rows) and numbers.other_notation(cells[row], notation) is None
        misfits = tuple(dict.fromkeys(cells[other] for other in others)) if few else ()
        return Content("number", values, absent, said, row, misfits=misfits if len(misfits) <= MAX_MISFITS else ())
    if not fit and (found := (yield from _with_unit(cells, absent, notation))) is not None:
        return found
    return (yield from _dates_or_text(cells, absent, fit, day_first))


def _with_unit(cells: Sequence[str], absent: NDArray[np.bool_], notation: Notation) -> Reading[Content | None]:
    """A column in which every cell is a number with the same unit; None for another one."""
    kind: tuple[str, bool] | None = None
    example = ""
    read: dict[str, float] = {}
    for some in batched(dict.fromkeys(cells[row] for row in np.flatnonzero(~absent).tolist()), _AT_ONCE):
        for cell in some:
            found = units.parted(cell)
            value = None if found is None else notation.number(found.number)
            if found is None or value is None or not abs(value) <= LARGEST or kind not in (None, found.same):
                return None
            kind, example = found.same, example or f"{_quoted(cell)} as {value:.15g}"
            read[cell] = value
        yield 0.6
    if kind is None:
        return None
    values = np.array([read.get(cell, np.nan) for cell in cells])
    values[absent] = np.nan
    where = "behind" if kind[1] else "before"
    note = f"every number has {_quoted(kind[0])} {where} it and is read without: {example}"
    return Content("number", values, absent, note=note, unit=kind[0])


def _without(different: set[str], missing: frozenset[str]) -> set[str]:
    """Those of some cells that stand for nothing."""
    return {cell for cell in different if not cell or cell.lower() in missing}


class Numbers:
    """A column of numbers in a plain notation, block by block: what most columns of most files are."""

    def __init__(self, notation: Notation, missing: frozenset[str]) -> None:
        self._notation, self._missing = notation, missing
        self._values: list[NDArray[np.float64]] = []
        self.is_one = True
        """So far."""

    def take(self, cells: Sequence[str]) -> None:
        """The next ones, with or without white space around them."""
        found = plain_numbers(cells, self._notation)
        if found is None:
            found = self._with_gaps([cell.strip() for cell in cells])
        self.is_one = found is not None
        if found is not None:
            self._values.append(found)

    def _with_gaps(self, cells: list[str]) -> NDArray[np.float64] | None:
        """NaN where a number is missing, which no plain number is."""
        without = _without(set(cells), self._missing)
        there = [cell for cell in cells if cell not in without] if without else cells
        read = plain_numbers(there, self._notation) if there else np.zeros(0)
        if read is None:
            return None
        found = np.full(len(cells), np.nan)
        found[[cell not in without for cell in cells]] = read
        return found

    def content(self) -> Content | None:
        """None where it has turned out to be something else, or nothing."""
        values = np.concatenate(self._values) if self.is_one and self._values else np.zeros(0)
        absent = np.isnan(values)
        return None if absent.all() else Content("number", values, absent)


def is_data(cell: str) -> bool:
    """Whether a cell can be no heading: a number in some notation, or a date."""
    return any(one.number(cell) is not None for one in numbers.NOTATIONS) or dates.moment(cell) is not None


def plain_numbers(cells: Sequence[str], notation: Notation) -> NDArray[np.float64] | None:
    """The numbers of cells that have nothing else in them and nothing between the thousands; None: some have.

    Numpy reads them in one go, to the same bits as Python does. It would take "1-2" for two numbers: that as many come
    as there are signs between the cells, and one more, shows that each cell is one.
    """
    between = ";" if notation.decimal == "," else ","
    joined = between.join(cells)
    if joined.count(between) != len(cells) - 1 or not _PLAIN.fullmatch(joined):
        return None
    if notation.decimal == ",":
        if "." in joined:
            return None
        joined = joined.replace(",", ".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of numpy, where it stops before the end
        try:
            values = np.fromstring(joined, dtype=np.float64, sep=between)
        except ValueError:
            return None
    return values if len(values) == len(cells) and bool((np.abs(values) <= LARGEST).all()) else None


def _no_number(cells: Sequence[str], row: int, notation: Notation, values: NDArray[np.float64]) -> str:
    cell = cells[row]
    value = notation.number(cell)
    if value is not None:
        return f"{_quoted(cell)} is beyond ±1e150, the largest number that is read"
    if (other := numbers.other_notation(cell, notation)) is not None:
        sign = "decimal" if other.decimal != notation.decimal else "thousands"
        return (
            f"{_quoted(cell)} has another {sign} sign than the rest, where '{notation.decimal}' stands before the "
            f"decimals{_between(notation)}; write all numbers alike, or choose the signs yourself"
        )
    if (dressed := units.parted(cell)) is not None:
        where = "behind" if dressed.behind else "before"
        return (
            f"{_quoted(cell)} is no number alone: {_quoted(dressed.unit)} stands {where} it, and not with all others; "
            "write all numbers of a column alike"
        )
    if cell.lower().lstrip("+-") in ("inf", "infinity"):
        return f"{_quoted(cell)} is not finite; a number, or nothing where it is missing, is accepted"
    return f"{_quoted(cell)} is no number; a number, or nothing where it is missing, is accepted"


def _between(notation: Notation) -> str:
    return f" and '{notation.thousands}' between the thousands" if notation.thousands else ""


def _dates_or_text(cells: Sequence[str], absent: NDArray[np.bool_], fit: int, day_first: bool) -> Reading[Content]:
    rows = np.flatnonzero(~absent).tolist()
    said: dict[str, dates.Moment | None] = {}
    for some in batched(set(cells), _AT_ONCE):
        said.update((cell, dates.moment(cell, day_first)) for cell in some)
        yield 0.8
    found = [said[cells[row]] for row in rows]
    orders = [one.order for one in found if one is not None]
    if fit or len(orders) * 2 < len(rows):
        # Of text only the empty cell is missing: "-" and "?" are words like any other.
        return Content("text", None, np.array([not cell for cell in cells], dtype=bool))
    values = np.full(len(cells), np.nan)
    usual = max(dict.fromkeys(orders), key=orders.count)  # of two alike the first, in every process
    problem, problem_row = "", -1
    for row, one in zip(rows, found, strict=True):
        if one is not None and one.order == usual:
            values[row] = one.seconds
        elif not problem:
            problem, problem_row = f"{_quoted(cells[row])} is no date with the {usual}, as the others are", row
    note = ""
    if usual in ("day first", "month first") and all(dates.ambiguous(cells[row]) for row in rows):
        note = f"the dates are read with the {usual}, and could be the other way round"
    return Content("date", values, absent, problem, problem_row, note)


def batched(cells: Iterable[str], count: int) -> Iterator[list[str]]:
    """As many at a time (itertools has it from Python 3.12 on)."""
    left = iter(cells)
    while some := list(islice(left, count)):
        yield some


def _quoted(cell: str) -> str:
    return shown(one_line(cell, 60))
