"""Where the parts of the unrolled network are: numbers of pixels, no ink."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QRectF

from explorer.stage.cells import Cells, TimeView, cells

_LOSS, _BARS, _STEM, _PAD, _LANE = 26, 12, 9, 3, 10
_CELL_WIDEST = 48


class Anatomy:
    """From the top: the loss; the cells with a lane for c (LSTM), the hidden vector and a lane for h; stems; inputs.

    Without a unit: device pixels; `..._centre` and `..._logical`: logical pixels.
    """

    def __init__(self, view: TimeView, height: int, states: tuple[str, ...], losses: bool = False) -> None:
        self.view, self.height, self.states = view, height, states
        ratio = self.ratio = view.ratio
        logical = height / ratio
        inputs = min(34.0, max(10.0, logical * 0.2))
        loss = (_LOSS + (_BARS if losses else 0)) if logical >= 96 else 4
        self.cells_top = round((loss + 2) * ratio)
        self.inputs_bottom = height - round(4 * ratio)
        self.inputs_top = self.inputs_bottom - round(inputs * ratio)
        self.cells_bottom = self.inputs_top - round(_STEM * ratio)
        pad, lane = round(_PAD * ratio), round(_LANE * ratio)
        upper = lane if "c" in states else round(2 * ratio)
        self.strip_top = self.cells_top + pad + upper
        self.strip_bottom = max(self.strip_top + 1, self.cells_bottom - pad - lane)
        self.too_low = self.strip_bottom - self.strip_top < 20 * ratio
        self._lane_rows = {"h": (self.strip_bottom, self.strip_bottom + lane)}
        if "c" in states:
            self._lane_rows["c"] = (self.cells_top + pad, self.cells_top + pad + lane)
        pitch = view.pitch
        gap_share = 0.28 * min(1.0, max(0.0, (pitch - 1.5) / 9.0))
        widths = view.cells.right - view.cells.left
        body = np.maximum(1, np.minimum(np.round(widths * (1 - gap_share)), round(_CELL_WIDEST * ratio))).astype(int)
        self.body_left = view.cells.left + (widths - body) // 2
        self.body_right = self.body_left + body
        self.border = min(1.0, max(0.0, (pitch - 4.5) / 7.0))
        """How much of the cells' outline is there: fades in from 4.5 to 11.5 pixels a step."""

    @property
    def strip_centre(self) -> float:
        return (self.strip_top + self.strip_bottom) / 2 / self.ratio

    @property
    def strip_logical(self) -> QRect:
        top, bottom = round(self.strip_top / self.ratio), round(self.strip_bottom / self.ratio)
        return QRect(0, top, 1, bottom - top)

    @property
    def inputs_centre(self) -> float:
        return (self.inputs_top + self.inputs_bottom) / 2 / self.ratio

    def lane(self, symbol: str) -> tuple[int, int]:
        """First and last row (excluded) of a state's wire."""
        return self._lane_rows[symbol]

    def lane_centre(self, symbol: str) -> float:
        top, bottom = self._lane_rows[symbol]
        return (top + bottom) / 2 / self.ratio

    def right(self, t: int) -> int:
        """The right edge of the cell of step t."""
        return int(self.body_right[t - self.view.first])

    def cell_box(self, t: int) -> QRectF:
        """Logical."""
        i = t - self.view.first
        left, right = self.body_left[i] / self.ratio, self.body_right[i] / self.ratio
        top, bottom = self.cells_top / self.ratio, self.cells_bottom / self.ratio
        return QRectF(left, top, right - left, bottom - top)

    def rows(self, units: int) -> Cells:
        return cells(units, self.strip_bottom - self.strip_top)

    def part_at(self, y: int) -> str:
        """ "loss", "strip", "inputs", or the state whose lane is nearest."""
        if y < self.cells_top:
            return "loss"
        if y >= self.cells_bottom:
            return "inputs"
        for symbol, (top, bottom) in self._lane_rows.items():
            if top - 2 <= y < bottom + 2:
                return symbol
        return "strip"

    def wire_owner(self) -> np.ndarray:
        """(width,): the index (from 0) of the step whose state each pixel's wire carries; −1 before the first cell."""
        view = self.view
        if view.cells.crowded:
            return view.cells.starts + view.first - 1
        middles = (view.cells.left + view.cells.right) // 2
        return np.searchsorted(middles, np.arange(view.width), side="right") + view.first - 2
