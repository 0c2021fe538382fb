"""The blank: what the tape has not reached is outlined, not zero."""

from __future__ import annotations

import numpy as np

from explorer.stage import palette
from explorer.stage.cells import Cells
from explorer.stage.layer import Layer
from explorer.theme import current as theming
from explorer.theme.tokens import Theme

_LARGE = 17
"""Cells of this many logical pixels have dotted outlines; below, a sparse grid of dots stands for them."""


def ink_of(theme: Theme) -> str:
    """Of the dots and dotted outlines."""
    return palette.readable(palette.mix(theme.line, theme.border, 0.5), theme.ground, 2.4)


def look_of_blank(columns: Cells, rows: Cells, ratio: float) -> tuple[float, ...]:
    """What a blank looks like besides its theme, to be compared: below large cells it is the same however far somebody
    has zoomed."""
    if min(columns.pitch, rows.pitch) >= _LARGE * ratio:
        return columns.size, rows.size, ratio, columns.count, rows.count
    return columns.size, rows.size, ratio


def draw_blank(layer: Layer, columns: Cells, rows: Cells, ratio: float) -> None:
    theme = theming.current()
    pixels = layer.pixels()
    pixels[:] = palette.packed(theme.ground)
    ink = palette.packed(ink_of(theme))
    unit = max(1, round(ratio))
    if min(columns.pitch, rows.pitch) >= _LARGE * ratio:
        edge_x, inside_x, dots_x = _outline(columns, unit)
        edge_y, inside_y, dots_y = _outline(rows, unit)
        upright = edge_x[None, :] & (inside_y & dots_y)[:, None]
        level = edge_y[:, None] & (inside_x & dots_x)[None, :]
        pixels[upright | level] = ink
    else:
        step = 8 * unit
        x = np.arange(columns.size) % step // unit == 3
        y = np.arange(rows.size) % step // unit == 3
        pixels[np.ix_(np.flatnonzero(y), np.flatnonzero(x))] = ink


def _outline(line: Cells, unit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along one axis: on a cell's inner edge, inside that edge, and where a dot of the dotted line falls."""
    at = np.arange(line.size) - line.left[line.starts]
    size = (line.right - line.left)[line.starts]
    gap = unit
    inside = (at >= gap) & (at < size - gap)
    edge = inside & ((at < gap + unit) | (at >= size - gap - unit))
    dots = (at - gap) // unit % 4 < 2
    return edge, inside, dots
