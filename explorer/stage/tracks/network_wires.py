"""Draws the wires of the unrolled network: level ones from cell to cell, upright ones from row to row.

In the forward pass a wire is thin. In the backward pass it is as wide as the logarithm of its gradient's norm, and has
that norm's colour on the gradients' scale; what is not a number on the scale has its texture.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainterPath

from engine.requests import Array
from explorer.stage import classes, palette
from explorer.stage.layer import Layer
from explorer.stage.scales import Scale
from explorer.stage.tracks.anatomy import Anatomy, Gap, Row
from explorer.stage.tracks.network_ink import covered
from explorer.theme import current as theming

_WIRE = 1.4
RIBBON = 8.0
"""Logical pixels: a wire in the forward pass, and a gradient at the top of the scale."""


_TONES = 24
_MOST_NORMS = 64


class Measures:
    """What wires show of norms (T,); kept, since every zoom asks again for the same ones."""

    def __init__(self, scale: Scale, longest: int = 0) -> None:
        """`longest`: steps after this one are padding in every sample; 0: there are none."""
        self.scale, self.longest = scale, longest
        self._found: dict[int, tuple[Array, classes.Codes, Array]] = {}

    def of(self, norms: Array) -> tuple[classes.Codes, Array]:
        """(T,) each: the class, and the place of the logarithm on the scale, 0 … 1."""
        found = self._found.get(id(norms))
        if found is None:
            if len(self._found) >= _MOST_NORMS:
                self._found.clear()
            low, high = self.scale.decades
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.nan_to_num(np.log10(norms), nan=0.0, posinf=1e4, neginf=-1e4)
            shares = np.clip((logs - low) / (high - low), 0, 1)
            padding = classes.behind(len(norms), self.longest)
            if padding is not None:
                shares[padding] = 0.0  # nothing is to be seen of it where it shares a pixel with a step
            found = self._found[id(norms)] = norms, classes.classify(norms, self.scale, padding), shares
        return found[1:]


class WireInk:
    def __init__(
        self, anatomy: Anatomy, layer: Layer, measures: Measures, length: int, severed: NDArray[np.bool_] | None = None
    ) -> None:
        """`length`: of the sample; in the padding behind it there are no wires. `severed`: (T,), the steps to which no
        gradient comes from the step after."""
        self.a, self.layer, self.measures, self.length = anatomy, layer, measures, length
        self.severed = severed if severed is not None and severed.any() else None
        self.scale = measures.scale
        self.theme = theming.current()
        self.ratio = anatomy.ratio
        self.ground = palette.packed(self.theme.ground)

    # -- forward ------------------------------------------------------------------------------------------------------

    def draw_values(self, row: Row) -> None:
        """A thin wire for each state."""
        there = self._there(row)
        thick = max(1, round(_WIRE * self.ratio))
        pixels = self.layer.pixels()
        for top, bottom in row.lanes.values():
            if bottom > top:
                y = max(top, (top + bottom - thick) // 2)
                pixels[y : min(bottom, y + thick), there] = palette.packed(self.theme.forward)

    def draw_stems(self, gap: Gap, k: int, colour: str, shown: np.ndarray, strength: float) -> None:
        """Wire k of a gap, thin, at the steps that are `shown` (T,)."""
        if strength <= 0:
            return
        left, right = self.a.slots(gap)[k]
        thick = np.minimum(right - left, max(1, round(self.ratio)))
        self._stems(gap, k, np.where(shown[self.a.view.slice], thick, 0), self._mixed(colour, strength))

    def draw_weights(self, gap: Gap, k: int, colour: str, shown: np.ndarray, weights: np.ndarray) -> None:
        """Wire k of a gap as wide as its `weights` (T,), 0 … 1, say; where cells are narrow, as strong."""
        a = self.a
        left, right = a.slots(gap)[k]
        shares = np.where(shown, weights, 0.0)[a.view.slice]
        thick = np.maximum(1, np.round(shares * (right - left)).astype(int))
        narrow = 1 - min(1.0, max(0.0, a.narrowest / self.ratio / 4 - 0.5))  # 0 from 6 pixels on, 1 below 2
        per_pixel = (
            np.maximum.reduceat(shares, a.view.cells.starts) if a.view.cells.crowded else shares[a.view.cells.starts]
        )
        strengths = np.round((1 - narrow * (1 - per_pixel)) * _TONES).astype(int)
        tones = np.array([self._mixed(colour, tone / _TONES) for tone in range(_TONES + 1)], np.uint32)
        self._stems(gap, k, np.where(shown[a.view.slice], thick, 0), tones[strengths])

    def _stems(self, gap: Gap, k: int, thick: np.ndarray, ink: np.ndarray | int) -> None:
        """In the middles of their places. `ink`: one colour, or one for each pixel across."""
        a = self.a
        left, right = a.slots(gap)[k]
        bands = a.slot_rows(gap)
        top, bottom = bands[k] if bands else (gap.top, gap.bottom)
        start = left + (right - left - thick) // 2
        there = covered(a.view.width, start, start + thick)
        self.layer.pixels()[top:bottom, there] = np.broadcast_to(ink, there.shape)[there]

    def _mixed(self, colour: str, share: float) -> int:
        return palette.packed(palette.mix(self.theme.ground, colour, share))

    # -- backward -----------------------------------------------------------------------------------------------------

    def draw_ribbon(self, row: Row, symbol: str, norms: Array) -> None:
        """The gradient's wire of a state. The wire of step t leaves the cell of step t, so its gradient is ∂L/∂h_t."""
        a = self.a
        top, bottom = row.lanes[symbol]
        if bottom <= top:
            return
        owner = np.clip(a.wire_owner(reverse=row.kind.reverse), 0, a.view.steps - 1)
        codes, shares = self.measures.of(norms)
        if a.view.cells.crowded:
            code, share = self._spread(codes, shares)
        else:
            code, share = codes[owner], shares[owner]
        thick = self.thickness(code, share, bottom - top)
        if self.severed is not None and not a.view.cells.crowded:
            thick[self.severed[owner]] = 0
        thick[~self._there(row)] = 0
        first = (top + bottom - thick) // 2
        y = np.arange(top, bottom)[:, None]
        inside = (y >= first[None, :]) & (y < (first + thick)[None, :])
        dashed = np.arange(a.view.width) // round(2 * self.ratio) % 2 == 1
        lane = self.layer.pixels()[top:bottom]
        lane[lane == palette.packed(self.theme.forward)] = self.ground  # the forward pass's wire
        self._fill(lane, inside, code, dashed[None, :])
        outline = palette.mix(self.theme.backward, palette.mix(self.theme.ground, self.theme.border, 1.0), a.border)
        lane[inside & self._on_outline()[None, :]] = palette.packed(outline)

    def draw_upright(self, gap: Gap, k: int, norms: Array, shown: np.ndarray) -> None:
        """The gradient that goes down through a gap on its wire k, at the steps that are `shown` (T,)."""
        a = self.a
        bands = a.slot_rows(gap)
        top, bottom = bands[k] if bands else (gap.top, gap.bottom)
        if bottom <= top:
            return
        codes, shares = self.measures.of(norms)
        seen = a.view.slice
        if a.view.cells.crowded:
            code, _ = self._spread(codes, shares)
            inside = np.maximum.reduceat(shown[seen], a.view.cells.starts)
        else:
            left, right = (a.body_left, a.body_right) if bands else a.slots(gap)[k]
            room = right - left - np.where((right - left > 3) & (len(gap.wires) > 1), round(self.ratio), 0)
            thick = self.thickness(codes[seen], shares[seen], round(0.8 * int(room.min())))
            thick = np.where(shown[seen], np.minimum(np.maximum(1, thick), room), 0)
            start = left + (right - left - thick) // 2
            inside = covered(a.view.width, start, start + thick)
            code = codes[seen][a.view.cells.starts]
        if not bands:
            bottom -= round(self._head(gap, k) * self.ratio)  # the arrow's own
        area = self.layer.pixels()[top:bottom]
        dashed = np.arange(bottom - top) // max(1, round(2 * self.ratio)) % 2 == 1
        self._fill(area, np.broadcast_to(inside[None, :], area.shape), code, dashed[:, None])

    def _fill(self, area: palette.Pixels, inside: np.ndarray, code: classes.Codes, dashed: np.ndarray) -> None:
        """Colour by code, textures for what is beyond the scale, dashes for what is below it or nothing."""
        theme, scale = self.theme, self.scale
        fill = np.broadcast_to(code[None, :], area.shape)
        painted = palette.wires(scale, theme.name)[fill]
        wide = np.where(fill >= classes.ABOVE, fill, classes.FIRST).astype(np.uint8)
        palette.textured(painted, wide, scale, theme.name, self.ratio)
        thin = ((code == classes.ZERO) | (code == classes.BELOW))[None, :] & dashed
        inside = inside & ~thin
        area[inside] = painted[inside]

    # -- arrows -------------------------------------------------------------------------------------------------------

    def draw_arrows(self, row: Row, symbol: str, norms: Array | None) -> None:
        """Between wide cells: which way it goes. With the layer's time, or (with norms) the gradient's way back."""
        a, ratio = self.a, self.ratio
        top, bottom = row.lanes[symbol]
        room = (a.body_left[1:] - a.body_right[:-1]).min() / ratio if len(a.body_left) > 1 else 0
        lane = (bottom - top) / ratio
        if room < 4 or lane < 6:
            return
        pairs = slice(a.view.first - 1, a.view.last - 1)
        if row.kind.reverse:
            pairs = slice(a.view.first, a.view.last)
        reached = np.arange(a.view.steps)[a.view.first : a.view.last] < self.length
        middles = ((a.body_right[:-1] + a.body_left[1:]) / 2 / ratio)[reached].tolist()
        sizes = np.full(len(middles), min(3.0, lane / 2))
        colours = [palette.packed(self.theme.forward)] * len(middles)
        if norms is not None:
            codes, shares = self.measures.of(norms)
            codes, shares = codes[pairs][reached], shares[pairs][reached]
            sizes = self.thickness(codes, shares, bottom - top) / ratio / 2 + min(3.5, room / 2, lane / 3)
            sizes[codes >= classes.BELOW] = 0  # a texture speaks for itself
            if self.severed is not None:
                sizes[self.severed[pairs][reached]] = 0
            colours = palette.wires(self.scale, self.theme.name)[codes].tolist()
        way = (1 if norms is None else -1) * (-1 if row.kind.reverse else 1)
        y = a.lane_centre(a.rows.index(row), symbol)
        heads = zip(middles, sizes.tolist(), colours, strict=True)
        long = way * min(10.0, 0.8 * room) / 2
        self._draw_heads(((x, y, half, tone) for x, half, tone in heads), long, upright=False)

    def draw_upright_arrows(self, gap: Gap, k: int, norms: Array | None, shown: np.ndarray, colour: str) -> None:
        """In high gaps between wide cells: up, or (with norms) down."""
        a, ratio = self.a, self.ratio
        left, right = a.slots(gap)[k]
        head = self._head(gap, k)
        if not head:
            return
        seen = np.flatnonzero(shown[a.view.slice])
        middles = ((left + right) / 2 / ratio)[seen].tolist()
        sizes, colours = np.full(len(seen), 2.5), [palette.packed(colour)] * len(seen)
        if norms is not None:
            codes, shares = self.measures.of(norms)
            codes, shares = codes[a.view.slice][seen], shares[a.view.slice][seen]
            sizes = self.thickness(codes, shares, round(0.8 * int((right - left).min()))) / ratio / 2 + 2
            sizes = np.minimum(sizes, (right - left)[seen] / ratio / 2)
            sizes[codes >= classes.BELOW] = 0
            colours = palette.wires(self.scale, self.theme.name)[codes].tolist()
        y = (gap.top / ratio + head / 2) if norms is None else (gap.bottom / ratio - head / 2)
        long = (-1 if norms is None else 1) * head / 2
        heads = zip(middles, sizes.tolist(), colours, strict=True)
        self._draw_heads(((x, y, half, tone) for x, half, tone in heads), long, upright=True)

    def _draw_heads(self, heads: Iterable[tuple[float, float, float, int]], long: float, *, upright: bool) -> None:
        """Triangles (x, y, half their width, colour), their tips `long` from their middles, to the right or (upright)
        down. They stand apart from each other, so those of one colour are filled in one go."""
        paths: dict[int, QPainterPath] = {}
        for x, y, half, colour in heads:
            if not half:
                continue
            path = paths.get(colour)
            if path is None:
                path = paths[colour] = QPainterPath()
            if upright:
                path.moveTo(x, y + long)
                path.lineTo(x - half, y - long)
                path.lineTo(x + half, y - long)
            else:
                path.moveTo(x + long, y)
                path.lineTo(x - long, y - half)
                path.lineTo(x - long, y + half)
            path.closeSubpath()
        painter = self.layer.painter(self.ratio)
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, path in paths.items():
            painter.setBrush(QColor.fromRgb(colour))
            painter.drawPath(path)
        painter.end()

    def _head(self, gap: Gap, k: int) -> float:
        """Logical pixels: how long the arrows on a gap's wire k are; 0: there are none."""
        left, right = self.a.slots(gap)[k]
        high = gap.height / self.ratio
        if high < 7 or self.a.view.pitch < 16 or int((right - left).min()) < 6 * self.ratio:
            return 0.0
        return min(6.0, 0.5 * high)

    # -- measures -----------------------------------------------------------------------------------------------------

    def thickness(self, code: classes.Codes, share: Array, room: int) -> np.ndarray:
        """Device pixels of a gradient's wire in a lane of `room` pixels; `share` of the scale, 0 … 1."""
        thin = max(1, min(round(self.ratio), room))
        widest = max(thin, min(round(RIBBON * self.ratio), round(0.85 * room)))
        thick: np.ndarray = np.maximum(thin, np.round(share * widest).astype(int))
        thick[code >= classes.ABOVE] = widest
        thick[(code == classes.ZERO) | (code == classes.BELOW)] = thin
        return thick

    def _spread(self, codes: classes.Codes, shares: Array) -> tuple[classes.Codes, Array]:
        """Per pixel: of several steps the worst class, and the largest share."""
        view = self.a.view
        return view.cells.spread(codes[view.slice]), np.maximum.reduceat(shares[view.slice], view.cells.starts)

    def _there(self, row: Row) -> np.ndarray:
        """(width,): where a row's wires are."""
        view = self.a.view
        owner = self.a.wire_owner(reverse=row.kind.reverse)
        return (owner >= 0) & (owner < self.length) & (np.arange(view.width) < view.right(self.length))

    def _on_outline(self) -> np.ndarray:
        """(width,): the pixels of the cells' upright outlines, which stay in front of the wires."""
        a = self.a
        found = np.zeros(a.view.width, np.bool_)
        if a.border > 0:
            for x in range(max(1, round(self.ratio))):
                found[a.body_left + x] = True
                found[a.body_right - 1 - x] = True
        return found
