"""Stacked bands: parts that add up to one, what works against the rest below zero. Drawn cell by cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array
from explorer.stage import classes, palette
from explorer.stage.cells import TimeView
from explorer.stage.scales import Scale
from explorer.theme.routes import colour_of
from explorer.theme.tokens import Theme

_SEPARATE = 6
"""Logical pixels a step, from which on bands and cells have lines between them."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Several parts, each from `low` to `high` on the axis (0 … 1), (T, parts). NaN: the step has no shares."""

    low: Array
    high: Array
    tones: tuple[str, ...]
    """Of each part: a field of the theme, or "series.2"."""


def stacked(shares: Array) -> tuple[Array, Array]:
    """(T, R) signed shares → (low, high), in their own unit: what helps is stacked up from zero, what works against it
    down from zero. So the bands reach from the sum of the negative to the sum of the positive ones, 1 apart."""
    up, down = np.maximum(shares, 0), np.minimum(shares, 0)
    top, bottom = np.cumsum(up, axis=1), np.cumsum(down, axis=1)
    low = np.where(shares >= 0, top - up, bottom)
    high = np.where(shares >= 0, top, bottom - down)
    return low, high


def draw(
    pixels: palette.Pixels, stack: Stack, view: TimeView, rows: tuple[float, float], ratio: float, theme: Theme
) -> None:
    """`rows`: the device rows of the axis' low and high end. Where several steps share a pixel, the one whose parts
    work against each other most stands for them."""
    chosen = _of_pixels(stack, view)
    low, high = stack.low[view.slice][chosen], stack.high[view.slice][chosen]
    bottom, top = rows
    y = np.arange(pixels.shape[0])[:, None] + 0.5
    inside = (y >= top) & (y <= bottom)
    gap = _gaps(view)
    for part, tone in enumerate(stack.tones):
        # Rounded: a share of 1, but for its last bit, must not change the row.
        first = np.round(bottom - high[:, part] * (bottom - top), 3)
        last = np.round(bottom - low[:, part] * (bottom - top), 3)
        where = (y >= first[None, :]) & (y < last[None, :]) & inside & ~gap[None, :]
        colour = colour_of(tone, theme)
        pixels[where] = palette.packed(palette.mix(theme.ground, colour, 0.78))
        where &= texture(part, pixels.shape[0], pixels.shape[1], max(1, round(ratio)))
        pixels[where] = palette.packed(palette.mix(theme.ground, colour, 0.3))
        if view.pitch >= _SEPARATE:
            edge = (np.abs(y - first[None, :]) <= 0.5) & inside & (last - first > 3)[None, :]
            pixels[edge & ~gap[None, :]] = palette.packed(theme.ground)
    missing = np.isnan(low[:, 0])
    if missing.any():
        codes = np.where(missing[None, :] & inside, classes.UNDEFINED, classes.FIRST).astype(np.uint8)
        scale = Scale("magnitude", 1e-2, 1.0)
        pixels[codes == classes.UNDEFINED] = palette.packed(theme.plot)
        palette.textured(pixels, codes, scale, theme.name, ratio)


def texture(part: int, height: int, width: int, unit: int) -> NDArray[np.bool_]:
    """Tells the parts apart without colour: plain, stripes either way, level lines, dots."""
    y, x = np.arange(height)[:, None] // unit, np.arange(width)[None, :] // unit
    kind = part % 5
    if kind == 0:
        return np.zeros((height, width), bool)
    if kind in (1, 2):
        return np.asarray((x * (1 if kind == 1 else -1) + y) % 7 < 1)
    if kind == 3:
        return np.asarray((y % 5 < 1) & (x >= 0))
    return np.asarray((y % 5 < 2) & (x % 5 < 2))


def _of_pixels(stack: Stack, view: TimeView) -> NDArray[np.intp]:
    """(width,): the step on screen (from 0) that each pixel shows."""
    starts = view.cells.starts
    if not view.cells.crowded:
        return starts
    reach = np.nan_to_num(stack.high[view.slice].max(axis=1), nan=np.inf)  # the worst: no shares at all
    most = np.maximum.reduceat(reach, starts)
    sizes = np.diff(np.append(starts, len(reach)))
    hits = np.flatnonzero(reach == most.repeat(sizes))
    return hits[np.searchsorted(hits, starts, side="left")]


def _gaps(view: TimeView) -> NDArray[np.bool_]:
    """Between wide cells one pixel stays free."""
    gap = np.zeros(view.width, bool)
    if view.pitch >= _SEPARATE:
        gap[view.cells.right[:-1] - 1] = True
    return gap
