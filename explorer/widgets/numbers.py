"""Numbers as people read them. One place, so that the same number looks the same everywhere in the window."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np

MINUS = "−"
"""U+2212, as wide as a plus; a hyphen is too short to be seen on a projector."""

UNSURE = "≈"
"""Before a subnormal number, which may be off by half of itself, and before what was worked out from one."""

_SMALLEST_LOG, _LARGEST_LOG = -307.0, 308.0
"""Decades of a double with all of its digits."""

_FIXED = range(-3, 4)
"""Decades that are written without an exponent: 0.00123 … 9990."""


def short(value: float, digits: int = 3, *, leading_zero: bool = True) -> str:
    """`value` with `digits` significant digits: "0.941", "−1.23e-9", "1230", "0", "NaN", "∞", "−∞".

    Only what is exactly zero is written "0". `leading_zero=False` writes ".94" for tight places.
    """
    value = float(value)
    if math.isnan(value):
        return "NaN"
    sign = MINUS if value < 0 else ""
    value = abs(value)
    if math.isinf(value):
        return f"{sign}∞"
    if value == 0:
        return "0"
    mantissa, exponent = _rounded(value, digits)
    if exponent not in _FIXED:
        return f"{sign}{mantissa}e{exponent}"
    text = f"{value:.{max(0, digits - 1 - exponent)}f}"
    if not leading_zero:
        text = text.removeprefix("0") if text.startswith("0.") else text
    return sign + text


def exact(value: float, dtype: str = "float64") -> str:
    """The shortest decimal that reads back as this very number in `dtype`: float(exact(x)) is x. "NaN", "inf", "-inf".

    With an ASCII hyphen, since people paste it into Python.
    """
    number = np.dtype(dtype).type(value)
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "inf" if number > 0 else "-inf"
    size = abs(number)
    if size == 0 or 1e-4 <= size < 1e7:
        return np.format_float_positional(number, unique=True, trim="-")
    mantissa, _, exponent = np.format_float_scientific(number, unique=True, trim="-").partition("e")
    return f"{mantissa}e{int(exponent)}"


def told_apart(value: float, dtype: str) -> str:
    """A double that was worked out from numbers of `dtype` (a norm, a mean): the digits that tell numbers of that type
    apart, and no more. Half precisions are told apart as single ones are. Beyond what single precision holds, nine."""
    if dtype != "float64" and value != 0 and np.isfinite(value):
        size = abs(value)
        if not float(np.finfo(np.float32).smallest_normal) <= size <= float(np.finfo(np.float32).max):
            return exact(float(f"{value:.9g}"))
        return exact(value, "float32")
    return exact(value)


def share_told_apart(part: float, dtype: str) -> str:
    """A share worked out from numbers of `dtype`, in per cent, with the digits of `told_apart`: "91.66667 %"."""
    if not math.isfinite(part):
        return f"{short(part)} %"
    moved = Decimal(told_apart(part, dtype)).scaleb(2).normalize()  # in decimals: times 100 would round again
    return f"{moved:f} %" if moved == 0 or abs(moved) >= Decimal("1e-4") else f"{moved:e} %"


def power_told_apart(log10: float, dtype: str) -> str:
    """The number whose decimal logarithm this is, with the digits of `told_apart`: but twelve at most, which is what a
    logarithm tells, and nine of a number that no type holds."""
    if not _SMALLEST_LOG < log10 < _LARGEST_LOG:
        return power(log10, 9)
    return told_apart(float(f"{10.0**log10:.12g}"), dtype)


def power(log10: float, digits: int = 2) -> str:
    """The number whose decimal logarithm this is: "3.2e-9", "0.21", "1e-365", "exactly 0" for −∞, "∞", "NaN".

    For ratios far outside of what a float can hold.
    """
    if math.isnan(log10):
        return "NaN"
    if math.isinf(log10):
        return "∞" if log10 > 0 else "exactly 0"
    exponent = math.floor(log10)
    if exponent in _FIXED:
        return short(10.0**log10, digits)
    mantissa, carry = _rounded(10.0 ** (log10 - exponent), digits)
    whole, _, rest = mantissa.partition(".")
    mantissa = f"{whole}.{rest}" if rest.strip("0") else whole
    return f"{mantissa}e{exponent + carry}"


def decade(exponent: int) -> str:
    """A power of ten at an end or a tick of a logarithmic scale, always the same way: "1e-6", "1e0", "1e3"."""
    return f"1e{exponent}"


def parse(text: str) -> float:
    """A number as people type it: "1e-3", "−0.5", "× 1.2", "1 000", "0,5", "inf", "∞". Raises ValueError.

    A comma is a decimal comma unless there is a point too.
    """
    cleaned = text.strip().lstrip("×").replace(MINUS, "-").replace("∞", "inf")
    cleaned = "".join(cleaned.split()).replace("\u202f", "")
    if "," in cleaned:
        cleaned = cleaned.replace(",", "" if "." in cleaned else ".")
    if "_" in cleaned:
        raise ValueError(f"'{text}' is no number")
    return float(cleaned)


def _rounded(value: float, digits: int) -> tuple[str, int]:
    """Mantissa (as text, with `digits` digits) and exponent, after rounding: 9.996 with 3 digits is 1.00e1."""
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return mantissa, int(exponent)
