"""Draws the loss over the unrolled network: hung where it arises, and reaching as far as its read-out reads."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from explorer.stage import marked, palette
from explorer.stage.layer import Layer
from explorer.stage.tracks.anatomy import Anatomy
from explorer.stage.tracks.network_ink import Ink, loudest
from explorer.stage.tracks.network_rows import Reading
from explorer.theme import current as theming
from explorer.widgets.numbers import short

_CHIP = 17
_BEAM = 4
"""Logical pixels: the chip's height, and that of the bar over everything that a read-out reads."""


class LossInk:
    """Into the zone over the rows: from the top to `top_gap`, where the wires to the highest row begin."""

    def __init__(self, anatomy: Anatomy, layer: Layer, reading: Reading) -> None:
        self.a, self.layer, self.reading = anatomy, layer, reading
        self.theme = theming.current()
        self.ratio = anatomy.ratio
        self.floor = anatomy.top_gap.top
        """Device pixels: where the zone ends."""
        self.words = ""
        """On the chip."""

    def draw(self) -> QRectF:
        """Returns the place for a chip with the loss (`draw_chip`), empty where there is no room."""
        self.words = self._words(elsewhere=False)
        if self.reading.kind == "last":
            return self._flag()
        right = self.a.view.width / self.ratio - 2
        if self.reading.at_every:
            if self.a.view.shows(self.a.view.steps):
                right = self.a.view.centre(self.a.view.steps) / self.ratio - 5  # beside the cursor, not under it
            chip = self._chip(right)
            self._bars(chip)
            return chip
        self._beam()
        return self._chip(right)

    def _flag(self) -> QRectF:
        """A flag on a pole at the one step that is read."""
        a, t = self.a, self.reading.last
        right = a.view.width / self.ratio - 2
        if not a.view.shows(t):  # a chip that points to where it is
            self.words = self._words(elsewhere=True)
            return self._chip(right if t > a.view.last else self._chip_width() + 2)
        x, floor = a.view.centre(t) / self.ratio, self.floor / self.ratio
        width = self._chip_width()
        right = min(right, x - 5 if x - 5 - width > 2 else right)
        chip = self._chip(right)
        colour = QColor(self.theme.loss)
        painter = self.layer.painter(self.ratio)
        top = 5.0 if not chip.isEmpty() else 0.0
        painter.fillRect(QRectF(round(x - 0.75), top, 1.5, floor - top), colour)
        first = int(np.flatnonzero(self.reading.steps)[0]) + 1
        if first < t:  # two directions end at two places
            start = a.view.centre(first) / self.ratio - 0.75 if a.view.shows(first) else 0.0
            painter.fillRect(QRectF(start, floor - 1.5, x - start, 1.5), colour)
        if not chip.isEmpty():
            painter.fillRect(QRectF(right - 4, 11, x - right + 4, 1.5), colour)
        painter.end()
        return chip

    def _bars(self, chip: QRectF) -> None:
        """Each step's part of the loss as a bar, and over it as a number where there is room."""
        a, losses, theme = self.a, self.reading.losses, self.theme
        here = self.reading.steps
        finite = losses[here][np.isfinite(losses[here])]
        largest = float(np.max(finite, initial=0.0))
        seen = np.where(here, np.nan_to_num(losses, nan=0.0, posinf=largest), 0.0)[a.view.slice]
        texts = self._texts_fit()
        above = (_CHIP + 4) * self.ratio if texts or self.floor >= 30 * self.ratio else 2 * self.ratio
        room = max(1.0, self.floor - above)
        length = np.round(np.clip(loudest(seen, a) / (largest or 1.0), 0, 1) * room).astype(int)
        there = here[a.view.slice][a.view.cells.starts]
        if a.view.cells.crowded:
            there = np.maximum.reduceat(here[a.view.slice], a.view.cells.starts)
        length = np.maximum(length, max(1, round(self.ratio)))
        body = Ink(a, self.layer).body() & there
        y = np.arange(self.floor)[:, None]
        bar = (y >= (self.floor - length)[None, :]) & body[None, :]
        self.layer.pixels()[: self.floor][bar] = palette.packed(palette.mix(theme.ground, theme.loss, 0.75))
        if texts:
            self._texts(np.flatnonzero(here[a.view.slice]), losses[a.view.slice], chip)

    def _texts_fit(self) -> bool:
        return self.a.view.pitch >= marked.width("0.0000", theming.small()) + 6 and self.floor >= 24 * self.ratio

    def _texts(self, places: np.ndarray, losses: np.ndarray, chip: QRectF) -> None:
        """Where the chip stands there is no room for the last steps' numbers."""
        a = self.a
        painter = self.layer.painter(self.ratio)
        painter.setPen(QColor(palette.readable(self.theme.loss, self.theme.ground, 4.5)))
        for i in places.tolist():
            box = QRectF(a.view.cells.centre(i) / self.ratio - a.view.pitch / 2, 3, a.view.pitch, _CHIP)
            if box.intersects(chip):
                continue
            marked.draw(painter, box, short(float(losses[i])), theming.small(), Qt.AlignmentFlag.AlignHCenter)
        painter.end()

    def _beam(self) -> None:
        """A bar over the steps that are all read together."""
        a, length = self.a, self.reading.length
        if length < a.view.first:
            return
        last = min(length, a.view.last)
        left = int(a.body_left[0]) if a.view.first == 1 else 0
        right = a.right(last) if last == length else a.view.width
        thick = max(1, min(round(_BEAM * self.ratio), self.floor))
        top = max(0, self.floor - thick)
        self.layer.pixels()[top : self.floor, left:right] = palette.packed(self.theme.loss)

    def _words(self, *, elsewhere: bool) -> str:
        said, view, t = f"L = {short(self.reading.loss)}", self.a.view, self.reading.last
        if not elsewhere:
            return said
        return f"← {said} at t = {t}" if t < view.first else f"{said} at t = {t} →"

    def _chip_width(self) -> float:
        return marked.width(self.words, theming.small(bold=True)) + 14

    def _chip(self, right: float) -> QRectF:
        width = self._chip_width()
        room = self.a.cells_top / self.ratio - 4
        return QRectF(right - width, 3, width, _CHIP) if room >= 16 and width < right else QRectF()


def draw_chip(painter: QPainter, chip: QRectF, words: str) -> None:
    theme = theming.current()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.ground), 2))
    painter.setBrush(QColor(theme.loss))
    painter.drawRoundedRect(chip, 4, 4)
    painter.setPen(QColor(palette.contrasting(theme.loss, theme)))
    marked.draw(painter, chip, words, theming.small(bold=True), Qt.AlignmentFlag.AlignHCenter)
    painter.restore()
