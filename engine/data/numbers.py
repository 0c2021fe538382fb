"""How numbers are written: which sign stands before the decimals, and which between the thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

Decimal: TypeAlias = Literal[".", ","]
Thousands: TypeAlias = Literal["", ",", ".", " ", "'"]
LARGEST = 1e150
"""So that squares are finite."""
LONGEST = 400
"""Characters of a number."""
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "’": "'"})
_BEGINS = frozenset("+-\u22120123456789.,")
_PERHAPS = re.compile(r"[-+0-9.,' eE]{1,400}")


@dataclass(frozen=True)
class Notation:
    decimal: Decimal = "."
    thousands: Thousands = ""
    """Between groups of three digits: "", ",", ".", " " or "'"."""

    def number(self, cell: str) -> float | None:
        """What a cell without white space around it says; None where it is no number. May be infinite (1e999)."""
        if len(cell) > LONGEST or cell[:1] not in _BEGINS:
            return None
        if not cell.isascii():
            cell = cell.translate(_SPACES)
        if not _pattern(self).fullmatch(cell):
            return None
        if self.thousands:
            cell = cell.replace(self.thousands, "")
        return float(cell.replace(self.decimal, ".") if self.decimal != "." else cell)


NOTATIONS = (
    Notation(".", ""),
    Notation(",", ""),
    Notation(".", ","),
    Notation(",", "."),
    Notation(".", " "),
    Notation(",", " "),
    Notation(".", "'"),
    Notation(",", "'"),
)
"""Of two that read as many cells, the one that stands first is taken."""


def usual(delimiter: str) -> tuple[Notation, ...]:
    """NOTATIONS in the order in which they are likely, by what separates the columns: where the comma does, it seldom
    stands before decimals as well, and a "8,336" in quotes is eight thousand."""
    if delimiter != ",":
        return NOTATIONS
    return tuple(sorted(NOTATIONS, key=lambda one: one.decimal == ","))  # points first, else as they stand


@cache
def _pattern(notation: Notation) -> re.Pattern[str]:
    D, S = re.escape(notation.decimal), re.escape(notation.thousands)
    # "0,500" has decimals: no thousands begin with 0.
    whole = rf"(?:[1-9][0-9]{{0,2}}(?:{S}[0-9]{{3}})+|[0-9]+)" if notation.thousands else "[0-9]+"
    return re.compile(rf"[-+]?(?:{whole}(?:{D}[0-9]*)?|{D}[0-9]+)(?:[eE][-+]?[0-9]+)?")


def detect(cells: Iterable[str], among: Iterable[Notation] = NOTATIONS) -> Notation:
    """The notation that reads the most of these cells."""
    candidates = list(among)
    counts = dict.fromkeys(candidates, 0)
    for cell in cells:
        if _PERHAPS.fullmatch(cell.translate(_SPACES)):
            for candidate in candidates:
                counts[candidate] += candidate.number(cell) is not None
    return max(candidates, key=lambda candidate: counts[candidate])


def other_notation(cell: str, than: Notation) -> Notation | None:
    """One in which the cell is a number, where it is none in `than`."""
    return next((one for one in NOTATIONS if one != than and one.number(cell) is not None), None)


def ambiguous(cells: Iterable[str], sign: str) -> bool:
    """Whether a sign could stand before decimals and between thousands in every one of them that has it: "1,234"."""
    D = re.escape(sign)
    seen = False
    for cell in cells:
        if sign in cell:
            if not re.fullmatch(rf"[-+]?[1-9][0-9]{{0,2}}{D}[0-9]{{3}}", cell):
                return False
            seen = True
    return seen
