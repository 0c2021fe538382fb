"""The unrolled network: cells with their hidden vectors, the inputs below, the states' wires through them, the loss.

In the backward phase the wires carry the gradient: as wide as the logarithm of its norm. The wire of step t leaves the
cell of step t to the right, so its gradient is ∂L/∂h_t; it changes inside the cells. From wide cells to columns of
pixels everything shrinks steadily; nothing is swapped for something else.
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from engine.quantities import CELL_TITLES, STATES
from engine.requests import Array, Excerpt
from engine.tracks import TrackSpec
from explorer.stage import classes, margins, marked
from explorer.stage.cells import TimeView
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale, magnitude
from explorer.stage.tracks import words
from explorer.stage.tracks.anatomy import Anatomy
from explorer.stage.tracks.base import Block, Readout, TableData, between
from explorer.stage.tracks.network_ink import MARK_SHARE, Ink, bars, draw_chip, marks
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import exact, short

_H = TrackSpec("values.h")
_LEAST_RAMP = 36
"""Logical pixels that the scale of h keeps of its height."""


class Unrolled:
    """Layers: the blank; the forward pass; the backward pass. Above the cells a strip of its own for the loss."""

    thin = False

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = False
        self._excerpt: Excerpt | None = None
        self._scale: Scale | None = None
        self._gradients: Scale = magnitude()
        self._inputs_bound = 1.0
        self._data: Array | None = None
        self._codes: classes.Codes | None = None
        self._norms: dict[str, Array] = {}
        self._blank, self._forward, self._backward = Layer(), Layer(), Layer()
        self._key: object = None
        self._blank_key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._anatomy = Anatomy(self._view, 1, ("h",))
        self._chip = QRectF()
        self._outlines = QImage()

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt = excerpt
        self._scale, self._gradients = book.values(_H, excerpt), book.gradients(excerpt)
        self._inputs_bound = book.inputs(excerpt)
        data = excerpt.shown(_H)
        self._data = data
        self._codes = classes.classify(data, self._scale) if data is not None and self._scale is not None else None
        self._norms = {s: excerpt.norms[f"grads.{s}"] for s in STATES[excerpt.cell]}
        self._key = None

    @property
    def _loss_at_many(self) -> bool:
        return self._excerpt is not None and int(np.count_nonzero(~np.isnan(self._excerpt.losses))) > 1

    def title(self) -> str:
        return "Unrolled network"

    def height_hint(self) -> int:
        return 146

    def stretch(self) -> float:
        return 1.5

    def forget_pixels(self) -> None:
        self._key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        self._view = view
        if key == self._key:
            return
        self._key = key
        states = STATES[self._excerpt.cell] if self._excerpt else ("h",)
        self._anatomy = anatomy = Anatomy(view, height, states, self._loss_at_many)
        blank_key = (key, states, self._loss_at_many, theming.current().name)
        if blank_key != self._blank_key:
            self._blank_key = blank_key
            ink = Ink(anatomy, self._blank.sized(view.width, height))
            ink.draw_blank()
            self._outlines = ink.outlines()
        if self._excerpt is None:
            return
        Ink(anatomy, self._forward.sized(view.width, height)).draw_forward(
            self._excerpt, self._codes, self._scale, self._inputs_bound
        )
        Ink(anatomy, self._forward).draw_cells(self._outlines)
        backward = self._backward.sized(view.width, height)
        backward.pixels()[:] = self._forward.pixels()
        ink = Ink(anatomy, backward)
        for symbol, norms in self._norms.items():
            ink.draw_ribbon(symbol, norms, self._gradients)
        self._chip = ink.draw_losses(self._excerpt)
        ink.draw_arrows(self._norms, self._gradients)
        Ink(anatomy, self._forward).draw_arrows({}, self._gradients)

    def _cuts(self, now: Now) -> tuple[int, int]:
        """Pixels from the left that the forward pass has drawn; the first pixel that the backward pass has."""
        view, a = self._view, self._anatomy
        forward, backward = view.until(now.forward), view.since(now.backward)
        if not view.cells.crowded:
            if view.shows(now.forward) and now.forward < view.steps:
                forward = a.right(now.forward)
            if view.shows(now.backward):
                backward = int(view.centre(now.backward))
        return forward, backward

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        view, a = self._view, self._anatomy
        width, height, ratio = view.width, a.height, view.ratio
        if self._excerpt is None:
            self._blank.blit(painter, origin, part, ratio)
            return
        forward, backward = self._cuts(now)
        top = QRect(0, 0, width, a.cells_top)
        (self._backward if now.loss else self._blank).blit(painter, origin, top.intersected(part), ratio)
        rows = height - a.cells_top
        backward = max(backward, 0)
        for layer, start, end in (
            (self._forward, 0, min(forward, backward)),
            (self._blank, forward, width),
            (self._backward, backward, width),
        ):
            if end > start:
                layer.blit(painter, origin, QRect(start, a.cells_top, end - start, rows).intersected(part), ratio)

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """The cell under the playhead, outlined; the loss, which the cursor must not cut."""
        if self._excerpt is None:
            return
        chip = self._chip.translated(origin)
        if now.loss and not chip.isEmpty() and painter.clipBoundingRect().intersects(chip.adjusted(-2, -2, 2, 2)):
            draw_chip(painter, chip, self._excerpt.loss)
        if not self._view.shows(now.step):
            return
        box = self._anatomy.cell_box(now.step).adjusted(-2, -2, 2, 2)
        if box.width() < 7:
            box = QRectF(box.center().x() - 3.5, box.top(), 7, box.height())
        width = self._view.width / self._view.ratio
        box.moveLeft(min(max(1.0, box.left()), width - box.width() - 1))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theming.current().cursor), 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box.translated(origin), 4, 4)
        painter.restore()

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        view = self._view
        if old.loss != new.loss:
            return [(0, view.width)]
        (f0, b0), (f1, b1) = self._cuts(old), self._cuts(new)
        found = between(f0, f1) + between(b0, b1)
        margin = round(8 * view.ratio)
        for now in (old, new):
            if view.shows(now.step):
                found.append((view.left(now.step) - margin, view.right(now.step) + margin))
        return found

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        e = self._excerpt
        lines: tuple[tuple[str, str], ...] = ()
        if e is not None:
            count = f"{e.hidden_size:,} unit{'s' if e.hidden_size != 1 else ''}"
            lines = ((f"{CELL_TITLES[e.cell]} · {count}", "muted"),)
        bottom = margins.paint_title(painter, box, self.title(), "text", lines)
        theme, font, a = theming.current(), theming.small(), self._anatomy
        if e is None:
            return
        painter.setPen(QColor(theme.muted))
        y = box.top()
        rows = [(a.lane_centre(s), s) for s in a.states] + [(a.inputs_centre, "input x")]
        if not a.too_low:
            rows.append((a.strip_centre, "units of h"))
        taken = marked.width(lines[0][0], font) + GAP
        for centre, text in rows:
            line = QRectF(box.left() + GAP, y + centre - margins.LINE / 2, box.width() - 2 * GAP + 2, margins.LINE)
            beside = taken + marked.width(text, font) + GAP < line.width()
            if line.top() >= bottom - 2 or (beside and line.center().y() > y + 26):
                marked.draw(painter, line, text, font, Qt.AlignmentFlag.AlignRight)

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        if self._excerpt is None:
            return
        theme, font, a = theming.current(), theming.small(), self._anatomy
        strip = a.strip_logical
        bottom = box.top() + strip.bottom() + 1
        foot = self._paint_wedge(painter, box, bottom - _LEAST_RAMP)
        if self._scale is not None and not a.too_low:
            top = max(box.top() + strip.top() - 6, round(foot) - 4)
            margins.paint_scale(painter, QRect(box.left(), top, box.width(), bottom + 7 - top), self._scale)
        painter.setPen(QColor(theme.muted))
        lines = self._input_words()
        y = min(box.top() + a.inputs_centre - len(lines) * margins.LINE / 2, box.bottom() - len(lines) * margins.LINE)
        for text in lines:
            marked.draw(painter, QRectF(box.left() + GAP, y, box.width() - GAP - 1, margins.LINE), text, font)
            y += margins.LINE

    def _paint_wedge(self, painter: QPainter, box: QRect, floor: float) -> float:
        """What a wire's width means, in as many words as there is room for above `floor`. Returns their foot."""
        assert self._excerpt is not None
        theme, font = theming.current(), theming.small()
        low, high = self._gradients.ends
        wedge = QRectF(box.left() + GAP, box.top() + 9, 16, 8)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.backward))
        painter.drawPolygon([wedge.bottomLeft(), wedge.bottomRight(), wedge.topRight()])
        painter.restore()
        y, right = box.top() + 6.0, box.right() - 1
        beside = margins.fitting((f"{low}…{high}", "width"), font, right - wedge.right() - 5)
        symbol = "∂h" if len(self._norms) == 1 else "∂·"
        meaning = (f"width: log ‖∂L/{symbol}‖",) if beside != "width" else (f"log ‖∂L/{symbol}‖",)
        lines = [meaning, margins.mean_of(self._excerpt.batch_size)]
        if beside == "width":
            lines = [(f"{low} to",), (high,), *lines]
        painter.setPen(QColor(theme.muted))
        marked.draw(painter, QRectF(wedge.right() + 5, y, right - wedge.right() - 5, margins.LINE), beside, font)
        for variants in lines:
            text = margins.fitting(variants, font, right - wedge.left())
            if text and y + 2 * margins.LINE <= floor:
                y += margins.LINE
                marked.draw(painter, QRectF(wedge.left(), y, right - wedge.left(), margins.LINE), text, font)
        return y + margins.LINE

    def _input_words(self) -> list[str]:
        """What the bars reach to, and what a circle among them means."""
        assert self._excerpt is not None
        x = self._excerpt.inputs
        shown = x[:, bars(x)]
        bound = f"{self._inputs_bound:g}"
        lines = [f"±{bound}" if bool((shown < 0).any()) else f"0 … {bound}"]
        circled = marks(x)
        if circled:
            sign = "○" if self._view.pitch * MARK_SHARE >= 2.5 else "|"
            lines.append(f"{sign} x_{{{', '.join(str(k + 1) for k in circled[:3])}}} = 1")
        return lines

    def scale_says(self, now: Now) -> object:
        return self._gradients, self._scale, self._input_words() if self._excerpt else (), self._anatomy.height

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return False, False

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        e, t = self._excerpt, now.step
        if e is None or t > now.forward:
            return ""
        said = [f"‖h_t‖ = {short(float(e.norms['values.h'][t - 1]))}"]
        if t >= now.backward:
            said.append(f"‖∂L/∂h_t‖ = {short(float(self._norms['h'][t - 1]))}")
        return " · ".join(said)

    def table(self, now: Now) -> TableData | None:
        """The norms of every layer's states and of their gradients, the read-out's layer last."""
        e = self._excerpt
        if e is None:
            return None
        blocks = []
        for layer in e.layers.values():
            whose = f" · {words.layer(layer)}" if len(e.layers) > 1 else ""
            for kind, known in (("values", now.values(layer.reverse)), ("grads", now.grads(layer.reverse))):
                for s in STATES[layer.cell]:
                    symbol = f"‖∂L/∂{s}‖" if kind == "grads" else f"‖{s}‖"
                    scale = self._gradients if kind == "grads" else None
                    blocks.append(Block((symbol + whose,), layer.norms[f"{kind}.{s}"][:, None], known, scale))
        return TableData(self.title(), tuple(blocks))

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        e, view, a = self._excerpt, self._view, self._anatomy
        if e is None:
            return None
        t = view.step_at(x)
        part = a.part_at(y)
        if part == "loss":
            return self._hover_loss(t, now)
        if t > now.forward:
            return Readout(f"t = {t}", (), "not reached yet")
        if part == "inputs":
            values = tuple(f"x_{k} = {exact(float(v), str(v.dtype))}" for k, v in enumerate(e.inputs[t - 1][:6], 1))
            return Readout(
                f"t = {t} · input", values, "" if e.inputs.shape[1] <= 6 else f"and {e.inputs.shape[1] - 6} more"
            )
        if part == "strip" and self._codes is not None and self._data is not None and self._scale is not None:
            unit = a.rows(self._codes.shape[1]).at(y - a.strip_top)
            return words.readout(_H, t, unit, self._data[t - 1, unit], int(self._codes[t - 1, unit]), self._scale)
        return self._hover_wire(part if part in self._norms else "h", t, now)

    def _hover_wire(self, symbol: str, t: int, now: Now) -> Readout:
        assert self._excerpt is not None
        values = [f"‖{symbol}‖ = {exact(float(self._excerpt.norms[f'values.{symbol}'][t - 1]))}"]
        note = ""
        if t >= now.backward:
            norm = self._norms[symbol][t - 1]
            values.append(f"‖∂L/∂{symbol}‖ = {exact(float(norm))}")
            note = words.class_words(norm, classes.code_of(norm, self._gradients), self._gradients)
        return Readout(f"t = {t}", tuple(values), note)

    def _hover_loss(self, t: int, now: Now) -> Readout:
        assert self._excerpt is not None
        if not now.loss:
            return Readout("Loss", (), "not reached yet")
        total = f"L = {exact(self._excerpt.loss)}"
        here = float(self._excerpt.losses[t - 1])
        if math.isnan(here) and not math.isnan(self._excerpt.loss):
            return Readout(f"t = {t}", (total,), "no loss at this step")
        return Readout(f"t = {t}", (f"this step’s part = {exact(here)}", total))

    def hover_scale(self, now: Now) -> Readout | None:
        if self._excerpt is None:
            return None
        low, high = self._gradients.ends
        values = [f"a wire’s width: log_{{10}} of its gradient’s norm, {low} … {high}"]
        values += [f"the norm is the {text}" for text in margins.mean_of(self._excerpt.batch_size)[:1]]
        if self._scale is not None:
            values.append(f"h: {' … '.join(self._scale.ends)}")
        return Readout("Scales, fixed", tuple(values))
