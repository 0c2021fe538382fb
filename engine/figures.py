"""Numbers in sentences: "0.203", "2.03e11", "1e-6", "93.1 %"; and times: "14 ms", "2.3 s". Plain data, no torch."""

from __future__ import annotations

import math
import re


def figure(value: float, digits: int = 3) -> str:
    """At most `digits` significant digits; exponents without padding. "inf", "-inf" and "nan" as they are."""
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{found[1].strip('+')}{found[2]}", f"{value:.{digits}g}")


def percent(share: float) -> str:
    """ "93.1 %"; only what is exactly nothing or all is "0 %" or "100 %"."""
    if math.isnan(share):
        return "NaN"
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    value = 100 * share
    if value >= 99.95:
        return "> 99.9 %"
    return f"{value:.1f} %" if value >= 0.05 else "< 0.1 %"


_UNITS = (("µs", 1e-6, 1000), ("ms", 1e-3, 1000), ("s", 1, 120), ("min", 60, 90), ("h", 3600, 48), ("days", 86400, 0))
"""Of times: in seconds, and from how many of it on the next one is taken."""


def duration(seconds: float) -> str:
    """A time as a person says it: "850 µs", "1.9 ms", "14 ms", "2.3 s", "45 s", "12 min", "1.5 h", "3.0 days".

    One place behind the point below ten, none from there on; µs and min are always whole. Raises ValueError for what is
    no time: below 0, or not finite.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{seconds} is no duration")
    if seconds == 0:
        return "0 s"
    for unit, size, until in _UNITS:
        value = seconds / size
        whole = unit in ("µs", "min") or value >= 9.95
        value = round(value, 0 if whole else 1)  # as it is said: what rounds to 1000 ms is 1.0 s
        if value < until or not until:
            break
    return f"{value:.0f} {unit}" if whole else f"{value:.1f} {unit}"
