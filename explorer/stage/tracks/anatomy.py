"""Where the parts of the unrolled network are: numbers of pixels, no ink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from PySide6.QtCore import QRectF

from explorer.stage.cells import Cells, TimeView, cells

_LOSS, _BARS, _INPUTS, _FOOT = 26.0, 14.0, 34.0, 4.0
_LANE, _PAD, _GAP = 10, 3, 11
_CELL_WIDEST = 48
Way = Literal["input", "direct"]


class RowKind(NamedTuple):
    """A layer in one direction, as far as its place goes."""

    name: str
    states: tuple[str, ...]
    reverse: bool


class Wire(NamedTuple):
    """What runs upright in a gap at every step: what a row reads ("input"), or what it hands up ("direct")."""

    row: int
    way: Way


@dataclass(frozen=True, slots=True)
class Gap:
    """Between two rows, below the lowest, or above the highest one. Wires from left to right."""

    top: int
    bottom: int
    wires: tuple[Wire, ...]

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cells: `lanes` of the states' wires, and between or above them the strip with the hidden vector."""

    kind: RowKind
    top: int
    bottom: int
    strip_top: int
    strip_bottom: int
    lanes: dict[str, tuple[int, int]]

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def units(self, count: int) -> Cells:
        return cells(count, self.strip_bottom - self.strip_top)


class Part(NamedTuple):
    """What is at some height: "loss", "gap", "lane" (with its state), "strip" or "inputs"."""

    name: str
    row: int = -1
    symbol: str = ""
    gap: Gap | None = None


class Anatomy:
    """From the top: the loss; the rows, the one that is nearest to the input lowest, with gaps around them; the inputs.

    Without a unit: device pixels; `..._centre`: logical pixels. Everything shrinks steadily with the height and with
    the number of rows, and nothing overlaps: a row has at least one pixel.
    """

    def __init__(self, view: TimeView, height: int, kinds: tuple[RowKind, ...], *, bars: bool = False) -> None:
        self.view, self.height = view, height
        ratio = self.ratio = view.ratio
        n = len(kinds)
        logical = height / ratio
        spare = max(0.0, logical - n)
        inputs = min(_INPUTS, logical * (0.2 if n == 1 else 0.15), 0.35 * spare)
        loss = min(_LOSS + (_BARS if bars else 0), max(4.0, (logical - 60) * 0.6), 0.35 * spare)
        foot = min(_FOOT, 0.1 * spare)
        self.inputs_bottom = height - round(foot * ratio)
        self.inputs_top = self.inputs_bottom - max(1, round(inputs * ratio))
        # Rounded once: each part by itself, they could together take two pixels more of one that is added.
        pitch = max(1, (height - round((foot + inputs + loss + 2) * ratio)) // n)
        between = min(round(_GAP * ratio), round(0.15 * pitch))
        self.row_height = max(1, pitch - between)
        self.rows = tuple(
            self._row(kind, self.inputs_top - place * pitch - between) for place, kind in enumerate(kinds)
        )
        self.cells_top = self.rows[-1].top
        self.gaps = self._gaps(min(round(_GAP * ratio), self.cells_top // 3))
        self.one_way = not any(kind.reverse for kind in kinds)
        step = view.pitch
        gap_share = 0.28 * min(1.0, max(0.0, (step - 1.5) / 9.0))
        widths = view.cells.right - view.cells.left
        body = np.maximum(1, np.minimum(np.round(widths * (1 - gap_share)), round(_CELL_WIDEST * ratio))).astype(int)
        self.body_left = view.cells.left + (widths - body) // 2
        self.body_right = self.body_left + body
        self.narrowest = int(body.min())
        low = min(1.0, max(0.0, (self.row_height / ratio - 4) / 10))
        self.border = min(1.0, max(0.0, (step - 4.5) / 7.0)) * low
        """How much of the cells' outline is there: fades in from 4.5 to 11.5 pixels a step, and with the row's
        height."""

    def _row(self, kind: RowKind, bottom: int) -> Row:
        height, ratio = self.row_height, self.ratio
        bottom = max(height, bottom)
        top = bottom - height
        lane = min(round(_LANE * ratio), max(1, round(0.19 * height)))
        pad = min(round(_PAD * ratio), round(0.04 * height))
        has_c = "c" in kind.states and height >= 3
        lower = lane if height >= 2 else 0
        upper = lane if has_c else min(round(2 * ratio), round(0.03 * height))
        strip_top, strip_bottom = top + pad + upper, bottom - pad - lower
        lanes = {"h": (strip_bottom, strip_bottom + lower)}
        if "c" in kind.states:
            lanes["c"] = (top + pad, top + pad + (lane if has_c else 0))
        return Row(kind, top, bottom, strip_top, max(strip_top + 1, strip_bottom), lanes)

    def _gaps(self, above: int) -> tuple[Gap, ...]:
        """From the lowest. A reverse row reads, past the forward one below it, what that one reads."""
        found = []
        rows = self.rows
        for place, row in enumerate(rows):
            floor = rows[place - 1].top if place else self.inputs_top
            wires = [Wire(place, "input")]
            if row.kind.reverse and place:
                wires.insert(0, Wire(place - 1, "direct"))
            elif place + 1 < len(rows) and rows[place + 1].kind.reverse:
                wires.append(Wire(place + 1, "input"))
            found.append(Gap(row.bottom, floor, tuple(wires)))
        last = len(rows) - 1
        top = [Wire(last, "direct")]
        if rows[last].kind.reverse and last:
            top.insert(0, Wire(last - 1, "direct"))
        return (*found, Gap(self.cells_top - above, self.cells_top, tuple(top)))

    @property
    def top_gap(self) -> Gap:
        """Between the loss and the highest row."""
        return self.gaps[-1]

    @property
    def strip_logical(self) -> tuple[float, float]:
        """Of all rows together: where hidden vectors are."""
        return self.rows[-1].strip_top / self.ratio, self.rows[0].strip_bottom / self.ratio

    @property
    def inputs_centre(self) -> float:
        return (self.inputs_top + self.inputs_bottom) / 2 / self.ratio

    def centre(self, place: int) -> float:
        row = self.rows[place]
        return (row.top + row.bottom) / 2 / self.ratio

    def lane_centre(self, place: int, symbol: str) -> float:
        top, bottom = self.rows[place].lanes[symbol]
        return (top + bottom) / 2 / self.ratio

    def left(self, t: int) -> int:
        return int(self.body_left[t - self.view.first])

    def right(self, t: int) -> int:
        """The right edge of the cell of step t."""
        return int(self.body_right[t - self.view.first])

    def cell_box(self, t: int, place: int) -> QRectF:
        """Logical."""
        row = self.rows[place]
        left, right = self.left(t) / self.ratio, self.right(t) / self.ratio
        return QRectF(left, row.top / self.ratio, right - left, row.height / self.ratio)

    def part_at(self, y: int) -> Part:
        if y >= self.inputs_top:
            return Part("inputs")
        for place, row in enumerate(self.rows):
            if row.top <= y < row.bottom:
                slack = round(2 * self.ratio) if row.height >= 24 * self.ratio else 0
                for symbol, (top, bottom) in row.lanes.items():
                    if top - slack <= y < bottom + slack:
                        return Part("lane", place, symbol)
                return Part("strip", place)
        for gap in self.gaps:
            if gap.top <= y < gap.bottom:
                return Part("gap", gap.wires[0].row, gap=gap)
        return Part("loss")

    def slots(self, gap: Gap) -> list[tuple[np.ndarray, np.ndarray]]:
        """(left, right) pixels of each wire of a gap at each step: the cell's width, shared."""
        n = len(gap.wires)
        width = self.body_right - self.body_left
        return [(self.body_left + width * k // n, self.body_left + width * (k + 1) // n) for k in range(n)]

    def slot_rows(self, gap: Gap) -> list[tuple[int, int]] | None:
        """Where cells are too narrow for two wires side by side: rows of the gap for each instead."""
        n = len(gap.wires)
        if self.narrowest >= n:
            return None
        return [(gap.top + gap.height * k // n, gap.top + gap.height * (k + 1) // n) for k in range(n)]

    def of_reverse(self, gap: Gap) -> np.ndarray:
        """(height, width) or broadcast to it: which pixels of a gap belong to a wire of a reverse row."""
        reverse = [self.rows[wire.row].kind.reverse for wire in gap.wires]
        if len(set(reverse)) == 1:
            return np.full((1, 1), reverse[0])
        bands = self.slot_rows(gap)  # the second of two wires is the reverse row's
        if bands is not None:
            return (np.arange(gap.top, gap.bottom) >= bands[1][0])[:, None]
        left = self.slots(gap)[1][0]
        return (np.arange(self.view.width) >= left[self.view.cells.starts])[None, :]

    def wire_at(self, gap: Gap, x: int, y: int) -> Wire:
        """The wire of a gap nearest to a pixel."""
        bands = self.slot_rows(gap)
        if bands is not None:
            return next((w for w, (_, end) in zip(gap.wires, bands, strict=True) if y < end), gap.wires[-1])
        i = self.view.step_at(x) - self.view.first
        middles = [(left[i] + right[i]) / 2 for left, right in self.slots(gap)]
        return gap.wires[int(np.argmin([abs(x - middle) for middle in middles]))]

    def wire_owner(self, *, reverse: bool = False) -> np.ndarray:
        """(width,): the index (from 0) of the step whose state each pixel's wire carries: from the cell of that step to
        the right, or of a reverse row to the left. −1 (or T) before the first cell."""
        view = self.view
        if view.cells.crowded:
            return view.cells.starts + view.first - 1
        middles = (view.cells.left + view.cells.right) // 2
        found = np.searchsorted(middles, np.arange(view.width), side="right") + view.first - 1
        return found if reverse else found - 1
