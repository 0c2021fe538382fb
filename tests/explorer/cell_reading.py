"""Reads an equation of the cell panel as it stands on the screen and works it out from the numbers shown there."""

from __future__ import annotations

import numpy as np

from engine.requests import Excerpt
from explorer.cell.equations import Equation
from explorer.cell.quantity import read

_PYTHON = {"+": "+", "−": "-", "⊙": "*", "=": "=", "(": "(", ")": ")"}
_PYTHON |= {"σ(": "sigma(", "tanh(": "tanh(", "ReLU(": "relu(", "LReLU(": "leaky("}


def evaluated(equation: Equation, shown: Excerpt, step: int) -> tuple[float, float, float]:
    """(left side, right side, the size of its terms). A value beyond the last step counts as 0: its factor is 0.

    The size is that of the gradients where there are any: gates near 1 must not hide what is wrong in 1e-9.
    """
    text, largest, largest_gradient = "", 0.0, 0.0
    cut = {place for place, token in enumerate(equation.tokens) if token.route and token.route in shown.focus.cuts}
    for place, token in enumerate(equation.tokens):
        if place in cut:  # nothing comes on a route that is cut
            text += " * " if token.number is None else "0"
            continue
        if token.number is None:
            text += _PYTHON[token.plain]
            continue
        reading = read(token.number, shown, step)
        value = 0.0 if reading.value is None else reading.value
        largest = max(largest, abs(value))
        if any(key.startswith("grads.") for key in token.number.keys):
            largest_gradient = max(largest_gradient, abs(value))
        text += f"({value!r})"
    size = largest_gradient or largest
    left, right = text.split("=")
    names = {"sigma": _sigma, "tanh": np.tanh, "relu": _relu, "leaky": _leaky, "inf": np.inf, "nan": np.nan}
    return float(eval(left, names)), float(eval(right, names)), size  # only numbers and the words above are in it


def _sigma(a: float) -> float:
    return 1 / (1 + float(np.exp(-a)))


def _relu(a: float) -> float:
    return max(a, 0.0)


def _leaky(a: float) -> float:
    return a if a > 0 else 0.01 * a
