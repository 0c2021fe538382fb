"""Numbers in sentences: "0.203", "2.03e11", "1e-6", "93.1 %". Plain data, no torch."""

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
