"""Elementwise functions of the cells, in equations and on wires; in the trace's dtype, as in the engine."""

from __future__ import annotations

import numpy as np

from explorer.cell.quantity import Array

LEAK = 0.01
"""Slope of the leaky ReLU below 0: torch's default."""


def product(first: Array, second: Array) -> Array:
    return first * second


def less(whole: Array, *others: Array) -> Array:
    for other in others:
        whole = whole - other
    return whole


def less_leak(dh: Array, e: Array, dh_next: Array, z_next: Array) -> Array:
    return dh - e - dh_next * z_next


def rest(z: Array) -> Array:
    return 1 - z


def new(z: Array, n: Array) -> Array:
    return (1 - z) * n


def slope_sigmoid(gate: Array) -> Array:
    return gate * (1 - gate)


def slope_tanh(value: Array) -> Array:
    return 1 - value * value


def slope_relu(a: Array) -> Array:
    """torch takes 0 at a = 0, and lets NaN through."""
    return np.where(a <= 0, 0, 1).astype(a.dtype)


def slope_leaky_relu(a: Array) -> Array:
    return np.where(a > 0, 1, LEAK).astype(a.dtype)


def slope_identity(a: Array) -> Array:
    return np.ones_like(a)


def through_output(o: Array, c: Array) -> Array:
    """u\u00a0=\u00a0o⊙(1\u00a0−\u00a0tanh²c): what of δh reaches c."""
    tanh_c: Array = np.tanh(c)
    return o * (1 - tanh_c * tanh_c)


def through_u(dh: Array, o: Array, c: Array) -> Array:
    return dh * through_output(o, c)
