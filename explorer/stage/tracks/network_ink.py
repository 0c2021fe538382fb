"""Draws what the forward pass of the unrolled network leaves: blank, hidden vectors, inputs, outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from engine.requests import Array, Excerpt
from explorer.stage import classes, marked, palette, scales
from explorer.stage.blank import draw_blank, ink_of
from explorer.stage.cells import cells
from explorer.stage.layer import Layer
from explorer.stage.tracks.anatomy import Anatomy, Row
from explorer.stage.tracks.lane_ink import names_for, room_for_texts, symbol_text
from explorer.stage.tracks.network_rows import LayerRow
from explorer.theme import current as theming

MARK_SHARE = 0.36
"""Of a step's width: the radius of a circle among the inputs; below 2.5 pixels it is a line."""
TEXT_ROOM = 5
"""Logical pixels around a symbol's text."""


class Ink:
    def __init__(self, anatomy: Anatomy, layer: Layer) -> None:
        self.a, self.layer = anatomy, layer
        self.theme = theming.current()
        self.ratio = anatomy.ratio

    def body(self) -> np.ndarray:
        """(width,): whether a pixel lies inside a cell's hidden vector."""
        a = self.a
        inset = round(2 * self.ratio * a.border) if a.view.pitch >= 7 else 0
        return covered(a.view.width, a.body_left + inset, a.body_right - inset)

    # -- the blank ----------------------------------------------------------------------------------------------------

    def draw_blank(self) -> None:
        """One row's outlines, copied to all."""
        a, theme = self.a, self.theme
        pixels = self.layer.pixels()
        pixels[:] = palette.packed(theme.ground)
        one = Layer().sized(a.view.width, a.row_height)
        if a.border < 0.5:
            draw_blank(one, a.view.cells, cells(1, a.row_height), self.ratio)
        else:
            one.pixels()[:] = palette.packed(theme.ground)
            painter = one.painter(self.ratio)
            pen = QPen(QColor(ink_of(theme)), 1)
            pen.setDashPattern([1.5, 2.5])
            painter.setPen(pen)
            up = -a.rows[0].top / self.ratio
            for t in range(a.view.first, a.view.last + 1):
                painter.drawRoundedRect(a.cell_box(t, 0).translated(0, up).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
            painter.end()
        for row in a.rows:
            pixels[row.top : row.bottom] = one.pixels()

    # -- forward ------------------------------------------------------------------------------------------------------

    def draw_forward(self, rows: Sequence[LayerRow], excerpt: Excerpt, inputs_bound: float) -> None:
        pixels = self.layer.pixels()
        pixels[:] = palette.packed(self.theme.ground)
        body = self.body()
        for place, row in zip(self.a.rows, rows, strict=True):
            if row.codes is not None and row.scale is not None:
                self._strip(pixels, place, row.codes, row.scale, body)
        if excerpt.symbols:
            self._symbols(pixels, excerpt, body)
        else:
            self._inputs(pixels, excerpt.inputs, inputs_bound, body)
        if excerpt.length < excerpt.steps:
            self._padding(pixels, excerpt.length, body)
        del pixels
        if excerpt.symbols:
            self._symbol_texts(excerpt)
        else:
            self._marks(excerpt.inputs[: excerpt.length], marks(excerpt.inputs))

    def _strip(
        self, pixels: palette.Pixels, place: Row, codes: classes.Codes, scale: scales.Scale, body: np.ndarray
    ) -> None:
        a = self.a
        units, seen = place.units(codes.shape[1]), codes[a.view.slice]
        few = units.spread(seen.T).T if units.crowded else seen
        across = np.ascontiguousarray(a.view.cells.spread(few).T)
        spread = across if units.crowded else units.spread(across)
        colours = palette.table(scale, self.theme.name)[spread]
        palette.textured(colours, spread, scale, self.theme.name, self.ratio, source=across)
        pixels[place.strip_top : place.strip_bottom, body] = colours[:, body]

    def _padding(self, pixels: palette.Pixels, length: int, body: np.ndarray) -> None:
        """Behind the end of the sample there are no inputs, which is not the same as inputs of 0."""
        a = self.a
        starts = a.view.cells.starts + a.view.first - 1
        beyond = body & (starts >= length)
        hatch = palette.texture(classes.UNDEFINED, a.inputs_bottom - a.inputs_top, a.view.width, max(1, round(a.ratio)))
        area = pixels[a.inputs_top : a.inputs_bottom]
        area[:, beyond] = palette.packed(self.theme.plot)
        area[hatch & beyond[None, :]] = palette.packed(self.theme.muted)

    def _inputs(self, pixels: palette.Pixels, x: Array, bound: float, body: np.ndarray) -> None:
        """Bars of each feature on a line of its own; marks (features of 0 and 1 only) are drawn apart."""
        a = self.a
        features = bars(x)
        if not features:
            return
        height = a.inputs_bottom - a.inputs_top
        each = height / len(features)
        seen = x[a.view.slice]
        for place, k in enumerate(features):
            top = a.inputs_top + round(place * each)
            bottom = a.inputs_top + round((place + 1) * each) - (1 if len(features) > 1 and each >= 4 else 0)
            if bottom <= top:
                continue
            values = loudest(seen[:, k], a)
            has_negative = bool((x[:, k] < 0).any())
            zero = (top + bottom) // 2 if has_negative else bottom
            reach = zero - top
            with np.errstate(invalid="ignore"):
                length = np.nan_to_num(np.clip(values / bound, -1, 1), nan=0.0) * reach
            tip = zero - np.round(length).astype(int)
            y = np.arange(top, bottom)[:, None]
            filled = (y >= np.minimum(tip, zero)[None, :]) & (y < np.maximum(tip, zero)[None, :])
            filled |= (y == min(zero, bottom - 1)) & (values != 0)[None, :]
            pixels[top:bottom][filled & body[None, :]] = palette.packed(self.theme.forward)

    def _marks(self, x: Array, features: list[int]) -> None:
        a = self.a
        painter = self.layer.painter(self.ratio)
        colour = QColor(self.theme.text)
        room = (a.inputs_bottom - a.inputs_top) / self.ratio
        middle = a.inputs_bottom / self.ratio - min(5.0, room / 2)
        for k in features:
            for i in np.flatnonzero(x[a.view.slice, k] == 1):
                centre = a.view.cells.centre(int(i)) / self.ratio
                size = min(4.5, max(1.0, a.view.pitch * MARK_SHARE), room / 2)
                if size < 2.5:
                    half = min(5.0, room / 2)
                    painter.fillRect(QRectF(centre - 1, middle - half, 2, 2 * half), colour)
                else:
                    painter.setBrush(QColor(self.theme.ground))
                    painter.setPen(QPen(colour, 1.6))
                    painter.drawEllipse(QPointF(centre, middle), size, size)
        painter.end()

    # -- symbols ------------------------------------------------------------------------------------------------------

    def texts_fit(self, e: Excerpt) -> bool:
        """Whether the largest symbol's number or name fits a step's width, and the line the inputs' height."""
        a = self.a
        room = (a.inputs_bottom - a.inputs_top) / self.ratio
        return room_for_texts(e.read_labels, e.symbols, a.view.pitch - TEXT_ROOM) and room >= 11

    def _symbols(self, pixels: palette.Pixels, e: Excerpt, body: np.ndarray) -> None:
        """Each symbol as a dash on a ladder: names, not sizes, so nothing rises from a floor."""
        a, x, count = self.a, e.inputs[:, 0], e.symbols
        if self.texts_fit(e):
            return
        height = a.inputs_bottom - a.inputs_top
        thick = max(1, min(round(2 * self.ratio), height // max(1, count)))
        seen = loudest(x[a.view.slice].astype(np.float64), a)
        top = a.inputs_bottom - thick - np.round(seen / max(1, count - 1) * (height - thick)).astype(int)
        y = np.arange(a.inputs_top, a.inputs_bottom)[:, None]
        dash = (y >= top[None, :]) & (y < (top + thick)[None, :]) & body[None, :]
        pixels[a.inputs_top : a.inputs_bottom][dash] = palette.packed(self.theme.forward)

    def _symbol_texts(self, e: Excerpt) -> None:
        a, x = self.a, e.inputs[: e.length, 0]
        if not self.texts_fit(e):
            return
        painter = self.layer.painter(self.ratio)
        painter.setPen(QColor(self.theme.text))
        font, names = theming.small(), names_for(e.read_labels, e.symbols, a.view.pitch - TEXT_ROOM)
        top, height = a.inputs_top / self.ratio, (a.inputs_bottom - a.inputs_top) / self.ratio
        for i, value in enumerate(x[a.view.slice]):
            centre = a.view.cells.centre(i) / self.ratio
            box = QRectF(centre - a.view.pitch / 2, top, a.view.pitch, height)
            marked.draw(painter, box, symbol_text(names, value), font, Qt.AlignmentFlag.AlignHCenter)
        painter.end()

    # -- the cells' outlines ------------------------------------------------------------------------------------------

    def draw_cells(self, outlines: QImage) -> None:
        """From `outlines` of this anatomy, in every row."""
        if self.a.border <= 0:
            return
        painter = self.layer.painter(1.0)
        for row in self.a.rows:
            painter.drawImage(0, row.top, outlines)
        painter.end()

    def outlines(self, length: int) -> QImage:
        """The outlines of a row of cells on nothing; none for padding, from step `length` on."""
        a = self.a
        image = QImage(a.view.width, a.row_height, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(0)
        if a.border <= 0:
            return image
        image.setDevicePixelRatio(self.ratio)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.mix(self.theme.ground, self.theme.border, a.border)), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        y, height = 0.5, a.row_height / self.ratio - 1
        seen = max(0, length - a.view.first + 1)
        left, right = (a.body_left / self.ratio).tolist()[:seen], (a.body_right / self.ratio).tolist()[:seen]
        for x0, x1 in zip(left, right, strict=True):
            width = x1 - x0 - 1
            radius = min(4.0, width / 3, height / 3)
            painter.drawRoundedRect(QRectF(x0 + 0.5, y, width, height), radius, radius)
        painter.end()
        image.setDevicePixelRatio(1.0)
        return image


def covered(width: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(width,): whether a pixel lies in one of the stretches from left to right."""
    ends = np.maximum(left, right)
    edges = np.bincount(left, minlength=width + 1) - np.bincount(ends, minlength=width + 1)
    return np.cumsum(edges[:width]) > 0


def marks(x: Array) -> list[int]:
    """Features that say only yes or no beside others that say more: drawn as circles."""
    if x.shape[1] < 2:
        return []
    yes_or_no = ((x == 0) | (x == 1)).all(axis=0)
    found = np.flatnonzero(yes_or_no).tolist()
    return found if len(found) < x.shape[1] else []


def bars(x: Array) -> list[int]:
    """The features that are drawn as bars: at most three."""
    said = marks(x)
    return [k for k in range(x.shape[1]) if k not in said][:3]


def loudest(values: Array, a: Anatomy) -> Array:
    """Per pixel the value of its step; of several the one of largest magnitude."""
    if not a.view.cells.crowded:
        return values[a.view.cells.starts]
    starts = a.view.cells.starts
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return np.where(-low > high, low, high)
