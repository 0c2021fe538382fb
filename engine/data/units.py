"""Numbers with a unit: "20 °C", "5%", "€ 12.50". Where every cell of a column has the same one, the numbers are read
without it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.data.numbers import LONGEST

_SIGNS = "%‰°€$£¥₹µμΩ℃℉″′"
_MONEY = "€$£¥₹"
_KNOWN = frozenset(
    re.findall(
        r"\S+",
        "g kg mg t m km cm mm nm s ms min h d V mV kV A mA W kW MW Hz kHz MHz GHz Pa hPa kPa bar J kJ kWh MWh N K "
        "l ml L mL B kB MB GB mol ppm ppb dB rpm km/h m/s EUR USD CHF GBP",
    )
)
_NUMBER = r"[0-9.,](?:[0-9.,' \u00a0\u202f\u2009’]*[0-9.,])?"
_BEHIND = re.compile(rf"(?P<number>[-+\u2212]?{_NUMBER})(?P<gap>[ \u00a0\u202f\u2009]*)(?P<unit>[^\s0-9.,'’]{{1,12}})")
_BEFORE = re.compile(
    rf"(?P<sign>[-+\u2212]?)(?P<unit>[{_MONEY}])[ \u00a0\u202f\u2009]?(?P<number>[-+\u2212]?{_NUMBER})"
)


@dataclass(frozen=True)
class Dressed:
    number: str
    """As it stands in the cell, to be read in the notation of the table."""
    unit: str
    behind: bool
    """The number, or else before it."""

    @property
    def where(self) -> str:
        return "behind" if self.behind else "before"

    @property
    def same(self) -> tuple[str, bool]:
        """What all cells of a column have to have in common."""
        return self.unit, self.behind


def parted(cell: str) -> Dressed | None:
    """A number and its unit; None where a cell without white space around it is something else. A word behind a number
    is a unit where a blank parts them or it is a known one: "12a" is a name."""
    if len(cell) > LONGEST:
        return None
    if found := _BEHIND.fullmatch(cell):
        unit = found["unit"]
        if found["gap"] or unit in _KNOWN or any(sign in unit for sign in _SIGNS):
            return Dressed(found["number"], unit, behind=True)
        return None
    found = _BEFORE.fullmatch(cell)
    if found is None or (found["sign"] and found["number"][0] in "-+\u2212"):
        return None
    return Dressed(f"{found['sign']}{found['number']}", found["unit"], behind=False)


def same_in_all(cells: Iterable[str]) -> bool:
    """Whether there are cells, and all are numbers with the same unit."""
    kinds = {None if one is None else one.same for one in map(parted, cells)}
    return len(kinds) == 1 and None not in kinds


def bare(cell: str) -> str:
    """The number of a number with a unit; any other cell as it is."""
    found = parted(cell)
    return cell if found is None else found.number
