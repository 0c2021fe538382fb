"""One unit of a quantity over time: a column for each step, from zero (or the scale's low end) to its place, in the
scale's colour, with its edge drawn; what is not a number on the scale fills the track's height with its class."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array
from explorer.stage import classes, palette
from explorer.stage.cells import TimeView
from explorer.stage.scales import Scale
from explorer.theme.tokens import Theme

TOP, BOTTOM = 7, 8
"""Logical pixels above and below, as beside the scale's colours (margins.ramp_box): they are the axis."""


def places(values: Array, scale: Scale) -> NDArray[np.float64]:
    """Where the numbers stand: 0 the low end, 1 the high end; beyond the ends, at them. NaN has none."""
    wide = values.astype(np.float64)
    with np.errstate(all="ignore"):
        if scale.kind == "magnitude":
            low, high = scale.decades
            found = (np.log10(np.abs(wide)) - low) / (high - low)
        elif scale.kind == "signed":
            found = 0.5 + np.sign(wide) * scale.share(np.abs(wide)) / 2
        else:
            found = (wide - scale.low) / (scale.high - scale.low)
    return np.clip(found, 0.0, 1.0)


def draw(
    pixels: palette.Pixels, values: Array, codes: classes.Codes, scale: Scale, view: TimeView, theme: Theme
) -> classes.Codes:
    """Into pixels (height, width), whole. values, codes (n,): of the steps in view.

    Returns the code of each column of pixels, 0 where its numbers are on the scale.
    """
    height, unit = len(pixels), max(1, round(view.ratio))
    row = np.arange(height)[:, None]
    pixels[:] = palette.packed(theme.ground)
    on = (codes >= classes.FIRST) & (codes <= classes.LAST)
    at = _rows(places(values, scale), height, view.ratio)
    upper, lower = np.where(on, at, math.inf), np.where(on, at, -math.inf)
    if view.cells.crowded:
        upper = np.minimum.reduceat(upper, view.cells.starts)
        lower = np.maximum.reduceat(lower, view.cells.starts)
    else:
        upper, lower = upper[view.cells.starts], lower[view.cells.starts]
    base = _rows(np.asarray([0.5 if scale.kind == "signed" else 0.0]), height, view.ratio)[0]
    colours = palette.table(scale, theme.name)
    columns = view.cells.spread(codes)
    filled = (row >= np.minimum(upper, base)) & (row < np.maximum(lower, base))
    np.copyto(pixels, np.broadcast_to(colours[columns], pixels.shape), where=filled)
    pixels[int(base) : int(base) + unit] = palette.packed(theme.border)
    thick = 2 * unit
    edge = (row >= upper - unit) & (row < lower - unit + thick)
    pixels[edge] = palette.packed(theme.text)
    special = np.where((columns >= classes.BELOW) | (columns == classes.UNDEFINED), columns, 0).astype(np.uint8)
    whole = special > 0
    pixels[:, whole] = colours[special[whole]][None, :]
    return special


def _rows(place: NDArray[np.float64], height: int, ratio: float) -> NDArray[np.float64]:
    top, bottom = TOP * ratio, height - BOTTOM * ratio
    return np.round(bottom - np.nan_to_num(place) * (bottom - top))
