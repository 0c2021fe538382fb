"""The pictures of a curve track, drawn when the tape first comes to them and then looked up: for each set of curves
that are known beside each other, the axes with the regions and those curves."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from explorer.stage import palette
from explorer.stage.blank import draw_blank
from explorer.stage.cells import TimeView, cells
from explorer.stage.layer import Layer
from explorer.stage.tracks import bands
from explorer.stage.tracks.curve_ink import draw_curve, edge_marks, grid_of, y_of
from explorer.stage.tracks.curve_labels import region_boxes
from explorer.stage.tracks.plot import Group, Plot, own
from explorer.theme import current as theming
from explorer.theme.tokens import Theme

_Sheet = tuple[bool, frozenset[Group]]
"""Whether the trace's regions are there, and which curves."""


class Sheets:
    """Of one plot in one view. The memory of the pictures stays for the next view."""

    def __init__(self) -> None:
        self._plot: Plot | None = None
        self._view = TimeView(1, 1, 1, 1)
        self._height = 1
        self._layers: dict[_Sheet, Layer] = {}
        self._drawn: set[_Sheet] = set()

    def show(self, plot: Plot | None, view: TimeView, height: int) -> None:
        """From now on of this plot; `height` in device pixels. None: a ground without anything."""
        self._plot, self._view, self._height = plot, view, height
        self._drawn.clear()

    def of(self, regions: bool, groups: frozenset[Group]) -> Layer:
        wanted = regions, groups
        if wanted not in self._drawn:
            self._drawn.add(wanted)
            self._draw(self._layers.setdefault(wanted, Layer()), regions, groups)
        return self._layers[wanted]

    @property
    def _tall(self) -> float:
        """Logical pixels."""
        return self._height / self._view.ratio

    def _y(self, place: float) -> float:
        return y_of(place, self._tall)

    def _draw(self, layer: Layer, regions: bool, groups: frozenset[Group]) -> None:
        plot, theme, view = self._plot, theming.current(), self._view
        pixels = layer.sized(view.width, self._height).pixels()
        pixels[:] = palette.packed(theme.ground)
        if plot is None:
            return
        if not own(groups) and own(plot.groups):
            draw_blank(layer, view.cells, cells(self._height, self._height), view.ratio)
        if regions:
            self._draw_regions(pixels, plot, theme)
        self._draw_grid(pixels, plot, theme)
        if plot.stack is not None and groups:
            rows = self._y(0.0) * view.ratio, self._y(1.0) * view.ratio
            bands.draw(pixels, plot.stack, view, rows, view.ratio, theme)
        del pixels
        painter = layer.painter(view.ratio)
        for line in plot.lines:
            if line.always or regions:
                self._draw_line(painter, line.places, QColor(getattr(theme, line.tone)))
        painter.end()
        shown = [(n, curve) for n, curve in enumerate(plot.curves) if curve.group in groups]
        lines = [] if plot.stack is not None else shown
        for n, curve in sorted(lines, key=lambda one: one[1].style.ghost):  # the earlier ones: dotted, on top
            draw_curve(layer, curve, view, self._tall, n)
        painter = layer.painter(view.ratio)
        for _, curve in shown[:1] if plot.stack is not None else shown:
            if not curve.style.ghost:
                edge_marks(painter, curve.codes[view.slice], view, self._tall, plot.axis.scale)
        painter.end()

    def _draw_grid(self, pixels: palette.Pixels, plot: Plot, theme: Theme) -> None:
        """Lines one device pixel thin."""
        for place, _ in grid_of(plot, self._tall):
            row = round(self._y(place) * self._view.ratio)
            if 0 <= row < self._height:
                pixels[row] = palette.packed(theme.line)

    def _draw_regions(self, pixels: palette.Pixels, plot: Plot, theme: Theme) -> None:
        ratio = self._view.ratio
        thick = max(1, round(ratio))
        for area, region in region_boxes(plot, self._view.width / ratio, self._tall):
            colour = getattr(theme, region.tone)
            top, bottom = round(area.top() * ratio), round(area.bottom() * ratio)
            block = pixels[max(0, top) : bottom]  # under the dots of a blank
            block[block == palette.packed(theme.ground)] = palette.packed(palette.mix(theme.ground, colour, 0.11))
            edge = slice(top, top + thick) if region.tone == "vanishing" else slice(max(0, bottom - thick), bottom)
            pixels[edge] = palette.packed(palette.mix(theme.ground, colour, 0.5))

    def _draw_line(self, painter: QPainter, places: np.ndarray, colour: QColor) -> None:
        pen = QPen(colour, 1.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
        pen.setDashPattern([6, 3])
        painter.setPen(pen)
        view = self._view
        if not places.ndim:
            y = round(self._y(float(places))) + 0.5
            painter.drawLine(QPointF(0, y), QPointF(view.width / view.ratio, y))
            return
        steps = np.unique(np.linspace(view.first, view.last, min(64, view.last - view.first + 1)).round().astype(int))
        shown = [t for t in steps.tolist() if not np.isnan(places[t - 1])]
        at = [QPointF(view.centre(t) / view.ratio, self._y(float(np.clip(places[t - 1], -9, 9)))) for t in shown]
        if len(at) > 1:
            painter.drawPolyline(at)
