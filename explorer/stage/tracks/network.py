"""The unrolled network: layers as rows over the inputs, time as columns, each cell with its hidden vector as a strip.

In the backward phase the wires carry the gradient: as wide as the logarithm of its norm, and in its colour. The wire of
step t leaves the cell of step t, to the right or, in a reverse row, to the left, so its gradient is ∂L/∂h_t; it changes
inside the cells. What goes down from row to row is the gradient of what the upper row reads. From wide cells to columns
of pixels, and from one row to thirty-two, everything shrinks steadily; nothing is swapped for something else.
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from engine.quantities import STATES
from engine.requests import Excerpt
from explorer.stage import borders, palette
from explorer.stage.cells import TimeView
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale, magnitude
from explorer.stage.tracks import network_margins, network_pulse, words
from explorer.stage.tracks.anatomy import Anatomy, Gap, RowKind, Wire
from explorer.stage.tracks.base import Block, Readout, TableData, Taken, between
from explorer.stage.tracks.network_hover import Hover
from explorer.stage.tracks.network_ink import Ink
from explorer.stage.tracks.network_loss import LossInk, draw_chip
from explorer.stage.tracks.network_reach import BLANK, GRADS, VALUES, Reach, State
from explorer.stage.tracks.network_rows import LayerRow, Reading, rows_of
from explorer.stage.tracks.network_wires import Measures, WireInk
from explorer.theme import current as theming
from explorer.widgets.numbers import short

_NO_ROWS = (RowKind("l0", ("h",), False),)
_HEIGHT_OF_ONE = 84
_MOST_HEIGHT = 460


class Unrolled:
    """Layers: the blank; the forward pass; the backward pass; and, where there are reverse rows, which the tape reaches
    from the other end, every mixture of these by direction."""

    thin = False

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = False
        self._excerpt: Excerpt | None = None
        self._rows: tuple[LayerRow, ...] = ()
        self._reading: Reading | None = None
        self._gradients: Scale = magnitude()
        self._measures = Measures(self._gradients)
        self._inputs_bound = 1.0
        self._blank, self._forward, self._backward = Layer(), Layer(), Layer()
        self._mixed: dict[tuple[State, State], Layer] = {}
        self._key: object = None
        self._blank_key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._anatomy = Anatomy(self._view, 1, _NO_ROWS)
        self._reach = Reach(self._anatomy)
        self._chip, self._chip_words = QRectF(), ""
        self._outlines = QImage()

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        rows, gradients, bound = rows_of(excerpt, book), book.gradients(excerpt), book.inputs(excerpt)
        same_rows = len(rows) == len(self._rows) and all(a.same(b) for a, b in zip(rows, self._rows, strict=True))
        if not same_rows or (gradients, bound) != (self._gradients, self._inputs_bound) or not self._same_ends(excerpt):
            self._key = None
            self._rows, self._measures = rows, Measures(gradients, excerpt.longest)
        self._excerpt, self._gradients, self._inputs_bound = excerpt, gradients, bound
        self._reading = Reading(excerpt)

    def _same_ends(self, excerpt: Excerpt) -> bool:
        """Whether inputs and losses are the very same, and the gradient's wires cut at the same steps."""
        old = self._excerpt
        return (
            old is not None
            and old.inputs is excerpt.inputs
            and old.losses is excerpt.losses
            and old.truncation == excerpt.truncation
        )

    def title(self) -> str:
        return "Unrolled network"

    def height_hint(self) -> int:
        rows = max(1, len(self._rows))
        return 62 + min(_MOST_HEIGHT, round(_HEIGHT_OF_ONE * math.pow(rows, 0.62)))

    def stretch(self) -> float:
        return 1.5

    def forget_pixels(self) -> None:
        self._key = self._blank_key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        self._view = view
        if key == self._key:
            return
        self._key = key
        kinds = tuple(row.kind for row in self._rows) or _NO_ROWS
        bars = self._reading is not None and self._reading.at_every
        self._anatomy = a = Anatomy(view, height, kinds, bars=bars)
        self._reach = Reach(a)
        length = self._excerpt.length if self._excerpt is not None else view.steps
        blank_key = (key, kinds, bars, length, theming.current().name)
        if blank_key != self._blank_key:
            self._blank_key = blank_key
            ink = Ink(a, self._blank.sized(view.width, height))
            ink.draw_blank()
            self._outlines = ink.outlines(length)
        if self._excerpt is None or self._reading is None:
            return
        ink = Ink(a, self._forward.sized(view.width, height))
        ink.draw_forward(self._rows, self._excerpt, self._inputs_bound)
        wires = WireInk(a, self._forward, self._measures, length)
        for row in a.rows:
            wires.draw_values(row)
        self._draw_stems(wires)
        ink.draw_cells(self._outlines)
        backward = self._backward.sized(view.width, height)
        backward.pixels()[:] = self._forward.pixels()
        self._draw_backward(WireInk(a, backward, self._measures, length, borders.severed(self._excerpt)))
        loss = LossInk(a, backward, self._reading)
        self._chip = loss.draw()
        self._chip_words = loss.words
        for row in a.rows:
            for symbol in row.kind.states:
                wires.draw_arrows(row, symbol, None)
        self._mix()

    def _shown(self, gap: Gap, wire: Wire) -> np.ndarray:
        """(T,): the steps at which a wire is there: not in the padding, and to the loss only where it reads."""
        assert self._excerpt is not None
        assert self._reading is not None
        shown = np.zeros(self._excerpt.steps, bool)
        shown[: self._excerpt.length] = True
        if gap is self._anatomy.top_gap:
            row = self._rows[wire.row]
            shown &= self._reading.of(reverse=row.layer.reverse) | (
                row.way(wire) != 0
            )  # other samples may end elsewhere
        return shown

    def _draw_stems(self, ink: WireInk) -> None:
        assert self._reading is not None
        theme = theming.current()
        for gap in self._anatomy.gaps:
            for k, wire in enumerate(gap.wires):
                shown = self._shown(gap, wire)
                if gap is self._anatomy.top_gap:
                    self._draw_reading(ink, gap, k, wire, shown)
                else:
                    ink.draw_stems(gap, k, theme.forward, shown, self._anatomy.border)
                    ink.draw_upright_arrows(gap, k, None, shown, theme.forward)

    def _draw_reading(self, ink: WireInk, gap: Gap, k: int, wire: Wire, shown: np.ndarray) -> None:
        """From the loss to what it reads: once, the pole of its flag; everywhere, as quiet as the cells' outlines."""
        assert self._reading is not None
        loss, weights = theming.current().loss, self._reading.weights
        read = self._reading.of(reverse=self._rows[wire.row].layer.reverse) & shown
        if weights is not None:
            ink.draw_weights(gap, k, loss, read, weights / (float(np.max(weights)) or 1.0))
        else:
            ink.draw_stems(gap, k, loss, read, 1.0 if self._reading.kind == "last" else self._anatomy.border)

    def _draw_backward(self, ink: WireInk) -> None:
        for row, data in zip(self._anatomy.rows, self._rows, strict=True):
            for symbol, norms in data.wires.items():
                ink.draw_ribbon(row, symbol, norms)
        ground = palette.packed(theming.current().ground)
        for gap in self._anatomy.gaps:
            ink.layer.pixels()[gap.top : gap.bottom] = ground
            for k, wire in enumerate(gap.wires):
                norms, shown = self._rows[wire.row].way(wire), self._shown(gap, wire)
                ink.draw_upright(gap, k, norms, shown)
                ink.draw_upright_arrows(gap, k, norms, shown, theming.current().backward)
        for row, data in zip(self._anatomy.rows, self._rows, strict=True):
            for symbol, norms in data.wires.items():
                ink.draw_arrows(row, symbol, norms)

    def _mix(self) -> None:
        """The whole picture once more for every pair of states of the two directions that the tape passes."""
        a = self._anatomy
        if a.one_way:
            self._mixed = {}
            return
        pictures = {VALUES: self._forward, GRADS: self._backward, BLANK: self._blank}
        for pair in ((VALUES, BLANK), (BLANK, VALUES), (GRADS, VALUES), (VALUES, GRADS)):
            pixels = self._mixed.setdefault(pair, Layer()).sized(a.view.width, a.height).pixels()
            forward, reverse = (pictures[state].pixels() for state in pair)
            pixels[:] = forward if pair[0] != BLANK else reverse  # an input is there when either has read it
            for row in a.rows:
                pixels[row.top : row.bottom] = (reverse if row.kind.reverse else forward)[row.top : row.bottom]
            for gap in a.gaps:
                here = slice(gap.top, gap.bottom)
                pixels[here] = np.where(a.of_reverse(gap), reverse[here], forward[here])

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        a, ratio = self._anatomy, self._view.ratio
        if self._excerpt is None:
            self._blank.blit(painter, origin, part, ratio)
            return
        pictures = {
            **self._mixed,
            (VALUES, VALUES): self._forward,
            (GRADS, GRADS): self._backward,
            (BLANK, BLANK): self._blank,
        }
        zone = QRect(0, 0, a.view.width, a.top_gap.top)
        (self._backward if now.loss else self._blank).blit(painter, origin, zone.intersected(part), ratio)
        reached = self._reach.at(now)
        bands = [(a.top_gap.top, a.cells_top, reached.above), (a.cells_top, a.height, reached.rows)]
        bands += [(gap.top, gap.bottom, reached.gaps) for gap in a.gaps[:-1]] if now.loss else []
        for top, bottom, stretches in bands:
            for start, end, states in stretches:
                if start > part.right() or end <= part.left():
                    continue
                seen = QRect(start, top, end - start, bottom - top).intersected(part)
                if not seen.isEmpty():
                    pictures.get(states, self._blank).blit(painter, origin, seen, ratio)

    def _at(self, row: RowKind, now: Now) -> int:
        """The step that a row is at: each direction has gone as many of its own."""
        return self._view.steps + 1 - now.step if row.reverse else now.step

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """The cells that the tape is at, outlined, that of the cell panel most; the loss, which the cursor must not
        cut."""
        if self._excerpt is None:
            return
        chip = self._chip.translated(origin)
        if now.loss and not chip.isEmpty() and painter.clipBoundingRect().intersects(chip.adjusted(-2, -2, 2, 2)):
            draw_chip(painter, chip, self._chip_words)
        a, theme = self._anatomy, theming.current()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for place, row in enumerate(a.rows):
            t = self._at(row.kind, now)
            chosen = row.kind.name == self._excerpt.layer
            if not self._view.shows(t) or not (chosen or row.kind.reverse):
                continue
            box = self._outline(t, place).translated(origin)
            painter.setPen(QPen(QColor(theme.cursor if chosen else theme.muted), 1.6 if chosen else 1.0))
            painter.drawRoundedRect(box, 4, 4)
        painter.restore()

    def _outline(self, t: int, place: int) -> QRectF:
        """Around a cell; never so narrow that it cannot be seen."""
        out = min(2.0, max(0.5, self._anatomy.row_height / self._view.ratio / 12))
        box = self._anatomy.cell_box(t, place).adjusted(-2, -out, 2, out)
        if box.width() < 7:
            box = QRectF(box.center().x() - 3.5, box.top(), 7, box.height())
        width = self._view.width / self._view.ratio
        box.moveLeft(min(max(1.0, box.left()), width - box.width() - 1))
        return box

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        view = self._view
        if old.loss != new.loss:
            return [(0, view.width)]
        found = []
        for whole in (False, True):
            before, after = self._reach.cuts(old, whole=whole), self._reach.cuts(new, whole=whole)
            for start, end in zip(before, after, strict=True):
                found += between(start, end)
        margin = round(8 * view.ratio)
        for now in (old, new):
            for row in self._directions():
                t = self._at(row, now)
                if view.shows(t):
                    found.append((view.left(t) - margin, view.right(t) + margin))
        return found

    def _directions(self) -> list[RowKind]:
        """One row of each direction that there is."""
        return list({row.kind.reverse: row.kind for row in self._anatomy.rows}.values())

    # -- a pulse between two steps (explorer.stage.pulse) -------------------------------------------------------------

    def pulse_boxes(self, now: Now) -> list[tuple[int, int]]:
        """Device pixels (from, to) of the data that a pulse into this moment passes; [] where there is none."""
        return network_pulse.boxes(self._anatomy, now) if self._excerpt is not None else []

    def paint_pulse(self, painter: QPainter, origin: QPoint, now: Now, share: float) -> None:
        if self._excerpt is not None:
            severed = borders.stop(self._excerpt, now.step + 1) == "all"
            a, rows = self._anatomy, self._rows
            network_pulse.paint(painter, origin, a, rows, self._gradients, now, share, severed=severed)

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        network_margins.paint_header(painter, box, self.title(), self._excerpt, self._rows, self._anatomy)

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        if self._excerpt is not None:
            network_margins.paint_scale(
                painter, box, self._excerpt, self._rows, self._anatomy, self._gradients, self._inputs_bound
            )

    def scale_says(self, now: Now) -> object:
        words = network_margins.input_words(self._excerpt, self._inputs_bound, self._view) if self._excerpt else ()
        return self._gradients, tuple(row.scale for row in self._rows), words, self._anatomy.height

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return False, False

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        e, t = self._excerpt, now.step
        if e is None or t > now.forward:
            return ""
        if 0 < e.longest < t:
            return words.PADDING
        said = [f"‖h_t‖ = {short(float(e.norms['values.h'][t - 1]))}"]
        if t >= now.backward:
            said.append(f"‖∂L/∂h_t‖ = {short(float(e.norms['grads.h'][t - 1]))}")
        return " · ".join(said)

    def taken(self, now: Now) -> tuple[Taken, ...]:
        """The norms of the cell that the cell panel shows, and of their gradients."""
        if self._excerpt is None or self._reading is None:
            return ()
        hover = Hover(self._excerpt, self._rows, self._reading, self._gradients)
        row = next((row for row in self._rows if row.layer.name == self._excerpt.layer), self._rows[-1])
        t = self._at(row.kind, now)
        if t > self._excerpt.length:
            return ()
        return tuple(one for symbol in row.kind.states for one in hover.norms(row, symbol, t, now))

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
                    norms = layer.norms[f"{kind}.{s}"][:, None]
                    blocks.append(Block((symbol + whose,), norms, known, scale, layer.longest))
        return TableData(self.title(), tuple(blocks))

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        if self._excerpt is None or self._reading is None:
            return None
        return Hover(self._excerpt, self._rows, self._reading, self._gradients).at(self._anatomy, x, y, now)

    def hover_scale(self, now: Now) -> Readout | None:
        if self._excerpt is None:
            return None
        return network_margins.scale_readout(self._excerpt, self._rows, self._gradients)
