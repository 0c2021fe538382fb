"""Numbers in the engine's sentences are short and look the same everywhere."""

from __future__ import annotations

import math

import pytest

from engine.figures import duration, figure


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.20345, "0.203"),
        (2.03456e11, "2.03e11"),
        (1e-6, "1e-6"),
        (1.2e-105, "1.2e-105"),
        (3.4e100, "3.4e100"),
        (1.0, "1"),
        (0.0, "0"),
        (-4.5e-10, "-4.5e-10"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_a_figure_has_three_digits_and_a_bare_exponent(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3e-7, "0 µs"),
        (0.00085, "850 µs"),
        (0.0019, "1.9 ms"),
        (0.014, "14 ms"),
        (0.34, "340 ms"),
        (2.28, "2.3 s"),
        (45.4, "45 s"),
        (119.4, "119 s"),
        (720.0, "12 min"),
        (5400.0, "1.5 h"),
        (14 * 3600.0, "14 h"),
        (3 * 86400.0, "3.0 days"),
        (0.0, "0 s"),
    ],
)
def test_a_time_is_said_as_a_person_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0009996, "1.0 ms"),
        (0.00996, "10 ms"),
        (0.9996, "1.0 s"),
        (9.96, "10 s"),
        (119.6, "2 min"),
        (89.7 * 60, "1.5 h"),
        (47.6 * 3600, "2.0 days"),
    ],
)
def test_a_time_that_rounds_up_to_the_next_unit_is_said_in_it(seconds: float, text: str) -> None:
    """Never "1000 ms", nor "10.0 s"."""
    assert duration(seconds) == text


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan])
def test_what_is_no_time_is_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="no duration"):
        duration(seconds)
