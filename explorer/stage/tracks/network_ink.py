"""Draws the unrolled network into a layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from engine.requests import Array, Excerpt
from explorer.stage import classes, marked, palette
from explorer.stage.blank import draw_blank, ink_of
from explorer.stage.cells import cells
from explorer.stage.layer import Layer
from explorer.stage.scales import Scale
from explorer.stage.tracks.anatomy import Anatomy
from explorer.theme import current as theming
from explorer.widgets.numbers import short

_WIRE = 1.4
MARK_SHARE = 0.36
"""Of a step's width: the radius of a circle among the inputs; below 2.5 pixels it is a line."""
_RIBBON = 8.0
"""Logical pixels: a wire in the forward pass, and a gradient at the top of the scale."""


class Ink:
    def __init__(self, anatomy: Anatomy, layer: Layer) -> None:
        self.a, self.layer = anatomy, layer
        self.theme = theming.current()
        self.ratio = anatomy.ratio

    # -- the blank ----------------------------------------------------------------------------------------------------

    def draw_blank(self) -> None:
        a, theme = self.a, self.theme
        pixels = self.layer.pixels()
        pixels[:] = palette.packed(theme.ground)
        if a.border < 0.5:
            rows = Layer().sized(a.view.width, a.cells_bottom - a.cells_top)
            draw_blank(rows, a.view.cells, cells(1, a.cells_bottom - a.cells_top), self.ratio)
            pixels[a.cells_top : a.cells_bottom] = rows.pixels()
            return
        del pixels
        painter = self.layer.painter(self.ratio)
        pen = QPen(QColor(ink_of(theme)), 1)
        pen.setDashPattern([1.5, 2.5])
        painter.setPen(pen)
        for t in range(a.view.first, a.view.last + 1):
            painter.drawRoundedRect(self._outline(t), 4, 4)
        painter.end()

    def _outline(self, t: int) -> QRectF:
        return self.a.cell_box(t).adjusted(0.5, 0.5, -0.5, -0.5)

    # -- forward ------------------------------------------------------------------------------------------------------

    def draw_forward(self, e: Excerpt, codes: classes.Codes | None, scale: Scale | None, inputs_bound: float) -> None:
        pixels = self.layer.pixels()
        pixels[:] = palette.packed(self.theme.ground)
        if codes is not None and scale is not None:
            self._strips(pixels, codes, scale)
        owner = self.a.wire_owner()
        wire = palette.packed(self.theme.forward)
        for symbol in self.a.states:
            top, bottom = self.a.lane(symbol)
            thick = max(1, round(_WIRE * self.ratio))
            y = (top + bottom - thick) // 2
            pixels[y : y + thick, owner >= 0] = wire
        self._inputs(pixels, e.inputs, inputs_bound)
        del pixels
        self._marks(e.inputs)

    def _body(self) -> np.ndarray:
        """(width,): whether a pixel lies inside a cell's hidden vector."""
        a = self.a
        inset = round(2 * self.ratio * a.border) if a.view.pitch >= 7 else 0
        inside = np.zeros(a.view.width + 1, np.int32)
        left, right = a.body_left + inset, a.body_right - inset
        np.add.at(inside, left, 1)
        np.add.at(inside, right, -1)
        return np.cumsum(inside[:-1]) > 0

    def _strips(self, pixels: palette.Pixels, codes: classes.Codes, scale: Scale) -> None:
        a = self.a
        rows = a.rows(codes.shape[1])
        spread = rows.spread(np.ascontiguousarray(a.view.cells.spread(codes[a.view.slice]).T))
        colours = palette.table(scale, self.theme.name)[spread]
        palette.textured(colours, spread, scale, self.theme.name, self.ratio, source=codes)
        body = self._body()
        pixels[a.strip_top : a.strip_bottom, body] = colours[:, body]

    def _inputs(self, pixels: palette.Pixels, x: Array, bound: float) -> None:
        """Bars of each feature on a line of its own; marks (features of 0 and 1 only) are drawn apart."""
        a = self.a
        features = bars(x)
        if not features:
            return
        height = a.inputs_bottom - a.inputs_top
        each = height / len(features)
        seen = x[a.view.slice]
        body = self._body()
        for place, k in enumerate(features):
            top = a.inputs_top + round(place * each)
            bottom = a.inputs_top + round((place + 1) * each) - (1 if len(features) > 1 else 0)
            values = _loudest(seen[:, k], a)
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

    def _marks(self, x: Array) -> None:
        a = self.a
        painter = self.layer.painter(self.ratio)
        colour = QColor(self.theme.text)
        middle = a.inputs_bottom / self.ratio - 5
        for k in marks(x):
            for i in np.flatnonzero(x[a.view.slice, k] == 1):
                centre = a.view.cells.centre(int(i)) / self.ratio
                size = min(4.5, max(1.0, a.view.pitch * MARK_SHARE))
                if size < 2.5:
                    painter.fillRect(QRectF(centre - 1, middle - 5, 2, 10), colour)
                else:
                    painter.setBrush(QColor(self.theme.ground))
                    painter.setPen(QPen(colour, 1.6))
                    painter.drawEllipse(QPointF(centre, middle), size, size)
        painter.end()

    # -- the cells' outlines ------------------------------------------------------------------------------------------

    def draw_cells(self, outlines: QImage) -> None:
        """Stems and, from `outlines` of this anatomy, the outlines."""
        a = self.a
        if a.border <= 0:
            return
        stem = palette.packed(palette.mix(self.theme.ground, self.theme.forward, a.border))
        thick = max(1, round(self.ratio))
        middles = (a.body_left + a.body_right) // 2
        top = a.cells_bottom + thick
        pixels = self.layer.pixels()
        for x in range(thick):
            pixels[top : top + 6 * thick, middles + x - thick // 2] = stem
        del pixels
        painter = self.layer.painter(1.0)
        painter.drawImage(0, a.cells_top, outlines)
        painter.end()

    def outlines(self) -> QImage:
        """The cells' outlines on nothing, from `cells_top` down."""
        a = self.a
        image = QImage(a.view.width, a.cells_bottom - a.cells_top, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(0)
        image.setDevicePixelRatio(self.ratio)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.mix(self.theme.ground, self.theme.border, a.border)), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        y, height = 0.5, (a.cells_bottom - a.cells_top) / self.ratio - 1
        left, right = (a.body_left / self.ratio).tolist(), (a.body_right / self.ratio).tolist()
        for x0, x1 in zip(left, right, strict=True):
            width = x1 - x0 - 1
            radius = min(4.0, width / 3)
            painter.drawRoundedRect(QRectF(x0 + 0.5, y, width, height), radius, radius)
        painter.end()
        image.setDevicePixelRatio(1.0)
        return image

    def _on_outline(self) -> np.ndarray:
        """(width,): the pixels of the cells' upright outlines, which stay in front of the wires."""
        a = self.a
        found = np.zeros(a.view.width, np.bool_)
        if a.border > 0:
            for x in range(max(1, round(self.ratio))):
                found[a.body_left + x] = True
                found[a.body_right - 1 - x] = True
        return found

    # -- backward -----------------------------------------------------------------------------------------------------

    def draw_ribbon(self, symbol: str, norms: Array, scale: Scale) -> None:
        """The gradient's wire: as wide as its logarithm on the scale; what is not on the scale has its texture."""
        a, ratio, theme = self.a, self.ratio, self.theme
        top, bottom = a.lane(symbol)
        owner = a.wire_owner()
        codes = classes.classify(norms, scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.nan_to_num(np.log10(norms), nan=0.0, posinf=1e4, neginf=-1e4)
        if a.view.cells.crowded:
            code = a.view.cells.spread(codes[a.view.slice])
            log = np.maximum.reduceat(logs[a.view.slice], a.view.cells.starts)
        else:
            code, log = codes[np.maximum(owner, 0)], logs[np.maximum(owner, 0)]
        low, high = scale.decades
        share = np.clip((log - low) / (high - low), 0, 1)
        thick = self._thickness(code, share)
        thick[owner < 0] = 0
        first = (top + bottom - thick) // 2
        y = np.arange(top, bottom)[:, None]
        inside = (y >= first[None, :]) & (y < (first + thick)[None, :])
        lane = self.layer.pixels()[top:bottom]
        lane[lane == palette.packed(theme.forward)] = palette.packed(theme.ground)  # the forward pass's wire
        fill = np.broadcast_to(np.where(code >= classes.BELOW, code, classes.FIRST)[None, :], lane.shape)
        colours = palette.table(scale, theme.name).copy()
        colours[classes.FIRST] = palette.packed(theme.backward)
        colours[classes.BELOW] = palette.packed(palette.looks(scale, theme.name)[classes.BELOW].mark)
        painted = colours[fill]
        thin = ((code == classes.ZERO) | (code == classes.BELOW)) & (
            np.arange(a.view.width) // round(2 * ratio) % 2 == 1
        )
        wide = np.where(fill >= classes.ABOVE, fill, classes.FIRST).astype(np.uint8)
        palette.textured(painted, wide, scale, theme.name, ratio)
        inside &= ~thin[None, :]
        lane[inside] = painted[inside]
        outline = palette.mix(theme.backward, palette.mix(theme.ground, theme.border, 1.0), a.border)
        lane[inside & self._on_outline()[None, :]] = palette.packed(outline)

    def _thickness(self, code: classes.Codes, share: np.ndarray) -> np.ndarray:
        """Device pixels of a gradient's wire; `share` of the scale, 0 … 1."""
        widest, thin = round(_RIBBON * self.ratio), max(1, round(self.ratio))
        thick: np.ndarray = np.maximum(thin, np.round(share * widest).astype(int))
        thick[code >= classes.ABOVE] = widest
        thick[(code == classes.ZERO) | (code == classes.BELOW)] = thin
        return thick

    def draw_arrows(self, norms: Mapping[str, Array], scale: Scale) -> None:
        """Between wide cells: which way it goes. Forward in time, or (with norms) the gradient's way back."""
        a, ratio = self.a, self.ratio
        gap = (a.body_left[1:] - a.body_right[:-1]).min() / ratio if len(a.body_left) > 1 else 0
        if gap < 4:
            return
        painter = self.layer.painter(ratio)
        painter.setPen(Qt.PenStyle.NoPen)
        middles = ((a.body_right[:-1] + a.body_left[1:]) / 2 / ratio).tolist()
        for symbol in a.states:
            y = a.lane_centre(symbol)
            size = np.full(len(middles), 3.0)
            painter.setBrush(QColor(self.theme.forward))
            if norms:
                code = classes.classify(norms[symbol], scale)
                low, high = scale.decades
                with np.errstate(divide="ignore", invalid="ignore"):
                    share = np.nan_to_num(np.clip((np.log10(norms[symbol]) - low) / (high - low), 0, 1))
                size = self._thickness(code, share)[a.view.slice][:-1] / ratio / 2 + min(3.5, gap / 2)
                size[(code[a.view.slice][:-1] >= classes.BELOW)] = 0  # a texture speaks for itself
                painter.setBrush(QColor(self.theme.backward))
            way = -1 if norms else 1
            for x, half in zip(middles, size.tolist(), strict=True):
                if half:
                    long = min(10.0, 0.8 * gap) / 2
                    tip, back = QPointF(x + way * long, y), x - way * long
                    painter.drawPolygon(QPolygonF([tip, QPointF(back, y - half), QPointF(back, y + half)]))
        painter.end()

    def draw_losses(self, e: Excerpt) -> QRectF:
        """Where the loss arises: a stem at the last step, or each step's part as a bar. Returns the place for a chip
        with the loss (`draw_chip`), empty where there is no room."""
        a, theme = self.a, self.theme
        painter = self.layer.painter(self.ratio)
        height = a.cells_top / self.ratio - 4
        colour = QColor(theme.loss)
        here = np.flatnonzero(~np.isnan(e.losses))
        width = marked.width(_loss_words(e.loss), theming.small(bold=True)) + 14
        right = a.view.width / self.ratio - 2
        if a.view.shows(a.view.steps) and len(here) > 1:
            right = a.view.centre(a.view.steps) / self.ratio - 5  # beside the cursor, not under it
        floor = a.cells_top / self.ratio
        if len(here) == 1 and a.view.shows(int(here[0]) + 1):
            x = a.view.centre(int(here[0]) + 1) / self.ratio
            left_of = x - 5 if x - 5 - width > 2 else right
            right = min(right, left_of)
            painter.fillRect(QRectF(round(x - 0.75), 5, 1.5, floor - 5), colour)
            painter.fillRect(QRectF(right - 4, 11, x - right + 4, 1.5), colour)
        elif len(here) > 1:
            largest = float(np.max(e.losses[here][np.isfinite(e.losses[here])], initial=0.0))
            seen = np.nan_to_num(e.losses[a.view.slice], nan=0.0, posinf=largest)
            per_pixel = _loudest(seen, a)
            length = np.round(per_pixel / (largest or 1.0) * max(0.0, height - 21) * self.ratio).astype(int)
            body = self._body()
            painter.end()
            pixels = self.layer.pixels()[: a.cells_top]
            y = np.arange(a.cells_top)[:, None]
            bar = (y >= (a.cells_top - 2 - length)[None, :]) & (y < a.cells_top - 2) & body[None, :]
            pixels[bar] = palette.packed(palette.mix(theme.ground, theme.loss, 0.75))
            del pixels
            return self._chip(right, width, height)
        painter.end()
        return self._chip(right, width, height)

    def _chip(self, right: float, width: float, height: float) -> QRectF:
        return QRectF(right - width, 3, width, 17) if height >= 16 and width < right else QRectF()


def _loss_words(loss: float) -> str:
    return f"L = {short(loss)}"


def draw_chip(painter: QPainter, chip: QRectF, loss: float) -> None:
    theme = theming.current()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.ground), 2))
    painter.setBrush(QColor(theme.loss))
    painter.drawRoundedRect(chip, 4, 4)
    painter.setPen(QColor(palette.contrasting(theme.loss, theme)))
    marked.draw(painter, chip, _loss_words(loss), theming.small(bold=True), Qt.AlignmentFlag.AlignHCenter)
    painter.restore()


def marks(x: Array) -> list[int]:
    """Features that say only yes or no beside others that say more: drawn as circles."""
    if x.shape[1] < 2:
        return []
    found = [k for k in range(x.shape[1]) if bool(np.isin(x[:, k], (0, 1)).all())]
    return found if len(found) < x.shape[1] else []


def bars(x: Array) -> list[int]:
    """The features that are drawn as bars: at most three."""
    return [k for k in range(x.shape[1]) if k not in marks(x)][:3]


def _loudest(values: Array, a: Anatomy) -> Array:
    """Per pixel the value of its step; of several the one of largest magnitude."""
    if not a.view.cells.crowded:
        return values[a.view.cells.starts]
    starts = a.view.cells.starts
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return np.where(-low > high, low, high)
