"""Protects the numbers on screen: short ones round, exact ones read back to the bit, powers go past a float's range."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.widgets.numbers import decade, exact, parse, power, power_told_apart, share_told_apart, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.00"),
        (0.94111, "0.941"),
        (-0.37, "−0.370"),
        (0.0012345, "0.00123"),
        (0.00099996, "0.00100"),
        (9.996, "10.0"),
        (999.6, "1000"),
        (9994.0, "9994"),
        (9999.0, "1.00e4"),
        (1234567.0, "1.23e6"),
        (-1.234e-9, "−1.23e-9"),
        (5e-324, "4.94e-324"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
    ],
)
def test_a_short_number_has_three_significant_digits(value: float, text: str) -> None:
    assert short(value) == text


def test_the_leading_zero_can_be_left_out_in_tight_places() -> None:
    assert short(0.941, 2, leading_zero=False) == ".94"
    assert short(-0.37, 2, leading_zero=False) == "−.37"
    assert short(0.0, 2, leading_zero=False) == "0"


@given(st.floats(allow_nan=False, width=32))
def test_an_exact_number_reads_back_to_the_bit_in_float32(value: float) -> None:
    assert np.float32(float(exact(value, "float32"))) == np.float32(value)


@given(st.floats(allow_nan=False))
def test_an_exact_number_reads_back_to_the_bit_in_float64(value: float) -> None:
    assert float(exact(value, "float64")) == value


def test_an_exact_number_is_no_longer_than_its_dtype_needs() -> None:
    assert exact(0.1, "float32") == "0.1"
    assert exact(float(np.float32(0.1)), "float64") == "0.10000000149011612"
    assert exact(1e-45, "float32") == "1e-45"
    assert exact(0.0) == "0"


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_short_number_is_within_half_a_digit(value: float) -> None:
    assert parse(short(value)) == pytest.approx(value, rel=5.0001e-3)


@pytest.mark.parametrize(
    ("log10", "text"),
    [
        (-365.0, "1e-365"),
        (math.log10(3.2) - 9, "3.2e-9"),
        (math.log10(0.21), "0.21"),
        (0.0, "1.0"),
        (-400.5, "3.2e-401"),
        (math.log10(9.96) - 20, "1e-19"),
        (812.0, "1e812"),
        (-math.inf, "exactly 0"),
        (math.inf, "∞"),
        (math.nan, "NaN"),
    ],
)
def test_a_power_of_ten_is_written_even_where_no_float_holds_it(log10: float, text: str) -> None:
    assert power(log10) == text


@pytest.mark.parametrize("part", [11 / 12, 1 / 3, 2 / 7, 1e-9 / 3, 0.07, 1.0, 0.0, -0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_share_in_per_cent_reads_back(part: float, dtype: str) -> None:
    text = share_told_apart(part, dtype).removesuffix(" %")
    kind = np.dtype(dtype).type
    assert kind(Decimal(text) / 100) == kind(part)
    assert share_told_apart(0.07, dtype) == "7 %"  # and not 7.000000000000001


@pytest.mark.parametrize("value", [1.2345678e-30, 0.00123456789, 7.0, 4.2e20])
def test_a_norm_known_by_its_logarithm_has_the_digits_of_its_type(value: float) -> None:
    log10 = float(np.log10(value))
    assert np.float32(power_told_apart(log10, "float32")) == np.float32(value)
    assert float(power_told_apart(log10, "float64")) == pytest.approx(value, rel=1e-11)


def test_a_norm_that_no_type_holds_is_told_all_the_same() -> None:
    assert power_told_apart(-365.0, "float64") == "1e-365"
    assert power_told_apart(-math.inf, "float32") == "exactly 0"


def test_ticks_of_a_logarithmic_scale_are_written_alike() -> None:
    assert [decade(n) for n in (-6, -3, 0, 3)] == ["1e-6", "1e-3", "1e0", "1e3"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("−0.5", -0.5),
        (" × 1.20 ", 1.2),
        ("1 000", 1000.0),
        ("0,5", 0.5),
        ("1,000.5", 1000.5),
        ("∞", math.inf),
    ],
)
def test_numbers_are_understood_as_people_type_them(text: str, value: float) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1_000", "1e", "--1"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|float"):
        parse(text)
