"""What stands in a column of a table: numbers, dates, text or nothing, and what in it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data import dates, numbers
from engine.data.numbers import LARGEST, Notation
from engine.plaintext import one_line
from engine.spec_reading import shown

Kind: TypeAlias = Literal["number", "date", "text", "empty"]

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "–", "—")
"""Cells without a number, in whatever case. Of a text column only the empty cell is missing."""
_PLAIN = frozenset("0123456789+-.eE\n")


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


def classify(cells: Sequence[str], notation: Notation, missing: frozenset[str], day_first: bool) -> Content:
    """`cells` without white space around them."""
    different = set(cells)
    without = {cell for cell in different if not cell or cell.lower() in missing}
    absent = np.array([cell in without for cell in cells] if without else np.zeros(len(cells)), dtype=bool)
    rows = np.flatnonzero(~absent).tolist()
    values = np.full(len(cells), np.nan)
    quick = _all_plain([cells[row] for row in rows] if without else cells, notation)
    if quick is not None:
        values[~absent] = quick
        return Content("number", values, absent)
    read = {cell: notation.number(cell) for cell in different}
    others: list[int] = []
    for row in rows:
        value = read[cells[row]]
        if value is None or not abs(value) <= LARGEST:
            others.append(row)
        else:
            values[row] = value
    fit = len(rows) - len(others)
    if not fit and not others:
        return Content("empty", None, absent)
    if not others:
        return Content("number", values, absent)
    if fit >= len(others) or any(numbers.other_notation(cells[row], notation) for row in others[:1]):
        row = others[0]
        return Content("number", values, absent, _no_number(cells, row, notation, values), row)
    return _dates_or_text(cells, absent, fit, day_first)


def is_data(cell: str) -> bool:
    """Whether a cell can be no heading: a number in some notation, or a date."""
    return any(one.number(cell) is not None for one in numbers.NOTATIONS) or dates.moment(cell) is not None


def _all_plain(cells: Sequence[str], notation: Notation) -> NDArray[np.float64] | None:
    """The numbers of cells that have nothing else in them and nothing between the thousands: what most files are."""
    joined = "\n".join(cells)
    if notation.decimal == ",":
        if "." in joined:
            return None
        joined = joined.replace(",", ".")
    if not cells or not set(joined) <= _PLAIN:
        return None
    try:
        values = np.array(list(map(float, joined.split("\n"))))
    except ValueError:
        return None
    return values if bool((np.abs(values) <= LARGEST).all()) else None


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
    if cell.lower().lstrip("+-") in ("inf", "infinity"):
        return f"{_quoted(cell)} is not finite; a number, or nothing where it is missing, is accepted"
    return f"{_quoted(cell)} is no number; a number, or nothing where it is missing, is accepted"


def _between(notation: Notation) -> str:
    return f" and '{notation.thousands}' between the thousands" if notation.thousands else ""


def _dates_or_text(cells: Sequence[str], absent: NDArray[np.bool_], fit: int, day_first: bool) -> Content:
    rows = [row for row, cell in enumerate(cells) if not absent[row]]
    said = {cell: dates.moment(cell, day_first) for cell in set(cells)}
    found = [said[cells[row]] for row in rows]
    orders = [one.order for one in found if one is not None]
    if fit or len(orders) * 2 < len(rows):
        # Of text only the empty cell is missing: "-" and "?" are words like any other.
        return Content("text", None, np.array([not cell for cell in cells], dtype=bool))
    values = np.full(len(cells), np.nan)
    usual = max(set(orders), key=orders.count)
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


def _quoted(cell: str) -> str:
    return shown(one_line(cell, 60))
