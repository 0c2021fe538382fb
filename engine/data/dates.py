"""Dates and times of day, read for their order and their steps alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

Order: TypeAlias = Literal["year first", "day first", "month first", "time"]

_TIME = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
_ZONE = r"(?:\s*(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2}))?"
_YEAR_FIRST = re.compile(
    r"(?P<year>[0-9]{4})(?P<sep>[-/.])(?P<month>[0-9]{1,2})(?:(?P=sep)(?P<day>[0-9]{1,2}))?"
    rf"(?:[T ]{_TIME}{_ZONE})?"
)
_YEAR_LAST = re.compile(
    rf"(?P<day>[0-9]{{1,2}})(?P<sep>[./-])(?P<month>[0-9]{{1,2}})(?P=sep)(?P<year>[0-9]{{4}})(?:[T ]{_TIME}{_ZONE})?"
)
_TIME_ONLY = re.compile(_TIME)
_EPOCH = date(1970, 1, 1).toordinal()
LONGEST = 40


@dataclass(frozen=True)
class Moment:
    seconds: float
    """Since 1970, or since midnight."""
    order: Order


def moment(cell: str, day_first: bool = True) -> Moment | None:
    """What a cell says; None where it is no date. Without a zone it is taken as UTC: only differences count."""
    if len(cell) > LONGEST or not cell[:1].isdigit():
        return None
    if found := _YEAR_FIRST.fullmatch(cell):
        return _of(found, "year first")
    if found := _YEAR_LAST.fullmatch(cell):
        first = day_first or found["sep"] == "."
        return _of(found, "day first" if first else "month first")
    if found := _TIME_ONLY.fullmatch(cell):
        if int(found["hour"]) > 24 or int(found["minute"]) > 59 or int(found["second"] or 0) > 60:
            return None
        return Moment(_clock(found), "time")
    return None


def ambiguous(cell: str) -> bool:
    """Whether day and month could change places: 03/04/2020."""
    found = _YEAR_LAST.fullmatch(cell)
    return bool(found and found["sep"] != "." and int(found["day"]) <= 12 and int(found["month"]) <= 12)


def is_choice(cell: str) -> bool:
    """Whether it is a choice which of day and month stands first: 13/04/2020, even if one of them alone makes sense."""
    found = _YEAR_LAST.fullmatch(cell)
    return bool(found and found["sep"] != ".")


def _of(found: re.Match[str], order: Order) -> Moment | None:
    day, month = int(found["day"] or 1), int(found["month"])
    if order == "month first":
        day, month = month, day
    try:
        ordinal = date(int(found["year"]), month, day).toordinal()
    except ValueError:
        return None
    seconds = float((ordinal - _EPOCH) * 86_400)
    if found["hour"] is not None:
        if int(found["hour"]) > 24 or int(found["minute"]) > 59 or int(found["second"] or 0) > 60:
            return None
        seconds += _clock(found) - _zone(found["zone"])
    return Moment(seconds, order)


def _clock(found: re.Match[str]) -> float:
    fraction = float(f"0.{found['fraction']}") if found["fraction"] else 0.0
    return 3600.0 * int(found["hour"]) + 60.0 * int(found["minute"]) + int(found["second"] or 0) + fraction


def _zone(zone: str | None) -> float:
    if zone is None or zone == "Z":
        return 0.0
    size = 3600.0 * int(zone[1:3]) + 60.0 * int(zone[-2:])
    return size if zone[0] == "+" else -size
