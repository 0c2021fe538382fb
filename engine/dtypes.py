"""What the arithmetics can hold, by the names of their dtypes. Plain data: NumPy knows no bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_BITS = {"float64": (52, 1023), "float32": (23, 127), "float16": (10, 15), "bfloat16": (7, 127)}
"""Bits of the fraction, and the largest exponent (IEEE 754-2019, table 3.5; bfloat16 has float32's exponents)."""

epsilon: Mapping[str, float] = MappingProxyType({name: 2.0**-fraction for name, (fraction, _) in _BITS.items()})
"""From 1 to the next number."""
smallest_normal: Mapping[str, float] = MappingProxyType({name: 2.0 ** (1 - most) for name, (_, most) in _BITS.items()})
"""Below it digits are lost."""
largest: Mapping[str, float] = MappingProxyType(
    {name: (2.0 - 2.0**-fraction) * 2.0**most for name, (fraction, most) in _BITS.items()}
)
"""Above it, after rounding, is infinity."""
