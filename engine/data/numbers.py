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


@cache
def _pattern(notation: Notation) -> re.Pattern[str]:
    D, S = re.escape(notation.decimal), re.escape(notation.thousands)
    whole = rf"(?:[0-9]{{1,3}}(?:{S}[0-9]{{3}})+|[0-9]+)" if notation.thousands else "[0-9]+"
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


def ambiguous(cells: Iterable[str], notation: Notation) -> bool:
    """Whether every decimal sign in them could as well stand between thousands: "1,234"."""
    D = re.escape(notation.decimal)
    seen = False
    for cell in cells:
        if notation.decimal in cell:
            if not re.fullmatch(rf"[-+]?[1-9][0-9]{{0,2}}{D}[0-9]{{3}}", cell):
                return False
            seen = True
    return seen and not notation.thousands
