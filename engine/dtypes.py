"""What the arithmetic types can hold, by name. Plain data for views, which have no torch; NumPy knows no bfloat16."""

from __future__ import annotations

from typing import Final, NamedTuple, get_args

import numpy as np

from engine.spec import Arithmetic


class _Type(NamedTuple):
    """IEEE 754: `digits` binary digits of a mantissa (the hidden one included), exponents from `least` to `most`."""

    digits: int
    least: int
    most: int


_TYPES: Final[dict[str, _Type]] = {
    "float64": _Type(53, -1022, 1023),
    "float32": _Type(24, -126, 127),
    "bfloat16": _Type(8, -126, 127),
    "float16": _Type(11, -14, 15),
}
assert set(_TYPES) == set(get_args(Arithmetic))


def smallest_normal(dtype: str) -> float:
    """The smallest positive number that still has all its digits; what is smaller is subnormal."""
    return 2.0 ** _TYPES[dtype].least


def smallest(dtype: str) -> float:
    """The smallest positive number, subnormal; half of it is 0."""
    return 2.0 ** (_TYPES[dtype].least - _TYPES[dtype].digits + 1)


def largest(dtype: str) -> float:
    """The largest finite number."""
    found = _TYPES[dtype]
    return (2.0 - 2.0 ** (1 - found.digits)) * 2.0**found.most


def epsilon(dtype: str) -> float:
    """From 1 to the next larger number."""
    return 2.0 ** (1 - _TYPES[dtype].digits)


def array_type(dtype: str) -> np.dtype[np.floating]:
    """The type of the arrays that hold such numbers (engine.arrays): bfloat16 is held in float32, exactly."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)
