"""Gradient-norm curves: ‖∂L/∂h_t‖ (and c) over time, on the session's fixed logarithmic scale."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from engine.quantities import STATES
from engine.requests import Array, Excerpt
from explorer.stage import classes, margins, marked, palette
from explorer.stage.cells import TimeView
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale, magnitude
from explorer.stage.tracks import slope, tabled, words
from explorer.stage.tracks.base import Readout, TableData
from explorer.stage.tracks.curve_ink import EDGE, edge_marks, pen_of
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, Theme
from explorer.widgets.numbers import exact, short

VANISHING, EXPLODING = 1e-6, 1e6
"""Against the last step's norm; the verdict's own thresholds (engine.requests.Verdict)."""
_DOT = 6


class _Words(NamedTuple):
    """A place for a region's words."""

    tone: str
    text: str
    place: QRect

    @property
    def left(self) -> int:
        return self.place.left()

    @property
    def right(self) -> int:
        return self.place.right() + 1


class NormCurves:
    """Layers: the empty axes; the axes with the regions, once the last step's norm is known; those with the curves."""

    thin = False

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = True
        self._excerpt: Excerpt | None = None
        self._against = ""
        self._scale: Scale = magnitude()
        self._norms: dict[str, Array] = {}
        self._logs: dict[str, Array] = {}
        self._codes: dict[str, classes.Codes] = {}
        self._slopes: dict[str, slope.Slopes] = {}
        self._axes, self._regions, self._full = Layer(), Layer(), Layer()
        self._key: object = None
        self._axes_key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._height = 1
        self._places: list[list[_Words]] = []
        self._crossings: dict[_Words, int] = {}
        self._curves: list[Array] = []
        self._middles: Array = np.empty(0)

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt, self._scale = excerpt, book.gradients(excerpt)
        self._norms = {s: excerpt.norms[f"grads.{s}"] for s in STATES[excerpt.cell]}
        with np.errstate(divide="ignore", invalid="ignore"):
            self._logs = {s: np.log10(a) for s, a in self._norms.items()}
        self._codes = {s: classes.classify(a, self._scale) for s, a in self._norms.items()}
        normal = float(np.finfo(excerpt.dtype).tiny)
        self._slopes = {
            s: slope.Slopes(a, (self._codes[s] <= classes.LAST) & (self._norms[s] >= normal))
            for s, a in self._logs.items()
        }
        losses = int(np.count_nonzero(~np.isnan(excerpt.losses)))
        self._against = words.last_norm(losses, excerpt.steps, excerpt.verdict.loss_step)
        self._key = None

    def title(self) -> str:
        return "Gradient norm"

    def height_hint(self) -> int:
        return 148

    def stretch(self) -> float:
        return 1.9

    def forget_pixels(self) -> None:
        self._key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        self._view, self._height = view, height
        if key == self._key:
            return
        self._key = key
        theme = theming.current()
        box = QRectF(0, 0, view.width / view.ratio, height / view.ratio)
        axes_key = (key, self._scale, self._thresholds() if self._excerpt else None, theme.name)
        if axes_key != self._axes_key:
            self._axes_key = axes_key
            for layer in (self._axes, self._regions):
                pixels = layer.sized(view.width, height).pixels()
                pixels[:] = palette.packed(theme.ground)
                if layer is self._regions:
                    self._draw_regions(pixels, box, theme)
                self._draw_grid(pixels, theme)
                del pixels
        self._full.sized(view.width, height).pixels()[:] = self._regions.pixels()
        painter = self._full.painter(view.ratio)
        for symbol, colour in self._colours(theme).items():
            self._draw_curve(painter, symbol, QColor(colour))
        painter.end()
        self._find_places()

    def _colours(self, theme: Theme) -> dict[str, str]:
        return dict(zip(self._norms, (theme.backward, theme.series[1]), strict=False))

    def _y(self, log: float) -> float:
        """Logical y of a decimal logarithm."""
        return float(self._y_of(np.asarray(log)))

    def _y_of(self, logs: Array) -> Array:
        low, high = self._scale.decades
        height = self._height / self._view.ratio
        with np.errstate(invalid="ignore"):
            return height - EDGE - (logs - low) / (high - low) * (height - 2 * EDGE)

    def _decades(self) -> range:
        """The decades that have a grid line: as many as have room."""
        low, high = self._scale.decades
        room = (self._height / self._view.ratio - 2 * EDGE) / (high - low)
        every = next((n for n in (2, 4, 6, 10, 20, 40, 100) if n * room >= 15), 200)
        start = math.ceil(low / every) * every
        return range(start, high + 1, every)

    def _draw_grid(self, pixels: palette.Pixels, theme: Theme) -> None:
        """Lines one device pixel thin."""
        rows = np.round(self._y_of(np.asarray(self._decades(), np.float64)) * self._view.ratio).astype(int)
        pixels[rows[(rows >= 0) & (rows < self._height)]] = palette.packed(theme.line)

    def _thresholds(self) -> tuple[float, float] | None:
        """log10 of the norms below which a gradient has vanished, and above which it has exploded."""
        last = float(self._logs["h"][-1]) if self._logs else -math.inf
        return (last + math.log10(VANISHING), last + math.log10(EXPLODING)) if math.isfinite(last) else None

    def _region_boxes(self, box: QRectF) -> list[tuple[QRectF, str, tuple[str, ...]]]:
        """Area, tone, and what to say there, from the longest wording to the shortest."""
        limits = self._thresholds()
        if limits is None:
            return []
        bottom, top = self._y(limits[0]), self._y(limits[1])
        found: list[tuple[QRectF, str, tuple[str, ...]]] = []
        if bottom < box.height() - EDGE:
            area = QRectF(0, max(0.0, bottom), box.width(), box.height() - max(0.0, bottom))
            limit = f"below 1e-6 of {self._against}"
            found.append((area, "vanishing", (f"▼ vanishing: {limit}", f"▼ {limit}", "▼ vanishing")))
        if top > EDGE:
            area = QRectF(0, 0, box.width(), min(top, box.height()))
            limit = f"above 1e6 of {self._against}"
            found.append((area, "exploding", (f"▲ exploding: {limit}", f"▲ {limit}", "▲ exploding")))
        return found

    def _draw_regions(self, pixels: palette.Pixels, box: QRectF, theme: Theme) -> None:
        ratio = self._view.ratio
        thick = max(1, round(ratio))
        for area, tone, _ in self._region_boxes(box):
            colour = getattr(theme, tone)
            top, bottom = round(area.top() * ratio), round(area.bottom() * ratio)
            pixels[top:bottom] = palette.packed(palette.mix(theme.ground, colour, 0.11))
            edge = slice(top, top + thick) if tone == "vanishing" else slice(max(0, bottom - thick), bottom)
            pixels[edge] = palette.packed(palette.mix(theme.ground, colour, 0.5))

    def _find_places(self) -> None:
        """Where the regions' words can stand, best first."""
        view, font = self._view, theming.small()
        box = QRectF(0, 0, view.width / view.ratio, self._height / view.ratio)
        x = (view.cells.left + view.cells.right) / (2 * view.ratio)
        self._curves = [self._y_of(logs[view.slice]) for logs in self._logs.values()]
        self._middles = x
        self._places = []
        self._crossings.clear()
        for area, tone, texts in self._region_boxes(box):
            area = area.adjusted(0, EDGE, 0, -EDGE)
            if area.height() < margins.LINE + 4:
                continue
            found = []
            for text in texts:
                width = marked.width(text, font) + 2 * GAP
                if width > area.width():
                    continue
                for y in (area.bottom() - margins.LINE, area.top()):
                    for left in (area.right() - width, area.left(), area.center().x() - width / 2):
                        line = QRectF(left, y, width, margins.LINE)
                        found.append(_Words(tone, text, line.toAlignedRect()))
            self._places.append(found)

    def _crossed(self, said: _Words) -> int:
        """The latest step on screen whose points run through the words; 0: none. Found out when it is asked for."""
        if said not in self._crossings:
            x, place = self._middles, said.place
            beside = np.flatnonzero((x > said.left - 6) & (x < said.right + 6))
            latest = 0
            for curve in self._curves:
                y = curve[beside]
                hit = beside[(y > place.top() - 4) & (y < place.bottom() + 5)]
                latest = max(latest, int(hit[-1]) + self._view.first) if hit.size else latest
            self._crossings[said] = latest
        return self._crossings[said]

    def _words(self, now: Now) -> list[_Words]:
        """The regions' words and their places, clear of the cursor and of what is known of the curves."""
        cursor = self._view.centre(now.step) / self._view.ratio
        free = (
            next((w for w in places if not w.left - 3 < cursor < w.right + 3 and self._crossed(w) < now.backward), None)
            for places in self._places
        )
        return [words for words in free if words is not None]

    def _draw_curve(self, painter: QPainter, symbol: str, colour: QColor) -> None:
        view = self._view
        logs, codes = self._logs[symbol][view.slice], self._codes[symbol][view.slice]
        on = (codes >= classes.FIRST) & (codes <= classes.LAST)
        if view.cells.crowded:
            starts = view.cells.starts
            x = (np.arange(view.width) + 0.5).repeat(2) / view.ratio
            top = np.maximum.reduceat(np.where(on, logs, -np.inf), starts)
            bottom = np.minimum.reduceat(np.where(on, logs, np.inf), starts)
            y = np.stack([top, bottom], axis=1).ravel()
        else:
            x = (view.cells.left + view.cells.right) / (2 * view.ratio)
            y = np.where(on, logs, np.inf)
        painter.setPen(pen_of(symbol, colour))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        path = QPainterPath()  # from T backwards: the dashes must not depend on what is not reached
        pen_down = False
        ys = self._y_of(np.clip(y, -1e4, 1e4))
        for px, py, here in zip(x[::-1].tolist(), ys[::-1].tolist(), np.isfinite(y[::-1]).tolist(), strict=True):
            if not here:
                pen_down = False
            elif pen_down:
                path.lineTo(px, py)
            else:
                path.moveTo(px, py)
                path.lineTo(px + 0.01, py)  # a lone point is seen too
                pen_down = True
        painter.drawPath(path)
        edge_marks(painter, codes, view, self._height, self._scale)

    # -- painting -----------------------------------------------------------------------------------------------------

    def _cut(self, now: Now) -> int:
        """A curve ends at the middle of the last step that is known: beyond lies the way to what is not."""
        view = self._view
        if not view.shows(now.backward) or now.backward == 1:
            return view.since(now.backward)
        if view.cells.crowded:  # the pen is wider than a pixel and leans towards what is not known
            return min(view.width, view.since(now.backward) + round(2 * view.ratio))
        return int(view.centre(now.backward))

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        view = self._view
        if self._excerpt is None or now.backward > view.steps:
            self._axes.blit(painter, origin, part, view.ratio)
            return
        cut = self._cut(now)
        self._regions.blit(painter, origin, QRect(0, 0, cut, self._height).intersected(part), view.ratio)
        right = QRect(cut, 0, view.width - cut, self._height)
        self._full.blit(painter, origin, right.intersected(part), view.ratio)
        font = theming.small()
        for said in self._words(now):
            painter.setPen(QColor(getattr(theming.current(), said.tone)))
            line = QRectF(said.place.translated(origin))
            marked.draw(painter, line, said.text, font, Qt.AlignmentFlag.AlignHCenter)

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """The newest point of each curve."""
        if self._excerpt is None or not self._view.shows(now.backward):
            return
        theme = theming.current()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x = origin.x() + self._view.centre(now.backward) / self._view.ratio
        for symbol, colour in self._colours(theme).items():
            code = self._codes[symbol][now.backward - 1]
            if classes.FIRST <= code <= classes.LAST:
                y = origin.y() + self._y(float(self._logs[symbol][now.backward - 1]))
                painter.setPen(QPen(QColor(theme.ground), 1.5))
                painter.setBrush(QColor(colour))
                painter.drawEllipse(QPointF(x, y), 4.2, 4.2)
        painter.restore()

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        T, ratio = self._view.steps, self._view.ratio
        if (old.backward > T) != (new.backward > T):
            return [(0, self._view.width)]
        found = []
        if old.backward != new.backward:
            margin = round(_DOT * ratio)
            a, b = sorted((self._cut(old), self._cut(new)))
            found.append((a - margin, b + margin))
        if old.backward <= T:
            before, after = self._words(old), self._words(new)
            moved = [w.place for w in before + after] if before != after else []
            found += [(round(place.left() * ratio), round((place.right() + 1) * ratio)) for place in moved]
        return found

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        theme, font = theming.current(), theming.small()
        mean = margins.mean_of(self._excerpt.batch_size) if self._excerpt else ()
        note = margins.fitting(mean, font, margins.text_room(box))
        y = margins.paint_title(painter, box, self.title(), "text", ((note, "muted"),) if note else ())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, width = box.left() + GAP + 1, box.width() - GAP - 5
        for symbol, colour in self._colours(theme).items():
            if y + margins.LINE > box.bottom():
                return
            painter.setPen(pen_of(symbol, QColor(colour)))
            middle = y + margins.LINE / 2
            painter.drawLine(QPointF(left + 1, middle), QPointF(left + 14, middle))
            painter.setPen(QColor(theme.text))
            name = f"‖\u2009∂L/∂{symbol}_t\u2009‖"
            marked.draw(painter, QRectF(left + 19, y, width - 19, margins.LINE), name, font)
            y += margins.LINE
            painter.setPen(QColor(theme.muted))
            for texts in self._slope_words(symbol, now):
                if y + margins.LINE > box.bottom():
                    return
                text = margins.fitting(texts, font, width + 1)
                marked.draw(painter, QRectF(left, y, width + 1, margins.LINE), text, font)
                y += margins.LINE

    def _slope_words(self, symbol: str, now: Now) -> list[tuple[str, ...]]:
        """Lines, each from its longest wording to its shortest: the slope, and of which steps where not of all."""
        measured = self._slopes[symbol].since(now.backward)
        if measured is None:
            return []
        said = words.slope(measured)
        lines: list[tuple[str, ...]] = [(f"{said} decades a step", f"{said} dec. a step", f"{said} dec.")]
        span = self._slopes[symbol].span(now.backward)
        return [*lines, (f"t = {span[0]}…{span[1]}", f"{span[0]}…{span[1]}")] if span else lines

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        painter.setPen(QColor(theming.current().muted))
        font = theming.small()
        last_y = math.inf
        for decade in self._decades():
            y = box.top() + self._y(decade)
            if last_y - y >= margins.LINE - 2:
                marked.draw(
                    painter,
                    QRectF(box.left() + 7, y - margins.LINE / 2, box.width() - 8, margins.LINE),
                    f"1e{decade}",
                    font,
                )
                last_y = y

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        header = any(self._slope_words(symbol, old) != self._slope_words(symbol, new) for symbol in self._slopes)
        return header, False

    def scale_says(self, now: Now) -> object:
        return self._scale

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        if self._excerpt is None or now.step < now.backward:
            return ""
        return " · ".join(f"‖∂L/∂{s}_t‖ = {short(float(norms[now.step - 1]))}" for s, norms in self._norms.items())

    def table(self, now: Now) -> TableData | None:
        curves = {f"‖∂L/∂{s}‖": norms for s, norms in self._norms.items()}
        return tabled.of_curves(self.title(), curves, now.grads(), self._scale)

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        if self._excerpt is None:
            return None
        first, _ = self._view.steps_at(x)
        t = self._view.step_at(x)
        if first < now.backward:
            return Readout(f"t = {t}", ("‖∂L/∂h‖",), "not reached yet")
        values, notes = [], []
        for symbol, norms in self._norms.items():
            values.append(f"‖∂L/∂{symbol}‖ = {exact(float(norms[t - 1]))}")
            said = words.class_words(norms[t - 1], int(self._codes[symbol][t - 1]), self._scale)
            if said:
                notes.append(f"{symbol}: {said}")
        return Readout(f"t = {t}", tuple(values), " · ".join(notes))

    def hover_scale(self, now: Now) -> Readout | None:
        low, high = self._scale.ends
        batch = self._excerpt.batch_size if self._excerpt else 1
        mean = f", {margins.mean_of(batch)[0]}" if batch > 1 else ""
        return Readout(f"Scale {low} … {high}, logarithmic, fixed", (f"Euclidean norm over units{mean}",), "")
