"""Numbers in the engine's sentences are short and look the same everywhere."""

from __future__ import annotations

import math

import pytest

from engine.figures import figure


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
