"""The pixels of the flow over training: iterations down, time across. A longer log costs the rows that it has more."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QPainter

from explorer.stage import classes, glyphs, palette
from explorer.stage.blank import draw_blank
from explorer.stage.cells import TimeView, cells
from explorer.stage.layer import Layer
from explorer.stage.scales import Scale
from explorer.stage.tracks.flow_rows import FlowRows
from explorer.theme import current as theming

WITH_GLYPH = (classes.PLUS_INF, classes.ABOVE, classes.ZERO, classes.BELOW)
"""Classes that have a glyph of their own where there is room, as in the heatmaps; NaN stays a hatch. A size has no
sign."""
_PERIOD = 120
"""Logical pixels after which all textures repeat: what is drawn anew begins at a multiple, and fits what is there."""


class FlowPicture:
    """`reached`: device pixels from the top that show iterations; what is below is the blank."""

    def __init__(self) -> None:
        self.full, self.blank = Layer(), Layer()
        self.view = TimeView(1, 1, 1, 1)
        self.rows = cells(1, 1)
        self.hatched = True
        self.reached = 0
        self.redrawn = (0, 0)
        """Device rows (from, to) that the last `draw` has coloured."""
        self._down: classes.Codes = np.zeros((1, 0), np.uint8)
        """(height, T): the rows of iterations by pixel; of several the worst class, else the largest size."""
        self._down_key: object = None
        self._full_key: object = None
        self._blank_key: object = None

    def forget(self) -> None:
        self._full_key = self._blank_key = None

    def draw(self, found: FlowRows, changed: tuple[int, int], view: TimeView, height: int, room: int) -> None:
        """`changed`: the rows (from, to) that are others than at the last time. `room`: rows from top to bottom."""
        self.view, self.redrawn = view, (0, 0)
        self.rows = cells(room, max(1, height))
        self.hatched = min(view.cells.pitch, self.rows.pitch) < glyphs.SIZE * view.ratio
        blank_key = view.key, height, room
        if blank_key != self._blank_key:
            draw_blank(self.blank.sized(view.width, height), view.cells, self.rows, view.ratio)
            self._blank_key = blank_key
        self.reached = int(self.rows.right[found.count - 1]) if found.count else 0
        if found.scale is None or not found.count:
            self._down_key = None
            return
        top, bottom = self._take_down(found, changed, room)
        full_key = view.key, height, found.scale
        if full_key != self._full_key:
            top, bottom = 0, self.rows.size
            self.full.sized(view.width, height)
            self._full_key = full_key
        if top < bottom:
            self._colour(found, top, bottom)

    def _take_down(self, found: FlowRows, changed: tuple[int, int], room: int) -> tuple[int, int]:
        """Put the rows that have changed into their pixels; which those are (from, to)."""
        rows, (first, last) = self.rows, changed
        key = room, rows.size, found.steps
        if key != self._down_key:
            self._down_key = key
            self._down = np.zeros((rows.size, found.steps), np.uint8)
            top, bottom = 0, rows.size
        elif first < last:
            top, bottom = int(rows.left[first]), int(rows.right[min(last, room) - 1])
        else:
            return 0, 0
        count, starts = found.count, rows.starts
        codes, reached = found.codes[:count], int(np.searchsorted(starts, count, side="left"))
        if rows.crowded:  # a maximum a pixel: a tenth of the time that `reduceat` takes
            ends = np.append(starts[1:], rows.count)
            for pixel in range(top, min(bottom, reached)):
                np.max(codes[starts[pixel] : ends[pixel]], axis=0, out=self._down[pixel])
        else:
            self._down[top:reached] = codes[starts[top:reached]]
        self._down[max(top, reached) : bottom] = classes.NOT_REACHED
        return top, bottom

    def _colour(self, found: FlowRows, top: int, bottom: int) -> None:
        scale, view, theme = found.scale, self.view, theming.current()
        assert scale is not None
        period = _PERIOD * max(1, round(view.ratio))
        top = top // period * period if self.hatched else 0
        bottom = min(-(-bottom // period) * period, self.rows.size) if self.hatched else self.rows.size
        across = self._across(top, bottom)
        reached = across[: max(0, self.reached - top)]
        np.putmask(reached, reached == classes.NOT_REACHED, np.uint8(classes.NO_STEP))
        pixels = self.full.pixels()[top:bottom]
        np.take(palette.table(scale, theme.name), across, out=pixels, mode="clip")
        self.redrawn = top, bottom
        if classes.present(across):
            palette.textured(pixels, across, scale, theme.name, view.ratio, () if self.hatched else WITH_GLYPH)
            del pixels
            if not self.hatched:
                self._draw_glyphs(found, scale)

    def _across(self, top: int, bottom: int) -> classes.Codes:
        """(bottom − top, width): codes by pixel; not reached are the steps that no iteration has."""
        view = self.view
        part = self._down[top:bottom, view.first - 1 : view.last]
        missing = view.last - view.first + 1 - part.shape[1]
        if missing > 0:
            more = np.full((len(part), missing), classes.NOT_REACHED, np.uint8)
            part = np.concatenate((part, more), axis=1)
        return np.ascontiguousarray(view.cells.spread(part.T).T)

    def _draw_glyphs(self, found: FlowRows, scale: Scale) -> None:
        view, looks = self.view, palette.looks(scale, theming.current().name)
        codes = found.codes[: found.count, view.slice]
        painter = self.full.painter(1.0)
        for code in WITH_GLYPH:
            image = glyphs.glyph(code, looks[code].mark, view.ratio)
            half = image.width() / 2
            for row, t in np.argwhere(codes == code):
                x, y = view.cells.centre(t) - half, self.rows.centre(row) - half
                painter.drawImage(QPoint(int(x + 0.5), int(y + 0.5)), image)
        painter.end()

    def blit(self, painter: QPainter, origin: QPoint, part: QRect) -> None:
        ratio, width = self.view.ratio, self.view.width
        above = QRect(0, 0, width, self.reached).intersected(part)
        below = QRect(0, self.reached, width, self.rows.size - self.reached).intersected(part)
        self.full.blit(painter, origin, above, ratio)
        self.blank.blit(painter, origin, below, ratio)
