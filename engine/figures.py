"""Numbers in sentences: "0.203", "2.03e11", "1e-6". Plain data, no torch."""

from __future__ import annotations

import re


def figure(value: float, digits: int = 3) -> str:
    """At most `digits` significant digits; exponents without padding. "inf", "-inf" and "nan" as they are."""
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{found[1].strip('+')}{found[2]}", f"{value:.{digits}g}")
