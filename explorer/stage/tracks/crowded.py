"""A curve where several steps share each column of pixels: from the largest of them to the smallest, none left out.

A path of such a curve goes up and down thousands of times, and a painter takes 20 milliseconds for it; a column at a
time it is one, with edges as soft."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array
from explorer.stage.palette import Pixels


def draw(
    pixels: Pixels, top: Array, bottom: Array, colour: int, width: float, dashes: tuple[float, ...], from_left: bool
) -> None:
    """`top`, `bottom` (width,): device rows of each column's ends, NaN where there is nothing. `dashes` on and off, in
    widths of the pen; they begin where the curve becomes known first."""
    there = ~np.isnan(top)
    if dashes:
        there &= _dashed(len(top), width, dashes, from_left)
    if not there.any():
        return
    top, bottom = _touching(top, bottom)
    columns = np.flatnonzero(there)
    high, low = top[columns] - width / 2, bottom[columns] + width / 2
    rows = len(pixels)
    first = np.clip(np.floor(high), 0, rows - 1).astype(int)
    last = np.clip(np.ceil(low) - 1, 0, rows - 1).astype(int)
    count = np.maximum(last - first + 1, 1)
    owner = np.repeat(np.arange(len(columns)), count)
    y = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    cover = np.clip(np.minimum(low[owner], y + 1) - np.maximum(high[owner], y), 0, 1)
    x = columns[owner]
    pixels[y, x] = _mixed(pixels[y, x], colour, cover)


def between(x: Array, y: Array, width: int) -> tuple[Array, Array]:
    """(top, bottom) of each column of a line through these points, x ascending (device pixels); NaN lifts the pen."""
    if not len(x):
        return np.full(width, np.nan), np.full(width, np.nan)
    edges = np.interp(np.arange(width + 1), x, y, left=np.nan, right=np.nan)
    top, bottom = np.fmin(edges[:-1], edges[1:]), np.fmax(edges[:-1], edges[1:])
    at = np.clip(x.astype(int), 0, width - 1)
    np.fmin.at(top, at, y)
    np.fmax.at(bottom, at, y)
    return top, bottom


def _touching(top: Array, bottom: Array) -> tuple[Array, Array]:
    """Neighbours reach to the middle of the gap between them, so that the curve hangs together."""
    down = bottom[:-1] < top[1:]  # the next column lies lower
    up = top[:-1] > bottom[1:]
    top, bottom = top.copy(), bottom.copy()
    low_middle, high_middle = (bottom[:-1] + top[1:]) / 2, (top[:-1] + bottom[1:]) / 2
    with np.errstate(invalid="ignore"):
        bottom[:-1] = np.where(down, np.fmax(bottom[:-1], low_middle), bottom[:-1])
        top[1:] = np.where(down, np.fmin(top[1:], low_middle), top[1:])
        top[:-1] = np.where(up, np.fmin(top[:-1], high_middle), top[:-1])
        bottom[1:] = np.where(up, np.fmax(bottom[1:], high_middle), bottom[1:])
    return top, bottom


def _dashed(columns: int, width: float, dashes: tuple[float, ...], from_left: bool) -> np.ndarray:
    ends = np.cumsum(np.asarray(dashes) * width)
    at = (np.arange(columns) + 0.5) % ends[-1]
    on: NDArray[np.bool_] = np.searchsorted(ends, at, side="right") % 2 == 0
    return on if from_left else on[::-1]


def _mixed(under: Pixels, colour: int, share: Array) -> NDArray[np.uint32]:
    found = np.zeros((3, *under.shape))
    for channel, shift in enumerate((16, 8, 0)):
        a, b = ((under >> shift) & 0xFF).astype(np.float64), float((colour >> shift) & 0xFF)
        found[channel] = np.round(a + (b - a) * share)
    red, green, blue = found.astype(np.uint32)
    return np.asarray(0xFF000000 | red << 16 | green << 8 | blue, np.uint32)
