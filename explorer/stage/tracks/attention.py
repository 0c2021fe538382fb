"""The weights of the attention read-out, α_t: what each step counts in Σ α_t h_t. They are known when the forward pass
is done, since each hangs on all the others."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QPainter

from engine.requests import Array, Excerpt
from engine.tracks import parse
from explorer.stage import classes, margins, palette
from explorer.stage.blank import draw_blank
from explorer.stage.cells import TimeView, cells
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, Scale
from explorer.stage.tracks import strip, words
from explorer.stage.tracks.base import Block, Readout, TableData, Taken
from explorer.theme import current as theming
from explorer.widgets.numbers import short, told_apart

_RULE = "α_t = softmax over t of vᵀ tanh(W y_t + b)"
"""Bahdanau et al. 2015, without a query; y is the last layer's output."""


class Attention:
    """Layers: the blank, and the weights."""

    thin = True

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = False
        self._track = parse(key)
        self._excerpt: Excerpt | None = None
        self._weights: Array | None = None
        self._scale: Scale = GATE
        self._codes: classes.Codes = np.empty(0, np.uint8)
        self._blank, self._full = Layer(), Layer()
        self._key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._height = 1

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt, self._weights, self._key = excerpt, excerpt.shown(self._track), None
        self._scale = book.of_attention(self._weights)
        if self._weights is not None:
            masked = np.arange(excerpt.steps) >= excerpt.length
            self._codes = classes.classify(self._weights, self._scale, masked)

    def title(self) -> str:
        return "Attention α"

    def height_hint(self) -> int:
        return 84

    def stretch(self) -> float:
        return 1.6

    def forget_pixels(self) -> None:
        self._key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        self._view, self._height = view, height
        if key == self._key:
            return
        self._key = key
        draw_blank(self._blank.sized(view.width, height), view.cells, cells(height, height), view.ratio)
        if self._weights is None:
            return
        theme, codes = theming.current(), self._codes[view.slice]
        pixels = self._full.sized(view.width, height).pixels()
        special = strip.draw(pixels, self._weights[view.slice], codes, self._scale, view, theme)
        if special.any():
            spread = np.broadcast_to(special, pixels.shape)
            palette.textured(pixels, spread, self._scale, theme.name, view.ratio, source=codes)

    def _is_known(self, now: Now) -> bool:
        return now.loss and self._weights is not None

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        ratio = self._view.ratio
        (self._full if self._is_known(now) else self._blank).blit(painter, origin, part, ratio)
        if self._weights is None and self._excerpt is not None:
            box = QRect(origin.x(), origin.y(), round(self._view.width / ratio), round(self._height / ratio))
            margins.paint_note(painter, box, self._why_empty(self._excerpt))

    def _why_empty(self, excerpt: Excerpt) -> str:
        if not excerpt.readout:
            return "Attention weights are not known of a recorded trace."
        return "On its way…" if excerpt.readout == "attention" else "The read-out has no attention."

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        pass

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        return [(0, self._view.width)] if self._is_known(old) != self._is_known(new) else []

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        ends = f"height: {' … '.join(self._scale.ends)}"
        lines = tuple((text, "muted") for text in ("read-out: Σ α_t h_t", "sums to 1 over t", ends))
        margins.paint_title(painter, box, self.title(), "text", lines)

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        e = self._excerpt
        whose = margins.sample_of(e.sample, e.batch_size) if e is not None else ()
        margins.paint_scale(painter, box, self._scale, self._counts(now), notes=margins.Notes(whose))

    def _counts(self, now: Now) -> dict[int, int]:
        if not self._is_known(now):
            return {}
        return {code: int(np.count_nonzero(self._codes == code)) for code in classes.COUNTED}

    def scale_says(self, now: Now) -> object:
        return self._scale, self._counts(now)

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return False, self._is_known(old) != self._is_known(new)

    def table(self, now: Now) -> TableData | None:
        e, weights = self._excerpt, self._weights
        if e is None or weights is None:
            return None
        known = (1, e.steps) if self._is_known(now) else (1, 0)
        return TableData(self.title(), (Block(("α",), weights[:, None], known, self._scale, e.length),))

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        if self._weights is None or self._excerpt is None:
            return None
        if not self._is_known(now):
            return Readout(f"t = {self._view.step_at(x)}", ("α",), "not reached yet: known after the forward pass")
        first, last = self._view.steps_at(x)
        block = self._codes[first - 1 : last]
        t = first + int(np.argmax(block))
        if self._codes[t - 1] == classes.UNDEFINED:
            return Readout(f"t = {t}", ("α",), f"padding: this sample ends at t = {self._excerpt.length}")
        even = f"{1 / self._excerpt.length:.3g} if all counted alike"
        shared = f"the largest of {len(block):,} in this pixel" if len(block) > 1 else ""
        said = "exactly 0" if self._codes[t - 1] == classes.ZERO else ""
        note = " · ".join(part for part in (said, even, shared) if part)
        taken = Taken("α", t, told_apart(float(self._weights[t - 1]), self._excerpt.dtype))
        return Readout(f"t = {t}", (f"α_{{{t}}} = {taken.value}",), note, taken=(taken,))

    def at_playhead(self, now: Now) -> str:
        t = now.step
        if self._weights is None or self._excerpt is None or not self._is_known(now):
            return ""
        return words.PADDING if t > self._excerpt.length else f"α = {short(float(self._weights[t - 1]))}"

    def taken(self, now: Now) -> tuple[Taken, ...]:
        t = now.step
        if self._weights is None or self._excerpt is None or not self._is_known(now) or t > self._excerpt.length:
            return ()
        return (Taken("α", t, told_apart(float(self._weights[t - 1]), self._excerpt.dtype)),)

    def hover_scale(self, now: Now) -> Readout | None:
        kept = "it stays until another is chosen in the track's menu"
        return Readout(f"Scale {' … '.join(self._scale.ends)}: {kept}", (_RULE,), "y: the last layer’s output")
