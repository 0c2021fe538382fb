"""Classify first, colour second: what a number is, as one byte.

The bytes are ordered so that the larger one is what must be seen where several cells share a pixel: the worst class
wins, otherwise the largest magnitude. So the level of detail is one maximum.

0 not reached · 1 undefined · 2 … 247 a place on the scale · then what is not a number on the scale.
On a signed scale the places go outward from zero, negative and positive in turn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array
from explorer.stage.scales import Scale

Codes = NDArray[np.uint8]

NOT_REACHED, UNDEFINED = 0, 1
FIRST, LAST = 2, 247
LEVELS = LAST - FIRST + 1
BELOW, ZERO, ABOVE, MINUS_INF, PLUS_INF, NAN = 248, 249, 250, 251, 252, 253
NO_STEP = 254
"""A step that an earlier iteration did not have, for its T was smaller: a look alone. Whatever shares a pixel with it
is to be seen, so it becomes this code when everything has been put together."""

SPECIAL = (NAN, PLUS_INF, MINUS_INF, ABOVE, ZERO, BELOW)
"""What is not a number on the scale, the worst first."""
COUNTED = (*SPECIAL, UNDEFINED)
"""What is counted beside a heatmap."""


def classify(data: Array, scale: Scale, undefined: NDArray[np.bool_] | None = None) -> Codes:
    """One byte for each number. `undefined` masks what has no value. Exact zero is never a place on the scale."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        size = np.abs(data)
        if scale.kind == "magnitude":
            codes = _bands(size, scale)
            below, above = size < _as(scale.low, size), size > _as(scale.high, size)
        elif scale.kind == "signed":
            codes = _signed(data, size, scale)
            below, above = data < _as(scale.low, size), data > _as(scale.high, size)
        else:
            codes = _sequential(data, scale)
            below, above = data < _as(scale.low, size), data > _as(scale.high, size)
        np.putmask(codes, below, BELOW)
        np.putmask(codes, above, ABOVE)
        np.putmask(codes, size == 0, ZERO)
        top = size.max() if size.size else 0.0
        if not np.isfinite(top):  # NaN travels through max
            np.putmask(codes, np.isposinf(data), PLUS_INF)
            np.putmask(codes, np.isneginf(data), MINUS_INF)
            np.putmask(codes, np.isnan(data), NAN)
    if undefined is not None:
        np.putmask(codes, undefined, UNDEFINED)
    return codes


SUBNORMAL = "subnormal: its digits are going"


def behind(steps: int, longest: int) -> NDArray[np.bool_] | None:
    """(steps,): what is padding in every sample, whose longest has `longest` steps; 0: nothing is."""
    return np.arange(steps) >= longest if longest else None


def code_of(value: float | np.floating, scale: Scale) -> int:
    return int(classify(np.asarray([value]), scale)[0])


def band_of(code: int) -> int:
    """Of a magnitude scale: which band, from 0 at the low end."""
    return code - FIRST


def subnormal(data: Array, normal: float | None = None) -> NDArray[np.bool_]:
    """Where numbers are subnormal: not zero, but with fewer digits. `normal`: the smallest normal number of the type
    that they were computed in (engine.dtypes); None: it is the array's own."""
    size = np.abs(data)
    least = np.finfo(data.dtype).tiny if normal is None else _as(normal, data)
    with np.errstate(invalid="ignore"):
        return (size < least) & (size > 0)


def counts(codes: Codes) -> NDArray[np.int64]:
    """(T + 1, 7): how many of each of `COUNTED` stand in the first t rows of codes (T, H); differences count a part."""
    per_step = np.zeros((codes.shape[0] + 1, len(COUNTED)), np.int64)
    there = present(codes)
    for column, code in enumerate(COUNTED):
        if code in there:
            per_step[1:, column] = (codes == code).sum(axis=1, dtype=np.uint32)
    return np.cumsum(per_step, axis=0)


def present(codes: Codes) -> tuple[int, ...]:
    """Which of `COUNTED`, and NO_STEP, occur. (Seven comparisons take a sixth of the time that a histogram takes.)"""
    if not codes.size or (codes.max() < BELOW and codes.min() > UNDEFINED):
        return ()
    return tuple(code for code in (*COUNTED, NO_STEP) if (codes == code).any())


def _as(bound: float, like: Array) -> np.floating:
    """The bound in the data's dtype, so that 1e-20 itself is on a scale from 1e-20."""
    return like.dtype.type(bound)


def _bands(size: Array, scale: Scale) -> Codes:
    """Comparisons with the edges themselves: a logarithm would be wrong by a hair exactly at the edges."""
    codes: Codes = np.full(size.shape, FIRST, np.uint8)
    for band in range(1, scale.bands):
        codes += (size >= _as(scale.edge(band), size)).view(np.uint8)
    return codes


def _wide(data: Array) -> Array:
    """Half precision in single: a place among 246 is no finer than it, and its factors may not be in its range."""
    return data.astype(np.float32) if data.dtype == np.float16 else data


def _signed(data: Array, size: Array, scale: Scale) -> Codes:
    size = _wide(size)
    half = LEVELS // 2
    place = scale.share(size) * _as(half, size)
    place = np.fmin(place, _as(half - 1, size))  # fmin: NaN gets a place, and its class later
    codes: Codes = place.astype(np.uint8)
    codes *= 2
    codes += (data > 0).view(np.uint8)
    codes += FIRST
    return codes


def _sequential(data: Array, scale: Scale) -> Codes:
    data = _wide(data)
    factor = LEVELS / (scale.high - scale.low)
    place = (data - _as(scale.low, data)) * _as(factor, data)
    place = np.fmax(np.fmin(place, _as(LEVELS - 1, data)), _as(0, data))
    codes: Codes = place.astype(np.uint8)
    codes += FIRST
    return codes
