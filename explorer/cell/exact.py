"""A reading in words and to the last digit."""

from __future__ import annotations

from engine.dtypes import array_type
from engine.requests import Excerpt
from explorer.cell.quantity import Reading
from explorer.stage.classes import SUBNORMAL
from explorer.widgets import numbers


def digits(reading: Reading, excerpt: Excerpt) -> str:
    """What is copied: the shortest decimal that is this very number; "" where there is none."""
    if reading.value is None:
        return ""
    # A norm or a mean is float64 whatever the trace is; one unit's value is the trace's own number.
    one = excerpt.unit is not None and not reading.mean
    return numbers.exact(reading.value, array_type(excerpt.dtype).name if one else "float64")


def exact_text(reading: Reading, excerpt: Excerpt) -> str:
    """With how it came about: "0.52 (mean over the units)"."""
    what = over_units(reading, excerpt)
    said = value_text(reading, excerpt) + (f" ({what} over the units)" if what else "")
    return f"{said}, {SUBNORMAL}" if reading.subnormal else said


def over_units(reading: Reading, excerpt: Excerpt) -> str:
    """What a number makes of all units' numbers: "mean" or "norm"; "" where it is one unit's own, or none."""
    if excerpt.unit is not None or reading.value is None:
        return ""
    return "mean" if reading.mean else "norm"


def marked_symbol(symbol: str, reading: Reading, excerpt: Excerpt) -> str:
    """A symbol as the name of such a number: "‖hₜ‖", "mean fₜ"; bare where it is one unit's own."""
    what = over_units(reading, excerpt)
    return f"‖{symbol}‖" if what == "norm" else f"mean {symbol}" if what else symbol


def value_text(reading: Reading, excerpt: Excerpt) -> str:
    if reading.bound:
        return f"less than {numbers.exact(reading.bound)} (lost in rounding)"
    if reading.value is None:
        if reading.beyond:
            return "none: there is no step after the last"
        first = excerpt.length if excerpt.focus.reverse else 1
        return f"not kept: the gradient of the state before step {first}" if reading.before else "unknown"
    return digits(reading, excerpt)
